"""One contract for every way out: what one way sends, the other sends, byte for byte."""

import dataclasses
import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog.testing

from processor.daemon.app import probed
from processor.delivery.file_upload import transfer_file
from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError
from processor.domain.uploads import ObjectRequest, Protection
from processor.store import direct
from processor.store.embedded import EmbeddedStore, free_ports
from processor.store.s3 import S3Store
from tests import seaweed
from tests.contract.recording import PART
from tests.contract.test_store_https import authority
from tests.contract.ways import Forwarder

__all__ = ["authority"]

NAME = "s3.test"  # nobody but the proxy knows it
SIZES = [0, 1, (64 << 10) + 1, PART + 1]


@dataclasses.dataclass
class Place:
    """A server that speaks both HTTP and HTTPS, and a bucket in it."""

    plain: S3Store
    https: str
    authority: Path


@pytest.fixture(scope="module")
def place(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    (port,) = free_ports(1)
    tls = [f"-s3.port.https={port}", f"-s3.cert.file={authority}/server.pem", f"-s3.key.file={authority}/server.key"]
    running: EmbeddedStore = seaweed.started(tmp_path_factory.mktemp("ways"), *tls, f"-s3.domainName={NAME}")
    plain = seaweed.fresh_bucket(seaweed.settings_for(running))
    yield Place(plain, f"https://127.0.0.1:{port}", authority)
    plain.close()
    running.stop(grace_seconds=0)


@dataclasses.dataclass
class Way:
    """A store by one way, and the proxy on it."""

    store: S3Store
    proxy: Forwarder


OURS = ("plain", "proxy", "tls", "tunnel", "virtual", "IPv6")
WAYS = [*OURS, *(f"client {each}" for each in OURS)]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    kind = request.param.removeprefix("client ")
    if kind != request.param:
        monkeypatch.setattr(direct, "direct_to", lambda *_: None)
    port = int((place.plain.settings.endpoint or "").rpartition(":")[2])
    with ExitStack() as parts:
        proxy = parts.enter_context(Forwarder(wants="Basic bmFtZTpzZWNyZXQ="))
        endpoint = place.plain.settings.endpoint
        if kind in ("proxy", "tunnel", "virtual"):
            for scheme in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(scheme, f"http://name:secret@127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
        if kind in ("tls", "tunnel"):
            endpoint = place.https
        elif kind == "virtual":
            endpoint = f"http://{NAME}:{port}"
        elif kind == "IPv6":
            endpoint = f"http://[::1]:{parts.enter_context(Forwarder('::1', port)).port}"
        settings = dataclasses.replace(
            place.plain.settings,
            endpoint=endpoint,
            ca_bundle=place.authority / "ca.pem",
            part_size_bytes=PART,
            force_path_style=kind != "virtual",
        )
        store = S3Store(settings)
        parts.callback(store.close)
        yield Way(store, proxy)


def test_bodies_of_every_kind_and_size_arrive_as_they_are(way: Way, place: Place, tmp_path: Path) -> None:
    for size in SIZES:
        body = random.Random(size).randbytes(size)
        path = tmp_path / "file"
        path.write_bytes(body)
        for name, stored in (
            ("stream", stream(way.store, body, 1)),
            ("two", stream(way.store, body, 2)),
            ("file", file(way.store, path)),
        ):
            assert stored == hashlib.sha256(body).hexdigest(), (name, size)
            assert b"".join(place.plain.get(name)) == body, (name, size)
    assert way.store.head("file") is not None
    assert ("file", PART + 1) in list(way.store.list_keys())
    assert len(b"".join(way.store.get("file"))) == PART + 1
    for name in ("stream", "two", "file"):
        way.store.delete(name)


@pytest.mark.parametrize("protection", [Protection.SIGNATURE, Protection.MD5])
def test_a_file_of_several_parts_arrives_under_any_protection(
    way: Way, place: Place, tmp_path: Path, protection: Protection
) -> None:
    body = random.Random(1).randbytes(PART + 1)
    (tmp_path / "file").write_bytes(body)
    store = S3Store(way.store.settings, protection=protection)
    file(store, tmp_path / "file")
    store.close()
    assert b"".join(place.plain.get("file")) == body


def test_a_host_that_is_reached_without_tls_is_told_at_the_start(way: Way) -> None:
    with structlog.testing.capture_logs() as lines:
        probed(way.store)
    endpoint = way.store.settings.endpoint or ""
    told = [line["endpoint"] for line in lines if line["event"] == "store.plaintext"]
    assert told == ([endpoint] if endpoint.startswith(f"http://{NAME}") else [])


def stream(store: S3Store, body: bytes, in_flight: int) -> str:
    name = "stream" if in_flight == 1 else "two"
    with ObjectUpload(store, ObjectRequest(name), parts_in_flight=in_flight) as upload:
        for at in range(0, len(body), 777_777):
            upload.write(body[at : at + 777_777])
        return upload.finish().sha256


def file(store: S3Store, path: Path) -> str:
    with path.open("rb") as opened:
        return transfer_file(store, ObjectRequest("file"), opened.fileno(), parts_in_flight=2).sha256


@pytest.fixture
def refusing(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], S3Store]]:
    with ExitStack() as parts:
        proxy = parts.enter_context(Forwarder(wants="Basic bmFtZTpzZWNyZXQ="))

        def make(endpoint: str, user: str) -> S3Store:
            for scheme in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(scheme, f"http://{user}127.0.0.1:{proxy.port}")
            settings = dataclasses.replace(
                place.plain.settings, endpoint=endpoint, ca_bundle=place.authority / "ca.pem"
            )
            store = S3Store(settings)
            parts.callback(store.close)
            return store

        yield make


@pytest.mark.parametrize("user", ["", "name:wrong@"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tunnel"])
def test_a_proxy_that_wants_another_name_is_named(
    refusing: Callable[[str, str], S3Store], place: Place, user: str, *, secure: bool
) -> None:
    endpoint = place.https if secure else place.plain.settings.endpoint or ""
    with pytest.raises(DeliveryError) as caught:
        stream(refusing(endpoint, user), b"body", 1)
    assert caught.value.failure.code == "store.proxy"
    assert "HTTPS_PROXY" in caught.value.failure.hint
    assert "wrong" not in str(caught.value)
