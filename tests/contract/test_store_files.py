"""A file of several parts is sent from its pages, with digests taken before: what arrives is what was read."""

import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from processor.delivery.examine import examine_for_upload
from processor.delivery.file_upload import transfer_file
from processor.delivery.object_upload import TransferStopped
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.files import FileMetadata
from processor.domain.uploads import FileDigests, ObjectRequest, StoredObject
from processor.store.s3 import S3Store
from tests.contract.recording import PART, Ledger, is_part, parts_sent, under_any_protection
from tests.faultproxy import Fault, FaultProxy, Seen

BODY = random.Random(8).randbytes(4 * PART + 12345)
SHA256 = hashlib.sha256(BODY).hexdigest()
PARTS = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(BODY)
    return path


def digests_of(path: Path) -> FileDigests:
    status = path.stat()
    root, name = os.fsencode(path.parent), os.fsencode(path.name)
    found = FileMetadata(os.fsencode(path), name, status.st_size, status.st_mtime_ns, 0)
    examined = examine_for_upload(root, found, PART)
    assert examined.digests is not None
    assert examined.file.checksum == examined.digests.sha256
    return examined.digests


def send(
    store: S3Store, path: Path, digests: FileDigests | None, ledger: Ledger | None = None, **options: object
) -> StoredObject:
    with path.open("rb") as file:
        return transfer_file(
            store,
            ObjectRequest("big"),
            file.fileno(),
            sha256=None if digests is None else digests.sha256,
            digests=digests,
            recorder=ledger,
            resumption=None if ledger is None else ledger.resumption,
            **options,  # type: ignore[arg-type]
        )


def stored_in(bucket: S3Store) -> bytes:
    return b"".join(bucket.get("big"))


def exchange(path: Path, at: int) -> None:
    """Change one byte so that neither size nor time tell."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([BODY[at] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_parts_digests_are_those_of_the_parts(path: Path) -> None:
    digests = digests_of(path)
    assert digests.sha256 == SHA256
    parts = [digests.part(number) for number in range(1, PARTS + 1)]
    assert parts == [hashlib.sha256(BODY[at : at + PART]).digest() for at in range(0, len(BODY), PART)]


@under_any_protection
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_file_arrives_as_it_is(store: S3Store, bucket: S3Store, path: Path, in_flight: int) -> None:
    stored = send(store, path, digests_of(path), parts_in_flight=in_flight)
    assert (stored.sha256, stored.size_bytes, stored.parts) == (SHA256, len(BODY), PARTS)
    assert stored_in(bucket) == BODY


def test_digests_that_are_not_known_are_taken_first(store: S3Store, bucket: S3Store, path: Path) -> None:
    others = FileDigests(SHA256, 3 * PART, bytes(64))
    assert send(store, path, None).sha256 == SHA256
    assert send(store, path, others).sha256 == SHA256
    assert stored_in(bucket) == BODY


@under_any_protection
def test_a_byte_flipped_on_the_way_is_noticed_and_the_part_sent_again(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, path: Path
) -> None:
    proxy.on(is_part(2), Fault(flip_byte_at=PART // 2))
    send(store, path, digests_of(path), parts_in_flight=4)
    assert stored_in(bucket) == BODY
    assert parts_sent(proxy).count(2) == 2


@under_any_protection
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_byte_that_changed_in_the_file_since_its_digest_was_taken_never_becomes_an_object(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, path: Path, in_flight: int
) -> None:
    digests = digests_of(path)
    exchange(path, 2 * PART + 5)
    ledger = Ledger()
    with pytest.raises(DeliveryError) as caught:
        send(store, path, digests, ledger, parts_in_flight=in_flight)
    assert caught.value.failure.code == "source.changed"
    assert parts_sent(proxy).count(3) <= 1, "what changed is not sent again as it was"
    assert bucket.head("big") is None
    assert list(bucket.list_uploads()) == []
    assert ledger.upload_id is None


@under_any_protection
def test_a_file_that_is_cut_short_while_it_is_sent_is_aborted(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, path: Path
) -> None:
    def cut(seen: Seen) -> bool:
        if seen.part == 2:
            os.truncate(path, 3 * PART)
        return False

    proxy.on(cut, Fault())
    with pytest.raises(DeliveryError) as caught:
        send(store, path, digests_of(path))
    assert caught.value.failure.code == "source.changed"
    assert bucket.head("big") is None
    assert list(bucket.list_uploads()) == []


@pytest.mark.parametrize("size", [2 * PART, 7 * PART])
def test_a_file_that_has_another_number_of_parts_than_when_it_was_read_is_not_begun(
    store: S3Store, proxy: FaultProxy, path: Path, size: int
) -> None:
    digests = digests_of(path)
    os.truncate(path, size)
    with pytest.raises(DeliveryError) as caught:
        send(store, path, digests)
    assert caught.value.failure.code == "source.changed"
    assert proxy.seen == []


def test_a_next_try_sends_only_the_parts_that_are_missing(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, path: Path
) -> None:
    ledger = Ledger()
    proxy.on(lambda seen: (seen.part or 0) >= 4, Fault(reset_after_bytes=1), times=100)
    with pytest.raises(DeliveryError) as caught:
        send(store, path, digests_of(path), ledger, parts_in_flight=4)
    assert caught.value.failure.error_class is ErrorClass.OUTAGE
    assert sorted(ledger.parts) == [1, 2, 3]
    proxy.heal()
    proxy.seen.clear()
    send(store, path, digests_of(path), ledger, parts_in_flight=4)
    assert sorted(parts_sent(proxy)) == [4, 5]
    assert stored_in(bucket) == BODY


def test_a_stop_is_heard_while_parts_are_in_flight(store: S3Store, proxy: FaultProxy, path: Path) -> None:
    stopped = threading.Event()

    def stop(seen: Seen) -> bool:
        if seen.part == 1:
            stopped.set()
        return False

    proxy.on(stop, Fault())
    ledger = Ledger()
    with pytest.raises(TransferStopped):
        send(store, path, digests_of(path), ledger, parts_in_flight=2, stopping=stopped.is_set)
    assert ledger.resumption is not None
    assert len(parts_sent(proxy)) < PARTS


def test_a_file_that_changes_while_it_is_read_is_aborted(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(BODY)

    def grow(seen: Seen) -> bool:
        if seen.part == 2:
            with path.open("ab") as file:
                file.write(b"more")
        return False

    proxy.on(grow, Fault())
    ledger = Ledger()
    with path.open("rb") as file, pytest.raises(DeliveryError) as caught:
        transfer_file(store, ObjectRequest("big"), file.fileno(), recorder=ledger)
    assert caught.value.failure.code == "source.changed"
    assert bucket.head("big") is None
    assert list(bucket.list_uploads()) == []
    assert ledger.upload_id is None


def test_a_file_with_another_digest_than_known_is_not_stored(store: S3Store, bucket: S3Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file, pytest.raises(DeliveryError) as caught:
        transfer_file(store, ObjectRequest("big"), file.fileno(), sha256=hashlib.sha256(b"other").hexdigest())
    assert caught.value.failure.code == "source.changed"
    assert bucket.head("big") is None
