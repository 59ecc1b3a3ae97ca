"""Make a forward-only member seekable, for nested zips.

Its directory stands at its end, so it is read once to its end, by which all checks of the member are made, and its last
bytes are kept. Whoever goes back beyond these has it read anew; its members, in the order in which they lie, are one
passage.
"""

import io
import os
from collections import deque
from typing import Any, BinaryIO

from processor.streams.source import Source

_READ_BYTES = 128 << 10
_ORIGINS = (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END)


class SeekableMember:
    """The source of a member as a file that can be sought (a Source). `kept_bytes` of its end are held in memory."""

    path_fd: None = None

    def __init__(self, member: Source, kept_bytes: int) -> None:
        """Read `member` once. Raises what its readers raise."""
        self.name = member.name
        self._member = member
        self.size_bytes, self._end = _size_and_end(member, kept_bytes)

    def open(self) -> BinaryIO:
        """Return a reader at the first byte."""
        return _SeekingReader(self._member, self.size_bytes, self._end)


def _size_and_end(member: Source, kept_bytes: int) -> tuple[int, bytes]:
    size, kept, held = 0, 0, deque[bytes]()
    with member.open() as reader:
        while piece := reader.read(_READ_BYTES):
            size += len(piece)
            held.append(piece)
            kept += len(piece)
            while kept - len(held[0]) >= kept_bytes:
                kept -= len(held.popleft())
    return size, b"".join(held)


class _SeekingReader(io.RawIOBase, BinaryIO):
    def __init__(self, member: Source, size_bytes: int, end: bytes) -> None:
        super().__init__()
        self._member = member
        self._size = size_bytes
        self._end = end
        self._end_start = size_bytes - len(end)
        self._at = 0
        self._passing: BinaryIO | None = None
        self._passing_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = (0, self._at, self._size)[_ORIGINS.index(whence)]
        if origin + offset < 0:
            raise OSError(22, "a position before the first byte")
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._end_start:
            start = self._at - self._end_start
            piece = self._end[start : start + len(view)]
        else:
            piece = self._from_passage(min(len(view), self._end_start - self._at))
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._passing = None
        super().close()

    def _from_passage(self, size: int) -> bytes:
        if self._passing is None or self._passing_at > self._at:
            self._passing, self._passing_at = self._member.open(), 0
        while self._passing_at < self._at:
            self._read_passing(min(_READ_BYTES, self._at - self._passing_at))
        return self._read_passing(size)

    def _read_passing(self, size: int) -> bytes:
        assert self._passing is not None
        piece = self._passing.read(size)
        if not piece:
            raise OSError(5, "the archive became shorter while it was read")
        self._passing_at += len(piece)
        return piece
