"""Answers that nobody should give: whatever comes, it ends soon, in little memory, and as an error of ours.

`TORTURE=1` tries 4,000 of them instead of 200.
"""

import contextlib
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from processor.domain.errors import DeliveryError
from processor.domain.uploads import ObjectRequest, Part, Protection
from processor.store import direct
from processor.store.probe import probe
from processor.store.s3 import Digest, S3Store
from processor.store.settings import StoreSettings

MANY = 4000 if os.environ.get("TORTURE") else 200
DIGEST = Digest(bytes(32), bytes(16))

Answer = Callable[[socket.socket], None]


class Liar:
    """Answers each connection's first request by `answer`, then closes it. `sent` counts the bytes that went out."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: None
        self.sent = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._ending = threading.Event()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._listener.close()

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)

    def drip(self, connection: socket.socket, data: bytes) -> None:
        """Send it byte by byte, again and again, until nobody listens."""
        while True:
            for at in range(len(data)):
                self.send(connection, data[at : at + 1])
                if self._ending.wait(0.02):
                    return

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            heard = b""
            while b"\r\n\r\n" not in heard:
                piece = connection.recv(65536)
                if not piece:
                    return
                heard += piece
            self.answer(connection)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(1)
            while connection.recv(65536):
                pass


@pytest.fixture
def liar() -> Iterator[Liar]:
    with Liar() as running:
        yield running


@pytest.fixture(params=["ours", "client"])
def store(request: pytest.FixtureRequest, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    if request.param == "client":
        monkeypatch.setattr(direct, "direct_to", lambda *_: None)
    settings = StoreSettings(
        "bucket", liar.endpoint, access_key_id="a", secret_access_key="b", read_timeout_seconds=0.4
    )
    made = S3Store(settings, protection=Protection.MD5, pause=lambda _: None)
    yield made
    made.close()


OPERATIONS: dict[str, Callable[[S3Store], object]] = {
    "put": lambda store: store.put_object(ObjectRequest("k"), b"body", DIGEST),
    "create": lambda store: store.create_upload(ObjectRequest("k")),
    "part": lambda store: store.upload_part("k", "u", 1, b"body", DIGEST),
    "complete": lambda store: store.complete_upload("k", "u", [Part(1, 4, "00" * 32, "e")]),
    "abort": lambda store: store.abort_upload("k", "u"),
    "parts": lambda store: store.list_parts("k", "u"),
    "uploads": lambda store: list(store.list_uploads()),
    "keys": lambda store: list(store.list_keys()),
    "head": lambda store: store.head("k"),
    "get": lambda store: b"".join(store.get("k")),
    "range": lambda store: store.get_range("k", 0, 10),
    "delete": lambda store: store.delete("k"),
    "bucket": lambda store: store.bucket_exists(),
}

DOCUMENTS = [
    b"",
    b"<Error><Code>NoSuchKey</Code><Message>m</Message></Error>",
    b"<Error><Code>" + b"x" * 5000 + b"</Code></Error>",
    b"<Error/>",
    b"<html><body><p>login<br></body></html>",
    b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    b"<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>",
    b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>",
    b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
    b"<ListMultipartUploadsResult><Upload><Key>k</Key><Initiated>never</Initiated></Upload></ListMultipartUploadsResult>",
    b"<ListPartsResult><Part><PartNumber>1</PartNumber></Part></ListPartsResult>",
    b"<ListPartsResult><Part><PartNumber>-1e9</PartNumber><Size></Size></Part></ListPartsResult>",
    b"<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
    b"<CompleteMultipartUploadResult><ETag>&#0;</ETag></CompleteMultipartUploadResult>",
    b"<a>" * 20_000,
    b"<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'>"
    + b"".join(b"<!ENTITY b%d '&b;&b;&b;'>" % n for n in range(50))
    + b"]><a>&b;</a>",
    b"\xff\xfe\x00\x00" * 100,
    b'{"error": "no"}',
]
STATUS = [
    b"200 OK",
    b"204 No",
    b"206 Partial",
    b"301 M",
    b"304 N",
    b"400 B",
    b"403 F",
    b"404 N",
    b"412 P",
    b"500 I",
    b"503 S",
]
STATUS += [b"999 X", b"000", b"-1 x", b"2OO OK", b"", b"200 " + b"x" * 70_000, b"100 Continue", b"101 Switching"]
HEADERS = [
    b"Content-Length: 1000000000000000000",
    b"Content-Length: -5",
    b"Content-Length: five",
    b"Content-Length: 3\r\nContent-Length: 9",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Encoding: gzip",
    b"ETag: \xff\xfe",
    b'ETag: "' + b"e" * 60_000 + b'"',
    b"Last-Modified: yesterday",
    b"Last-Modified: Mon, 99 Foo 99999 99:99:99 GMT",
    b"Date: nonsense",
    b"x-amz-checksum-sha256: not base64",
    b"x-amz-checksum-type: \xe9",
    b"x-amz-meta-\xff: \xff",
    b"Retry-After: inf",
    b"Retry-After: -nan",
    b"Location: http://[::1",
    b"x-amz-bucket-region: \x01",
    b"Connection: close",
    b"no colon at all",
    b": no name",
    b"a: b\r\n folded",
    b"x-amz-delete-marker: perhaps",
    b"Expires: x",
]


def made_up(chance: random.Random) -> bytes:
    document = chance.choice(DOCUMENTS)
    head = [b"HTTP/1.1 " + chance.choice(STATUS)]
    head += chance.sample(HEADERS, chance.choice([0, 0, 1, 2, 5]))
    head += [b"x-%d: y" % n for n in range(chance.choice([0, 0, 0, 99, 500]))]
    if chance.random() < 0.6:
        head.insert(1, b"Content-Length: %d" % (len(document) + chance.choice([0, 0, 0, 7, -3])))
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" * chance.choice([0, 0, 0, 3]) + b"\r\n".join([*head, b"", b""]) + document
    for _ in range(chance.choice([0, 0, 1, 3])):
        at = chance.randrange(len(answer))
        answer = answer[:at] + chance.randbytes(chance.choice([0, 1, 4])) + answer[at + chance.randrange(5) :]
    return answer[: chance.choice([None, None, None, chance.randrange(1 + len(answer))])]


def test_whatever_is_answered_nothing_but_our_own_errors_comes_of_it(store: S3Store, liar: Liar) -> None:
    chance = random.Random(20261130)
    ours = 0
    for number in range(MANY // 2):
        answer = made_up(chance)
        liar.answer = lambda connection, answer=answer: liar.send(connection, answer)
        name = chance.choice(list(OPERATIONS))
        try:
            OPERATIONS[name](store)
        except DeliveryError:
            ours += 1
        except Exception as error:  # noqa: BLE001 - that is what must not be
            pytest.fail(f"{number}: {name}: {error!r} of {answer[:500]!r}")
    assert ours > MANY // 4, "most of them are nothing that can be understood"


def test_an_endpoint_that_says_yes_to_everything_is_found_out(store: S3Store, liar: Liar) -> None:
    liar.answer = lambda connection: liar.send(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    profile = probe(store)
    assert profile.problem is not None
    assert "S3_ENDPOINT" in profile.problem.hint
    assert not profile.protected


CHUNKED = b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "a body of a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", b"x" * 65536),
    "a body in chunks": (
        b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"8000\r\n" + b"x" * 0x8000 + b"\r\n",
    ),
    "one chunk": (b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", b"x" * 65536),
    "a chunk's size": (b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 1000 + b"\r\n"),
    "a status": (b"HTTP/1.1 200 ", b"O" * 65536),
    "continuations": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a trailer": (CHUNKED + b"0\r\n", b"x: y\r\n" * 1000),
}


# One operation reads an answer's body only if it is an error, the other always; of all else both take the same way.
ENDED = [("keys", kind) for kind in ENDLESS] + [("put", kind) for kind in ENDLESS if MANY > 200 or "body" in kind]
DRIPPING = [("put", "a body"), ("keys", "headers"), ("put", "continuations")]


@pytest.mark.parametrize(("operation", "kind"), ENDED)
def test_what_has_no_end_is_ended(store: S3Store, liar: Liar, kind: str, operation: str) -> None:
    begin, again = ENDLESS[kind]

    def pour(connection: socket.socket) -> None:
        liar.send(connection, begin)
        while True:
            liar.send(connection, again)

    liar.answer = pour
    with pytest.raises(DeliveryError):
        OPERATIONS[operation](store)
    assert liar.sent < 32 << 20, "what lies in the kernel's buffers, and a document's length, twice"


@pytest.mark.parametrize(("operation", "kind"), DRIPPING)
def test_what_comes_drop_by_drop_is_ended(store: S3Store, liar: Liar, kind: str, operation: str) -> None:
    begin, again = ENDLESS[kind]

    def trickle(connection: socket.socket) -> None:
        liar.send(connection, begin)
        liar.drip(connection, again)

    liar.answer = trickle
    with pytest.raises(DeliveryError):
        OPERATIONS[operation](store)
