"""One zip member: local header, sizes and CRC-32 checked."""

import lzma
import struct
from bz2 import BZ2Decompressor
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from isal import isal_zlib

from processor.confined.archives.codecs import PIECE_BYTES, Decompressor, decompress_some, inflater, unxzer
from processor.confined.archives.errors import CorruptError
from processor.confined.archives.zip.central_directory import LOCAL_HEADER_BYTES, DirectoryRecord, zip64_values
from processor.confined.archives.zstd_frame import ZstdFrame

ENCRYPTED, STRONGLY_ENCRYPTED, MASKED, PATCH, UTF8_NAME = 0x1, 0x40, 0x2000, 0x20, 0x800
_SIZES_FOLLOW = 0x8
STORED, DEFLATED, BZIP2, LZMA, ZSTD, XZ, AES = 0, 8, 12, 14, 93, 95, 99
READABLE = (STORED, DEFLATED, BZIP2, LZMA, ZSTD, XZ)

_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_MAGIC = b"PK\x03\x04"
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_LONGEST_DESCRIPTOR = 24
_LZMA_HAS_END_MARKER = 0x2
_INPUT_BYTES = 64 << 10
_UNKNOWN = 0xFFFFFFFF


def content(file: BinaryIO, record: DirectoryRecord, memory_bytes: int) -> Iterator[bytes]:
    """Yield the member's bytes; ends only when all checks are passed. Raises CorruptError, OSError."""
    _go_to_data(file, record)
    size, crc = 0, 0
    for piece in _decompressed(file, record, memory_bytes):
        size += len(piece)
        if size > record.size:
            raise CorruptError(f"more comes out than the {record.size} bytes it declares")
        crc = isal_zlib.crc32(piece, crc)
        yield piece
    if size != record.size:
        raise CorruptError(f"{size} bytes come out, not the {record.size} it declares")
    if crc != record.crc:
        raise CorruptError(f"its CRC-32 is {crc:08x}, not {record.crc:08x}")
    if record.flags & _SIZES_FOLLOW:
        _compare_descriptor(file.read(_LONGEST_DESCRIPTOR), record)


def _go_to_data(file: BinaryIO, record: DirectoryRecord) -> None:
    """Compare the local header with the record and go to the byte behind it."""
    file.seek(record.offset)
    header = file.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(_LOCAL_MAGIC):
        raise CorruptError("its local header is not where the directory says")
    _magic, _version, flags, method, _time, _date, crc, compressed, size, name_bytes, extra_bytes = _LOCAL.unpack(
        header
    )
    name, extra = file.read(name_bytes), file.read(extra_bytes)
    if len(extra) < extra_bytes:
        raise CorruptError("its local header is cut off")
    try:
        size, compressed = zip64_values(extra, size, compressed)
    except ValueError as error:
        raise CorruptError(f"its local header is damaged: {error}") from error
    later = flags & _SIZES_FOLLOW
    same = (
        ("names", name == record.name),
        ("compression methods", method == record.method),
        ("encryption", not (flags ^ record.flags) & (ENCRYPTED | STRONGLY_ENCRYPTED)),
        ("CRCs", crc == record.crc or (later and not crc)),
        ("sizes", size == record.size or (later and size in (0, _UNKNOWN))),
        ("compressed sizes", compressed == record.compressed_size or (later and compressed in (0, _UNKNOWN))),
    )
    if different := [what for what, equal in same if not equal]:
        raise CorruptError(f"its two headers tell different {', '.join(different)}")


def _decompressed(file: BinaryIO, record: DirectoryRecord, memory_bytes: int) -> Iterator[bytes]:
    if record.method == STORED:
        yield from _exactly(file, record.compressed_size, PIECE_BYTES)
        return
    compressed = _exactly(file, record.compressed_size, _INPUT_BYTES)
    decoder, data = _decoder(record, compressed, memory_bytes)
    expected = record.size
    while not decoder.eof:
        if not data and decoder.needs_input:
            data = next(compressed, b"")
            if not data:
                raise CorruptError("its compressed data are cut off")
        # One more than declared shows that there is more; a larger buffer costs 30 microseconds a small member.
        piece = decompress_some("compressed", decoder, data, max(1, min(PIECE_BYTES, expected + 1)))
        data = b""
        if piece:
            expected -= len(piece)
            yield piece


def _exactly(file: BinaryIO, size: int, step: int) -> Iterator[bytes]:
    while size:
        data = file.read(min(size, step))
        if not data:
            raise CorruptError("the archive ends within it")
        size -= len(data)
        yield data


def _decoder(record: DirectoryRecord, compressed: Iterator[bytes], memory_bytes: int) -> tuple[Decompressor, bytes]:
    """Return the decompressor, and what of the compressed bytes was read or made up for it."""
    if record.method == LZMA:
        decoder = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=memory_bytes)
        return decoder, _as_lzma_alone(record, next(compressed, b""))
    makers: dict[int, Callable[[], Decompressor]] = {
        DEFLATED: inflater,
        BZIP2: BZ2Decompressor,
        ZSTD: partial(ZstdFrame, memory_bytes),
        XZ: partial(unxzer, memory_bytes),
    }
    return makers[record.method](), b""


def _as_lzma_alone(record: DirectoryRecord, data: bytes) -> bytes:
    """Return the beginning of an .lzma file made of the beginning of a zip's LZMA data (APPNOTE 5.8.8)."""
    properties_bytes = int.from_bytes(data[2:4], "little")
    if properties_bytes != 5 or len(data) < 9:  # noqa: PLR2004 - fixed by the format
        raise CorruptError("its LZMA properties are damaged")
    size = (1 << 64) - 1 if record.flags & _LZMA_HAS_END_MARKER else record.size
    return data[4:9] + size.to_bytes(8, "little") + data[9:]


def _compare_descriptor(data: bytes, record: DirectoryRecord) -> None:
    """Compare the data descriptor, when it has its signature, with the record; sizes have 4 bytes or 8."""
    if not data.startswith(_DESCRIPTOR_MAGIC):
        return
    for numbers in ("<II", "<QQ"):
        wanted = struct.pack("<I", record.crc) + _packed(numbers, record.compressed_size, record.size)
        if data[4 : 4 + len(wanted)] == wanted:
            return
    raise CorruptError("its data descriptor tells another CRC or other sizes than the directory")


def _packed(numbers: str, *sizes: int) -> bytes:
    mask = (1 << 8 * struct.calcsize(numbers) // 2) - 1
    return struct.pack(numbers, *(size & mask for size in sizes))
