"""Unix socket on which commands reach the daemon.

A Unix socket of mode 0600 beside the ledger; one JSON line asks, one answers. Whoever may open it may give orders.
"""

import contextlib
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from processor.domain.keys import escape
from processor.domain.status import Order

Request = dict[str, Any]
Answer = Callable[[Request], Any]

_LONGEST_LINE = 1 << 20
_TIMEOUT_SECONDS = 30.0


class NotRunningError(Exception):
    """No daemon listens on the socket."""


class ControlServer:
    """Answers requests with `answer(request)`, in threads of its own, until `close`."""

    def __init__(self, path: Path, answer: Answer) -> None:
        """Listen on `path`. A socket that a killed daemon left is replaced: the caller holds the ledger's lock."""
        self._path = path
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with _short(path) as address:
                self._server = _ControlSocketServer(address, answer)
        finally:
            os.umask(before)
        self._thread = threading.Thread(target=self._server.serve_forever, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no longer and remove the socket."""
        end_serving(self._server)
        self._path.unlink(missing_ok=True)


def end_serving(server: socketserver.TCPServer) -> None:
    """End `serve_forever` in its thread, which by itself looks for its end but twice a second, and close the socket."""
    server.socket.shutdown(socket.SHUT_RDWR)
    server.shutdown()
    server.server_close()


def request(
    order: Order | str,
    path: Path | None = None,
    since_ms: int | None = None,
    feed: str | None = None,
    table: str | None = None,
) -> dict[str, Any]:
    """Return what to send over the control socket."""
    shown = None if path is None else escape(bytes(path))
    return {"order": order, "path": shown, "since_ms": since_ms, "feed": feed, "table": table}


def ask(path: Path, request: Request) -> Any:
    """Return the daemon's answer. Raises NotRunningError, or ValueError with the daemon's words when it refuses."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            with _short(path) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunningError(f"no daemon listens on {path}") from error
        with connection.makefile("rwb") as line:
            line.write(orjson.dumps(request) + b"\n")
            line.flush()
            answer = orjson.loads(line.readline(_LONGEST_LINE) or b'{"error": "the daemon hung up"}')
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["answer"]


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield another name of `path` that fits into a socket's address, which has 108 bytes (unix(7))."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class _ControlSocketServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(path, _ControlHandler)


class _ControlHandler(socketserver.StreamRequestHandler):
    timeout = _TIMEOUT_SECONDS
    server: _ControlSocketServer

    def handle(self) -> None:
        """Answer one request; whatever is wrong with it is told to the asker and harms nobody."""
        try:
            request = orjson.loads(self.rfile.readline(_LONGEST_LINE))
            reply = {"answer": self.server.answer(request)}
        except Exception as error:  # noqa: BLE001 - the border: a bad request is its asker's trouble
            reply = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(orjson.dumps(reply, default=str) + b"\n")
