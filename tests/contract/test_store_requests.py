"""What every store must do, and what ours must make of it."""

import hashlib

import pytest

from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.uploads import ObjectRequest, Part, base64_digest
from processor.store.probe import StoreProfile
from processor.store.s3 import Digest, S3Store


def digest(body: bytes) -> Digest:
    return Digest(hashlib.sha256(body).digest(), hashlib.md5(body).digest())


def test_an_object_comes_back_as_it_went(bucket: S3Store, profile: StoreProfile) -> None:
    body = bytes(range(256)) * 100
    answer = bucket.put_object(
        ObjectRequest("a/b", "text/plain", {"x-completed": "true"}), memoryview(body), digest(body)
    )
    if profile.sha256_returned:
        assert answer.sha256 == base64_digest(hashlib.sha256(body).digest())
    assert b"".join(bucket.get("a/b")) == body
    head = bucket.head("a/b")
    assert head is not None
    assert head.size_bytes == len(body)
    if profile.metadata_kept:
        assert (head.content_type, dict(head.metadata)) == ("text/plain", {"x-completed": "true"})


def test_a_wrong_checksum_is_refused(bucket: S3Store) -> None:
    with pytest.raises(DeliveryError) as caught:
        bucket.put_object(ObjectRequest("a"), b"right", digest(b"wrong"))
    assert caught.value.failure.code == "store.damaged"
    assert caught.value.failure.error_class is ErrorClass.TRANSIENT
    assert bucket.head("a") is None


def test_parts_become_one_object(bucket: S3Store) -> None:
    bodies = [b"a" * 5 * 1024 * 1024, b"b" * 10]
    upload_id = bucket.create_upload(ObjectRequest("big"))
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = bucket.upload_part("big", upload_id, number, memoryview(body), digest(body))
        parts.append(Part(number, len(body), hashlib.sha256(body).hexdigest(), answer.etag))
    assert [u.upload_id for u in bucket.list_uploads()] == [upload_id]
    listed = bucket.list_parts("big", upload_id)
    assert [(p.number, p.size_bytes, p.etag) for p in listed.values()] == [
        (part.number, part.size_bytes, part.etag) for part in parts
    ]
    bucket.complete_upload("big", upload_id, parts)
    assert b"".join(bucket.get("big")) == b"".join(bodies)
    assert list(bucket.list_uploads()) == []
