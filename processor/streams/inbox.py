"""Receive workers' pipes over one inherited socket pair.

A worker makes a pipe and sends its read end, named by the stream's id. Nothing appears in the file system, nothing
listens, and it works across network namespaces.
"""

import os
import socket
import threading
from concurrent.futures import Future

from processor.streams.pipes import wide_pipe

_LONGEST_ID_BYTES = 64


class Inbox:
    """The main process's end. `worker_end` is what workers inherit."""

    def __init__(self) -> None:
        self._own_end, self.worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._expected: dict[str, Future[int]] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._receive, name="inbox", daemon=True)
        self._thread.start()

    def expect(self, stream_id: str) -> "Future[int]":
        """Return the future read end of the stream's pipe; whoever gets it closes it."""
        arrived: Future[int] = Future()
        with self._lock:
            self._expected[stream_id] = arrived
        return arrived

    def forget(self, stream_id: str) -> None:
        """Expect the stream no longer: its worker failed before it sent anything."""
        with self._lock:
            arrived = self._expected.pop(stream_id, None)
        if arrived is not None:
            arrived.cancel()

    def close(self) -> None:
        """Stop receiving."""
        self._own_end.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._own_end.close()
        self.worker_end.close()

    def _receive(self) -> None:
        while True:
            try:
                message, fds, _flags, _address = socket.recv_fds(self._own_end, _LONGEST_ID_BYTES, 1)
            except OSError:
                return
            if not message:
                return
            with self._lock:
                arrived = self._expected.pop(message.decode("ascii", "replace"), None)
            if arrived is not None and fds and arrived.set_running_or_notify_cancel():
                arrived.set_result(fds[0])
            else:
                for fd in fds:
                    os.close(fd)


def send_pipe(worker_end: socket.socket, stream_id: str) -> int:
    """Make a pipe, send its read end to the main process and return the write end (worker side)."""
    read_end, write_end = wide_pipe()
    try:
        socket.send_fds(worker_end, [stream_id.encode("ascii")], [read_end])
    finally:
        os.close(read_end)
    return write_end
