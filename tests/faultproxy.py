"""A proxy between us and a real store that does what networks do: delays, resets, black holes, damage, lost answers."""

import contextlib
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Seen:
    """A request as it came; `body_bytes` is its declared length, names of headers are lower case."""

    method: str
    target: str
    body_bytes: int
    headers: Mapping[str, str] = field(repr=False)

    @property
    def completes(self) -> bool:
        return self.method == "POST" and "uploadId=" in self.target

    @property
    def part(self) -> int | None:
        found = re.search(r"partNumber=(\d+)", self.target)
        return int(found[1]) if found and self.method == "PUT" else None


@dataclass(frozen=True)
class Fault:
    """What is done to a request; the default does nothing."""

    delay_seconds: float = 0.0
    reset_after_bytes: int | None = None  # of the request's body, then the connection is reset
    black_hole: bool = False  # read nothing, answer nothing
    answer: tuple[int, str] | None = None  # status and S3 error code; the store never sees the request
    retry_after_seconds: int | None = None
    flip_byte_at: int | None = None  # of the request's body
    lose_response: bool = False  # the store acts, its answer is lost
    raw: bytes | None = None  # the whole answer, as it is; the store never sees the request
    raw_after: bytes | None = None  # the store acts, and this is told instead of its answer
    strip: tuple[str, ...] = ()  # headers that are taken out of the store's answer


@dataclass
class _Rule:
    matches: Callable[[Seen], bool]
    fault: Fault
    times: int


@dataclass
class FaultProxy:
    """Forwards HTTP upstream; `on` says which requests fail and how. Use as a context manager.

    With `checks_signed_bodies` a body that has not the SHA-256 it was signed with is refused, as by the stores that do.
    """

    upstream_port: int
    upstream_host: str = "127.0.0.1"
    checks_signed_bodies: bool = False
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def on(self, matches: Callable[[Seen], bool], fault: Fault, times: int = 1) -> None:
        """Apply `fault` to the next `times` requests that match."""
        with self._lock:
            self._rules.append(_Rule(matches, fault, times))

    def heal(self) -> None:
        with self._lock:
            self._rules.clear()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing.is_set():
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.suppress(OSError, EOFError))
            self._keep(stack, client)
            server = socket.create_connection((self.upstream_host, self.upstream_port))
            self._keep(stack, server)
            from_client, from_server = client.makefile("rb"), server.makefile("rb")
            while self._one_request(client, server, from_client, from_server):
                pass

    def _keep(self, stack: contextlib.ExitStack, each: socket.socket) -> None:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets.add(each)
        stack.callback(each.close)
        stack.callback(self._sockets.discard, each)

    def _one_request(self, client, server, from_client, from_server) -> bool:  # noqa: ANN001
        """Forward one request and its answer; return whether the connection goes on."""
        head = _read_head(from_client)
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        seen = Seen(method, target, _length(head), _headers(head))
        fault = self._fault_for(seen)
        self._closing.wait(300 if fault.black_hole else fault.delay_seconds)
        if fault.black_hole:
            return False
        if fault.answer is not None or fault.raw is not None:
            _swallow(_read_body(from_client, seen.body_bytes))
            client.sendall(_error_answer(fault) if fault.raw is None else fault.raw)
            return True
        body = _read_body(from_client, seen.body_bytes)
        if fault.reset_after_bytes is not None:
            server.sendall(head)
            _send_some(server, body, fault.reset_after_bytes)
            _reset(client)
            return False
        arriving = _damaged(body, fault.flip_byte_at)
        if self.checks_signed_bodies:
            whole = b"".join(arriving)
            arriving = iter((whole,))
            if not _is_as_signed(head, whole):
                client.sendall(_error_answer(Fault(answer=(400, "XAmzContentSHA256Mismatch"))))
                return True
        server.sendall(head)
        for piece in arriving:
            server.sendall(piece)
        answer = _read_head(from_server)
        while answer.startswith(b"HTTP/1.1 100"):
            answer = _read_head(from_server)
        bodyless = method == "HEAD" or answer.startswith((b"HTTP/1.1 204", b"HTTP/1.1 304"))
        rest = iter(()) if bodyless else _answer_body(from_server, answer)
        if fault.lose_response:
            _swallow(rest)
            _reset(client)
            return False
        if fault.raw_after is not None:
            _swallow(rest)
            client.sendall(fault.raw_after)
            return True
        client.sendall(_without(answer, fault.strip))
        for piece in rest:
            client.sendall(piece)
        return True

    def _fault_for(self, seen: Seen) -> Fault:
        with self._lock:
            self.seen.append(seen)
            for rule in self._rules:
                if rule.times > 0 and rule.matches(seen):
                    rule.times -= 1
                    return rule.fault
        return Fault()


def _read_head(stream) -> bytes:  # noqa: ANN001
    lines = []
    while (line := stream.readline(65536)) not in (b"\r\n", b""):
        lines.append(line)
    if not lines:
        raise EOFError
    return b"".join([*lines, b"\r\n"])


def _without(head: bytes, names: tuple[str, ...]) -> bytes:
    lines = head.splitlines(keepends=True)
    return b"".join(line for line in lines if line.partition(b":")[0].decode("latin-1").lower() not in names)


def _headers(head: bytes) -> dict[str, str]:
    lines = [line.decode("latin-1").partition(":") for line in head.splitlines()[1:] if line]
    return {name.lower(): value.strip() for name, _, value in lines}


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return int(found[1]) if found else 0


def _is_as_signed(head: bytes, body: bytes) -> bool:
    signed = re.search(rb"(?im)^x-amz-content-sha256:\s*([0-9a-f]{64})", head)
    return signed is None or signed[1].decode() == hashlib.sha256(body).hexdigest()


def _read_body(stream, size: int) -> Iterator[bytes]:  # noqa: ANN001
    while size:
        piece = stream.read(min(size, _PIECE))
        if not piece:
            raise EOFError
        size -= len(piece)
        yield piece


def _swallow(pieces: Iterator[bytes]) -> None:
    for _ in pieces:
        pass


def _send_some(server: socket.socket, pieces: Iterator[bytes], size: int) -> None:
    for piece in pieces:
        server.sendall(piece[:size])
        size -= len(piece)
        if size <= 0:
            return


def _damaged(pieces: Iterator[bytes], flip_at: int | None) -> Iterator[bytes]:
    at = 0
    for piece in pieces:
        if flip_at is not None and at <= flip_at < at + len(piece):
            damaged = bytearray(piece)
            damaged[flip_at - at] ^= 1
            yield bytes(damaged)
        else:
            yield piece
        at += len(piece)


def _answer_body(stream, head: bytes) -> Iterator[bytes]:  # noqa: ANN001
    if re.search(rb"(?im)^transfer-encoding:\s*chunked", head):
        while True:
            line = stream.readline()
            yield line + stream.read(int(line, 16) + 2)
            if int(line, 16) == 0:
                return
    yield from _read_body(stream, _length(head))


def _error_answer(fault: Fault) -> bytes:
    assert fault.answer is not None
    status, code = fault.answer
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    again = f"Retry-After: {fault.retry_after_seconds}\r\n" if fault.retry_after_seconds is not None else ""
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    head = f"HTTP/1.1 {status} Injected\r\nDate: {date}\r\n{again}Content-Type: application/xml\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _reset(client: socket.socket) -> None:
    """Close with RST instead of FIN, as a host that vanished would."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.shutdown(socket.SHUT_RD)
    client.close()
