"""Uploads in parts under kills, and a store that is away for a while; with TORTURE set, larger and longer."""

import random
import time

import pytest

from processor.config.settings import Settings
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import parts_of, through, uploads
from tests.e2e.daemon import Daemon, StoreAddress
from tests.e2e.trees import MIB, write, write_large
from tests.faultproxy import Fault, FaultProxy

PART = 5 * MIB


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("size", "kills"), [(15 * PART + 7, 3), pytest.param(1000 * MIB, 20, marks=pytest.mark.torture)], ids=str
)
def test_a_large_upload_that_is_killed_again_and_again_sends_again_at_most_the_parts_in_flight(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy, size: int, kills: int
) -> None:
    daemon = make_daemon(store=through(counting, address), S3_PART_SIZE=PART)
    digest = write_large(daemon.watch / "large.bin", size, seed=3)
    parts = -(-size // PART)
    in_flight = Settings(**_NEEDED).file_parts_in_flight
    counting.on(lambda seen: seen.part is not None, Fault(delay_seconds=0.1), 10**6)  # so that a kill meets some
    chance = random.Random(4)

    for _ in range(kills):
        wanted = len(parts_of(counting, "large.bin")) + chance.randint(1, parts // kills)
        daemon.start(ready=False)
        daemon.until(lambda: len(parts_of(counting, "large.bin")) >= wanted, timeout=300)  # noqa: B023 - asked at once
        daemon.kill()
        assert daemon.statuses() == {"large.bin": "in_progress"}, "it was killed before the end"

    assert daemon.once(timeout=600) == 0, daemon.failures()
    sent = parts_of(counting, "large.bin")
    assert set(sent) == set(range(1, parts + 1))
    assert len(sent) <= parts + kills * in_flight, f"{len(sent)} parts were sent for {parts}"
    assert objects.sha256("large.bin") == digest
    assert objects.manifest("large.bin")["sha256"] == digest
    assert uploads(counting, address.bucket)["large.bin"] == 1
    assert objects.open_uploads() == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.torture)])
@pytest.mark.parametrize(
    "outage", [Fault(answer=(503, "ServiceUnavailable")), Fault(reset_after_bytes=0)], ids=["refusing", "away"]
)
def test_a_hundred_files_wait_for_a_store_that_is_away_and_arrive_once(
    make_daemon: MakeDaemon,
    address: StoreAddress,
    objects: Bucket,
    counting: FaultProxy,
    outage: Fault,
    seconds: int,
) -> None:
    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=0)
    daemon.start()
    counting.on(lambda _: True, outage, 10**9)
    for number in range(100):
        write(daemon.watch / f"{number}.txt", b"%d" % number)
    daemon.until(lambda: list(daemon.events("store.outage")))
    before = len(counting.seen)
    until = time.monotonic() + seconds
    daemon.until(lambda: time.monotonic() > until, timeout=seconds + 60, every=0.5)
    assert len(counting.seen) - before < 10 + 2 * seconds, "a store that is away is asked now and then, not besieged"
    assert _ends(daemon) == set(), "none of them failed, and none was given up"

    counting.heal()

    daemon.until_at_rest(100, timeout=120)
    assert set(daemon.statuses().values()) == {"completed"}
    assert objects.delivered() == {f"{number}.txt" for number in range(100)}
    assert {objects.body(f"{number}.txt") for number in range(100)} == {b"%d" % number for number in range(100)}
    assert len(list(daemon.events("store.back"))) == 1
    assert list(daemon.events("file.failed")) == []


_NEEDED = {"watch_path": "/", "s3_bucket": "any"}


def _ends(daemon: Daemon) -> set[str]:
    return set(daemon.statuses().values()) - {"pending", "in_progress"}
