"""HTTP server with bounds for whoever may connect.

Only so many connections at a time, each for a limited time and with so many bytes of a request; what is beyond that is
closed.
"""

import io
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import ThreadingHTTPServer
from socketserver import StreamRequestHandler
from typing import Any

_REQUEST_BYTES = 192 << 10  # lines, headers and form together
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedHTTPServer(ThreadingHTTPServer):
    """Answers each request in a thread of its own, of which there are at most `most_connections`."""

    daemon_threads = True
    most_connections = 32
    connection_seconds = 30.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or say at once that there are too many."""
        with self._lock:
            free = len(self._open) < self.most_connections
            if free:
                self._open[request] = time.monotonic() + self.connection_seconds
        if free:
            super().process_request(request, client_address)
            return
        request.setblocking(False)
        with suppress(OSError):
            request.send(_BUSY)
        self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of an asker who hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection and forget it."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End connections that have had their time; called twice a second, and with each connection."""
        super().service_actions()
        now = time.monotonic()
        with self._lock:
            for each, until in self._open.items():
                if now > until:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)


class BoundedRequest(StreamRequestHandler):
    """Reads as many bytes as a request may have; then the request is at its end."""

    timeout = 10

    def setup(self) -> None:
        """Put the bound between the connection and who reads it."""
        super().setup()
        self.rfile = _BoundedRequest(self.rfile)


class _BoundedRequest(io.BufferedIOBase):
    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._left = _REQUEST_BYTES

    def readline(self, size: int | None = -1) -> bytes:
        line = self._file.readline(self._most(size))
        self._left -= len(line)
        return line

    def read(self, size: int | None = -1) -> bytes:
        piece = self._file.read(self._most(size))
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()

    def _most(self, size: int | None) -> int:
        return self._left if size is None or size < 0 else min(size, self._left)
