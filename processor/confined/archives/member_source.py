"""A member's content as a source for converters."""

import io
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from processor.confined.archives.codecs import PIECE_BYTES
from processor.confined.archives.entry import Pieces
from processor.confined.archives.limits import Meter


def metered(pieces: Pieces, meter: Meter) -> Pieces:
    """Yield the same pieces while the limits hold."""
    size = 0
    for piece in pieces:
        size += len(piece)
        meter.check_member(size)
        meter.count(len(piece))
        yield piece


def head_of(pieces: Pieces, size: int) -> tuple[bytes, bool]:
    """Return the first pieces, `size` bytes or up to a piece more, and whether that is all there is."""
    taken: list[bytes] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length > size:
            break
    return b"".join(taken), length <= size


class LargeMember:
    """The source of a member that is too large for memory (a Source).

    The first reader that gets beyond `head` goes on with the pieces as they pass; for any other the archive is read
    anew. Every reader that comes to the end has had all checks of the member made.
    """

    path_fd: None = None

    def __init__(
        self,
        name: str,
        size_bytes: int | None,
        head: bytes,
        passing: Pieces,
        again: Callable[[], Pieces],
        *,
        about_bytes: int | None = None,
    ) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self.about_bytes = about_bytes
        self.failure: Exception | None = None
        self._read_bytes: int | None = None  # once it was read to its end
        self._head = head
        self._passing: Pieces | None = passing
        self._again = again
        self._lock = threading.Lock()
        self._closed = False

    def open(self) -> BinaryIO:
        """Return a reader at the first byte."""
        return _Reader(self._pieces())

    def finish(self) -> int:
        """Return how many bytes the whole member has; reads it once more if nobody has read it to its end.

        Raises what any reader has met: an end that is none must not pass for one.
        """
        if self.failure is None and self._read_bytes is None:
            for _ in self._pieces():
                pass
        if self.failure is not None:
            raise self.failure
        assert self._read_bytes is not None
        return self._read_bytes

    def close(self) -> None:
        """Let no reader touch the archive any more: it is about to move on."""
        with self._lock:
            self._closed = True
            self._passing = None

    def _pieces(self) -> Pieces:
        size = 0
        try:
            for piece in self._head_and_rest():
                size += len(piece)
                yield piece
        except Exception as error:
            self.failure = error
            raise
        self._read_bytes = size

    def _head_and_rest(self) -> Pieces:
        for at in range(0, len(self._head), PIECE_BYTES):
            yield self._head[at : at + PIECE_BYTES]
        with self._lock:
            rest, self._passing = self._passing, None
        yield from _behind(self._again(), len(self._head)) if rest is None else self._as_they_pass(rest)

    def _as_they_pass(self, rest: Pieces) -> Pieces:
        while True:
            with self._lock:
                if self._closed:
                    raise ValueError("a member is read after its archive has moved on")
                piece = next(rest, None)
            if piece is None:
                return
            yield piece


def _behind(pieces: Pieces, size: int) -> Pieces:
    for piece in pieces:
        if size < len(piece):
            yield piece[size:] if size else piece
        size = max(0, size - len(piece))


class _Reader(io.RawIOBase, BinaryIO):
    """Pieces as a file that can only be read forwards."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece itself where it fits: nothing is copied."""
        if size is None or size < 0 or self._rest:
            return super().read(-1 if size is None else size) or b""
        piece = next(self._pieces, b"")
        self._rest = memoryview(piece)[size:]
        return piece if len(piece) <= size else piece[:size]

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
