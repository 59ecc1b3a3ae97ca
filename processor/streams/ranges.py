"""Read a file in ranges through the process that can.

A confined worker has no network. It makes a socket pair, keeps one end and sends the other through the inbox to its
parent, which answers each request for a range with that range of an object in the store. Nothing is held but one piece
a reader.

    request := offset: u64, length: u32        answer := length: u32, bytes of that length; 0xFFFFFFFF: it failed
"""

import io
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import BinaryIO, cast

from processor.domain.errors import DeliveryError
from processor.streams.threads import BoundedThread

PIECE_BYTES = 4 << 20
_REQUEST = struct.Struct(">QI")
_LENGTH = struct.Struct(">I")
_FAILED = 0xFFFFFFFF

Fetch = Callable[[int, int], bytes]


class FetchedSource:
    """The worker's side: a `streams.source.Source` whose bytes come by ranges. Close it when all readers are."""

    path_fd: None = None

    def __init__(self, name: str, size_bytes: int, end: socket.socket) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self._end = end
        self._lock = threading.Lock()  # readers may be several threads

    def open(self) -> BinaryIO:
        """Return a reader at byte 0 that can seek."""
        return cast(BinaryIO, _RangeReader(self))

    def fetch(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`. Raises OSError when they can not be had."""
        with self._lock:
            self._end.sendall(_REQUEST.pack(offset, size))
            (length,) = _LENGTH.unpack(_exactly(self._end, _LENGTH.size))
            if length == _FAILED:
                raise OSError(f"bytes from {offset} on could not be fetched from the store")
            return _exactly(self._end, length)

    def close(self) -> None:
        """End the connection; the parent's thread ends with it."""
        self._end.close()


def range_id(stream_id: str) -> str:
    """Return the name under which the inbox expects the socket that belongs to a stream."""
    return f"source-{stream_id}"


def fetched_source(worker_end: socket.socket, stream_id: str, name: str, size_bytes: int) -> FetchedSource:
    """Return the source that the parent serves for this stream (worker side)."""
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(worker_end, [range_id(stream_id).encode("ascii")], [theirs.fileno()])
    return FetchedSource(name, size_bytes, ours)


class _RangeReader(io.RawIOBase):
    """A position in a `FetchedSource`, and the piece around it."""

    def __init__(self, source: FetchedSource) -> None:
        self._source = source
        self._at = 0
        self._piece = b""
        self._piece_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size_bytes}[whence]
        if base + offset < 0:
            raise OSError(22, "a position before the first byte")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        start = self._at - self._piece_at
        if not 0 <= start < len(self._piece):
            left = max(0, self._source.size_bytes - self._at)
            self._piece = self._source.fetch(self._at, min(PIECE_BYTES, left)) if left else b""
            self._piece_at, start = self._at, 0
        view = memoryview(buffer).cast("B")
        taken = self._piece[start : start + len(view)]
        view[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)


class RangeServer(BoundedThread):
    """The parent's side: answers from `fetch` until the worker closes its end or dies."""

    def __init__(self, arrived: "Future[int]", fetch: Fetch) -> None:
        """Serve the descriptor that arrives through the inbox."""
        super().__init__(name="ranges", daemon=True)
        self._fetch = fetch
        self.failure: DeliveryError | None = None  # the first one: why the worker could not read
        arrived.add_done_callback(self._begin)

    def _begin(self, arrived: "Future[int]") -> None:
        if not arrived.cancelled():
            self._end = socket.socket(fileno=arrived.result())
            self.start()

    def run(self) -> None:
        """Answer one request after the other."""
        with self._end as end:
            while (request := _exactly_or_end(end, _REQUEST.size)) is not None:
                offset, size = _REQUEST.unpack(request)
                try:
                    piece = self._fetch(offset, min(size, PIECE_BYTES))
                except DeliveryError as error:
                    self.failure = self.failure or error
                    answer = _LENGTH.pack(_FAILED)
                else:
                    answer = _LENGTH.pack(len(piece)) + piece
                try:
                    end.sendall(answer)
                except OSError:
                    return  # the worker is gone


def _exactly_or_end(end: socket.socket, size: int) -> bytes | None:
    try:
        return _exactly(end, size)
    except OSError:
        return None


def _exactly(end: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        count = end.recv_into(view[filled:])
        if count == 0:
            raise ConnectionResetError("the other side is gone")
        filled += count
    return bytes(buffer)
