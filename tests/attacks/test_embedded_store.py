"""Another user of the host against the embedded store: over HTTP, over gRPC and at its sockets."""

import hashlib
import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import pytest

from processor.domain.uploads import ObjectRequest
from processor.store.embedded import EmbeddedStore
from processor.store.s3 import Digest, S3Store
from tests import seaweed
from tests.attacks.users import STRANGER, as_user, need_root

pytestmark = need_root

BODY = b"nobody's but ours"
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)  # RFC 9113: preface, empty SETTINGS
SETTINGS_FRAME = 4

# What removes, writes or tells something, if the part that it is said to lets it.
REQUESTS = (
    ("GET", "/buckets/{bucket}/key"),
    ("PUT", "/buckets/{bucket}/key"),
    ("POST", "/buckets/{bucket}/planted"),
    ("DELETE", "/buckets/{bucket}/key"),
    ("DELETE", "/buckets/{bucket}?recursive=true"),
    ("GET", "/{bucket}/key"),
    ("DELETE", "/{bucket}/key"),
    ("GET", "/col/delete?collection={bucket}"),
    ("POST", "/col/delete?collection={bucket}"),
    ("GET", "/dir/assign"),
    ("GET", "/vol/grow?count=1"),
    ("GET", "/vol/vacuum?garbageThreshold=0"),
    ("POST", "/submit"),
    ("GET", "/{fid}"),
    ("PUT", "/{fid}"),
    ("DELETE", "/{fid}"),
)
REFUSALS = (400, 401, 403, 404, 405)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    running = seaweed.started(tmp_path_factory.mktemp("embedded"))
    yield running
    running.stop(grace_seconds=0)


@pytest.fixture
def store(own: EmbeddedStore) -> Iterator[S3Store]:
    filled = seaweed.fresh_bucket(seaweed.settings_for(own))
    filled.put_object(ObjectRequest("key"), BODY, Digest(hashlib.sha256(BODY).digest()))
    yield filled
    assert b"".join(filled.get("key")) == BODY, "it was destroyed"
    assert [key for key, _ in filled.list_keys()] == ["key"], "something was planted"
    seaweed.drop_bucket(filled)


def ports_of(own: EmbeddedStore) -> dict[str, int]:
    return dict(orjson.loads((own.directory / "ports.json").read_bytes()))


def test_every_open_port_is_known_here(own: EmbeddedStore) -> None:
    listening = [each for each in psutil.Process(own.pid).net_connections() if each.status == psutil.CONN_LISTEN]
    assert {each.laddr.port for each in listening} == set(ports_of(own).values())


def test_no_request_without_keys_reads_removes_or_plants_anything(own: EmbeddedStore, store: S3Store) -> None:
    names = {"bucket": store.settings.bucket, "fid": "1,0149b2241e"}
    plain = [port for name, port in ports_of(own).items() if not name.endswith(".grpc")]
    asked = [(port, method, path.format_map(names)) for port in plain for method, path in REQUESTS]

    answers = as_user(STRANGER, lambda: [_ask(*each) for each in asked])

    assert len(answers) == 4 * len(REQUESTS)
    refused = [status in REFUSALS and BODY not in body for status, body in answers]
    assert [(each, answer) for each, answer, well in zip(asked, answers, refused, strict=True) if not well] == []


def test_grpc_answers_only_those_who_have_the_certificate(own: EmbeddedStore, store: S3Store) -> None:
    ports = [port for name, port in ports_of(own).items() if name.endswith(".grpc")]
    assert len(ports) == 4
    for port in ports:
        assert _greet(port, own.directory)[3:4] == bytes([SETTINGS_FRAME]), "the owner is answered"
    assert as_user(STRANGER, lambda: [_greet(port, None) for port in ports]) == [b""] * 4
    assert as_user(STRANGER, lambda: [_greet_openly(port) for port in ports]) == [b""] * 4
    with pytest.raises(PermissionError):
        as_user(STRANGER, _greet, ports[0], own.directory)
    assert store.settings.bucket


def test_no_socket_lets_a_stranger_in(own: EmbeddedStore) -> None:
    sockets = [each.laddr for each in psutil.Process(own.pid).net_connections("unix") if each.laddr]
    assert len(sockets) >= 2
    assert as_user(STRANGER, lambda: [_enter(path) for path in sockets]) == [False] * len(sockets)


def _ask(port: int, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body=b"planted" if method in {"PUT", "POST"} else None)
    answer = connection.getresponse()
    return answer.status, answer.read(1 << 16)


def _greet(port: int, keys: Path | None) -> bytes:
    """Return the first frame of an answer over TLS, with the server's own certificate or without one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if keys is not None:
        context.load_cert_chain(keys / "tls-certificate", keys / "tls-key")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            with context.wrap_socket(plain) as secured:
                secured.sendall(HELLO)
                return secured.recv(64)
        except (ssl.SSLError, ConnectionError):
            return b""


def _greet_openly(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            plain.sendall(HELLO)
            return plain.recv(64)
        except ConnectionError:
            return b""


def _enter(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
    return os.path.exists(path)
