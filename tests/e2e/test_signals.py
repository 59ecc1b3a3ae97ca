"""Signals and kills: the daemon ends when told to, and whatever ends it, the next start goes on."""

import os
import random
import signal
import time

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import parts_of, through
from tests.e2e.daemon import StoreAddress
from tests.e2e.trees import MIB, make_tree, write_csv, write_large
from tests.examples import MANY
from tests.faultproxy import FaultProxy


def test_a_signal_during_a_large_upload_ends_in_grace_and_the_next_start_completes_it(
    make_daemon: MakeDaemon, objects: Bucket, address: StoreAddress, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address), MAX_BANDWIDTH=8 * MIB, SHUTDOWN_TIMEOUT=1000)
    digest = write_large(daemon.watch / "large.bin", 80 * MIB, seed=5)
    daemon.start()
    daemon.until(lambda: len(parts_of(counting, "large.bin")) >= 3)

    assert daemon.stop() == 0, daemon.tail()
    assert daemon.statuses() == {"large.bin": "in_progress"}
    sent = set(parts_of(counting, "large.bin"))

    daemon.environment["MAX_BANDWIDTH"] = "0"
    assert daemon.once() == 0, daemon.failures()
    assert objects.sha256("large.bin") == digest
    assert objects.open_uploads() == []
    parts = parts_of(counting, "large.bin")
    assert len(parts) <= 10 + 1, f"parts that were stored are not sent again: {sorted(sent)}, {parts}"


def test_huge_files_that_are_being_hashed_hold_up_neither_small_ones_nor_the_end(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon(SHUTDOWN_TIMEOUT=600_000)
    for name in ("a.bin", "b.bin"):
        (daemon.watch / name).touch()
        os.truncate(daemon.watch / name, 400 << 30)  # of which nothing is on the disk; to hash it takes minutes
    daemon.start()
    daemon.until(lambda: list(daemon.statuses().values()) == ["in_progress", "in_progress"])
    (daemon.watch / "small.txt").write_text("small")
    daemon.until(lambda: daemon.statuses().get("small.txt") == "completed")
    assert objects.body("small.txt") == b"small"

    assert daemon.stop(timeout=30) == 0, daemon.tail()
    assert daemon.statuses() == {"a.bin": "pending", "b.bin": "pending", "small.txt": "completed"}
    [stopped] = daemon.events("daemon.stopped")
    assert stopped["drained"] is True, "hashing ended by itself, long before SHUTDOWN_TIMEOUT"


def test_a_small_file_in_flight_is_drained_on_a_signal(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(MAX_BANDWIDTH=2 * MIB)
    digest = write_large(daemon.watch / "some.bin", 6 * MIB, seed=6)
    daemon.start()
    daemon.until(lambda: daemon.statuses() == {"some.bin": "in_progress"})

    assert daemon.stop() == 0

    assert daemon.statuses() == {"some.bin": "completed"}
    assert objects.sha256("some.bin") == digest


@pytest.mark.slow
def test_killed_at_random_moments_everything_arrives_whole(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(MAX_BANDWIDTH=60 * MIB)
    rng = random.Random(7)
    expected = make_tree(daemon.watch)
    large = write_large(daemon.watch / "large.bin", 40 * MIB, seed=8)
    rows = write_csv(daemon.watch / "large.csv", 12 * MIB)

    for _ in range(30 if MANY else 6):
        daemon.start(ready=False)
        time.sleep(rng.uniform(0.2, 2.5))  # the moment is random, that is the point
        os.killpg(daemon.pid, signal.SIGKILL) if rng.random() < 0.5 else daemon.kill()
        daemon.wait()

    assert daemon.once(timeout=120) == 0, daemon.failures()
    assert objects.delivered() == {
        *expected,
        *(f"tables/t{n % 3}/{n}.csv.parquet" for n in range(36)),
        *("large.bin", "large.csv.parquet"),
    }
    for key, content in expected.items():
        assert objects.body(key) == content, key
    assert objects.sha256("large.bin") == large
    assert objects.table("large.csv.parquet").num_rows == rows
    assert set(daemon.statuses().values()) == {"completed"}
    assert objects.open_uploads() == []
