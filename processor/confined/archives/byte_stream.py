"""Read a forward-only byte stream in chosen sizes."""

import os
import queue
import threading
from collections.abc import Generator, Iterator
from typing import BinaryIO

from processor.confined.archives.codecs import PIECE_BYTES
from processor.confined.archives.errors import CorruptError, broken, unreadable
from processor.streams.threads import BoundedThread

_AHEAD_PIECES = 16


class ByteStream:
    """A read position in bytes that come in pieces from `file`. What it raises is a BrokenArchiveError."""

    def __init__(self, pieces: Generator[bytes, None, None], file: BinaryIO) -> None:
        self._pieces = pieces
        self._file = file
        self._piece = b""
        self._place = 0
        self.position = 0

    def some(self, size: int) -> bytes:
        """Return at most `size` bytes, at least one; b"" at the end."""
        if self._place >= len(self._piece) and not self._load():
            return b""
        place = self._place
        data = self._piece[place : place + size] if place or size < len(self._piece) else self._piece
        self._place = place + len(data)
        self.position += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return what `up_to` will, without passing over it."""
        data = self.up_to(size)
        self._piece, self._place = data + self._piece[self._place :], 0
        self.position -= len(data)
        return data

    def up_to(self, size: int) -> bytes:
        """Return `size` bytes; fewer only at the end."""
        data = self.some(size)
        while len(data) < size:
            more = self.some(size - len(data))
            if not more:
                break
            data += more
        return data

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; return how many there were."""
        left = size
        while left:
            step = min(left, len(self._piece) - self._place)
            self._place += step
            self.position += step
            left -= step
            if left and not self._load():
                break
        return size - left

    def close(self) -> None:
        """Stop whoever makes the pieces, then close the file."""
        self._pieces.close()
        self._file.close()

    def _load(self) -> bool:
        try:
            self._piece = next(self._pieces, b"")
        except CorruptError as error:
            raise broken("corrupt", str(error), "the archive is damaged or cut off: deliver it anew") from error
        except OSError as error:
            raise unreadable(error) from error
        self._place = 0
        return bool(self._piece)


class FileStream(ByteStream):
    """The same over a file that can be sought: what is passed over is not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._size_bytes = size_of(file)
        super().__init__(pieces_of(file), file)

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; return how many there were."""
        held = len(self._piece) - self._place
        if size <= held:
            return super().skip(size)
        target = min(self.position + size, self._size_bytes)
        skipped = target - self.position
        self._file.seek(target)
        self._piece, self._place, self.position = b"", 0, target
        return skipped


def pieces_of(file: BinaryIO) -> Generator[bytes, None, None]:
    """Yield the file from where it stands, piece by piece."""
    while piece := file.read(PIECE_BYTES):
        yield piece


def read_ahead(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the same pieces, made by a thread that works ahead a little: decompressors let go of the GIL.

    An exception comes out where its piece would have. Closing the generator stops the thread.
    """
    made: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD_PIECES)
    stop = threading.Event()
    maker = BoundedThread(target=_make, args=(pieces, made, stop), name="read-ahead", daemon=True)
    maker.start()
    try:
        while (piece := made.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stop.set()
        while maker.is_alive():
            _empty(made)
            maker.join(0.01)


def _make(pieces: Iterator[bytes], made: "queue.Queue[bytes | BaseException | None]", stop: threading.Event) -> None:
    last: BaseException | None = None
    try:
        for piece in pieces:
            made.put(piece)
            if stop.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - handed to the thread that asked for the pieces
        last = error
    made.put(last)


def _empty(made: "queue.Queue[bytes | BaseException | None]") -> None:
    while True:
        try:
            made.get_nowait()
        except queue.Empty:
            return


def size_of(file: BinaryIO) -> int:
    """Return the length of a file that can be sought; its position is at the beginning afterwards."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size
