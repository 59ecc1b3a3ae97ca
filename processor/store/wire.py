"""Keep-alive HTTP connections for PUT requests.

A small object's head and body leave together, which spares both sides a wake-up; urllib3 sends them one after the
other, at three times the CPU. Connections are opened by Python's `socket` and `ssl`. An answer that came in
one piece and has nothing unusual is made out here; any other by `http.client`, at ten times the CPU, within `bounds`.

Through an HTTP proxy plain requests name the whole URL (RFC 9112, 3.2.2); TLS goes through a tunnel (RFC 9110, 9.3.6).
"""

import contextlib
import io
import re
import select
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse

from urllib3.exceptions import ProtocolError, SSLError

from processor.store.body import Body, FilePart
from processor.store.bounds import MOST_DOCUMENT_BYTES, Bounds

# Up to this a copy costs less than another call of the kernel, and another packet.
_TOGETHER_BYTES = 64 << 10
# Each piece has the whole timeout to itself (`socket.sendall`): a slow line is no dead one.
_PIECE_BYTES = 256 << 10
_ANSWER_BYTES = 64 << 10
_FINAL_STATUS = re.compile("[2-5][0-9][0-9]")
_NOT_PLAIN = frozenset({"connection", "transfer-encoding"})
_CUTS_A_HEADER = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end. Names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    document: bytes


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the header that it wants, empty for none."""

    host: str
    port: int
    authorization: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that are for the proxy."""
        return {"proxy-authorization": self.authorization} if self.authorization else {}


class TunnelError(ProtocolError):
    """The proxy makes no tunnel. `response` is an answer as the client would give it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy makes no tunnel: {status}")
        said = {"Code": "ProxyRefused", "Message": f"the proxy answers {status} to CONNECT"}
        self.response = {"Error": said, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}}}


@dataclass(frozen=True, slots=True)
class Wire:
    """The way to one server, over TLS when there is a context. `most_idle` connections are kept for later.

    Shared by all threads: a connection belongs to whoever took it out of `idle`.
    """

    host: str
    port: int
    context: ssl.SSLContext | None
    connect_timeout_seconds: float
    timeout_seconds: float
    most_idle: int
    proxy: Proxy | None = None
    idle: list[socket.socket] = field(default_factory=list)

    def put(self, target: str, headers: Mapping[str, str], body: Body) -> Reply:
        """Make the request; raises urllib3's HTTPError, and what reading the body raises."""
        connection = self._idle_one() or self._open()
        try:
            reply, goes_on = self._exchange(connection, self._head(target, headers), body)
        except (OSError, HTTPException) as error:
            connection.close()
            raise ProtocolError(str(error) or repr(error)) from error
        except BaseException:
            connection.close()
            raise
        if goes_on and len(self.idle) < self.most_idle:
            self.idle.append(connection)
        else:
            connection.close()
        return reply

    def close(self) -> None:
        """Close idle connections."""
        while self.idle:
            self.idle.pop().close()

    def _idle_one(self) -> socket.socket | None:
        """Return the connection that was used last, but none that the server has closed meanwhile."""
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return None
            if not _has_ended(connection):
                return connection
            connection.close()

    def _head(self, target: str, headers: Mapping[str, str]) -> bytes:
        if self.proxy is not None and self.context is None:
            target, headers = f"http://{headers['host']}{target}", {**headers, **self.proxy.headers}
        return _head_of("PUT", target, headers)

    def _open(self) -> socket.socket:
        host, port = (self.host, self.port) if self.proxy is None else (self.proxy.host, self.proxy.port)
        try:
            connection = socket.create_connection((host, port), self.connect_timeout_seconds)
        except OSError as error:
            raise ProtocolError(f"{host}:{port}: {error}") from error
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self.context is not None:
                if self.proxy is not None:
                    self._tunnel(connection, self.proxy)
                connection = self.context.wrap_socket(connection, server_hostname=self.host)
            connection.settimeout(self.timeout_seconds)
        except OSError as error:
            connection.close()
            raise (SSLError if isinstance(error, ssl.SSLError) else ProtocolError)(str(error)) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _tunnel(self, connection: socket.socket, proxy: Proxy) -> None:
        """Have the proxy pass bytes on to the server. Raises TunnelError when it says no, OSError."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{name}:{self.port}"
        connection.sendall(_head_of("CONNECT", place, {"host": place, **proxy.headers}))
        heard = b""
        bounds = Bounds(connection, self.timeout_seconds)
        while b"\r\n\r\n" not in heard:
            bounds.before_reading()
            piece = connection.recv(1)  # what comes behind the head is the server's
            bounds.take(len(piece))
            if not piece:
                raise ProtocolError("the proxy closed the connection")
            heard += piece
        status = heard.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise TunnelError(int(status[0]) if status and status[0].isdigit() else 0)

    @staticmethod
    def _exchange(connection: socket.socket, head: bytes, body: Body) -> tuple[Reply, bool]:
        """Return the answer, and whether the connection can be used again."""
        sent = False
        with contextlib.suppress(BrokenPipeError):  # the server has heard enough: it may have said why
            _send(connection, head, body)
            sent = True
        heard = connection.recv(_ANSWER_BYTES)
        short = _short_reply(heard)
        if short is not None:
            return short, sent
        usual = connection.gettimeout()
        bounds = Bounds(connection, usual)
        bounds.take(len(heard))
        response = HTTPResponse(_Heard(heard, connection, bounds), method="PUT")  # type: ignore[arg-type]
        response.begin()
        bounds.allow(MOST_DOCUMENT_BYTES, usual)
        headers = {name.lower(): value.strip() for name, value in response.getheaders()}
        # In pieces: memory for the length that is only announced is never asked for.
        reply = Reply(response.status, headers, b"".join(iter(lambda: response.read(_ANSWER_BYTES), b"")))
        if response.length:
            raise ProtocolError(f"the answer ends {response.length} bytes early")
        connection.settimeout(usual)
        return reply, sent and not response.will_close


def _short_reply(heard: bytes) -> Reply | None:
    """Return the answer if these bytes are all of one, and a plain one; None when `http.client` is to make it out."""
    head, end, document = heard.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = (*first.split(" ", 2), "", "")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    plain = end and version == "HTTP/1.1" and headers.get("content-length") == str(len(document))
    if not plain or not _FINAL_STATUS.fullmatch(status) or headers.keys() & _NOT_PLAIN:
        return None
    return Reply(int(status), headers, document)


class _Heard(io.RawIOBase):
    """An answer whose first bytes were read already; for `http.client` a socket."""

    def __init__(self, heard: bytes, connection: socket.socket, bounds: Bounds) -> None:
        self._heard = memoryview(heard)
        self._connection = connection
        self._bounds = bounds

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._heard:
            self._bounds.before_reading()
            size = self._connection.recv_into(buffer)
            self._bounds.take(size)
            return size
        size = min(len(buffer), len(self._heard))
        memoryview(buffer)[:size] = self._heard[:size]
        self._heard = self._heard[size:]
        return size


def _send(connection: socket.socket, head: bytes, body: Body) -> None:
    if isinstance(body, FilePart):
        connection.sendall(head)
        for piece in body:
            connection.sendall(piece)
    elif len(body) <= _TOGETHER_BYTES:
        connection.sendall(head + body)
    else:
        connection.sendall(head)
        view = memoryview(body)
        for at in range(0, len(view), _PIECE_BYTES):
            connection.sendall(view[at : at + _PIECE_BYTES])


def _head_of(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any(map(_CUTS_A_HEADER.search, lines)):
        raise ProtocolError("a header would end early")
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _has_ended(connection: socket.socket) -> bool:
    """Tell whether an idle connection is of no use: nobody is expected to say anything on it."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
