"""Many, slow and talkative askers: each is bounded, and others are answered meanwhile."""

import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import pytest

from processor.daemon.bounded_http import BoundedHTTPServer, BoundedRequest
from processor.daemon.control_socket import end_serving
from tests.conftest import WaitUntil


class _Handler(BoundedRequest, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b"here")

    def do_POST(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b"%d" % len(self.rfile.read()))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


class _Server(BoundedHTTPServer):
    most_connections = 4
    connection_seconds = 0.5


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    end_serving(server)


def ask(server: _Server, request: bytes = b"") -> socket.socket:
    connection = socket.create_connection(server.server_address[:2], timeout=20)
    connection.sendall(request)
    return connection


def answer(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as stream:
        return stream.read()


def test_who_holds_all_places_loses_them_in_time_and_others_are_told_at_once(
    server: _Server, wait_until: WaitUntil
) -> None:
    silent = [ask(server, b"GET / HT") for _ in range(4)]
    assert answer(ask(server)).startswith(b"HTTP/1.0 503 ")
    assert [answer(each) for each in silent] == [b""] * 4, "each is closed when its time is over"
    # The place is free a moment after the connection is closed.
    wait_until(lambda: answer(ask(server, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"here"))


def test_a_request_without_end_is_cut(server: _Server) -> None:
    with ask(server, b"POST / HTTP/1.0\r\n\r\n") as connection:
        body = bytes(64 << 10)
        try:
            for _ in range(100):
                connection.sendall(body)
        except (ConnectionError, TimeoutError):
            return  # closed before all of it was taken
        assert int(answer(connection).rpartition(b"\r\n")[2]) < 192 << 10
