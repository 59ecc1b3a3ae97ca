"""Names of zips that do not say their encoding: decoded where certain, else kept, never guessed."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

import pytest

from processor.domain.keys import unescape
from tests.unit.confined.archives.recording import take


def zip_with(names: Iterable[bytes], attributes: int = 0) -> bytes:
    """Return a zip whose entries have these bytes as names, without the UTF-8 flag, as old Windows programs write."""
    packed, directory = bytearray(), bytearray()
    names = list(names)
    for name in names:
        offset = len(packed)
        data = b"" if name.endswith((b"/", b"\\")) or attributes else name
        shared = (0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), 0)
        packed += struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, *shared) + name + data
        directory += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 0, 20, *shared, 0, 0, 0, attributes, offset) + name
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(names), len(names), len(directory), len(packed), 0)
    return bytes(packed + directory) + end


def keys(*names: bytes) -> list[str]:
    taken = take(zip_with(names), "a.zip")
    assert not taken.codes
    assert set(taken.members.values()) == set(names)
    return list(taken.members)


@pytest.mark.parametrize("slashes", ["", "dir/"])
def test_japanese_names_without_a_flag_are_read(slashes: str) -> None:
    names = [f"{slashes}{name}" for name in ("データ一覧.txt", "ソース.txt", "表示.bin", "readme.txt")]
    assert keys(*(name.encode("cp932") for name in names)) == names


def test_chinese_names_that_no_other_encoding_reads_are_read() -> None:
    names = ["測試檔案.txt", "開發計畫書.txt", "說明.txt"]
    assert keys(*(name.encode("gbk") for name in names)) == names


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("gbk", "中文.txt"),
        ("euc_kr", "한국어.txt"),
        ("cp932", "日本語.txt"),
        ("cp932", "ABテ.txt"),
        ("big5", "測試.txt"),
        ("cp1251", "Йога.txt"),
        ("cp1251", "ОТЧЕТ.txt"),
        ("cp866", "Отчет за год.txt"),
        ("cp866", "ОТЧЕТ.txt"),
        ("cp1252", "Zürich.txt"),
        ("cp1252", "Öl.txt"),
        ("cp1252", "CAFÉ.txt"),
        ("cp1252", "ÄÖÜ.txt"),
        ("euc_jp", "データ.txt"),
    ],
)
def test_names_that_several_encodings_could_mean_keep_their_bytes(encoding: str, name: str) -> None:
    (key,) = keys(name.encode(encoding))
    assert key != name
    assert unescape(key) == name.encode(encoding)


def test_one_name_that_does_not_fit_keeps_all_others_from_being_guessed() -> None:
    names = ["データ一覧.txt".encode("cp932"), b"caf\xff.txt"]
    assert [unescape(key) for key in keys(*names)] == names


def test_western_names_of_dos_are_read_where_its_code_pages_agree() -> None:
    names = ["grün.txt", "été.txt", "Überblick.txt"]
    assert keys(*(name.encode("cp850") for name in names)) == names


@pytest.mark.parametrize("encoding", ["cp932", "ascii", "utf-8"])
def test_backslashes_are_directories_when_no_name_has_a_slash(encoding: str) -> None:
    name = "x" if encoding == "ascii" else "データ"
    names = [f"dir\\{name}.txt".encode(encoding), b"dir\\sub\\b.txt", b"dir\\sub\\"]
    taken = take(zip_with(names), "a.zip")
    assert list(taken.members) == [f"dir/{name}.txt", "dir/sub/b.txt"]
    assert list(taken.raw_names.values()) == names[:2]


def test_backslashes_stay_where_a_name_has_a_slash() -> None:
    assert keys(b"dir/a\\b.txt", b"c\\d.txt") == ["dir/a%5Cb.txt", "c%5Cd.txt"]


def test_a_backslash_within_a_character_is_no_directory() -> None:
    name = "ソ.txt".encode("cp932")  # 83 5C: too little to tell the encoding
    assert [unescape(key) for key in keys(name)] == [name]


@pytest.mark.parametrize(("name", "attributes"), [(b"d/", 0), (b"d/", 0x10), (b"d", 0x10), (b"d", 0o40755 << 16)])
def test_an_empty_directory_is_no_object(name: bytes, attributes: int) -> None:
    data = bytearray(zip_with([name], attributes or 0x10))
    place = data.index(b"PK\x01\x02")
    data[place + 38 : place + 42] = struct.pack("<I", attributes)
    data[place + 5] = 3 if attributes >> 16 else 0
    taken = take(bytes(data), "a.zip")
    assert (taken.members, taken.codes, taken.entries) == ({}, set(), 1)


def test_a_directory_that_is_compressed_is_no_object() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("d/"), b"", zipfile.ZIP_DEFLATED)
    assert take(buffer.getvalue(), "a.zip").members == {}
