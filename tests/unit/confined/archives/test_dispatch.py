"""What becomes of members: as they are, as Parquet, opened in turn; limits; what is stored already."""

import bz2
import io
import lzma
import os
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet
import pytest
from zstandard import compress as zstd

from processor.confined.archives.extract import extract
from processor.confined.archives.member_source import LargeMember
from processor.confined.formats import convert
from processor.domain.archives import ArchiveLimits, ExtractionOptions, NestedArchives
from processor.domain.conversion import ConversionOptions, DataFormat, MalformedRows
from processor.domain.feeds import Feed, Feeds
from processor.domain.files import ArchiveKind
from processor.domain.selection import LEFT_OUT
from processor.feeds.patterns import member_patterns, path_patterns
from processor.streams.source import BytesSource, open_file
from tests.unit.confined.archives.recording import (
    HoldingRecordingSink,
    RecordingOutput,
    RecordingSink,
    gz,
    take,
    take_source,
    tar_of,
    zip_of,
)

CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(500))
LARGE_CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(30_000))
SMALL_BUFFER = ExtractionOptions(buffer_bytes=100_000)
OPEN_NESTED = ExtractionOptions(nested=NestedArchives.EXTRACT)

PACKED = {
    "a.zip": zip_of,
    "a.tar": tar_of,
    "a.tar.gz": lambda files: gz(tar_of(files)),
}
every_kind = pytest.mark.parametrize("name", PACKED)


def rows(parquet: bytes) -> int:
    return int(pyarrow.parquet.read_table(io.BytesIO(parquet)).num_rows)


@every_kind
def test_data_members_become_parquet_and_others_stay_as_they_are(name: str) -> None:
    taken = take(PACKED[name]([("d/t.csv", CSV), ("d/t.pdf", b"%PDF-")]), name)
    assert rows(taken.members["d/t.csv"]) == 500
    assert taken.members["d/t.pdf"] == b"%PDF-"
    table = taken.receipts["d/t.csv"].table
    assert table is not None
    assert table.rows == 500
    assert taken.receipts["d/t.csv"].size_bytes == len(CSV)


def test_a_lone_compressed_table_becomes_parquet() -> None:
    assert rows(take(gz(CSV), "t.csv.gz").members["t.csv"]) == 500


@every_kind
def test_a_data_member_larger_than_the_buffer_becomes_the_same_parquet(name: str) -> None:
    data = PACKED[name]([("x", b"before"), ("t.csv", LARGE_CSV), ("y", b"after")])
    small, large = take(data, name, SMALL_BUFFER), take(data, name)
    assert small.members == large.members
    assert small.receipts == large.receipts
    assert rows(small.members["t.csv"]) == 30_000


@every_kind
def test_a_bad_table_costs_no_other_member(name: str) -> None:
    taken = take(PACKED[name]([("bad.json", b'{"a": '), ("t.csv", CSV), ("x", b"1")]), name)
    assert set(taken.bad) == {"bad.json"}
    assert set(taken.members) == {"t.csv", "x"}
    assert taken.failure is None


def test_a_member_whose_content_is_not_what_its_name_says_is_delivered_as_it_is() -> None:
    taken = take(tar_of([("t.csv", b"\x7fELF...")]), "a.tar")
    assert taken.members == {"t.csv": b"\x7fELF..."}


@every_kind
def test_members_that_are_stored_already_are_not_sent_again_and_keep_their_identity(name: str) -> None:
    files = [(f"f{n}.bin", bytes([n]) * 1000) for n in range(10)]
    whole = take(PACKED[name](files), name)
    rest = take(PACKED[name](files), name, stored=lambda member: member.index < 4)
    assert set(rest.members) == {f"f{n}.bin" for n in range(4, 10)}
    assert rest.indexes.items() <= whole.indexes.items()
    assert rest.entries == whole.entries == 10


def test_a_corrupt_large_table_is_bad_whatever_its_converter_made_of_the_half() -> None:
    whole = bytearray(zip_of([("t.csv", LARGE_CSV), ("x", b"1")], method=0))
    whole[300_000] ^= 1
    taken = take(bytes(whole), "a.zip", SMALL_BUFFER)
    assert taken.bad["t.csv"].code == "archive.corrupt"
    assert taken.members == {"x": b"1"}


def test_a_tar_that_ends_within_a_large_table_is_broken_and_the_table_not_complete() -> None:
    taken = take(tar_of([("x", b"1"), ("t.csv", LARGE_CSV)])[:300_000], "a.tar", SMALL_BUFFER)
    assert taken.members == {"x": b"1"}
    assert taken.failure is not None
    assert taken.failure.code == "archive.truncated"
    assert taken.bad["t.csv"].code == "archive.truncated"


# Nested archives


def nested(depth: int) -> bytes:
    data = tar_of([("core.txt", b"core")])
    for level in range(depth - 1, 0, -1):
        data = zip_of([(f"level{level}.tar" if level == depth - 1 else f"level{level}.zip", data)])
    return data


def test_nested_archives_are_kept_as_they_are() -> None:
    inner = tar_of([("t.csv", CSV)])
    assert take(zip_of([("in.tar", inner)]), "a.zip").members == {"in.tar": inner}


def test_nested_archives_are_opened_when_told_to() -> None:
    inner = gz(tar_of([("t.csv", CSV), ("x", b"1")]))
    taken = take(zip_of([("d/in.tgz", inner), ("y", b"2")]), "a.zip", OPEN_NESTED)
    assert set(taken.members) == {"d/in.tgz/t.csv", "d/in.tgz/x", "y"}
    assert taken.indexes == {"d/in.tgz/t.csv": 1, "d/in.tgz/x": 2, "y": 3}


def test_archives_are_opened_as_deep_as_the_setting_says_and_no_deeper() -> None:
    assert take(nested(3), "a.zip", OPEN_NESTED).members == {"level1.zip/level2.tar/core.txt": b"core"}
    taken = take(nested(4), "a.zip", OPEN_NESTED)
    assert taken.members == {}
    assert [failure.code for failure in taken.bad.values()] == ["archive.too-deep"]
    assert "MAX_ARCHIVE_DEPTH" in str(next(iter(taken.bad.values())))


def test_an_archive_that_holds_ever_more_archives_ends_at_the_depth_limit() -> None:
    """What a quine zip does, which is its own member."""
    data = b"the end"
    for _ in range(40):
        data = zip_of([("again.zip", data if data != b"the end" else zip_of([])), ("again2.zip", zip_of([]))])
    taken = take(data, "a.zip", OPEN_NESTED)
    assert {failure.code for failure in taken.bad.values()} == {"archive.too-deep"}


def test_a_broken_nested_archive_costs_only_its_own_members() -> None:
    inner = bytearray(gz(tar_of([("x", os.urandom(5000))])))
    inner[-5] ^= 1
    taken = take(tar_of([("in.tar.gz", bytes(inner)), ("y", b"2")]), "a.tar", OPEN_NESTED)
    assert taken.members == {"y": b"2"}
    assert {key for key in taken.bad if "/" not in key} == {"in.tar.gz"}
    assert taken.failure is None


def test_nested_archives_larger_than_the_buffer_are_read_as_they_pass() -> None:
    options = replace(SMALL_BUFFER, nested=NestedArchives.EXTRACT)
    files = [(f"f{n}", random.Random(n).randbytes(50_000)) for n in range(10)]
    for suffix, inner in (("tar", tar_of(files)), ("tgz", gz(tar_of(files)))):
        for outer, data in (
            ("a.tar", tar_of([(f"in.{suffix}", inner)])),
            ("a.tgz", gz(tar_of([(f"in.{suffix}", inner)]))),
        ):
            taken = take(data, outer, options)
            assert taken.members == {f"in.{suffix}/{name}": content for name, content in files}


OPEN_LARGE = replace(SMALL_BUFFER, nested=NestedArchives.EXTRACT)
LARGE_FILES = [(f"f{n}", random.Random(n).randbytes(50_000)) for n in range(6)]
AROUND = {
    "stored.zip": partial(zip_of, method=0),
    "deflated.zip": zip_of,
    "a.tar": tar_of,
    "a.tgz": lambda files: gz(tar_of(files)),
}
around = pytest.mark.parametrize("outer", AROUND)


@around
@pytest.mark.parametrize("method", [0, 8], ids=["stored", "deflated"])
def test_a_nested_zip_larger_than_the_buffer_is_opened(outer: str, method: int) -> None:
    inner = zip_of([*LARGE_FILES, ("t.csv", LARGE_CSV)], method=method)
    taken = take(AROUND[outer]([("a", b"1"), ("in.zip", inner), ("z", b"2")]), outer, OPEN_LARGE)
    table = taken.members.pop("in.zip/t.csv")
    assert rows(table) == 30_000
    assert taken.members == {"a": b"1", "z": b"2"} | {f"in.zip/{name}": content for name, content in LARGE_FILES}
    assert taken.codes == set()


def test_large_zips_within_large_zips_are_opened_as_deep_as_the_setting_says() -> None:
    inner = zip_of(LARGE_FILES, method=0)
    outer = gz(tar_of([("b.zip", zip_of([("c.zip", inner)], method=0))]))
    taken = take(outer, "a.tgz", OPEN_LARGE)
    assert taken.members == {f"b.zip/c.zip/{name}": content for name, content in LARGE_FILES}
    flat = replace(OPEN_LARGE, limits=ArchiveLimits(depth=2))
    assert {failure.code for failure in take(outer, "a.tgz", flat).bad.values()} == {"archive.too-deep"}


def test_a_large_nested_zip_whose_members_lie_out_of_order_is_kept_as_it_is_and_says_so() -> None:
    inner = bytearray(zip_of(LARGE_FILES[:4], method=0))
    start = inner.index(b"PK\x01\x02")
    size = (len(inner) - 22 - start) // 4
    records = [inner[start + n * size : start + (n + 1) * size] for n in (2, 0, 3, 1)]
    inner[start : start + 4 * size] = b"".join(records)
    assert take(bytes(inner), "in.zip").members == dict(LARGE_FILES[:4])
    taken = take(tar_of([("in.zip", bytes(inner)), ("z", b"2")]), "a.tar", OPEN_LARGE)
    assert taken.members == {"in.zip": bytes(inner), "z": b"2"}
    assert "order" in taken.mismatches["in.zip"]


def test_a_large_nested_zip_far_behind_in_a_compressed_tar_is_kept_as_it_is_and_says_so() -> None:
    inner = zip_of(LARGE_FILES, method=0)
    files = [("before", bytes(17 * len(inner))), ("in.zip", inner)]
    taken = take(gz(tar_of(files)), "a.tgz", OPEN_LARGE)
    assert taken.members == dict(files)
    assert "again" in taken.mismatches["in.zip"]
    assert set(take(tar_of(files), "a.tar", OPEN_LARGE).members) > {f"in.zip/{name}" for name, _ in LARGE_FILES}


@around
def test_a_damaged_large_nested_zip_costs_only_its_own_members(outer: str) -> None:
    inner = bytearray(zip_of(LARGE_FILES, method=0))
    inner[120_000] ^= 1
    taken = take(AROUND[outer]([("in.zip", bytes(inner)), ("z", b"2")]), outer, OPEN_LARGE)
    assert {failure.code for failure in taken.bad.values()} == {"archive.corrupt"}
    assert set(taken.bad) == {"in.zip/f2"}
    assert set(taken.members) == {"z"} | {f"in.zip/{name}" for name, _ in LARGE_FILES if name != "f2"}


def test_a_large_nested_zip_that_the_outer_archive_damages_gives_nothing() -> None:
    whole = bytearray(zip_of([("in.zip", zip_of(LARGE_FILES, method=0)), ("z", b"2")], method=0))
    whole[200_000] ^= 1
    taken = take(bytes(whole), "a.zip", OPEN_LARGE)
    assert taken.members == {"z": b"2"}
    assert {key: failure.code for key, failure in taken.bad.items()} == {"in.zip": "archive.corrupt"}


@pytest.mark.parametrize("percent", range(5, 100, 10))
def test_a_large_nested_zip_cut_off_gives_no_wrong_member(percent: int) -> None:
    inner = zip_of(LARGE_FILES, method=0)
    taken = take(tar_of([("in.zip", inner[: len(inner) * percent // 100]), ("z", b"2")]), "a.tar", OPEN_LARGE)
    assert taken.codes <= {"archive.truncated"}
    assert taken.members.pop("z") == b"2"
    assert taken.members == {} or "in.zip" not in taken.bad


def test_an_outer_archive_that_breaks_within_a_nested_one_is_broken_itself() -> None:
    options = replace(SMALL_BUFFER, nested=NestedArchives.EXTRACT)
    inner = tar_of([(f"f{n}", os.urandom(50_000)) for n in range(10)])
    taken = take(tar_of([("in.tar", inner)])[:300_000], "a.tar", options)
    assert taken.failure is not None
    assert taken.failure.code == "archive.truncated"


# Limits


@every_kind
@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        (ArchiveLimits(archive_bytes=150_000), "MAX_ARCHIVE_BYTES"),
        (ArchiveLimits(ratio=2, ratio_free_bytes=1000), "MAX_ARCHIVE_RATIO"),
        (ArchiveLimits(members=2), "MAX_ARCHIVE_MEMBERS"),
    ],
)
def test_an_archive_beyond_a_limit_fails_with_the_settings_name(name: str, limits: ArchiveLimits, setting: str) -> None:
    if setting == "MAX_ARCHIVE_RATIO" and name == "a.tar":
        pytest.skip("nothing comes out of a tar that is not in it")
    files = [(f"f{n}", bytes(100_000)) for n in range(3)]
    taken = take(PACKED[name](files), name, ExtractionOptions(limits))
    assert taken.failure is not None
    assert taken.failure.code == "archive.too-large"
    assert setting in taken.failure.message
    assert len(taken.members) < 3


@pytest.mark.parametrize(("suffix", "pack"), [("bz2", bz2.compress), ("gz", gz), ("xz", lzma.compress), ("zst", zstd)])
def test_a_small_bomb_is_stopped_after_a_few_mebibytes(suffix: str, pack: Callable[[bytes], bytes]) -> None:
    data = pack(b"1,2\n" * (3 << 20))
    taken = take(data, f"x.csv.{suffix}", ExtractionOptions(ArchiveLimits(ratio=100)))
    assert taken.failure is not None
    assert taken.failure.code == "archive.too-large"
    assert "MAX_ARCHIVE_RATIO" in taken.failure.message
    assert taken.members == {}


def test_the_ratio_holds_after_the_first_mebibyte() -> None:
    lines = b"line\n" * ((1 << 20) // 5)
    assert set(take(bz2.compress(lines), "x.txt.bz2").members) == {"x.txt"}
    taken = take(bz2.compress(lines * 2), "x.txt.bz2")
    assert taken.failure is not None
    assert "MAX_ARCHIVE_RATIO=1000" in taken.failure.message
    assert taken.members == {}


APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60)


@every_kind
@pytest.mark.parametrize("suffix", ["csv", "json", "xml", "csv.gz", "zip", "txt"])
def test_side_files_of_a_mac_are_delivered_as_they_are(name: str, suffix: str) -> None:
    feeds = Feeds((Feed("all", path_patterns("*"), DataFormat.CSV),))
    options = replace(OPEN_NESTED, feeds=feeds, path=b"a")
    sides = {f"__MACOSX/._t.{suffix}": APPLE_DOUBLE, f"d/._u.{suffix}": APPLE_DOUBLE}
    taken = take(PACKED[name]([("t.csv", CSV), *sides.items()]), name, options)
    assert not taken.codes
    assert {key: taken.members[key] for key in sides} == sides
    assert taken.receipts["t.csv"].table is not None


@every_kind
def test_members_that_patterns_leave_out_are_told_and_take_no_key(name: str) -> None:
    content = [
        ("__MACOSX/._t.csv", APPLE_DOUBLE),
        ("d/._u.json", APPLE_DOUBLE),
        ("d/.DS_Store", b"x"),
        ("d/half.part", b"whole, in an archive"),
        ("drafts/t.csv", b"a,b\n1\n"),
        ("t.csv", CSV),
        ("in.zip", zip_of([("t.bak", b"x"), ("k.txt", b"k")])),
    ]
    options = replace(OPEN_NESTED, path=b"mail/a", patterns=member_patterns("", "drafts/ mail/a/in.zip/*.bak"))
    taken = take(PACKED[name](content), name, options)
    assert not taken.codes
    assert set(taken.members) == {"d/half.part", "in.zip/k.txt", "t.csv"}
    out = {key for key, reason in taken.not_files.items() if reason == LEFT_OUT}
    assert out == {"__MACOSX/._t.csv", "d/._u.json", "d/.DS_Store", "drafts/t.csv", "in.zip/t.bak"}
    only = replace(options, patterns=member_patterns("/mail/ !*.part", "!._*"))
    taken = take(PACKED[name](content[:4]), name, only)
    assert set(taken.members) == {"__MACOSX/._t.csv", "d/._u.json"}, "included with its archive"


@every_kind
def test_a_member_beyond_its_limit_is_bad_and_costs_no_other(name: str) -> None:
    options = ExtractionOptions(ArchiveLimits(member_bytes=1000))
    taken = take(PACKED[name]([("big", bytes(1001)), ("small", bytes(1000))]), name, options)
    assert taken.bad["big"].code == "archive.member-too-large"
    assert "MAX_MEMBER_BYTES" in taken.bad["big"].message
    assert set(taken.members) == {"small"}


def test_the_members_of_nested_archives_count_for_the_whole() -> None:
    options = ExtractionOptions(ArchiveLimits(archive_bytes=250_000), NestedArchives.EXTRACT)
    taken = take(zip_of([(f"in{n}.zip", zip_of([("x", bytes(100_000))])) for n in range(5)]), "a.zip", options)
    assert taken.failure is not None
    assert "MAX_ARCHIVE_BYTES" in taken.failure.message
    assert len(taken.members) == 2


def test_a_member_that_is_read_often_counts_once() -> None:
    options = ExtractionOptions(ArchiveLimits(archive_bytes=len(LARGE_CSV) + 10), buffer_bytes=100_000)
    taken = take(zip_of([("t.csv", LARGE_CSV)]), "a.zip", options)
    assert rows(taken.members["t.csv"]) == 30_000


def test_a_bomb_that_lies_about_its_size_is_stopped_where_it_lies() -> None:
    bomb = bytearray(zip_of([("x.bin", bytes(50_000_000))]))
    for place in (bomb.index(b"PK\x03\x04") + 22, bomb.index(b"PK\x01\x02") + 24):
        bomb[place : place + 4] = (1000).to_bytes(4, "little")
    sink = RecordingSink()
    extract(BytesSource("a.zip", bytes(bomb)), ArchiveKind.ZIP, ExtractionOptions(), sink)
    assert sink.taken.bad["x.bin"].code == "archive.corrupt"
    assert sink.longest_piece <= 1001


def test_a_large_members_source_can_be_read_as_often_as_wanted() -> None:
    data = os.urandom(100_000)

    def pieces() -> "io.BytesIO":
        return io.BytesIO(data)

    def again():  # type: ignore[no-untyped-def]  # noqa: ANN202
        file = pieces()
        while piece := file.read(7000):
            yield piece

    passing = again()
    head = next(passing) + next(passing)
    source = LargeMember("x", None, head, passing, again)
    with source.open() as sniffing:
        assert sniffing.read(10) == data[:10]
    with source.open() as first:
        assert first.read(20_000) + first.read() == data
    with source.open() as second:
        assert second.read() == data
    assert source.finish() == len(data)


def test_a_source_that_vanishes_while_it_is_read_is_no_bug() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    class FailingSource:
        name, path_fd = "a.tar", None
        data = tar_of([("x", bytes(50_000)), ("y", bytes(3_000_000))])
        size_bytes = len(data)

        def open(self) -> Failing:
            return Failing(self.data)

    taken = take_source(FailingSource(), ArchiveKind.TAR)
    assert taken.failure is not None
    assert taken.failure.code == "archive.unreadable"
    assert set(taken.members) == {"x"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LARGE_CSV, id="plain"),
        pytest.param(b"\xef\xbb\xbf" + LARGE_CSV, id="byte order mark"),
        pytest.param(LARGE_CSV.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(LARGE_CSV.replace(b"name 7", b'"line 1\nline 2, ""7"""'), id="quoted line feeds"),
        pytest.param(LARGE_CSV.removesuffix(b"\n"), id="no last line feed"),
        pytest.param(LARGE_CSV + b"1,2,3\n" * 3, id="ragged"),
        pytest.param(LARGE_CSV.replace(b"name 7", b"gr\xf6\xdfe"), id="latin"),
        pytest.param(LARGE_CSV + b"1,gr\xf6\xdfe\n" * 3, id="latin at its end"),
        pytest.param(LARGE_CSV + "1,größe\n".encode() * 3, id="UTF-8 at its end"),
        pytest.param(LARGE_CSV + b"1,2\r\n" * 3, id="CRLF at its end"),
        pytest.param(LARGE_CSV + b"one,2\n" * 3, id="another type at its end"),
    ],
)
def test_a_table_in_an_archive_becomes_the_same_as_the_table_by_itself(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(text)
    sink, options = RecordingSink(), ConversionOptions(malformed_rows=MalformedRows.KEEP, fallback_encoding="cp1252")
    with open_file(bytes(tmp_path), b"t.csv") as source:
        receipt = convert(source, DataFormat.CSV, options, RecordingOutput(sink), (("member", "t.csv"),))
    for buffer_bytes in (10_000, 10_000_000):
        taken = take(
            gz(tar_of([("t.csv", text)])), "a.tgz", ExtractionOptions(conversion=options, buffer_bytes=buffer_bytes)
        )
        assert taken.receipts["t.csv"].table == receipt
        assert taken.members["t.csv"] == bytes(sink._content)


class CountedSource:
    name, path_fd = "a.tgz", None

    def __init__(self, data: bytes) -> None:
        self.data, self.size_bytes = data, len(data)
        self.opened = 0

    def open(self) -> io.BytesIO:
        self.opened += 1
        return io.BytesIO(self.data)


PROOF, PASSAGE = 1, 1


@pytest.mark.parametrize("room", [0, 2, 3])
@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_a_compressed_tar_is_decompressed_once_where_its_members_can_be_held(kind: str, room: int) -> None:
    packed = {"gz": gz, "xz": lzma.compress}[kind](tar_of([("a", b"1"), ("t.csv", CSV), ("z", bytes(200_000))]))
    source = CountedSource(packed)
    taken = take_source(source, ArchiveKind(f"tar.{kind}"), sink=HoldingRecordingSink(room))
    assert set(taken.members) == {"a", "t.csv", "z"}
    assert source.opened == PASSAGE + (PROOF if room < len(taken.members) else 0)


def test_a_held_member_is_not_completed_when_a_limit_is_passed_behind_it() -> None:
    options = ExtractionOptions(ArchiveLimits(archive_bytes=250_000))
    data = gz(tar_of([("a", b"1"), ("b", bytes(300_000))]))
    taken = take(data, "a.tgz", options, sink=HoldingRecordingSink(9))
    assert taken.members == {}
    assert taken.codes == {"archive.too-large"}


def test_what_is_passed_over_counts_for_a_limit_too() -> None:
    options = ExtractionOptions(ArchiveLimits(archive_bytes=250_000))
    data = gz(tar_of([("a", b"1"), ("b", bytes(300_000))]))
    taken = take(data, "a.tgz", options, sink=HoldingRecordingSink(9), stored=lambda member: member.name == b"b")
    assert taken.members == {}
    assert taken.codes == {"archive.too-large"}


def test_a_bad_member_costs_no_held_one() -> None:
    data = gz(tar_of([("a", b"1"), ("bad.json", b"{"), ("z", b"2"), ("in.tgz", gz(tar_of([("x", b"3")])))]))
    taken = take(data, "a.tgz", OPEN_NESTED, sink=HoldingRecordingSink(9))
    assert taken.members == {"a": b"1", "z": b"2", "in.tgz/x": b"3"}
    assert set(taken.bad) == {"bad.json"}


@pytest.mark.fast_paths
@pytest.mark.parametrize(("end", "readings"), [(b"", 1), (b"one,2\n", 3)], ids=["as promised", "a surprise"])
def test_a_large_table_of_a_compressed_tar_is_read_as_it_passes(end: bytes, readings: int) -> None:
    source = CountedSource(gz(tar_of([(f"{n}.csv", LARGE_CSV + end) for n in range(3)])))
    taken = take_source(source, ArchiveKind.TAR_GZ, SMALL_BUFFER)
    assert len(taken.members) == 3
    assert source.opened == PROOF + PASSAGE + 3 * (readings - 1), "each further reading unpacks the archive anew"


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "X.TGZ"])
def test_a_compressed_file_under_a_tars_name_is_one_member(name: str) -> None:
    for content in (b"no tar at all\n" * 100, b"short", gz(b"twice")):
        taken = take(gz(content), name)
        assert taken.members == {name[:1]: content}
        assert taken.failure is None


@pytest.mark.parametrize(
    ("name", "pack"), [("t.csv.tar.bz2", bz2.compress), ("t.csv.tar.xz", lzma.compress), ("t.csv.tzst", zstd)]
)
def test_a_table_compressed_under_a_tars_name_becomes_parquet(name: str, pack: Callable[[bytes], bytes]) -> None:
    assert rows(take(pack(LARGE_CSV), name).members["t.csv"]) == 30_000


def test_a_damaged_or_empty_tar_is_no_single_member() -> None:
    damaged = bytearray(tar_of([("x", b"1")]))
    damaged[0] ^= 1
    for content in (bytes(damaged), b""):
        taken = take(gz(content), "a.tar.gz")
        assert taken.failure is not None
        assert not taken.members
