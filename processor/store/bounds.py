"""Bounds for answers: bytes and seconds, whoever answers.

A document of S3's is short. A body without end, headers without end, one byte a minute or a length of exabytes are
somebody else's, and must take neither memory nor a thread. Only the content of an object that is asked for is as long
as it is; it has to keep coming.
"""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from urllib3.exceptions import ProtocolError

MOST_HEAD_BYTES = 128 << 10
MOST_DOCUMENT_BYTES = 1 << 20
_LEAST_SECONDS = 0.001  # 0 would mean: do not wait


class Bounds:
    """How much an answer may bring, until when; `None` for the seconds: as long as each piece is in time."""

    def __init__(self, connection: socket.socket, seconds: float | None) -> None:
        self._connection = connection
        self._usual = connection.gettimeout()
        self._room: float = 0
        self._deadline: float | None = None
        self.allow(MOST_HEAD_BYTES, seconds)

    def allow(self, size_bytes: float, seconds: float | None) -> None:
        """Begin another stretch of the answer."""
        self._room = size_bytes
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._connection.settimeout(self._usual)

    def before_reading(self) -> None:
        """Wait no longer than is left. Raises TimeoutError."""
        if self._deadline is None:
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer does not come to its end")
        self._connection.settimeout(max(left, _LEAST_SECONDS))

    def take(self, size_bytes: int) -> None:
        """Count what came. Raises ProtocolError when it is too much."""
        self._room -= size_bytes
        if self._room < 0:
            raise ProtocolError("the answer is longer than any of S3's")


class BoundedResponse(HTTPResponse):
    """An answer to the client: its head is bounded, and its body unless that is an object's content."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._seconds = sock.gettimeout()
        self._bounds = Bounds(sock, self._seconds)
        self._streams = bool(getattr(_asked, "streams", False))
        self.fp = io.BufferedReader(_Bounded(sock.makefile("rb", buffering=0), self._bounds))

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        if self._streams and self.status < 300:  # noqa: PLR2004
            self._bounds.allow(float("inf"), None)
        else:
            self._bounds.allow(MOST_DOCUMENT_BYTES, self._seconds)


class _Bounded(io.RawIOBase):
    def __init__(self, raw: Any, bounds: Bounds) -> None:
        self._raw = raw
        self._bounds = bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._bounds.before_reading()
        size = int(self._raw.readinto(buffer) or 0)
        self._bounds.take(size)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Connection(AWSHTTPConnection):
    response_class = BoundedResponse  # type: ignore[assignment]  # it does without Expect's status


class _SecureConnection(AWSHTTPSConnection):
    response_class = BoundedResponse  # type: ignore[assignment]  # it does without Expect's status


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(AWSHTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_asked = threading.local()


def bound(client: Any) -> None:
    """Have every answer to this client bounded; nothing was sent by it yet."""
    # The client's pools can not be chosen by any argument of boto3's; tests see that they are in use.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_Pool, https=_SecurePool)  # noqa: SLF001
    client.meta.events.register("before-send.s3", _before_sending)


def _before_sending(request: Any, **_: Any) -> None:
    """Remember what is asked for. And ask for no `100 Continue`, which the client would read by itself, unbounded."""
    _asked.streams = request.stream_output
    if "Expect" in request.headers:  # it is not signed
        del request.headers["Expect"]
