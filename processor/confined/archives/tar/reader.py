"""Read a tar once, from first byte to last.

Stricter than `tar`: a damaged header ends the archive with an error instead of being searched for a later good one, and
behind the end marker's record only zeros or another tar (`cat a.tar b.tar`) may follow. Without an end marker the
archive is read when it ends where a member ends, as `tar` does, with a note among the omissions.
The content of a tar has no checksum; a compressed tar is proved as a whole before any member is called complete.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from processor.confined.archives.byte_stream import ByteStream, FileStream
from processor.confined.archives.entry import Entry, Pieces
from processor.confined.archives.errors import BrokenArchiveError, bad_member, broken, shown
from processor.confined.archives.tar.header import (
    BLOCK,
    CUT_OFF,
    JOIN_VOLUMES,
    LONGEST_RECORDS,
    RECORD,
    Extent,
    TarHeader,
    cut_off,
    decimal,
    old_gnu_extents,
    parse_header,
    pax_extents,
    read_records,
)
from processor.confined.archives.tar.sparse import content, sparse_content
from processor.domain.detection import is_tar
from processor.domain.errors import Failure

_ZEROS = bytes(BLOCK)
_MARKER_BLOCKS = 2
_EXTENSIONS = (b"x", b"X", b"g", b"L", b"K")
_FILES = (b"0", b"\0", b"7")
_DIRECTORIES = (b"5", b"D")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_LINKS = {b"1": "hard link", b"2": "symbolic link"}
_NOT_FILES = {b"3": "character device", b"4": "block device", b"6": "fifo", b"V": "volume label"}
_MEANT_FOR_ONE_FILE = (b"path", b"linkpath", b"size")
_NO_MARKER = "note: the tar has no end marker; all members up to its end are whole"


@dataclass(slots=True)
class _Extensions:
    """What the headers before a file's own say about it."""

    name: bytes | None = None
    link: bytes | None = None
    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    bytes_read: int = 0

    def last(self, *keys: bytes) -> bytes | None:
        return next((value for key, value in reversed(self.records) if key in keys), None)


class TarReader:
    """The entries of the tar in `stream`; `reopen` gives the same stream anew from its first byte."""

    def __init__(self, stream: ByteStream, reopen: Callable[[], ByteStream]) -> None:
        self._stream = stream
        self._reopen = reopen
        self._markers = 0

    def entries(self) -> Iterator[Entry | None]:
        """Yield an entry for each file, link and device, None for a directory, in their order.

        Raises BrokenArchiveError where the tar can not be read any further.
        """
        extensions = _Extensions()
        while (block := self._next_header()) is not None:
            header = parse_header(block, self._stream.position - BLOCK)
            if header.type in _EXTENSIONS:
                self._extend(extensions, header)
                continue
            if extensions.bytes_read:
                _apply(extensions, header)
            if header.type in _WITHOUT_DATA:
                header.size_bytes = 0
            entry = self._entry(header, extensions)
            end = self._stream.position + _padded(header.size_bytes)
            yield entry
            self._skip_to(end)
            extensions = _Extensions()
        if extensions.bytes_read:
            raise broken("truncated", "the tar ends between a name and its file", CUT_OFF)
        if not self._markers:
            yield Entry(b"", b"", 0, not_a_file=_NO_MARKER)

    def _next_header(self) -> bytes | None:
        """Return the next block that is a header; None when the archive is complete, or ends with a member."""
        block = self._stream.up_to(BLOCK)
        if not block and self._stream.position and not self._markers:
            return None  # behind a marker, what looks like a tar without one may be left over in a program's buffer
        if len(block) < BLOCK:
            raise broken("truncated", "the tar has no end marker: it was cut off", CUT_OFF)
        return block if block != _ZEROS else self._behind_the_end()

    def _behind_the_end(self) -> bytes | None:
        """Return the first header of another tar behind the end marker's first block; None when there is none.

        The rest of the marker's record is undefined by POSIX (AIX leaves there what its buffer held before).
        """
        record_end = -(-(self._stream.position + BLOCK) // RECORD) * RECORD
        zero_blocks = 1
        self._markers += 1
        while block := self._stream.up_to(BLOCK):
            if block.count(0) == len(block):
                zero_blocks += 1
            elif is_tar(block):
                return block
            elif zero_blocks < _MARKER_BLOCKS or self._stream.position > record_end or block[257:262] == b"ustar":
                place = self._stream.position - len(block)
                raise broken(
                    "trailing-bytes", f"behind the tar's end, at byte {place}, are bytes that are no tar", CUT_OFF
                )
        return None

    def _extend(self, extensions: _Extensions, header: TarHeader) -> None:
        size = header.size_bytes
        extensions.bytes_read += BLOCK + size
        if extensions.bytes_read > LONGEST_RECORDS:
            raise broken("tar-header", "a tar header has more than a MiB of names and records")
        data = self._stream.up_to(_padded(size))[:size]
        if len(data) < size:
            raise broken("truncated", "the tar ends within a header", CUT_OFF)
        match header.type:
            case b"L":
                extensions.name = data.partition(b"\0")[0]
            case b"K":
                extensions.link = data.partition(b"\0")[0]
            case b"g":
                _refuse_global(read_records(data))
            case _:
                extensions.records += read_records(data)

    def _entry(self, header: TarHeader, extensions: _Extensions) -> Entry | None:
        name, kind = header.name, header.type
        if kind in _DIRECTORIES or (kind in _FILES and name.endswith(b"/")):
            return None
        if kind in _LINKS:
            return Entry(name, name, 0, not_a_file=f"{_LINKS[kind]} to {shown(header.link)}")
        if kind == b"M":
            raise _later_volume(name)
        if kind in _NOT_FILES:
            return Entry(name, name, 0, not_a_file=_NOT_FILES[kind])
        if kind != b"S" and kind not in _FILES:
            return Entry(name, name, header.size_bytes, failure=_unknown_type(header))
        return self._file_entry(header, extensions)

    def _file_entry(self, header: TarHeader, extensions: _Extensions) -> Entry:
        extents: list[Extent] | None
        if header.type == b"S":
            extents, real_size = old_gnu_extents(header, self._exact_block, self._stream.position)
        elif extensions.records and (real := extensions.last(b"GNU.sparse.realsize", b"GNU.sparse.size")):
            extents, real_size = pax_extents(extensions.records), decimal(real)
        else:
            return self._file(header.name, header.size_bytes, lambda s: content(s, header.size_bytes))
        stored = header.size_bytes
        return self._file(header.name, real_size, lambda s: sparse_content(s, stored, extents, real_size))

    def _file(self, name: bytes, size: int, read: Callable[[ByteStream], Pieces]) -> Entry:
        start = self._stream.position
        behind_bytes = 0 if isinstance(self._stream, FileStream) else start

        def again() -> Pieces:
            with closing(self._reopen()) as stream:
                if stream.skip(start) < start:
                    raise broken("truncated", "the archive became shorter while it was read", CUT_OFF)
                yield from read(stream)

        return Entry(name, name, size, first=read(self._stream), again=again, behind_bytes=behind_bytes)

    def _exact_block(self) -> bytes:
        return b"".join(content(self._stream, BLOCK))

    def _skip_to(self, end: int) -> None:
        left = end - self._stream.position
        if left and self._stream.skip(left) < left:
            raise cut_off(self._stream.position)


def _apply(extensions: _Extensions, header: TarHeader) -> None:
    """Put what the extensions say into the header; a pax record stands over a GNU long name, both over the field."""
    if extensions.name is not None:
        header.name = extensions.name
    if extensions.link is not None:
        header.link = extensions.link
    for key, value in extensions.records:
        match key:
            case b"path":
                header.name = value
            case b"linkpath":
                header.link = value
            case b"size":
                header.size_bytes = decimal(value)
    header.name = extensions.last(b"GNU.sparse.name") or header.name


def _refuse_global(records: list[tuple[bytes, bytes]]) -> None:
    for key, value in records:
        if key == b"GNU.volume.filename":
            raise _later_volume(value)
        if key in _MEANT_FOR_ONE_FILE or key.startswith(b"GNU.sparse."):
            raise broken("pax-header", f"a global pax header sets {shown(key)}, which belongs to one file")


def _later_volume(name: bytes) -> BrokenArchiveError:
    text = f"the tar is a later one of several volumes: it begins within {shown(name)}"
    return broken("multi-volume", text, JOIN_VOLUMES)


def _unknown_type(header: TarHeader) -> Failure:
    return bad_member("tar-type", f"a tar entry of unknown type {shown(header.type)}").failure


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
