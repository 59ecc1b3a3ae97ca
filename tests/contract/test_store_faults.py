"""Uploads through a network that fails: nothing damaged is ever completed, nothing stored is sent twice."""

import dataclasses
import hashlib
import io
import random

import pytest

from processor.delivery.object_upload import ObjectUpload, TransferStopped
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.uploads import ObjectRequest, StoredObject
from processor.store.limits import Bandwidth
from processor.store.s3 import S3Store
from tests.contract.recording import PART, Ledger, is_part, parts_sent, under_any_protection
from tests.faultproxy import Fault, FaultProxy

BODY = random.Random(5).randbytes(4 * PART + 12345)
PARTS = 5


def upload(store: S3Store, ledger: Ledger | None = None, body: bytes = BODY, **options: object) -> StoredObject:
    with ObjectUpload(
        store,
        ObjectRequest("big"),
        recorder=ledger,
        resumption=None if ledger is None else ledger.resumption,
        **options,  # type: ignore[arg-type]
    ) as going:
        source = io.BytesIO(body)
        while piece := source.read(1_000_003):
            going.write(piece)
        return going.finish(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())


def stored_in(bucket: S3Store) -> bytes:
    return b"".join(bucket.get("big"))


@under_any_protection
def test_a_flipped_byte_is_noticed_and_the_part_sent_again(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    proxy.on(is_part(2), Fault(flip_byte_at=PART // 2))
    stored = upload(store)
    assert stored_in(bucket) == BODY
    assert stored.sha256 == hashlib.sha256(BODY).hexdigest()
    assert parts_sent(proxy).count(2) == 2


@under_any_protection
def test_a_byte_flipped_every_time_never_becomes_an_object(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    proxy.on(is_part(2), Fault(flip_byte_at=17), times=100)
    with pytest.raises(DeliveryError) as caught:
        upload(store)
    assert caught.value.failure.code == "store.damaged"
    assert bucket.head("big") is None
    assert list(bucket.list_uploads()) == []


@under_any_protection
def test_a_byte_flipped_in_a_small_object_is_noticed_too(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda seen: seen.method == "PUT", Fault(flip_byte_at=3))
    upload(store, body=b"small object")
    assert stored_in(bucket) == b"small object"


def test_a_reset_in_the_middle_of_a_part_costs_that_part_only(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    proxy.on(is_part(3), Fault(reset_after_bytes=PART // 3))
    upload(store)
    assert stored_in(bucket) == BODY
    assert sorted(parts_sent(proxy)) == [1, 2, 3, 3, 4, 5]


@under_any_protection
def test_an_outage_leaves_the_upload_and_the_next_try_sends_only_the_rest(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    ledger = Ledger()
    proxy.on(lambda seen: (seen.part or 0) >= 4, Fault(reset_after_bytes=1), times=100)
    with pytest.raises(DeliveryError) as caught:
        upload(store, ledger)
    assert caught.value.failure.error_class is ErrorClass.OUTAGE
    assert sorted(ledger.parts) == [1, 2, 3]
    proxy.heal()
    proxy.seen.clear()
    upload(store, ledger)
    assert parts_sent(proxy) == [4, 5]
    assert stored_in(bucket) == BODY
    assert ledger.upload_id is None


def test_a_black_hole_ends_in_an_outage(store: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda _: True, Fault(black_hole=True), times=100)
    store.settings = dataclasses.replace(store.settings, read_timeout_seconds=0.5)
    with pytest.raises(DeliveryError) as caught:
        upload(store)
    assert caught.value.failure.error_class is ErrorClass.OUTAGE


def test_slow_down_is_waited_out_and_lowers_the_shared_rate(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    waits: list[float] = []
    store.pause = waits.append
    proxy.on(is_part(1), Fault(answer=(503, "SlowDown"), retry_after_seconds=7), times=4)
    upload(store)
    assert stored_in(bucket) == BODY
    assert sum(waits) >= 4 * 7
    assert store.rate.per_second is not None


def test_a_stop_is_heard_while_a_busy_store_is_waited_for(store: S3Store, proxy: FaultProxy) -> None:
    waits: list[float] = []
    store.pause = waits.append
    proxy.on(is_part(2), Fault(answer=(503, "SlowDown"), retry_after_seconds=3600), times=100)
    ledger = Ledger()
    with pytest.raises(TransferStopped):
        upload(store, ledger, stopping=lambda: len(waits) >= 3)
    assert sorted(ledger.parts) == [1]
    assert sum(waits) < 10


def test_bandwidth_is_shared_by_all_uploads(store: S3Store) -> None:
    waits: list[float] = []
    store.pause = waits.append
    store.bandwidth = Bandwidth(1000)
    for _ in range(2):
        upload(store, body=bytes(2_000_000))
    assert 1950 < sum(waits) <= 2000


def test_an_unavailable_store_is_an_outage_with_its_retry_after(store: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda _: True, Fault(answer=(503, "ServiceUnavailable"), retry_after_seconds=9), times=100)
    with pytest.raises(DeliveryError) as caught:
        upload(store)
    assert caught.value.failure.error_class is ErrorClass.OUTAGE
    assert caught.value.failure.retry_after_seconds == 9


@under_any_protection
def test_a_lost_answer_to_complete_is_recognised_as_success(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    ledger = Ledger()
    proxy.on(lambda seen: seen.completes, Fault(lose_response=True))
    stored = upload(store, ledger)
    assert stored_in(bucket) == BODY
    assert stored.parts == PARTS
    assert ledger.upload_id is None


@under_any_protection
def test_a_completion_nobody_heard_of_is_recognised_by_the_next_try(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    ledger = Ledger()
    proxy.on(lambda seen: seen.completes, Fault(lose_response=True))
    proxy.on(lambda seen: seen.completes or seen.method == "HEAD", Fault(reset_after_bytes=0), times=100)
    with pytest.raises(DeliveryError):
        upload(store, ledger)
    assert len(ledger.parts) == PARTS
    proxy.heal()
    proxy.seen.clear()
    upload(store, ledger)
    assert parts_sent(proxy) == []
    assert stored_in(bucket) == BODY
    assert ledger.upload_id is None


def test_changed_content_never_joins_old_parts(store: S3Store, bucket: S3Store, proxy: FaultProxy) -> None:
    ledger = Ledger()
    with pytest.raises(TransferStopped):
        upload(store, ledger, stopping=lambda: len(ledger.parts) == 3)
    changed = BODY[:PART] + b"\0" + BODY[PART + 1 :]
    proxy.seen.clear()
    upload(store, ledger, body=changed)
    assert parts_sent(proxy) == [2, 4, 5]
    assert stored_in(bucket) == changed


def test_an_upload_that_was_cleaned_away_is_begun_anew(store: S3Store, bucket: S3Store) -> None:
    ledger = Ledger()
    with pytest.raises(TransferStopped):
        upload(store, ledger, stopping=lambda: len(ledger.parts) == 2)
    assert ledger.upload_id is not None
    bucket.abort_upload("big", ledger.upload_id)
    upload(store, ledger)
    assert stored_in(bucket) == BODY


def test_an_upload_stopped_after_every_part_sends_each_part_once(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    ledger = Ledger()
    for stored in range(1, PARTS):
        with pytest.raises(TransferStopped):
            upload(store, ledger, stopping=lambda stored=stored: len(ledger.parts) == stored)
    upload(store, ledger)
    assert parts_sent(proxy) == [1, 2, 3, 4, 5]
    assert stored_in(bucket) == BODY


@pytest.mark.parametrize("in_flight", [2, 4])
def test_parts_sent_at_the_same_time_become_the_same_object(
    store: S3Store, bucket: S3Store, proxy: FaultProxy, in_flight: int
) -> None:
    proxy.on(is_part(2), Fault(delay_seconds=0.3))
    proxy.on(is_part(4), Fault(flip_byte_at=9))
    upload(store, parts_in_flight=in_flight)
    assert stored_in(bucket) == BODY


def test_a_producer_that_begins_anew_sends_no_equal_part_again(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    with ObjectUpload(store, ObjectRequest("big")) as going:
        going.write(BODY[: 3 * PART + 1])
        going.restart()
        going.write(BODY)
        going.finish()
    assert parts_sent(proxy) == [1, 2, 3, 4, 5]
    assert stored_in(bucket) == BODY


def test_a_producer_that_begins_anew_with_less_leaves_nothing_of_before(store: S3Store, bucket: S3Store) -> None:
    with ObjectUpload(store, ObjectRequest("big")) as going:
        going.write(BODY)
        going.restart()
        going.write(b"")
        stored = going.finish()
    assert stored.size_bytes == 0
    assert stored_in(bucket) == b""
    assert list(bucket.list_uploads()) == []


def test_bytes_without_their_end_never_become_an_object(store: S3Store, bucket: S3Store) -> None:
    def cut_short() -> None:
        with ObjectUpload(store, ObjectRequest("big")) as going:
            going.write(BODY)
            going.finish(size_bytes=len(BODY) + 1)

    with pytest.raises(DeliveryError):
        cut_short()
    assert bucket.head("big") is None
    assert list(bucket.list_uploads()) == []


def test_expired_credentials_are_found_anew_and_nothing_fails(
    store: S3Store, bucket: S3Store, proxy: FaultProxy
) -> None:
    proxy.on(is_part(2), Fault(answer=(400, "ExpiredToken")))
    proxy.on(lambda seen: seen.completes, Fault(answer=(400, "ExpiredToken")))
    upload(store)
    assert stored_in(bucket) == BODY
    assert parts_sent(proxy) == [1, 2, 2, 3, 4, 5]


def test_credentials_that_stay_expired_are_an_outage_with_a_hint(store: S3Store, proxy: FaultProxy) -> None:
    proxy.on(lambda _: True, Fault(answer=(400, "ExpiredToken")), times=100)
    with pytest.raises(DeliveryError) as caught:
        upload(store, body=b"small")
    assert caught.value.failure.error_class is ErrorClass.OUTAGE
    assert caught.value.failure.code == "store.credentials-expired"
