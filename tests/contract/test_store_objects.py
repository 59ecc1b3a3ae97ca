"""Keys, manifests, verification and orphans against a real store."""

import dataclasses
import hashlib
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from processor.delivery.manifest_upload import transfer_manifest
from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError
from processor.domain.files import FileType
from processor.domain.keys import path_key
from processor.domain.manifests import ManifestColumn, ManifestHead, ManifestObject, Omission
from processor.domain.uploads import ObjectRequest, StoredObject
from processor.store.embedded import EmbeddedStore
from processor.store.manifests import list_manifests, read_manifest
from processor.store.orphans import abort_orphans
from processor.store.s3 import Digest, S3Store
from processor.store.verification import Finding, verify_entries, verify_object
from tests import seaweed

NAMES = [
    "plain.txt",
    "with space/and space.txt",
    "quote\"and'quote",
    "new\nline",
    "tab\tand\rreturn",
    "emoji 🎉/ünïcödé",
    "percent%41%zz",
    "plus+and=equals&more?x#y",
    "back\\slash",
    ".hidden/.file",
    "a..b/...c",
    "semi;colon,comma:colon@at",
    "<angle>&amp;",
    "\x01\x7f control",
    "/".join(["d" * 100] * 8) + "/" + "e" * 91,
    "f" * 255 + ".parquet",
    "trailing.",
    "trailing space ",
]


def put(store: S3Store, key: str, body: bytes) -> StoredObject:
    with ObjectUpload(store, ObjectRequest(key)) as upload:
        upload.write(body)
        return upload.finish()


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_a_file_may_have_can_be_a_key(bucket: S3Store, name: str) -> None:
    key = path_key(name.encode())
    put(bucket, key, key.encode())
    assert [each for each, _ in bucket.list_keys()] == [key]
    assert b"".join(bucket.get(key)) == key.encode()
    head = bucket.head(key)
    assert head is not None
    assert head.size_bytes == len(key.encode())


def test_names_that_look_alike_are_different_objects(bucket: S3Store) -> None:
    names = [
        b"a/b",
        b"a\\b",
        b"A/b",
        b"a/b ",
        b"a%2Fb",
        b"a%5Cb",
        "e\u0301".encode(),
        "\u00e9".encode(),
    ]
    for name in names:
        put(bucket, path_key(name), name)
    assert {key: b"".join(bucket.get(key)) for key, _ in bucket.list_keys()} == {path_key(n): n for n in names}


def test_a_file_that_gave_way_to_a_directory_keeps_its_object(server: EmbeddedStore) -> None:
    store = seaweed.fresh_bucket(seaweed.settings_for(server))
    for key in ("a", "a/b", "c/d", "c"):
        put(store, key, key.encode())
    assert {key: b"".join(store.get(key)) for key, _ in store.list_keys()} == {
        "a": b"a",
        "a/b": b"a/b",
        "c": b"c",
        "c/d": b"c/d",
    }
    seaweed.drop_bucket(store)


def test_the_prefix_is_put_before_every_key_and_never_seen(bucket: S3Store) -> None:
    below = S3Store(dataclasses.replace(bucket.settings, prefix="/some/where/"))
    put(below, "a", b"1")
    assert [key for key, _ in bucket.list_keys()] == ["some/where/a"]
    assert [key for key, _ in below.list_keys()] == ["a"]
    assert below.head("a") is not None


def test_a_manifest_of_thousands_of_entries_is_stored_and_read_back(bucket: S3Store) -> None:
    head = ManifestHead(b"d/\xff.zip", "00" * 32, 5, 123, FileType.ARCHIVE, datetime(2026, 1, 2, tzinfo=UTC))
    stored = StoredObject("d/x.parquet", 1, "ab", "cd", "sha256:x", 0)
    entries = [
        ManifestObject(stored, b"m%d" % n, n, 0, (ManifestColumn("a", "BIGINT"),), (("encoding", "utf-8"),))
        for n in range(5000)
    ]
    entries.append(Omission(b"link", "a symbolic link"))  # type: ignore[arg-type]
    kept = transfer_manifest(bucket, head, iter(entries))
    assert list(list_manifests(bucket)) == [kept.key]
    manifest = read_manifest(bucket, kept.key)
    assert manifest.head == head
    assert list(manifest.entries) == entries


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("size", [1000, 6 * 1024 * 1024])
def test_verification_finds_what_was_deleted_truncated_or_replaced(bucket: S3Store, size: int, *, deep: bool) -> None:
    store = S3Store(dataclasses.replace(bucket.settings, part_size_bytes=5 * 1024 * 1024))
    body = random.Random(size).randbytes(size)
    if not deep and not _tells_checksums(store, body):
        pytest.skip("this store tells neither checksum nor ETag of a stored object")
    objects = {name: put(store, name, body) for name in ("good", "deleted", "truncated", "replaced")}
    store.delete("deleted")
    put(store, "truncated", body[:-1])
    put(store, "replaced", body[:-1] + bytes([body[-1] ^ 1]))
    entries = [ManifestObject(stored) for stored in objects.values()]
    found = {each.key: each.finding for each in verify_entries(store, entries, deep=deep)}
    assert found == {
        "good": Finding.OK,
        "deleted": Finding.MISSING,
        "truncated": Finding.TRUNCATED,
        "replaced": Finding.REPLACED,
    }


def test_a_sample_looks_at_some_objects_only(bucket: S3Store) -> None:
    stored = put(bucket, "a", b"x")
    found = list(verify_entries(bucket, [ManifestObject(stored)] * 200, sample=0.1, chance=random.Random(3)))
    assert 5 < len(found) < 50
    assert verify_object(bucket, stored).finding is Finding.OK


def test_own_unrecorded_uploads_are_aborted_and_all_others_left(bucket: S3Store) -> None:
    ids = {
        key: [bucket.create_upload(ObjectRequest(key)) for _ in range(count)]
        for key, count in {"a.zip": 2, "a.zip/m": 1, "a.zip2": 1, "other": 1}.items()
    }
    recorded = ("a.zip", ids["a.zip"][0])
    aborted = list(abort_orphans(bucket, ["a.zip", "a.zip/"], lambda *upload: upload == recorded))
    assert {upload.upload_id for upload in aborted} == {ids["a.zip"][1], ids["a.zip/m"][0]}
    left = {upload.upload_id for upload in bucket.list_uploads()}
    assert left == {ids["a.zip"][0], ids["a.zip2"][0], ids["other"][0]}


def test_the_upload_of_a_tables_rejects_is_aborted_with_the_tables(bucket: S3Store) -> None:
    keys = ["t.csv.parquet", "t.csv.parquet.rejects.jsonl", "t.csv.parquet.other"]
    ids = {key: bucket.create_upload(ObjectRequest(key)) for key in keys}
    aborted = {upload.upload_id for upload in abort_orphans(bucket, [keys[0]], lambda _key, _id: False)}
    assert aborted == {ids[keys[0]], ids[keys[1]]}
    assert [upload.key for upload in bucket.list_uploads()] == [keys[2]]


def test_an_object_without_a_size_known_before_is_delivered_whole(bucket: S3Store) -> None:
    body = os.urandom(9 * 1024 * 1024)
    with ObjectUpload(bucket, ObjectRequest("stream")) as upload:
        for at in range(0, len(body), 777_777):
            upload.write(body[at : at + 777_777])
        stored = upload.finish()
    assert stored.sha256 == hashlib.sha256(body).hexdigest()
    assert (stored.parts, stored.size_bytes) == (2, len(body))
    assert b"".join(bucket.get("stream")) == body


def test_many_objects_are_listed_over_all_pages(bucket: S3Store) -> None:
    digest = Digest(hashlib.sha256(b"x").digest(), hashlib.md5(b"x").digest())
    for number in range(1100):
        bucket.put_object(ObjectRequest(f"k{number:05}"), b"x", digest)
    assert [key for key, _ in bucket.list_keys("k")] == [f"k{number:05}" for number in range(1100)]


def test_the_clean_up_rules_we_ship_are_accepted(bucket: S3Store) -> None:
    rules = orjson.loads(Path("deploy/lifecycle.json").read_bytes())
    try:
        bucket.call("put_bucket_lifecycle_configuration", "set the rules", LifecycleConfiguration=rules)
    except DeliveryError as error:
        if "NotImplemented" not in str(error):
            raise
        pytest.skip("this store knows no such rules")
    kept = bucket.call("get_bucket_lifecycle_configuration", "read the rules")["Rules"]
    assert {rule["ID"] for rule in kept} == {rule["ID"] for rule in rules["Rules"]}


def _tells_checksums(store: S3Store, body: bytes) -> bool:
    put(store, "told", body)
    head = store.head("told")
    return head is not None and bool(head.etag or head.sha256)
