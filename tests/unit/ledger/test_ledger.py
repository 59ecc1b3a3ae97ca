"""The ledger: what is recorded, what goes on its way, and what survives."""

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.config.environment import ConfigurationError
from processor.domain.errors import ErrorClass, Failure
from processor.domain.files import FileMetadata, FileType, Kind
from processor.domain.identity import Identity
from processor.domain.jobs import Delivered, Job, Status, Step
from processor.domain.timeline import Milestone, timeline_from
from processor.domain.uploads import Part
from processor.ledger.database import (
    SCHEMA_VERSION,
    LedgerBusyError,
    LedgerDamagedError,
    LedgerFullError,
    LedgerLostError,
    LedgerTooNewError,
    Lock,
    connect_reader,
)
from processor.ledger.reader import recorded_objects
from processor.ledger.records import Found, PutAway
from processor.ledger.writer import Ledger
from tests.examples import examples

ROOT = b"/watched"
FAILURE = Failure(ErrorClass.PERMANENT, "x.y", "broken", "mend it")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path, ROOT)
    yield opened
    opened.close()


def found(name: bytes, size: int = 1, modified: int = 1) -> Found:
    return Found(name, size, modified)


def admitted(ledger: Ledger, *names: bytes) -> list[Job]:
    ledger.found([found(name) for name in names], 0)
    jobs, _refused = ledger.admit(100, 10, 0)
    return jobs


def with_checksum(job: Job, checksum: str = "ab" * 32) -> Job:
    return job.with_content(replace(job.file, checksum=checksum))


def columns(path: Path, name: str) -> list[object]:
    with connect_reader(path) as reader:
        return [row[0] for row in reader.execute(f"SELECT {name} FROM file_progress ORDER BY id")]


def test_the_contract_columns_and_indexes_are_there(ledger: Ledger, path: Path) -> None:
    ledger.commit()
    with connect_reader(path) as reader:
        have = [row[1] for row in reader.execute("PRAGMA table_info(file_progress)")]
        indexes = {row[1]: row[2] for row in reader.execute("PRAGMA index_list(file_progress)")}
        assert have[:10] == [
            "id", "file_path", "status", "size_bytes", "processed_bytes", "checksum", "s3_key", "error_message",
            "created_at", "updated_at",
        ]  # fmt: skip
        assert indexes["idx_file_path"] == 1
        assert {"idx_status", "idx_updated_at"} <= indexes.keys()
        assert reader.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_found_file_is_pending_once_however_often_it_is_found(ledger: Ledger, path: Path) -> None:
    assert ledger.found([found(b"a"), found(b"b")], 5).new == 2
    assert ledger.found([found(b"a"), found(b"b")], 6).known == 2
    ledger.commit()
    assert columns(path, "status") == ["pending", "pending"]
    assert columns(path, "file_path") == ["/watched/a", "/watched/b"]


@pytest.mark.parametrize("other", [Identity(9, 2, 3), Identity(1, 9, 3), Identity(1, 2, 9), None])
def test_a_file_of_the_same_size_and_time_that_is_another_is_hashed_again(
    ledger: Ledger, other: Identity | None
) -> None:
    before = replace(found(b"a"), identity=Identity(1, 2, 3))
    ledger.found([before], 0)
    ((job,), _) = ledger.admit(1, 10, 0)
    assert job.file.identity == before.identity
    assert ledger.completed(with_checksum(job), 11, put_away=False)
    assert ledger.found([before], 12).known == 1
    assert ledger.found([replace(before, identity=other)], 13).changed == 1
    ((again,), _) = ledger.admit(1, 99, 0)
    assert again.file.identity == other


def test_the_way_of_a_file_is_known_from_its_first_sight_to_its_end_and_begins_anew_with_another_content(
    ledger: Ledger, path: Path
) -> None:
    def way() -> list[tuple[str, int]]:
        ledger.commit()
        with closing(connect_reader(path)) as reader:
            (text,) = reader.execute("SELECT timeline FROM file_progress").fetchone()
        return [(str(each.milestone), each.at_ms) for each in timeline_from(text).passed()]

    ledger.found([replace(found(b"a"), watched_ms=300)], 1000)
    ((job,), _) = ledger.admit(1, 1010, 0)
    assert way() == [("seen", 700), ("whole", 1000)]
    ledger.try_again(job, FAILURE, 1020, 1020, counts=True)
    ((job,), _) = ledger.admit(1, 2000, 0)
    job = with_checksum(job).reached(Milestone.HASHED, 2001).reached(Milestone.MANIFEST, 2009)
    ledger.completed(job, 2010, put_away=False)
    assert way() == [("seen", 700), ("whole", 1000), ("begun", 2000), ("hashed", 2001), ("manifest", 2009)]
    ledger.found([replace(found(b"a"), size_bytes=9)], 5000)
    assert way() == [("seen", 5000), ("whole", 5000)]


def test_a_file_that_becomes_another_of_the_same_size_and_time_during_its_delivery_goes_again(ledger: Ledger) -> None:
    before = replace(found(b"a"), identity=Identity(1, 2, 3))
    ledger.found([before], 0)
    ((job,), _) = ledger.admit(1, 10, 0)
    ledger.found([replace(before, identity=Identity(1, 4, 5))], 11)
    assert not ledger.completed(with_checksum(job), 12, put_away=True)
    assert ledger.counts()[Status.PENDING] == 1


def before_identities() -> str:
    """Return the schema as it was: what a ledger of version 1 was made by."""
    schema = resources.files("processor.ledger").joinpath("schema.sql").read_text(encoding="utf-8")
    schema = re.sub(r"-- Declarations by which.*(?=-- Facts about)", "", schema, flags=re.DOTALL)  # of version 3
    kept = [line for line in schema.splitlines() if not re.match(r"  (device|inode|changed_ns|timeline) ", line)]
    old = "\n".join(kept).replace("  due_at INTEGER, ", "  due_at INTEGER ")
    return re.sub(r"user_version = \d+", "user_version = 1", old)


def test_a_ledger_of_before_identities_opens_and_has_its_files_hashed_again(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(before_identities())
        old.execute(
            "INSERT INTO file_progress"
            " (file_path,status,size_bytes,checksum,created_at,updated_at,modified_ns,delivered)"
            " VALUES ('/watched/a','completed',1,?,0,0,1,'manifest')",
            ("ab" * 32,),
        )
        old.commit()
    with closing(Ledger(path, ROOT)) as ledger:
        assert ledger.counts()[Status.COMPLETED] == 1
        assert ledger.found([replace(found(b"a"), identity=Identity(1, 2, 3))], 12).changed == 1
        ((again,), _) = ledger.admit(1, 99, 0)
        assert (again.known_checksum, again.delivered) == ("ab" * 32, Delivered.MANIFEST)
    with closing(Ledger(path, ROOT)) as ledger:
        assert ledger.counts()[Status.IN_PROGRESS] == 1


def test_what_became_of_an_older_content_is_not_told_of_a_newer_one(ledger: Ledger) -> None:
    completed(ledger, b"a", put_away=True)
    file = to_put_away(ledger)
    ledger.found([found(b"a", modified=2)], 3)
    ledger.put_away(file, 4, gone=True)
    ledger.put_away(file, 4, gone=False)
    ((job,), _) = ledger.admit(1, 10, 0)
    assert job.file.modified_ns == 2


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_a_file_that_its_writer_held_is_put_away_when_it_is_found_closed_or_at_the_next_start(
    ledger: Ledger, status: Status
) -> None:
    (job,) = admitted(ledger, b"a")
    if status is Status.FAILED:
        ledger.failed(job, FAILURE, (), 2)
    else:
        ledger.completed(with_checksum(job), 2, put_away=True)
    file = to_put_away(ledger, status)
    ledger.put_away(file, 3, gone=False, held=True)
    assert ledger.to_put_away(status, 10) == []
    intake = ledger.found([found(b"a")], 4)
    assert (intake.known, intake.released) == (1, 1)
    assert to_put_away(ledger, status).row == file.row
    ledger.put_away(file, 5, gone=False, held=True)
    ledger.recover(6)
    assert to_put_away(ledger, status).row == file.row


def test_files_go_on_their_way_in_the_order_they_came_as_far_as_there_is_room(ledger: Ledger) -> None:
    for number in range(5):
        ledger.found([found(b"%d" % number)], number)
    jobs, _ = ledger.admit(2, 100, 0)
    assert [job.file.relative_path for job in jobs] == [b"0", b"1"]
    jobs, _ = ledger.admit(10, 100, 0)
    assert [job.file.relative_path for job in jobs] == [b"2", b"3", b"4"]


def test_files_are_admitted_in_their_order_while_any_room_is_left_whatever_they_take(ledger: Ledger) -> None:
    for number, size in enumerate((1, 4, 4, 1, 1)):
        ledger.found([found(b"%d" % number, size)], number)

    def admit(room: int) -> list[bytes]:
        jobs, _ = ledger.admit(room, 100, 0, lambda file: file.size_bytes)
        return [job.file.relative_path for job in jobs]

    assert admit(0) == []
    assert admit(2) == [b"0", b"1"]
    assert admit(1) == [b"2"]
    assert admit(9) == [b"3", b"4"]


def test_the_order_in_which_files_are_listed_leaves_no_page_half_empty(tmp_path: Path) -> None:
    sizes = []
    for step in (1, -1):
        path = tmp_path / f"{step}.db"
        ledger = Ledger(path, ROOT)
        names = [b"directory/a-file-with-a-name-of-the-usual-length-%06d" % number for number in range(5000)][::step]
        for start in range(0, len(names), 1000):
            ledger.found([found(name) for name in names[start : start + 1000]], start)
        ledger.close()
        sizes.append(path.stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_a_completed_file_is_not_admitted_again_until_it_changes(ledger: Ledger) -> None:
    (job,) = admitted(ledger, b"a")
    job = with_checksum(job)
    ledger.content_known(job, 1)
    assert ledger.completed(job, 2, put_away=False)
    assert ledger.found([found(b"a")], 3).known == 1
    assert ledger.admit(1, 10, 0) == ([], [])
    assert ledger.found([found(b"a", modified=2)], 4).changed == 1
    ((again,), _) = ledger.admit(1, 10, 0)
    assert again.attempt == 2
    assert again.known_checksum == job.file.checksum
    assert again.delivered is Delivered.MANIFEST


def completed(ledger: Ledger, name: bytes, *, put_away: bool = False) -> Job:
    (job,) = admitted(ledger, name)
    job = with_checksum(job)
    ledger.content_known(job, 1)
    assert ledger.completed(job, 2, put_away=put_away)
    return job


def to_put_away(ledger: Ledger, status: Status = Status.COMPLETED) -> PutAway:
    (file,) = ledger.to_put_away(status, 10)
    return file


def test_a_delivered_file_that_was_put_away_is_not_delivered_once_more(ledger: Ledger) -> None:
    completed(ledger, b"a", put_away=True)
    ledger.put_away(to_put_away(ledger), 3, gone=True)
    assert ledger.reprocess(None, 0, 4) == 0
    assert ledger.counts()[Status.COMPLETED] == 1


def test_a_delivered_file_is_delivered_once_more_when_asked_for_and_stays_delivered_when_it_is_gone(
    ledger: Ledger,
) -> None:
    completed(ledger, b"a")
    assert ledger.reprocess(ROOT + b"/a", None, 4) == 1
    ((again,), _) = ledger.admit(1, 10, 0)
    read = with_checksum(again)
    assert read.delivered is Delivered.NOTHING, "the same content goes all the way again"
    assert not read.was_begun, "and is not looked for"
    assert ledger.vanished(again, 11)
    assert ledger.counts()[Status.COMPLETED] == 1


def test_a_file_that_changed_while_on_its_way_is_delivered_once_more(ledger: Ledger) -> None:
    (job,) = admitted(ledger, b"a")
    ledger.found([found(b"a", size=2)], 1)
    assert not ledger.completed(with_checksum(job), 2, put_away=False)
    ((again,), _) = ledger.admit(1, 10, 0)
    assert again.file.size_bytes == 2


def test_what_was_on_its_way_is_pending_after_recovery_and_its_places_are_remembered(
    ledger: Ledger, path: Path
) -> None:
    admitted(ledger, b"a.zip", b"b.csv")
    ledger.close()
    again = Ledger(path, ROOT)
    assert again.recover(5) == 2
    again.commit()
    assert columns(path, "status") == ["pending", "pending"]
    assert again.orphan_places() == ("a.zip/", "b.csv.parquet")
    again.recover(6)
    assert again.orphan_places() == ("a.zip/", "b.csv.parquet"), "until they were looked at, whatever happens"
    again.orphans_aborted()
    assert again.orphan_places() == ()
    again.close()


def test_what_a_killed_first_try_may_have_stored_is_looked_for(ledger: Ledger) -> None:
    (job,) = admitted(ledger, b"a")
    assert not with_checksum(job).was_begun
    ledger.recover(20)
    ((again,), _) = ledger.admit(1, 20, 0)
    assert with_checksum(again).was_begun


def test_nothing_is_recorded_before_the_commit(ledger: Ledger, path: Path) -> None:
    ledger.commit()
    ledger.found([found(b"a")], 0)
    assert columns(path, "status") == []
    ledger.rollback()
    ledger.commit()
    assert columns(path, "status") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"b.csv", b"b.csv.parquet"),
        (b"b.csv.parquet", b"b.csv"),
        (b"c.zip", b"c.zip/inside.txt"),
        (b"c.zip/inside.txt", b"c.zip"),
        (b"b.csv", b"b.csv.parquet.rejects.jsonl"),
    ],
)
def test_a_key_that_belongs_to_another_source_is_refused(ledger: Ledger, first: bytes, second: bytes) -> None:
    assert len(admitted(ledger, first)) == 1
    ledger.found([found(second)], 20)
    jobs, ((refused, failure),) = ledger.admit(10, 30, 0)
    assert jobs == []
    assert refused.file.relative_path == second
    assert failure.code == "key.taken"


@given(st.lists(st.sampled_from([b"a.csv", b"a.csv.parquet", b"a.csv.parquet.parquet", b"a.zip", b"a.zip/x.csv",
                                 b"a.zip/x.csv.parquet", b"a", b"a/x"]), unique=True))  # fmt: skip
@settings(max_examples=examples(50))
def test_admitted_files_never_share_a_key(tmp_path_factory: pytest.TempPathFactory, names: list[bytes]) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "l.db", ROOT)
    jobs = admitted(ledger, *names)
    keys = []
    for job in jobs:
        name = job.file.relative_path.decode()
        keys.append(f"{name}.parquet" if name.endswith(".csv") else f"{name}/" if name.endswith(".zip") else name)
    for key in keys:
        assert not [other for other in keys if other is not key and (other == key or other.startswith(key + "/"))
                    and key.endswith("/")]  # fmt: skip
        assert keys.count(key) == 1
    ledger.close()


def test_tries_are_counted_only_when_they_are_the_files_own(ledger: Ledger) -> None:
    (job,) = admitted(ledger, b"a")
    ledger.try_again(job, FAILURE, 20, 1, counts=True)
    ledger.admit(1, 15, 0)
    ((job,), _) = ledger.admit(1, 25, 0)
    ledger.try_again(job, FAILURE, 30, 1, counts=False)
    assert ledger.tries(job.row) == 1
    assert ledger.next_due_ms() == 30


def test_a_failed_file_is_put_away_with_its_reason_even_after_a_restart(ledger: Ledger, path: Path) -> None:
    (job,) = admitted(ledger, b"d/a")
    ledger.failed(job, FAILURE, (("m", FAILURE),), 7)
    ledger.close()
    again = Ledger(path, ROOT)
    (file,) = again.to_put_away(Status.FAILED, 10)
    assert (file.relative_path, file.failure, file.bad_members) == (b"d/a", FAILURE, (("m", FAILURE),))
    assert file.step == Step.CHECKSUM_CALCULATION
    again.put_away(file, 8, gone=True)
    assert again.to_put_away(Status.FAILED, 10) == []
    assert again.found([found(b"d/a")], 9).changed == 1, "the file is gone, so this is a new one"
    again.close()


def test_a_delivered_file_that_could_not_be_put_away_is_tried_again_at_the_next_start_alone(ledger: Ledger) -> None:
    job = completed(ledger, b"a", put_away=True)
    completed(ledger, b"kept")
    assert [file.row for file in ledger.to_put_away(Status.COMPLETED, 10)] == [job.row]
    ledger.put_away(to_put_away(ledger), 3, gone=False)
    assert ledger.to_put_away(Status.COMPLETED, 10) == []
    ledger.recover(4)
    assert [file.row for file in ledger.to_put_away(Status.COMPLETED, 10)] == [job.row]


def test_a_failed_file_that_could_not_be_moved_is_not_tried_for_ever(ledger: Ledger) -> None:
    (job,) = admitted(ledger, b"a")
    ledger.failed(job, FAILURE, (), 7)
    ledger.put_away(to_put_away(ledger, Status.FAILED), 8, gone=False)
    assert ledger.found([found(b"a")], 9).known == 1
    assert ledger.admit(1, 99, 0) == ([], [])


def test_parts_are_known_after_a_restart_and_forgotten_with_other_content(ledger: Ledger, path: Path) -> None:
    (job,) = admitted(ledger, b"a")
    job = with_checksum(job)
    ledger.content_known(job, 1)
    ledger.upload_opened(job.row, "a", "u1")
    part = Part(1, 8, "cd" * 32, "e")
    ledger.part_stored(job.row, "a", part)
    ledger.close()
    again = Ledger(path, ROOT)
    again.recover(2)
    ((job,), _) = again.admit(1, 10, 0)
    (upload,) = again.open_uploads(job.row)
    assert upload.resumption.parts == {1: part}
    assert again.content_known(with_checksum(job), 3) == []
    stale = again.content_known(with_checksum(job, "ef" * 32), 3)
    assert [each.resumption.upload_id for each in stale] == ["u1"]
    assert again.open_uploads() == []
    again.close()


def test_stored_members_are_told_as_ranges_and_gone_when_all_is_delivered(ledger: Ledger, path: Path) -> None:
    (job,) = admitted(ledger, b"a.zip")
    for member in (0, 1, 2, 5, 7, 8):
        ledger.object_stored(job.row, member, 0, {"key": str(member)}, 10)
    ledger.commit()
    with recorded_objects(path, job.row) as details:
        assert [each["key"] for each in details] == ["0", "1", "2", "5", "7", "8"]
    ledger.recover(1)
    ((job,), _) = ledger.admit(1, 10, 0)
    assert job.stored_members == ((0, 3), (5, 6), (7, 9))
    ledger.completed(with_checksum(job), 11, put_away=False)
    ledger.commit()
    with recorded_objects(path, job.row) as details:
        assert list(details) == []


def test_names_that_are_not_utf8_come_back_as_they_were(ledger: Ledger) -> None:
    names = [b"\xff\xfe", b"100%41", "\u00e9\n'\"".encode(), b"d\\x"]
    assert sorted(job.file.relative_path for job in admitted(ledger, *names)) == sorted(names)


def test_files_of_another_watched_directory_are_left_alone(ledger: Ledger, path: Path) -> None:
    ledger.found([found(b"a")], 0)
    ledger.close()
    other = Ledger(path, b"/elsewhere")
    assert other.admit(10, 10, 0) == ([], [])
    assert other.next_due_ms() is None
    other.close()


def test_two_daemons_can_not_own_one_ledger(path: Path) -> None:
    lock = Lock(path)
    with pytest.raises(LedgerBusyError, match="another processor"):
        Lock(path)
    lock.release()
    Lock(path).release()


def test_a_lock_file_that_is_removed_lets_no_second_daemon_in(ledger: Ledger, path: Path) -> None:
    lock = Lock(path)
    lock.path.unlink()
    second = Lock(path)
    with pytest.raises(LedgerBusyError, match="another processor"):
        Ledger(path, b"/in")
    ledger.close()
    Ledger(path, b"/in").close()
    second.release()
    lock.release()


@pytest.mark.parametrize("place", ["missing/progress.db", "file/progress.db"])
def test_a_place_where_no_ledger_can_be_kept_is_a_wrong_setting(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="PROGRESS_DB_PATH="):
        Lock(tmp_path / place)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_ledger_that_stays_away_while_it_is_open_is_noticed(ledger: Ledger, path: Path, *, replaced: bool) -> None:
    elsewhere = path.with_name("elsewhere")
    for now in (0.0, 10.0):
        path.rename(elsewhere)
        if replaced:
            path.touch()
        ledger.see(now)
        elsewhere.replace(path)
        ledger.see(now + 1)
    path.rename(elsewhere)
    ledger.see(20.0)
    with pytest.raises(LedgerLostError, match="processor rebuild"):
        ledger.see(26.0)


def test_a_file_that_is_no_ledger_is_noticed(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(LedgerDamagedError):
        Ledger(path, ROOT)


def test_a_flipped_page_is_noticed(path: Path) -> None:
    ledger = Ledger(path, ROOT)
    ledger.found([found(b"%06d" % number) for number in range(2000)], 0)
    ledger.close()
    data = bytearray(path.read_bytes())
    chance = random.Random(1)
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 512] = chance.randbytes(512)
    path.write_bytes(data)
    with pytest.raises(LedgerDamagedError):
        Ledger(path, ROOT)


def test_a_ledger_of_a_later_version_is_not_touched(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LedgerTooNewError, match="upgrade"):
        Ledger(path, ROOT)


def test_a_full_disk_is_told_and_loses_nothing_that_was_committed(ledger: Ledger) -> None:
    ledger.found([found(b"a")], 0)
    ledger.commit()
    ledger._db.execute("PRAGMA max_page_count=20")
    with pytest.raises(LedgerFullError):
        ledger.found([found(b"%0900d" % number) for number in range(1000)], 0)
    ledger.rollback()
    ledger._db.execute("PRAGMA max_page_count=1073741823")
    assert ledger.found([found(b"a"), found(b"b")], 0) == ledger.found([found(b"x")], 0).__class__(1, 0, 1)


def test_a_manifest_enters_a_file_that_is_not_known_and_changes_none_that_is(ledger: Ledger) -> None:
    file = FileMetadata(b"/watched/a", b"a", 1, 1, 0, Kind(FileType.REGULAR), "ab" * 32)
    assert ledger.rebuilt(file, 5, "a")
    assert not ledger.rebuilt(file, 6, "a")
    assert ledger.found([found(b"a")], 7).known == 1


EVENTS = st.lists(
    st.sampled_from(["find", "change", "admit", "content", "object", "complete", "fail", "retry", "crash", "commit"]),
    max_size=40,
)


@given(EVENTS, st.integers(0, 2**32))
@settings(max_examples=examples(60))
def test_any_sequence_of_events_then_recovery_loses_no_file(
    tmp_path_factory: pytest.TempPathFactory, events: list[str], seed: int
) -> None:
    path, chance = tmp_path_factory.mktemp("ledger") / "l.db", random.Random(seed)
    ledger, jobs, committed, uncommitted, now = Ledger(path, ROOT), [], set(), set(), 0
    names = [b"a", b"b.csv", b"c.zip"]
    for event in events:
        now += 1
        job = chance.choice(jobs) if jobs else None
        match event:
            case "find" | "change":
                name = chance.choice(names)
                ledger.found([found(name, modified=now if event == "change" else 1)], now)
                uncommitted.add(name)
            case "admit":
                jobs += ledger.admit(2, now, 0)[0]
            case "content" if job:
                ledger.content_known(with_checksum(job), now)
            case "object" if job:
                ledger.object_stored(job.row, chance.randrange(3), 0, {}, 1)
            case "complete" if job:
                jobs.remove(job)
                ledger.completed(with_checksum(job), now, put_away=False)
            case "fail" if job:
                jobs.remove(job)
                ledger.failed(job, FAILURE, (), now)
            case "retry" if job:
                jobs.remove(job)
                ledger.try_again(job, FAILURE, now, now, counts=True)
            case "commit":
                ledger.commit()
                committed |= uncommitted
            case "crash":
                ledger.rollback()
                ledger.close()
                ledger, jobs, uncommitted = Ledger(path, ROOT), [], set()
                ledger.recover(now)
                ledger.commit()
            case _:
                pass
    ledger.close()
    ledger = Ledger(path, ROOT)
    ledger.recover(now)
    ledger.commit()
    known = {row.encode().removeprefix(b"/watched/") for row in columns(path, "file_path")}
    assert committed <= known
    assert ledger.counts()[Status.IN_PROGRESS] == 0
    jobs, refused = ledger.admit(10, now + 1, 0)
    waiting = len(jobs) + len(refused)
    counts = ledger.counts()
    assert waiting + counts[Status.COMPLETED] + counts[Status.FAILED] == len(known)
    ledger.close()
