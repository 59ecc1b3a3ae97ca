"""Stores that say yes and have nothing, and what stands before them and takes answers apart."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from processor.delivery.manifest_upload import transfer_manifest
from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.files import FileType
from processor.domain.manifests import ManifestHead
from processor.domain.uploads import ObjectRequest, Protection, StoredObject, completion_metadata
from processor.store.s3 import S3Store
from tests.contract.recording import PART, Ledger, under_any_protection
from tests.faultproxy import Fault, FaultProxy, Seen

BARE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SMALL = b"a small object"
LARGE = bytes(range(256)) * (PART // 256) + b"and one more part"
METADATA = completion_metadata(b"a/b", "ab" * 32)


def upload(store: S3Store, body: bytes, ledger: Ledger | None = None, **metadata: str) -> StoredObject:
    with ObjectUpload(store, ObjectRequest("key", metadata=metadata), recorder=ledger) as going:
        going.write(body)
        return going.finish()


def refused(call: Callable[[], object]) -> tuple[str, ErrorClass]:
    with pytest.raises(DeliveryError) as caught:
        call()
    return caught.value.failure.code, caught.value.failure.error_class


def is_put(seen: Seen) -> bool:
    return seen.method == "PUT"


def begins(seen: Seen) -> bool:
    return seen.method == "POST" and seen.target.endswith("?uploads")


@under_any_protection
def test_a_bare_success_is_no_delivery(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    proxy.on(is_put, Fault(raw=BARE), times=9)
    assert refused(lambda: upload(store, SMALL, **METADATA)) == ("store.not-stored", ErrorClass.OUTAGE)
    assert bucket.head("key") is None


@under_any_protection
def test_what_was_there_before_is_not_taken_for_what_was_sent(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    upload(bucket, SMALL[::-1], **METADATA | {"source-sha256": "cd" * 32})
    proxy.on(is_put, Fault(raw=BARE), times=9)
    assert refused(lambda: upload(store, SMALL, **METADATA))[0] == "store.not-stored"
    assert refused(lambda: upload(store, SMALL))[0] == "store.not-stored"


@under_any_protection
@pytest.mark.parametrize("metadata", [METADATA, {}], ids=["metadata", "bytes"])
def test_an_object_that_no_answer_named_is_looked_for(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, metadata: dict[str, str]
) -> None:
    proxy.on(is_put, Fault(raw_after=BARE))
    stored = upload(store, SMALL, **metadata)
    assert stored.sha256 == hashlib.sha256(SMALL).hexdigest()
    assert b"".join(bucket.get("key")) == SMALL


def test_the_manifest_is_looked_for_too(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    head = ManifestHead(b"a/b", "ab" * 32, 1, 2, FileType.REGULAR, datetime(2026, 1, 2, tzinfo=UTC))
    proxy.on(is_put, Fault(raw=BARE), times=9)
    assert refused(lambda: transfer_manifest(store, head, ()))[0] == "store.not-stored"
    assert list(bucket.list_keys()) == []


def test_an_upload_that_begins_with_a_bare_success_has_not_begun(store: S3Store, proxy: FaultProxy) -> None:
    proxy.on(begins, Fault(raw=BARE), times=9)
    assert refused(lambda: upload(store, LARGE)) == ("store.unexpected", ErrorClass.OUTAGE)


@under_any_protection
def test_a_part_that_no_answer_names_completes_nothing(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda seen: seen.part == 2, Fault(raw=BARE), times=9)
    assert refused(lambda: upload(store, LARGE)) == ("store.no-etag", ErrorClass.OUTAGE)
    assert bucket.head("key") is None


@under_any_protection
def test_a_completion_that_never_happened_is_no_delivery(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    ledger = Ledger()
    proxy.on(lambda seen: seen.completes, Fault(raw=BARE), times=9)
    with pytest.raises(DeliveryError):
        upload(store, LARGE, ledger, **METADATA)
    assert bucket.head("key") is None


@under_any_protection
@pytest.mark.parametrize("status", [400, 403, 503])
def test_a_look_that_is_refused_takes_nothing_back(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, status: int
) -> None:
    answer = f"HTTP/1.1 {status} Injected\r\nContent-Length: 0\r\n\r\n".encode()
    proxy.on(lambda seen: seen.method == "HEAD", Fault(raw=answer), times=9)
    upload(store, LARGE, **METADATA)
    assert b"".join(bucket.get("key")) == LARGE


def test_a_look_that_is_led_elsewhere_ends(store: S3Store, proxy: FaultProxy) -> None:
    moved = b"HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\n\r\n"
    proxy.on(lambda seen: seen.method == "HEAD", Fault(raw=moved), times=99)
    assert refused(lambda: store.head("key"))[1] is ErrorClass.OUTAGE
    assert len(proxy.seen) == 1


def test_a_look_that_tells_nothing_is_told_as_that(store: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda seen: seen.method == "HEAD", Fault(raw=b"HTTP/1.1 200 OK\r\n\r\n"))
    assert refused(lambda: store.head("key"))[0] == "store.unexpected"


@pytest.mark.parametrize("store", [Protection.SHA256], indirect=True)
def test_a_proxy_that_takes_etags_away_is_named(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda _: True, Fault(strip=("etag",)), times=99)
    upload(store, SMALL, **METADATA)
    assert b"".join(bucket.get("key")) == SMALL
    with pytest.raises(DeliveryError) as caught:
        upload(store, LARGE, **METADATA)
    assert caught.value.failure.code == "store.no-etag"
    assert "proxy" in caught.value.failure.hint
