"""gzip, bzip2, xz and zstd, alone and around a tar."""

import bz2
import lzma
import os
import struct
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.confined.archives.codecs import PIECE_BYTES, codec_for, decompressed
from processor.confined.archives.errors import CorruptError
from processor.domain.archives import ArchiveLimits, ExtractionOptions
from processor.domain.files import ArchiveKind
from processor.streams.source import BytesSource
from tests.examples import examples
from tests.unit.confined.archives.recording import HoldingRecordingSink, gz, take, tar_of

Pack = Callable[[bytes], bytes]


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS: dict[str, Pack] = {"gz": gz, "bz2": bz2.compress, "xz": lzma.compress, "zst": zst}
every_codec = pytest.mark.parametrize("suffix", PACKERS)
TEXT = b"".join(b"line %d of some text\n" % n for n in range(300))


@every_codec
@settings(max_examples=examples(25))
@given(data=st.one_of(st.binary(max_size=3000), st.just(os.urandom(300_000)), st.just(bytes(1_000_000))))
def test_what_was_compressed_comes_out_equal_under_the_name_without_its_suffix(suffix: str, data: bytes) -> None:
    assert take(PACKERS[suffix](data), f"Data.bin.{suffix.upper()}").members == {"Data.bin": data}


@every_codec
def test_a_compressed_tar_gives_the_tars_members(suffix: str) -> None:
    files = [("a", b"1" * 5000), ("b/c.txt", TEXT)]
    assert take(PACKERS[suffix](tar_of(files)), f"x.tar.{suffix}").members == dict(files)


@every_codec
def test_streams_one_after_another_are_one_file(suffix: str) -> None:
    pack = PACKERS[suffix]
    taken = take(b"".join(pack(bytes([n]) * n) for n in range(200)), f"x.{suffix}")
    assert taken.members == {"x": b"".join(bytes([n]) * n for n in range(200))}


@every_codec
def test_garbage_behind_the_stream_is_refused(suffix: str) -> None:
    taken = take(PACKERS[suffix](TEXT) + b"garbage", f"x.{suffix}")
    assert taken.members == {}
    assert taken.codes == {"archive.corrupt"}


@every_codec
def test_a_stream_cut_at_any_byte_is_never_called_complete(suffix: str) -> None:
    whole = PACKERS[suffix](TEXT)
    for cut in range(len(whole)):
        taken = take(whole[:cut], f"x.{suffix}")
        assert taken.members == {}, f"cut at {cut}"
        assert taken.codes == {"archive.corrupt"}


NO_ROOM, LITTLE_ROOM, ROOM_FOR_ALL = 0, 2, 100
every_room = pytest.mark.parametrize("room", [NO_ROOM, LITTLE_ROOM, ROOM_FOR_ALL])


@every_codec
@every_room
def test_a_compressed_tar_cut_at_any_percent_completes_no_member(suffix: str, room: int) -> None:
    whole = PACKERS[suffix](tar_of([(f"f{n}", os.urandom(300)) for n in range(20)]))
    for percent in range(100):
        sink = HoldingRecordingSink(room)
        taken = take(whole[: len(whole) * percent // 100], f"x.tar.{suffix}", sink=sink)
        assert taken.members == {}
        assert taken.failure is not None


@every_codec
@every_room
def test_a_flipped_byte_anywhere_is_noticed_or_changes_nothing(suffix: str, room: int) -> None:
    files = {f"f{n}": bytes([n]) * 300 for n in range(4)}
    whole = PACKERS[suffix](tar_of(files.items()))
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 0x10
        taken = take(bytes(flipped), f"x.tar.{suffix}", sink=HoldingRecordingSink(room))
        assert taken.members == files or (taken.members == {} and taken.failure), f"byte {place}"


def test_zeros_behind_gzip_are_padding() -> None:
    assert take(gz(b"1") + bytes(1000) + gz(b"2") + bytes(100_000), "x.gz").members == {"x": b"12"}


def test_zeros_behind_xz_are_padding_in_multiples_of_four() -> None:
    assert take(lzma.compress(b"1") + bytes(8) + lzma.compress(b"2"), "x.xz").members == {"x": b"12"}
    assert take(lzma.compress(b"1") + bytes(6), "x.xz").codes == {"archive.corrupt"}


def test_gzip_with_all_its_optional_fields_is_read() -> None:
    body = zlib.compress(TEXT)[2:-4]
    head = b"\x1f\x8b\x08" + bytes([4 | 8 | 16 | 2]) + bytes(6) + struct.pack("<H", 3) + b"abc" + b"name\0" + b"note\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    data = head + body + struct.pack("<II", zlib.crc32(TEXT), len(TEXT))
    assert take(data, "x.gz").members == {"x": TEXT}


def test_skippable_zstd_frames_hold_nothing() -> None:
    skippable = b"\x5a\x2a\x4d\x18" + struct.pack("<I", 300_000) + bytes(300_000)
    assert take(skippable + zst(b"1") + skippable, "x.zst").members == {"x": b"1"}


def test_zstd_frames_of_every_header_are_read() -> None:
    for size in (0, 1, 255, 256, 65_791, 65_792, 1_000_000):
        data = os.urandom(size // 2) + bytes(size - size // 2)
        for known in (True, False):
            for check in (True, False):
                packer = zstandard.ZstdCompressor(level=1, write_checksum=check, write_content_size=known)
                assert take(packer.compress(data), "x.zst").members == {"x": data}


def xz_with_a_large_dictionary() -> bytes:
    return lzma.compress(bytes(100), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}])


def zst_with_a_large_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(os.urandom(1000)) + packer.flush()


@pytest.mark.parametrize(
    ("name", "data"), [("x.xz", xz_with_a_large_dictionary()), ("x.zst", zst_with_a_large_window())]
)
def test_a_window_larger_than_allowed_is_refused_by_the_name_of_its_setting(name: str, data: bytes) -> None:
    taken = take(data, name, ExtractionOptions(ArchiveLimits(decoder_memory_bytes=1 << 20)))
    assert taken.members == {}
    assert taken.failure is not None
    assert "MAX_DECODER_MEMORY" in taken.failure.message


@pytest.mark.parametrize("kind", [ArchiveKind.GZ, ArchiveKind.BZ2, ArchiveKind.XZ, ArchiveKind.ZST])
def test_a_bomb_comes_out_in_small_pieces(kind: ArchiveKind) -> None:
    data = PACKERS[kind.value](bytes(64 << 20))
    pieces = [len(piece) for piece in decompressed(BytesSource("x", data).open(), codec_for(kind, 1 << 28))]
    assert sum(pieces) == 64 << 20
    assert max(pieces) <= PIECE_BYTES + (128 << 10)


def test_an_empty_file_is_no_stream() -> None:
    with pytest.raises(CorruptError, match="empty"):
        list(decompressed(BytesSource("x", b"").open(), codec_for(ArchiveKind.GZ, 1 << 28)))
