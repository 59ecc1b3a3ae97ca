"""Zips: what Python's zipfile and by-hand bytes make, and every disagreement between their headers."""

import io
import os
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.confined.archives.zip_shares import plan_ranges
from processor.domain.archives import ArchiveLimits, ExtractionOptions, NestedArchives
from processor.domain.files import ArchiveKind
from processor.streams.source import BytesSource
from tests.examples import examples
from tests.unit.confined.archives.recording import take, zip_of

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
TEXT = b"".join(b"line %d of some text\n" % n for n in range(300))
FILES = [("a.txt", TEXT), ("d/b.bin", os.urandom(5000)), ("empty", b"")]
CONTENTS = dict(FILES)


class Unseekable(io.BytesIO):
    """Makes zipfile write data descriptors."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise OSError("unseekable")

    def tell(self) -> int:
        raise OSError("unseekable")


def described_zip(files: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = Unseekable()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def by_hand(
    name: bytes,
    data: bytes,
    packed: bytes | None = None,
    *,
    method: int = 0,
    flags: int = 0,
    attributes: int = 0,
    made_by: int = 0,
    local: dict[int, int | bytes] | None = None,
    central_name: bytes | None = None,
    extra: bytes = b"",
) -> bytes:
    """Return a zip of one member; `local` overrides fields of the local header by their place in its tuple."""
    packed = data if packed is None else packed
    fields: list[int | bytes] = [
        b"PK\x03\x04", 20, flags, method, 0, 33, zlib.crc32(data), len(packed), len(data), len(name), 0
    ]  # fmt: skip
    for place, value in (local or {}).items():
        fields[place] = value
    header = struct.pack("<4s5H3I2H", *fields) + name
    stored_name = name if central_name is None else central_name
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", made_by, 20, flags, method, 0, 33, zlib.crc32(data), len(packed), len(data),
        len(stored_name), len(extra), 0, 0, 0, attributes, 0,
    ) + stored_name + extra  # fmt: skip
    start = len(header) + len(packed)
    return header + packed + central + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central), start, 0)


@settings(max_examples=examples(60))
@given(
    st.dictionaries(
        st.from_regex(r"[a-zß][a-z0-9 ä]{0,40}(/[a-zé]{1,40}){0,2}", fullmatch=True), st.binary(), max_size=6
    ),
    st.sampled_from(METHODS),
    st.booleans(),
)
def test_what_zipfile_packs_comes_out_equal(files: dict[str, bytes], method: int, described: bool) -> None:
    data = described_zip(list(files.items()), method) if described else zip_of(files.items(), method)
    taken = take(data, "a.zip")
    assert taken.members == files
    assert not taken.codes


@pytest.mark.parametrize("method", METHODS)
def test_every_compression_of_zipfile_is_read(method: int) -> None:
    assert take(zip_of(FILES, method), "a.zip").members == CONTENTS


def test_zstd_and_xz_in_a_zip_are_read() -> None:
    import lzma  # noqa: PLC0415

    assert take(by_hand(b"x", TEXT, zstandard.compress(TEXT), method=93), "a.zip").members == {"x": TEXT}
    assert take(by_hand(b"x", TEXT, lzma.compress(TEXT), method=95), "a.zip").members == {"x": TEXT}


def test_zip64_fields_are_read_where_they_stand() -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x", "w", force_zip64=True) as file,
    ):
        file.write(TEXT)
    assert take(buffer.getvalue(), "a.zip").members == {"x": TEXT}


def as_zip64(data: bytes) -> bytes:
    """Return a zip whose end record and records say that the numbers are in the zip64 ones."""
    end = list(struct.unpack("<4s4H2IH", data[-22:]))
    entries, size, start = int(end[4]), int(end[5]), int(end[6])
    end_64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + size, 1)
    end[3] = end[4] = 0xFFFF
    end[5] = end[6] = 0xFFFFFFFF
    return data[:-22] + end_64 + locator + struct.pack("<4s4H2IH", *end)


def test_a_zip64_directory_is_found() -> None:
    assert take(as_zip64(zip_of(FILES)), "a.zip").members == CONTENTS
    assert take(b"#!/bin/sh\n" * 50 + as_zip64(zip_of(FILES)), "a.zip").members == CONTENTS


def test_a_program_before_the_zip_and_bytes_behind_it_change_nothing() -> None:
    whole = zip_of(FILES)
    assert take(b"MZ" + os.urandom(3000) + whole, "a.zip").members == CONTENTS
    assert take(whole + b"signature", "a.zip").members == CONTENTS


def test_a_comment_is_no_matter_even_one_that_looks_like_an_end() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", b"1")
        archive.comment = b"PK\x05\x06 and more " + b"c" * 60_000
    assert take(buffer.getvalue(), "a.zip").members == {"x": b"1"}


def test_a_zip_with_two_directories_is_refused() -> None:
    inner = by_hand(b"inner", b"1")
    outer = bytearray(by_hand(b"outer", b"2"))
    outer[-2:] = struct.pack("<H", len(inner))
    assert take(bytes(outer) + inner, "a.zip").codes == {"archive.ambiguous"}


def test_two_zips_joined_are_refused_because_nobody_would_see_the_first() -> None:
    assert take(zip_of([("a", b"1")]) + zip_of([("b", b"2")]), "a.zip").codes == {"archive.ambiguous"}


def test_an_empty_zip_has_no_members() -> None:
    taken = take(zip_of([]), "a.zip")
    assert (taken.members, taken.codes, taken.entries) == ({}, set(), 0)


def test_directories_are_ignored_and_links_and_devices_told() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("d/", b"")
        for name, mode in (("link", 0o120777), ("fifo", 0o010666), ("block", 0o060666)):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, mode << 16
            archive.writestr(info, b"/etc/passwd")
        archive.writestr("x", b"1")
    taken = take(buffer.getvalue(), "a.zip")
    assert taken.members == {"x": b"1"}
    assert taken.not_files == {"link": "symbolic link", "fifo": "fifo", "block": "block device"}
    assert taken.entries == 5


def test_one_name_twice_is_delivered_twice_under_two_keys() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zip_of([("a.txt", b"1"), ("a.txt", b"2")])
    assert take(data, "a.zip").members == {"a.txt": b"1", "a%231.txt": b"2"}


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "key"),
    [
        ("grün".encode("cp437"), 0, b"", "grün"),
        ("grün".encode(), 0, b"", "grün"),
        ("grün".encode(), 0x800, b"", "grün"),
        (b"\xff\xfe", 0x800, b"", "%FF%FE"),
        (
            b"x\x81",
            0,
            struct.pack("<HHBI", 0x7075, 5 + 7, 1, zlib.crc32(b"x\x81")) + "x漢字".encode(),
            "x漢字",
        ),
        (b"x\x81", 0, struct.pack("<HHBI", 0x7075, 5 + 7, 1, 0) + "x漢字".encode(), "xü"),
        (b"..\\..\\x", 0, b"", "%2E%2E/%2E%2E/x"),
        (b"../../x", 0, b"", "%2E%2E/%2E%2E/x"),
        (b"/x", 0, b"", "%2Fx"),
        (b"a\0b", 0, b"", "a%00b"),
        (b"", 0, b"", "%230"),
    ],
)
def test_a_name_is_read_as_the_zip_says_and_kept_raw(raw: bytes, flags: int, extra: bytes, key: str) -> None:
    taken = take(by_hand(raw, b"1", flags=flags, extra=extra), "a.zip")
    assert taken.members == {key: b"1"}
    assert taken.raw_names == {key: raw}


@pytest.mark.parametrize(("flags", "method"), [(0x1, 8), (0x41, 8), (0x1, 99)])
def test_an_encrypted_member_is_told_as_such(flags: int, method: int) -> None:
    taken = take(by_hand(b"x", b"1", flags=flags, method=method), "a.zip")
    assert taken.bad["x"].code == "archive.encrypted"


@pytest.mark.parametrize(("method", "called"), [(1, "shrink"), (6, "implode"), (9, "deflate64"), (250, "method 250")])
def test_a_compression_that_is_not_read_is_named(method: int, called: str) -> None:
    taken = take(by_hand(b"x", b"1", method=method), "a.zip")
    assert taken.bad["x"].code == "archive.compression"
    assert called in taken.bad["x"].message


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [(2, 1, "encryption"), (3, 8, "methods"), (6, 1, "CRCs"), (7, 9, "sizes"), (8, 9, "sizes"), (9, 2, "names")],
)
def test_a_local_header_that_disagrees_makes_the_member_bad(place: int, value: int, named: str) -> None:
    taken = take(by_hand(b"name", b"content", local={place: value}), "a.zip")
    assert taken.members == {}
    assert named in taken.bad["name"].message


def test_two_names_for_one_member_make_it_bad() -> None:
    assert "names" in take(by_hand(b"good", b"1", central_name=b"evil"), "a.zip").bad["evil"].message


def test_a_data_descriptor_that_disagrees_makes_the_member_bad() -> None:
    whole = bytearray(described_zip([("x", TEXT), ("y", b"2")]))
    whole[whole.index(b"PK\x07\x08") + 4] ^= 1
    taken = take(bytes(whole), "a.zip")
    assert "descriptor" in taken.bad["x"].message
    assert taken.members == {"y": b"2"}


def test_one_damaged_member_costs_no_other() -> None:
    whole = bytearray(zip_of([("a", os.urandom(100)), ("b", b"2"), ("c", b"3")], zipfile.ZIP_STORED))
    whole[40] ^= 1
    taken = take(bytes(whole), "a.zip")
    assert taken.bad["a"].code == "archive.corrupt"
    assert "CRC" in taken.bad["a"].message
    assert taken.members == {"b": b"2", "c": b"3"}
    assert taken.failure is None


def test_more_or_less_than_declared_makes_the_member_bad() -> None:
    packed = zlib.compress(TEXT)[2:-4]
    for declared in (TEXT[:-1], TEXT + b"1", b""):
        taken = take(by_hand(b"x", declared, packed, method=8), "a.zip")
        assert taken.bad["x"].code == "archive.corrupt"


def test_entries_that_overlap_are_refused_before_anything_is_delivered() -> None:
    kernel = zlib.compress(bytes(100_000))[2:-4]
    one = by_hand(b"x", bytes(100_000), kernel, method=8)
    directory = one[one.index(b"PK\x01\x02") : -22]
    start = len(one) - 22 - len(directory)
    twice = (
        one[:start] + directory * 2 + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, 2 * len(directory), start, 0)
    )
    taken = take(twice, "a.zip")
    assert taken.members == {}
    assert taken.codes == {"archive.overlapping-entries"}
    assert "ALLOW_OVERLAPPING_ENTRIES" in str(taken.failure)
    allowed = take(twice, "a.zip", ExtractionOptions(ArchiveLimits(overlapping_entries=True)))
    assert set(allowed.members) == {"x", "x%231"}


def test_entries_out_of_order_are_no_overlap() -> None:
    whole = zip_of([("a", b"1"), ("b", b"2"), ("c", b"3")])
    start = whole.index(b"PK\x01\x02")
    records = [b"PK\x01\x02" + part for part in whole[start:-22].split(b"PK\x01\x02")[1:]]
    shuffled = whole[:start] + b"".join([records[2], records[0], records[1]]) + whole[-22:]
    taken = take(shuffled, "a.zip")
    assert taken.members == {"a": b"1", "b": b"2", "c": b"3"}
    assert taken.indexes == {"c": 0, "a": 1, "b": 2}


def test_a_count_that_is_not_the_number_of_entries_is_refused() -> None:
    whole = bytearray(zip_of(FILES))
    whole[-22 + 8 : -22 + 12] = struct.pack("<2H", 2, 2)
    assert take(bytes(whole), "a.zip").codes == {"archive.zip-directory"}


def test_a_zip_of_several_volumes_is_refused() -> None:
    whole = bytearray(zip_of(FILES))
    whole[-22 + 4 : -22 + 8] = struct.pack("<2H", 1, 1)
    assert take(bytes(whole), "a.zip").failure is not None


def test_a_zip_cut_at_any_percent_gives_no_wrong_member() -> None:
    whole = zip_of([(f"f{n}", os.urandom(50) * 10) for n in range(20)])
    for percent in range(100):
        taken = take(whole[: len(whole) * percent // 100], "a.zip")
        assert taken.members == {}
        assert taken.failure is not None


@pytest.mark.parametrize("described", [True, False])
def test_a_flipped_byte_anywhere_gives_no_wrong_member(described: bool) -> None:
    files = [(f"f{n}", bytes([n]) * 90) for n in range(4)]
    whole = described_zip(files) if described else zip_of(files)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 0x11
        taken = take(bytes(flipped), "a.zip")
        assert taken.members.items() <= dict(files).items(), f"byte {place}"
        told = len(taken.members) + len(taken.bad) + len(taken.not_files)
        assert taken.failure or told == len(files), f"byte {place}"


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_ranges_hold_every_member_exactly_once(workers: int) -> None:
    files = [(f"f{n}.bin", os.urandom(200_000)) for n in range(60)]
    data = zip_of(files, zipfile.ZIP_STORED)
    ranges = plan_ranges(BytesSource("a.zip", data), ArchiveKind.ZIP, ExtractionOptions(), workers)
    assert len(ranges) == min(workers, 4)
    together: dict[str, bytes] = {}
    for members in ranges:
        taken = take(data, "a.zip", members=members)
        assert not together.keys() & taken.members.keys()
        together |= taken.members
    assert together == dict(files)


def test_ranges_give_names_that_meet_the_same_keys_as_one_run() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zip_of([("a", b"1"), ("b", b"2"), ("a", b"3")])
    assert take(data, "a.zip", members=range(2, 3)).members == {"a%232": b"3"}
    assert take(data, "a.zip", members=range(2)).members == {"a": b"1", "b": b"2"}


def test_only_a_zip_whose_archives_stay_closed_is_shared() -> None:
    source = BytesSource("a.zip", zip_of([("x", os.urandom(20_000_000))]))
    nested = ExtractionOptions(nested=NestedArchives.EXTRACT)
    assert len(plan_ranges(source, ArchiveKind.ZIP, nested, 4)) == 1
    assert len(plan_ranges(source, ArchiveKind.TAR, ExtractionOptions(), 4)) == 1


@pytest.mark.parametrize("entries", [(1, 1), (0, 1)])
def test_the_last_of_several_volumes_is_told_as_such(entries: tuple[int, int]) -> None:
    whole = zip_of(FILES)
    end = struct.unpack("<4s4H2IH", whole[-22:])
    part = whole[60:-22] + struct.pack("<4s4H2IH", end[0], 2, 2, *entries, end[5], end[6] + 100_000, 0)
    taken = take(part, "a.zip")
    assert taken.failure is not None
    assert taken.failure.code == "archive.multi-volume"
    assert "last of 3 volumes" in taken.failure.message
    assert "zip -s 0" in taken.failure.hint


def test_a_split_zip_that_was_only_joined_end_to_end_is_told_as_such(tmp_path: Path) -> None:
    if shutil.which("zip") is None:
        pytest.skip("zip is not installed")
    (tmp_path / "f").write_bytes(os.urandom(150_000))
    subprocess.run(["zip", "-q", "-s", "64k", "a.zip", "f"], cwd=tmp_path, check=True)
    last = (tmp_path / "a.zip").read_bytes()
    joined = b"".join((tmp_path / name).read_bytes() for name in ("a.z01", "a.z02", "a.zip"))
    for data in (last, joined):
        assert take(data, "a.zip").codes == {"archive.multi-volume"}
