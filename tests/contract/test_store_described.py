"""How an object is to be stored is said with it: encryption, storage class, tags and metadata, by PUT and in parts."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from processor.config.settings import Settings
from processor.delivery.file_upload import transfer_file
from processor.delivery.manifest_upload import transfer_manifest
from processor.delivery.object_stream import object_request
from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError
from processor.domain.files import FileMetadata, FileType
from processor.domain.manifests import ManifestHead
from processor.domain.uploads import ObjectRequest
from processor.store.from_settings import store_settings
from processor.store.s3 import S3Store
from processor.streams.frames import Begin, Content
from tests.contract.recording import PART
from tests.faultproxy import Fault, FaultProxy

Make = Callable[..., S3Store]

REQUEST = ObjectRequest("described", "text/plain", {"x-completed": "true"})
ALWAYS = {"content-type": "text/plain", "x-amz-meta-x-completed": "true"}
SIZES = pytest.mark.parametrize("size", [100, PART + 1], ids=["PUT", "parts"])

ENCRYPTION = "x-amz-server-side-encryption"
KMS_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
CASES = {
    "nothing": ({}, {}),
    "SSE-S3": ({"s3_sse": "AES256"}, {ENCRYPTION: "AES256"}),
    "SSE-KMS": ({"s3_sse": "aws:kms"}, {ENCRYPTION: "aws:kms"}),
    "SSE-KMS with a key": (
        {"s3_sse": "aws:kms", "s3_sse_kms_key_id": "arn:aws:kms:eu:1:key/2"},
        {ENCRYPTION: "aws:kms", KMS_KEY: "arn:aws:kms:eu:1:key/2"},
    ),
    "storage class": ({"s3_storage_class": "STANDARD_IA"}, {"x-amz-storage-class": "STANDARD_IA"}),
    "tags": ({"s3_tags": "team=data&kind=a b"}, {"x-amz-tagging": "team=data&kind=a+b"}),
}  # fmt: skip
ALL = {name for _, headers in CASES.values() for name in headers}


@pytest.fixture
def described(bucket: S3Store, proxy: FaultProxy, tmp_path: Path) -> Iterator[Make]:
    """Make a store from settings of the daemon, over the proxy."""
    stores = []

    def make(**settings: str) -> S3Store:
        ours = bucket.settings
        secret = SecretStr(ours.secret_access_key or "")
        known = {"s3_endpoint": proxy.endpoint, "s3_bucket": ours.bucket, "s3_secret_access_key": secret}
        paths = {"watch_path": tmp_path, "s3_access_key_id": ours.access_key_id, "s3_part_size": PART}
        store = S3Store(store_settings(Settings(**known, **paths, **settings)), protection=bucket.protection)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


def send(store: S3Store, size: int) -> None:
    with ObjectUpload(store, dataclasses.replace(REQUEST, size_bytes=size)) as upload:
        upload.write(bytes(size))
        upload.finish()


@SIZES
@pytest.mark.parametrize("name", CASES)
def test_the_request_that_makes_an_object_says_how_it_is_to_be_stored(
    described: Make, proxy: FaultProxy, size: int, name: str
) -> None:
    settings, headers = CASES[name]
    # The store is not asked: few of those that tests can start have keys for encryption, or classes.
    proxy.on(lambda _: True, Fault(answer=(400, "InvalidRequest")), times=100)
    with pytest.raises(DeliveryError):
        send(described(**settings), size)
    (seen,) = proxy.seen
    assert (seen.method, "uploads" in seen.target) == (("PUT", False) if size < PART else ("POST", True))
    said = {each: value for each, value in seen.headers.items() if each in ALL | ALWAYS.keys()}
    assert said == ALWAYS | headers


def test_manifests_notes_and_rejects_are_of_the_bucket_s_own_class(described: Make, proxy: FaultProxy) -> None:
    store = described(s3_storage_class="GLACIER")
    digest = "ab" * 32
    file = FileMetadata(b"/w/a.csv", b"a.csv", 1, 1, 1, checksum=digest)
    asked = {each: object_request(file, Begin(-1, b"a.csv", each)) for each in Content}
    kept = {each for each, request in asked.items() if "StorageClass" in store.described(request)}
    assert kept == {Content.AS_IS, Content.PARQUET}
    head = ManifestHead(b"a.csv", digest, 1, 1, FileType.DATABASE, datetime.now(UTC))
    transfer_manifest(store, head, ())
    assert [seen.method for seen in proxy.seen if seen.method == "PUT"] == ["PUT"]
    assert not any("x-amz-storage-class" in seen.headers for seen in proxy.seen)


@SIZES
def test_a_store_that_takes_tags_and_a_class_has_them_afterwards(described: Make, bucket: S3Store, size: int) -> None:
    send(described(s3_tags="team=data&kind=a b", s3_storage_class="STANDARD"), size)
    try:
        tags = bucket.call("get_object_tagging", "read the tags", Key="described")["TagSet"]
    except DeliveryError as error:
        if "NotImplemented" not in str(error):
            raise
        pytest.skip("this store knows no tags")
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "data", "kind": "a b"}
    head = bucket.head("described")
    assert head is not None
    assert (head.content_type, head.metadata["x-completed"]) == ("text/plain", "true")


def test_a_file_in_parts_is_described_once_for_all_parts(described: Make, proxy: FaultProxy, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(PART + 1))
    with path.open("rb") as file:
        transfer_file(described(s3_tags="team=data"), REQUEST, file.fileno(), parts_in_flight=2)
    tagged = [seen for seen in proxy.seen if "x-amz-tagging" in seen.headers]
    assert [(seen.method, seen.part) for seen in tagged] == [("POST", None)]
