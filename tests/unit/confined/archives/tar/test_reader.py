"""Tars: every format that Python's own tarfile writes, and damage that must not go unnoticed."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.confined.archives.recording import Taken, gz, take, tar_of

FILES = [("a.txt", b"first"), ("dir/b.bin", bytes(range(256)) * 9), ("c", b""), ("d.txt", b"x" * 512)]
CONTENTS = dict(FILES)
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
file_names = st.from_regex(r"[a-zA-Zäß][a-z0-9ä ]{0,120}(/[a-z][a-z0-9é]{0,60}){0,3}", fullmatch=True)


def header(name: str = "x", size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "", **more: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    for attribute, value in more.items():
        setattr(info, attribute, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def with_checksum(block: bytes) -> bytes:
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


END = bytes(1024)


@settings(max_examples=examples(60))
@given(
    st.dictionaries(file_names, st.binary(max_size=2000), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_what_tarfile_packs_comes_out_equal(files: dict[str, bytes], tar_format: int) -> None:
    taken = take(tar_of(files.items(), tar_format), "a.tar")
    assert taken.members == files
    assert taken.failure is None


@pytest.mark.parametrize("tar_format", FORMATS)
def test_every_format_is_read(tar_format: int) -> None:
    taken = take(tar_of(FILES, tar_format), "a.tar")
    assert taken.members == CONTENTS
    assert taken.entries == len(FILES)


@pytest.mark.parametrize("tar_format", FORMATS)
def test_a_name_of_more_than_a_hundred_bytes_is_whole(tar_format: int) -> None:
    name = "d" * 90 + "/" + "f" * 90
    assert take(tar_of([(name, b"1")], tar_format), "a.tar").members == {name: b"1"}


def test_an_empty_tar_has_no_members() -> None:
    taken = take(tar_of([]), "a.tar")
    assert (taken.members, taken.bad, taken.failure, taken.entries) == ({}, {}, None, 0)


def test_directories_are_counted_and_nothing_else() -> None:
    taken = take(header("d/", kind=tarfile.DIRTYPE) + header("d/x", 0) + END, "a.tar")
    assert taken.members == {"d/x": b""}
    assert taken.indexes == {"d/x": 1}
    assert taken.entries == 2


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link to '../../etc/passwd'"),
        (tarfile.LNKTYPE, "hard link to '../../etc/passwd'"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "fifo"),
    ],
)
def test_what_is_not_a_file_is_told_and_is_no_error(kind: bytes, reason: str) -> None:
    taken = take(header("n", kind=kind, link="../../etc/passwd") + header("x") + END, "a.tar")
    assert taken.not_files == {"n": reason}
    assert taken.members == {"x": b""}
    assert not taken.codes


def test_a_chain_of_links_to_a_file_of_the_same_name_writes_nothing_through_them() -> None:
    links = b"".join(header(f"l{n}", kind=tarfile.SYMTYPE, link=f"l{n + 1}") for n in range(50))
    data = (
        links
        + header("l50", kind=tarfile.SYMTYPE, link="/")
        + header("l0/etc/passwd", 1)
        + b"x".ljust(512, b"\0")
        + END
    )
    taken = take(data, "a.tar")
    assert len(taken.not_files) == 51
    assert taken.members == {"l0/etc/passwd": b"x"}


def test_an_unknown_type_is_a_bad_member_and_the_others_are_delivered() -> None:
    data = header("odd", 3, kind=b"Q") + b"abc".ljust(512, b"\0") + header("x") + END
    taken = take(data, "a.tar")
    assert taken.bad["odd"].code == "archive.tar-type"
    assert taken.members == {"x": b""}


def test_one_name_twice_is_delivered_twice_under_two_keys() -> None:
    taken = take(tar_of([("a.txt", b"1"), ("a.txt", b"2"), ("./a.txt", b"3")]), "a.tar")
    assert taken.members == {"a.txt": b"1", "a%231.txt": b"2", "a%232.txt": b"3"}


def test_a_member_named_like_anothers_parquet_gets_a_key_of_its_own() -> None:
    taken = take(tar_of([("t.csv", b"a,b\n1,2\n"), ("t.csv.parquet", b"not it")]), "a.tar")
    assert taken.members["t.csv%231.parquet"] == b"not it"
    assert taken.receipts["t.csv"].table is not None


def test_two_tars_joined_are_one() -> None:
    first, second = tar_of([("a", b"1")]), tar_of([("b", b"2")])
    assert take(first + second, "a.tar").members == {"a": b"1", "b": b"2"}


def test_undefined_bytes_in_the_markers_record_are_no_part_of_the_tar() -> None:
    data = header("x") + END
    taken = take(data + b"left over".ljust(512, b"\0") + bytes(10240 - len(data) - 512), "a.tar")
    assert taken.members == {"x": b""}
    assert taken.failure is None


def test_bytes_behind_the_last_record_are_refused() -> None:
    taken = take(tar_of(FILES) + b"garbage", "a.tar")
    assert taken.members == CONTENTS
    assert taken.codes == {"archive.trailing-bytes"}


def test_a_tar_cut_at_any_percent_is_never_called_complete() -> None:
    whole = tar_of([(f"f{n}", bytes([n]) * 700) for n in range(12)])
    last = len(whole.rstrip(b"\0")) // 512 * 512 + 512  # what follows are zeros, and one block of them is enough
    for percent in range(100):
        cut = last * percent // 100
        taken = take(whole[:cut], "a.tar")
        assert taken.failure is not None or "no end marker" in taken.not_files.get("", ""), f"cut at {cut}"
        for key, content in taken.members.items():
            assert content == bytes([int(key[1:])]) * 700


def test_a_flipped_byte_in_a_header_is_never_overlooked() -> None:
    whole = bytearray(tar_of([("a", b"1" * 600), ("b", b"2" * 600)], tarfile.USTAR_FORMAT))
    for place in range(512):
        flipped = bytearray(whole)
        flipped[place] ^= 0x41
        taken = take(bytes(flipped), "a.tar")
        same = taken.members == {"a": b"1" * 600, "b": b"2" * 600}
        assert same or taken.failure is not None, f"byte {place}"


def test_a_flipped_byte_in_the_second_header_costs_the_archive_but_not_the_first_member() -> None:
    whole = bytearray(tar_of([("a", b"1" * 600), ("b", b"2" * 600)]))
    whole[512 + 1024 + 130] ^= 0x02
    taken = take(bytes(whole), "a.tar")
    assert taken.members == {"a": b"1" * 600}
    assert taken.codes == {"archive.tar-header"}


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(slice(124, 136), id="size"),
    ],
)
@pytest.mark.parametrize("value", [b"-0000000001\0", b"\xff" * 12, b"9999999999 \0", b"0x10\0\0\0\0\0\0\0\0"])
def test_a_number_that_is_none_is_refused(field: slice, value: bytes) -> None:
    block = bytearray(header("x"))
    block[field] = value
    assert take(with_checksum(bytes(block)) + END, "a.tar").codes == {"archive.tar-header"}


def test_a_size_in_base_256_is_read() -> None:
    block = bytearray(header("x", 3))
    block[124:136] = b"\x80" + (3).to_bytes(11, "big")
    taken = take(with_checksum(bytes(block)) + b"abc".ljust(512, b"\0") + END, "a.tar")
    assert taken.members == {"x": b"abc"}


def test_a_size_beyond_the_end_is_a_cut_off_archive() -> None:
    block = bytearray(header("x", 3))
    block[124:136] = b"\x80" + (1 << 80).to_bytes(11, "big")
    taken = take(with_checksum(bytes(block)) + b"abc".ljust(512, b"\0") + END, "a.tar")
    assert taken.members == {}
    assert "archive.truncated" in taken.codes or "archive.member-too-large" in taken.codes
    assert taken.failure is not None


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    return header("pax", len(records), kind=kind) + records.ljust(-(-len(records) // 512) * 512, b"\0")


def record(key: str, value: bytes) -> bytes:
    body = b" " + key.encode() + b"=" + value + b"\n"
    size = len(body) + 1
    while len(str(size)) + len(body) != size:
        size += 1
    return str(size).encode() + body


def test_a_pax_name_that_is_not_utf_8_keeps_its_bytes() -> None:
    taken = take(pax(record("path", b"caf\xe9")) + header("x") + END, "a.tar")
    assert taken.members == {"caf%E9": b""}
    assert taken.raw_names == {"caf%E9": b"caf\xe9"}


def test_a_pax_size_stands_over_the_headers() -> None:
    taken = take(pax(record("size", b"4")) + header("x", 0) + b"abcd".ljust(512, b"\0") + END, "a.tar")
    assert taken.members == {"x": b"abcd"}


@pytest.mark.parametrize(
    "records", [b"nonsense\n", b"99 path=x\n", b"0 =x\n", b"5 a\n\n\n", b"10 path=xxxx", b"-9 path=x\n"]
)
def test_damaged_pax_records_end_the_archive(records: bytes) -> None:
    assert take(pax(records) + header("x") + END, "a.tar").codes == {"archive.pax-header"}


def test_a_global_pax_header_may_not_name_all_files() -> None:
    taken = take(pax(record("path", b"../evil"), b"g") + header("x") + END, "a.tar")
    assert taken.codes == {"archive.pax-header"}
    assert take(pax(record("comment", b"fine"), b"g") + header("x") + END, "a.tar").members == {"x": b""}


def test_headers_without_end_are_refused_before_they_fill_the_memory() -> None:
    one = header("././@LongLink", 1 << 19, kind=tarfile.GNUTYPE_LONGNAME) + b"a" * (1 << 19)
    assert take(one * 3 + header("x") + END, "a.tar").codes == {"archive.tar-header"}


def test_a_name_without_a_file_is_a_cut_off_archive() -> None:
    taken = take(pax(record("path", b"lost")) + END, "a.tar")
    assert taken.codes == {"archive.truncated"}


def sparse(map_version: str) -> Taken:
    stored = b"A" * 512 + b"B" * 100
    extents = [(1000, 512), (5000, 100)]
    records = record("GNU.sparse.name", b"holes.bin") + record("GNU.sparse.realsize", b"9000")
    if map_version == "1.0":
        numbers = b"".join(b"%d\n%d\n" % extent for extent in extents)
        stored = (b"2\n" + numbers).ljust(512, b"\0") + stored
        records += record("GNU.sparse.major", b"1") + record("GNU.sparse.minor", b"0")
    elif map_version == "0.1":
        records += record("GNU.sparse.map", b"1000,512,5000,100")
    else:
        for offset, count in extents:
            records += record("GNU.sparse.offset", b"%d" % offset) + record("GNU.sparse.numbytes", b"%d" % count)
    data = pax(records) + header("x", len(stored)) + stored.ljust(-(-len(stored) // 512) * 512, b"\0")
    return take(data + header("y") + END, "a.tar")


@pytest.mark.parametrize("map_version", ["0.0", "0.1", "1.0"])
def test_a_sparse_file_comes_out_with_its_holes_as_zeros(map_version: str) -> None:
    whole = bytearray(9000)
    whole[1000:1512] = b"A" * 512
    whole[5000:5100] = b"B" * 100
    assert sparse(map_version).members == {"holes.bin": bytes(whole), "y": b""}


@pytest.mark.parametrize(
    "extents", [b"1000,512,1200,100", b"8990,512,0,100", b"0,512,600,99", b"0,512,600,101", b"5000,100,1000,512"]
)
def test_a_sparse_map_that_does_not_fit_makes_a_bad_member(extents: bytes) -> None:
    records = record("GNU.sparse.realsize", b"9000") + record("GNU.sparse.map", extents)
    data = pax(records) + header("x", 612) + bytes(1024) + header("y") + END
    taken = take(data, "a.tar")
    assert taken.bad["x"].code == "archive.sparse"
    assert taken.members == {"y": b""}


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
@pytest.mark.parametrize("tar_format", ["gnu", "posix", "v7", "ustar", "oldgnu"])
def test_what_gnu_tar_packs_comes_out_equal(tmp_path: Path, tar_format: str) -> None:
    holes = tmp_path / "holes.bin"
    with holes.open("wb") as file:
        for piece in range(30):
            file.seek(piece * 200_000)
            file.write(b"%04d" % piece * 1000)
        file.truncate(7_000_000)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "small").write_bytes(b"small")
    (tmp_path / "link").symlink_to("dir/small")
    sparse_option = [] if tar_format in ("v7", "ustar") else ["--sparse"]
    command = ["tar", f"--format={tar_format}", *sparse_option, "-cf", "-", "holes.bin", "dir", "link"]
    data = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout
    taken = take(data, "a.tar")
    assert taken.members == {"holes.bin": holes.read_bytes(), "dir/small": b"small"}
    assert taken.not_files == {"link": "symbolic link to 'dir/small'"}


def test_the_oldest_tars_have_no_magic_and_are_read() -> None:
    block = bytearray(header("old", 1))
    block[257:] = bytes(512 - 257)
    taken = take(with_checksum(bytes(block)) + b"1".ljust(512, b"\0") + END, "a.tar")
    assert taken.members == {"old": b"1"}


def test_random_bytes_are_refused() -> None:
    assert take(b"\x01" * 5000, "a.tar").codes == {"archive.tar-header"}
    assert take(io.BytesIO(b"short").read(), "a.tar").codes == {"archive.truncated"}


def test_a_tar_without_end_marker_is_delivered_with_a_note() -> None:
    whole = tar_of(FILES)
    bare = whole.rstrip(b"\0")  # the last file ends in a whole block of x
    for name, data in (("a.tar", bare), ("a.tar.gz", gz(bare))):
        taken = take(data, name)
        assert taken.members == CONTENTS
        assert not taken.codes
        assert taken.not_files == {"": "note: the tar has no end marker; all members up to its end are whole"}


@pytest.mark.parametrize("cut", [1, 511, 512, 700])
def test_a_tar_that_does_not_end_where_a_member_ends_is_refused(cut: int) -> None:
    bare = tar_of([*FILES, ("e", b"y" * 1024)]).rstrip(b"\0")
    taken = take(bare[:-cut], "a.tar")
    assert taken.failure is not None
    assert taken.failure.code == "archive.truncated"
    assert taken.members == CONTENTS


def test_nothing_at_all_is_no_tar_without_end_marker() -> None:
    assert take(gz(b""), "a.tar.gz").codes == {"archive.truncated"}


@pytest.mark.parametrize("tar_format", ["gnu", "posix"])
def test_volumes_of_a_tar_are_told_as_such(tmp_path: Path, tar_format: str) -> None:
    for number in range(3):
        (tmp_path / f"f{number}").write_bytes(bytes([65 + number]) * 30_000)
    command = ["tar", "-cM", "-L", "40", f"--format={tar_format}", "-f1.tar", "-f2.tar", "-f3.tar", "f0", "f1", "f2"]
    subprocess.run(command, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
    first = take((tmp_path / "1.tar").read_bytes(), "1.tar")
    assert first.failure is not None
    assert "another volume" in first.failure.message
    assert "tar -xM" in first.failure.hint
    for later, within in (("2.tar", "f1"), ("3.tar", "f2")):
        taken = take((tmp_path / later).read_bytes(), later)
        assert taken.failure is not None
        assert taken.failure.code == "archive.multi-volume"
        assert f"begins within '{within}'" in taken.failure.message
        assert taken.members == {}


def test_what_is_left_over_behind_an_end_is_no_tar_without_end_marker() -> None:
    bare = tar_of([("a", b"y" * 512)]).rstrip(b"\0")
    assert take(bare + bytes(512) + bare, "a.tar").codes == {"archive.truncated"}
