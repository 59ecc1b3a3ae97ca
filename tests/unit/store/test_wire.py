"""The wire beside servers that close, answer early, or say what they like."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from urllib3.exceptions import ProtocolError

from processor.store.wire import Wire

OK = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 2\r\n\r\nok'
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Serve = Callable[[socket.socket], None]


class Server:
    """Serves each connection with the next of `scripts`; keeps what it received, by connection."""

    def __init__(self, *scripts: Serve) -> None:
        self.heard: list[bytes] = []
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.wire = Wire("127.0.0.1", self._listener.getsockname()[1], None, 5, 5, 4)

    def _serve(self) -> None:
        for script in self._scripts:
            connection, _ = self._listener.accept()
            with connection:
                script(connection)

    def close(self) -> None:
        self.wire.close()
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:

        def start(*scripts: Serve) -> Server:
            server = Server(*scripts)
            stack.callback(server.close)
            return server

        yield start


def answers(*replies: bytes, heard: list[bytes] | None = None) -> Serve:
    def script(connection: socket.socket) -> None:
        for reply in replies:
            request = b""
            while not request.endswith(b"body"):
                request += connection.recv(65536)
            if heard is not None:
                heard.append(request)
            connection.sendall(reply)

    return script


def put(wire: Wire, body: bytes = b"body") -> bytes:
    return wire.put("/b/k?x=1", {"host": "h", "content-length": str(len(body))}, body).document


def test_one_connection_serves_request_after_request(serve: Callable[..., Server]) -> None:
    heard: list[bytes] = []
    server = serve(answers(OK, OK, OK, heard=heard))
    assert [put(server.wire) for _ in range(3)] == [b"ok"] * 3
    assert heard == [b"PUT /b/k?x=1 HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody"] * 3


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(
    serve: Callable[..., Server], wait_until: Callable[..., object]
) -> None:
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        answers(OK)(connection)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    server = serve(once, answers(OK))
    assert put(server.wire) == b"ok"
    wait_until(closed.is_set)
    assert put(server.wire) == b"ok"


def test_an_answer_that_ends_with_its_connection_is_read_whole(serve: Callable[..., Server]) -> None:
    server = serve(answers(CLOSING), answers(OK))
    assert put(server.wire) == b"until the end"
    assert server.wire.idle == []
    assert put(server.wire) == b"ok"


def test_a_server_that_refuses_a_body_before_it_has_read_it_is_heard(serve: Callable[..., Server]) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(REFUSED)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    server = serve(refuse)
    reply = server.wire.put("/b/k", {"host": "h", "content-length": str(8 << 20)}, bytes(8 << 20))
    assert reply.status == 400
    assert server.wire.idle == []


def test_a_slow_line_is_no_dead_one(serve: Callable[..., Server]) -> None:
    size = 32 << 20

    def read_slowly(connection: socket.socket) -> None:
        pace = threading.Event()
        left = size
        while left > 0:
            pace.wait(0.006)
            left -= len(connection.recv(64 << 10))
        connection.sendall(OK)

    server = serve(read_slowly)
    wire = replace(server.wire, timeout_seconds=2.0)
    began = time.monotonic()
    assert wire.put("/b/k", {"host": "h", "content-length": str(size)}, memoryview(bytes(size))).status == 200
    assert time.monotonic() - began > wire.timeout_seconds, "the line was slow"
    wire.close()


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", OK[:-1]])
def test_an_answer_that_is_none_is_an_error_and_ends_the_connection(serve: Callable[..., Server], reply: bytes) -> None:
    server = serve(answers(reply))
    with pytest.raises(ProtocolError):
        put(server.wire)
    assert server.wire.idle == []


@pytest.mark.parametrize("value", ["a\r\nx-amz-acl: public-read", "a\nb", "a\0b"])
def test_no_value_can_become_a_header_of_its_own(serve: Callable[..., Server], value: str) -> None:
    server = serve()
    with pytest.raises(ProtocolError):
        server.wire.put("/b/k", {"x-amz-meta-a": value}, b"")


def test_nobody_there_is_an_error_of_the_network(serve: Callable[..., Server]) -> None:
    server = serve()
    server.close()
    with pytest.raises(ProtocolError):
        put(server.wire)


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag:"x"  \r\nDate: Mon, 23 Nov 2026 19:00:00 GMT\r\n\r\n',
        b"HTTP/1.1 403 \r\nContent-Length: 5\r\nx-a: b:c\r\n\r\n<a/>\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_an_answer_in_one_piece_and_one_in_many_say_the_same(serve: Callable[..., Server], reply: bytes) -> None:
    def in_pieces(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.recv(65536)
        pace = threading.Event()
        for at in range(len(reply)):
            connection.sendall(reply[at : at + 1])
            pace.wait(0.0005)

    server = serve(answers(reply), in_pieces)
    headers = {"host": "h", "content-length": "4"}
    whole = server.wire.put("/b/k", headers, b"body")
    server.wire.close()
    assert server.wire.put("/b/k", headers, b"body") == whole
