"""Open an archive of any kind as entries."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from processor.confined.archives.byte_stream import ByteStream, FileStream, pieces_of, read_ahead
from processor.confined.archives.codecs import PIECE_BYTES, Codec, codec_for, decompressed
from processor.confined.archives.entry import Entry, Pieces
from processor.confined.archives.errors import NotOpenedError
from processor.confined.archives.integrity_scan import IntegrityScan
from processor.confined.archives.limits import Meter
from processor.confined.archives.seekable import SeekableMember
from processor.confined.archives.tar.header import BLOCK
from processor.confined.archives.tar.reader import TarReader
from processor.confined.archives.zip.reader import ZipReader
from processor.domain.detection import is_tar
from processor.domain.files import ArchiveKind, suffixes_of
from processor.streams.source import Source

_ALONE = (ArchiveKind.GZ, ArchiveKind.BZ2, ArchiveKind.XZ, ArchiveKind.ZST)
_USUAL_RATIO = 6  # of a table to its compressed bytes


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive's entries, None for a directory, and the proof to wait for before a member is complete."""

    entries: Iterator[Entry | None]
    proof: IntegrityScan | None = None


@contextmanager
def open_archive(source: Source, kind: ArchiveKind, name: bytes, meter: Meter) -> Iterator[OpenArchive]:
    """Open `source`; a zip's bytes must be such that can be sought. Raises BrokenArchiveError.

    Raises NotOpenedError for a nested zip that would have to be read again and again.
    """
    with ExitStack() as stack:
        if kind is ArchiveKind.ZIP:
            zip_reader = stack.enter_context(closing(ZipReader(source, meter.limits)))
            if isinstance(source, SeekableMember) and not zip_reader.survey.in_order:
                raise NotOpenedError("its members do not lie in the order of its directory")
            meter.check(meter.bytes_out + zip_reader.survey.declared_bytes)
            yield OpenArchive(zip_reader.entries())
        elif kind is ArchiveKind.TAR:
            stream = stack.enter_context(closing(_plain_stream(source.open())))
            yield OpenArchive(TarReader(stream, lambda: _plain_stream(source.open())).entries())
        elif kind in _ALONE:
            codec = codec_for(kind, meter.limits.decoder_memory_bytes)
            yield OpenArchive(iter([_single_entry(source, codec, _without_suffix(name, kind))]))
        else:
            codec = codec_for(kind, meter.limits.decoder_memory_bytes)
            stream = stack.enter_context(closing(_stream(source.open(), codec)))
            if not _may_be_tar(stream.peek(BLOCK)):
                stream.close()
                yield OpenArchive(iter([_single_entry(source, codec, _without_suffix(name, kind))]))
                return
            again = _decompressed_anew(source, codec)
            proof = stack.enter_context(closing(IntegrityScan(again, meter.fork(), lambda: stream.position)))
            yield OpenArchive(TarReader(stream, lambda: _stream(source.open(), codec)).entries(), proof)


def _may_be_tar(head: bytes) -> bool:
    """Tell a tar, also a damaged or an empty one, from another file that was compressed under a tar's name."""
    return not head or is_tar(head) or head[257:262] == b"ustar"


def _plain_stream(file: BinaryIO) -> ByteStream:
    return FileStream(file) if file.seekable() else ByteStream(pieces_of(file), file)


def _stream(file: BinaryIO, codec: Codec) -> ByteStream:
    return ByteStream(read_ahead(decompressed(file, codec)), file)


def _decompressed_anew(source: Source, codec: Codec) -> Iterator[bytes]:
    with source.open() as file:
        yield from decompressed(file, codec)


def _single_entry(source: Source, codec: Codec, name: bytes) -> Entry:
    def pieces() -> Pieces:
        with closing(_stream(source.open(), codec)) as stream:
            while piece := stream.some(PIECE_BYTES):
                yield piece

    about_bytes = None if source.size_bytes is None else source.size_bytes * _USUAL_RATIO
    return Entry(name, name, None, first=pieces(), again=pieces, about_bytes=about_bytes)


def _without_suffix(name: bytes, kind: ArchiveKind) -> bytes:
    last = name.rpartition(b"/")[2]
    suffix = next((suffix for suffix in suffixes_of(kind) if last.lower().endswith(suffix.encode())), "")
    return last[: len(last) - len(suffix)]
