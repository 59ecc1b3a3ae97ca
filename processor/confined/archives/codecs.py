"""Decompress gzip, bzip2, xz and zstd, checked to the end.

A file may hold several compressed streams one after another (RFC 1952 2.2, xz format 2, bzip2, RFC 8878); between and
behind them only the padding that their format allows. Anything else, and an end before the end, is an error: whoever
has received all pieces without one has what was compressed, as far as the format's own checksums can tell.
"""

import bz2
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import zstandard
from isal import igzip_lib, isal_zlib

from processor.confined.archives.errors import CorruptError
from processor.confined.archives.zstd_frame import ZstdFrame
from processor.domain.files import ArchiveKind

# As large as malloc hands out again and again without asking the kernel: at 256 KiB a GB costs half as much CPU more.
PIECE_BYTES = 128 << 10
# Small, because the rest of it is copied once for every compressed stream that ends within.
_INPUT_BYTES = 64 << 10


class Decompressor(Protocol):
    """What bz2, lzma and isal give us."""

    @property
    def eof(self) -> bool:
        """Tell whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Tell whether nothing more comes without more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Return the input behind the stream's end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return the next bytes, b"" when more input is needed."""
        ...


@dataclass(frozen=True, slots=True)
class Codec:
    """One compression: a decompressor for one stream, how streams begin, and which padding may lie between them."""

    name: str
    decompressor: Callable[[], Decompressor]
    magic: bytes = b""
    padding_multiple: int = 0  # zero bytes in this multiple; 0: none allowed


# What the libraries raise for damaged input; EOFError when input follows the end that they saw.
_DAMAGED = (OSError, ValueError, EOFError, lzma.LZMAError, zstandard.ZstdError, isal_zlib.error)


def codec_for(kind: ArchiveKind, memory_bytes: int) -> Codec:
    """Return the compression around `kind`, be there a tar in it or not."""
    match kind:
        case ArchiveKind.GZ | ArchiveKind.TAR_GZ:
            return Codec("gzip", gunzipper, b"\x1f\x8b", padding_multiple=1)
        case ArchiveKind.BZ2 | ArchiveKind.TAR_BZ2:
            return Codec("bzip2", bz2.BZ2Decompressor, b"BZh")
        case ArchiveKind.XZ | ArchiveKind.TAR_XZ:
            return Codec("xz", lambda: unxzer(memory_bytes), b"\xfd7zXZ\x00", padding_multiple=4)
        case ArchiveKind.ZST | ArchiveKind.TAR_ZST:
            return Codec("zstd", lambda: ZstdFrame(memory_bytes))
        case _:
            raise AssertionError(f"{kind} is not compressed as a whole")


def gunzipper() -> Decompressor:
    """Return a decompressor for one gzip member; it checks CRC and length."""
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def inflater() -> Decompressor:
    """Return a decompressor for bare deflate (RFC 1951), which has no checksum of its own."""
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)


def unxzer(memory_bytes: int) -> Decompressor:
    """Return a decompressor for one xz stream that asks for no more memory than this."""
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=memory_bytes)


def decompressed(file: BinaryIO, codec: Codec) -> Iterator[bytes]:
    """Yield what was compressed, in pieces of about `PIECE_BYTES` at most. Raises CorruptError; OSError of the disk."""
    data = file.read(_INPUT_BYTES)
    if not data:
        raise CorruptError(f"no {codec.name} stream: it is empty")
    while data:
        decoder = codec.decompressor()
        yield from _one_stream(file, codec, decoder, data)
        data = _next_stream(file, codec, decoder.unused_data)


def _one_stream(file: BinaryIO, codec: Codec, decoder: Decompressor, data: bytes) -> Iterator[bytes]:
    while not decoder.eof:
        if decoder.needs_input and not data:
            data = file.read(_INPUT_BYTES)
            if not data:
                raise CorruptError(f"the {codec.name} stream is cut off")
        piece = decompress_some(codec.name, decoder, data)
        data = b""
        if piece:
            yield piece


def decompress_some(codec_name: str, decoder: Decompressor, data: bytes, size: int = PIECE_BYTES) -> bytes:
    """Return the next piece, about `size` bytes at most. Raises CorruptError."""
    try:
        return decoder.decompress(data, size)
    except MemoryError as error:
        raise CorruptError(f"the {codec_name} stream asks for more memory than there is") from error
    except _DAMAGED as error:  # type: ignore[misc]  # isal declares its error class as an object
        if "emory" in str(error):
            hint = "its window is larger than MAX_DECODER_MEMORY"
            raise CorruptError(f"the {codec_name} stream needs too much memory: {hint}") from error
        raise CorruptError(f"the {codec_name} stream is damaged: {error}") from error


def _next_stream(file: BinaryIO, codec: Codec, rest: bytes) -> bytes:
    """Return the bytes from the beginning of the next stream on, b"" when there is none."""
    padding = 0
    while True:
        behind = rest.lstrip(b"\0") if codec.padding_multiple else rest
        padding += len(rest) - len(behind)
        if len(behind) >= max(1, len(codec.magic)):
            break
        more = file.read(_INPUT_BYTES)
        if not more:
            break
        rest = behind + more
    if codec.padding_multiple and padding % codec.padding_multiple:
        raise CorruptError(f"{padding} zero bytes follow the {codec.name} stream, which may not be")
    if behind and not behind.startswith(codec.magic):
        raise CorruptError(f"what follows the {codec.name} stream is no {codec.name}")
    return behind
