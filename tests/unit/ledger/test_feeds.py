"""The ledger knows by which declaration a file was read, and whose a key is that a template made."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processor.domain.feeds import FeedMark, Feeds
from processor.domain.files import FileType, Kind
from processor.domain.jobs import Job
from processor.feeds.load import parse_feeds
from processor.ledger.reader import delivered_by_feed
from processor.ledger.records import Found
from processor.ledger.writer import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path, b"/in")
    yield opened
    opened.close()


def feeds(more: str = "") -> Feeds:
    return parse_feeds(f'[[feed]]\nname = "logs"\nmatch = ["logs/"]\n{more}', "x")


def delivered(ledger: Ledger, name: bytes, using: Feeds, *, at: int = 0) -> Job:
    ledger.found([Found(name, 1, at)], at)
    ((job,), _) = ledger.admit(1, at + 1, 0, feeds=using)
    job = job.with_content(replace(job.file, checksum="ab" * 32, kind=Kind(FileType.REGULAR)))
    ledger.content_known(job, at + 1)
    assert ledger.completed(job, at + 1, put_away=False)
    ledger.commit()
    return job


def test_files_are_counted_by_declaration_and_those_of_older_ones_are_reprocessed(ledger: Ledger, path: Path) -> None:
    old, new = feeds(), feeds('format = "csv"\n')
    (was,), (now,) = old.feeds, new.feeds
    delivered(ledger, b"logs/a", old)
    delivered(ledger, b"logs/b", new, at=10)
    delivered(ledger, b"other", new, at=20)
    delivered(ledger, b"logs/c", Feeds(), at=30)
    assert delivered_by_feed(path) == {was.mark: 1, now.mark: 1}
    assert ledger.reprocess_feed("nothing", new, 40) == 0
    assert ledger.reprocess_feed("logs", new, 40) == 2, "a, of the older one, and c, of none"
    jobs, _ = ledger.admit(10, 50, 0, feeds=new)
    assert {job.file.relative_path for job in jobs} == {b"logs/a", b"logs/c"}


def test_an_archive_is_of_the_feeds_of_its_members(ledger: Ledger, path: Path) -> None:
    ledger.found([Found(b"x.zip", 1, 1)], 0)
    ((job,), _) = ledger.admit(1, 1, 0, feeds=feeds())
    for member, mark in enumerate((FeedMark("logs", "1"), FeedMark("logs", "1"), FeedMark("other", "2"), None)):
        ledger.object_stored(job.row, member, 0, {}, 1, mark)
    job = job.with_content(replace(job.file, checksum="ab" * 32))
    assert ledger.completed(job, 2, put_away=False)
    ledger.commit()
    assert delivered_by_feed(path) == {FeedMark("logs", "1"): 1, FeedMark("other", "2"): 1}


def test_a_claimed_key_is_one_source_s_and_one_member_s(ledger: Ledger) -> None:
    one, other = delivered(ledger, b"one.zip", Feeds()), delivered(ledger, b"other.zip", Feeds(), at=10)
    assert ledger.claim(one.row, b"one.zip", 3, ("k", "k.rejects.jsonl")) is None
    assert ledger.claim(one.row, b"one.zip", 3, ("k",)) is None
    for row, name, member in ((one.row, b"one.zip", 4), (other.row, b"other.zip", 3)):
        taken = ledger.claim(row, name, member, ("k",))
        assert taken is not None
        assert taken.code == "key.taken"
    ledger.claims_open(one.row)
    assert ledger.claim(one.row, b"one.zip", 4, ("k",)) is None, "its content is another"
    assert ledger.claim(other.row, b"other.zip", 4, ("k",)) is not None


def test_claimed_and_mirrored_keys_do_not_meet(ledger: Ledger) -> None:
    owner = delivered(ledger, b"owner", Feeds())
    plain = delivered(ledger, b"a.bin", Feeds(), at=10)
    assert ledger.claim(owner.row, b"owner", -1, ("a.bin",)) is not None, "that key mirrors a.bin"
    assert ledger.claim(owner.row, b"owner", -1, ("b.csv.parquet", "c.zip/x")) is None
    ledger.found([Found(b"b.csv", 1, 1), Found(b"b.csv.parquet", 1, 1), Found(b"c.zip", 1, 1), Found(b"d", 1, 1)], 20)
    jobs, refused = ledger.admit(10, 30, 0)
    assert [job.file.relative_path for job in jobs] == [b"d"]
    assert {failure.code for _job, failure in refused} == {"key.taken"}
    assert plain.row != owner.row
