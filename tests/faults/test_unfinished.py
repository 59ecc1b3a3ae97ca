"""Files that somebody takes away, or never stops writing: neither is a failure, and neither keeps the rest waiting."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processor.store.embedded import free_ports
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.faults.checker import Checker

MIB = 1 << 20
UNFINISHED = 75


@contextmanager
def growing(path: Path, every_seconds: float = 0.02) -> Iterator[None]:
    """Have a program append to a file that it keeps open."""
    stop = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.wait(every_seconds):
                file.write(b"more and ")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_once_ends_although_a_file_keeps_growing_and_says_which_one_it_left(daemon: Daemon, objects: Bucket) -> None:
    (daemon.watch / "whole").write_bytes(b"whole")
    with growing(daemon.watch / "log"):
        assert daemon.once() == UNFINISHED
    assert objects.delivered() == {"whole"}
    assert [fields["path"] for fields in daemon.events("file.left")] == ["log"]

    assert daemon.once() == 0
    assert objects.delivered() == {"whole", "log"}
    assert objects.body("log") == (daemon.watch / "log").read_bytes()


def test_once_ends_although_a_file_that_seemed_whole_begins_to_grow(daemon: Daemon, objects: Bucket) -> None:
    """No event tells of writing; a file that is closed later is found by each try to read it."""
    dead, daemon.environment["S3_ENDPOINT"] = daemon.environment["S3_ENDPOINT"], _nowhere()
    (daemon.watch / "log").write_bytes(b"begun ")
    daemon.start()
    daemon.until(lambda: daemon.statuses() == {"log": "pending"})
    daemon.kill()
    daemon.environment |= {"S3_ENDPOINT": dead, "MAX_RETRIES": "1"}

    with growing(daemon.watch / "log"):
        assert daemon.once() == UNFINISHED

    assert objects.delivered() == set()
    assert [fields["path"] for fields in daemon.events("file.left")] == ["log"]
    assert daemon.once() == 0
    assert objects.body("log") == (daemon.watch / "log").read_bytes()


def test_a_failure_counts_for_more_than_what_was_left(daemon: Daemon) -> None:
    (daemon.watch / "broken.json").write_bytes(b"[{")
    with growing(daemon.watch / "log"):
        assert daemon.once() == 1


def test_a_file_that_is_removed_before_it_was_read_is_forgotten_and_no_failure(daemon: Daemon, objects: Bucket) -> None:
    waiting_for_the_store(daemon, {"passing": b"passing", "stays": b"stays"})
    (daemon.watch / "passing").unlink()

    assert daemon.once() == 0

    assert daemon.statuses() == {"stays": "completed"}
    assert [fields["path"] for fields in daemon.events("file.vanished")] == ["passing"]
    assert list(daemon.events("file.failed")) == []
    assert list(daemon.errors.iterdir()) == []
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects).run() == []

    (daemon.watch / "passing").write_bytes(b"back again")
    assert daemon.once() == 0
    assert objects.body("passing") == b"back again"


def test_a_delivered_file_that_changed_and_was_removed_stays_delivered_as_it_was(
    daemon: Daemon, objects: Bucket
) -> None:
    (daemon.watch / "a").write_bytes(b"first")
    assert daemon.once() == 0
    (daemon.watch / "b").write_bytes(b"b")
    waiting_for_the_store(daemon, {"a": b"second"})
    (daemon.watch / "a").unlink()

    assert daemon.once() == 0

    assert daemon.statuses() == {"a": "completed", "b": "completed"}
    assert objects.body("a") == b"first"
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects).run() == []

    (daemon.watch / "a").write_bytes(b"second")
    assert daemon.once() == 0
    assert objects.body("a") == b"second"


@pytest.mark.parametrize("kept", [b"the same", b"the same, longer"])
def test_a_file_that_went_and_came_back_meanwhile_is_delivered(daemon: Daemon, objects: Bucket, kept: bytes) -> None:
    waiting_for_the_store(daemon, {"a": b"the same"})
    (daemon.watch / "a").unlink()
    daemon.start()
    daemon.until(lambda: list(daemon.events("file.vanished")))
    (daemon.watch / "a").write_bytes(kept)
    daemon.until(lambda: daemon.statuses() == {"a": "completed"})
    assert daemon.stop() == 0
    assert objects.body("a") == kept


def test_a_file_that_is_cut_short_on_its_way_is_delivered_as_it_then_is_though_no_event_tells_of_it(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon(MAX_BANDWIDTH=8 * MIB, RESCAN_INTERVAL=0)
    (daemon.watch / "a").write_bytes(bytes(24 * MIB))
    daemon.start()
    daemon.until(objects.open_uploads)
    os.truncate(daemon.watch / "a", MIB)
    daemon.until(lambda: daemon.statuses() == {"a": "completed"})
    assert daemon.stop() == 0
    assert objects.body("a") == bytes(MIB)


def waiting_for_the_store(daemon: Daemon, files: dict[str, bytes]) -> None:
    """Have the daemon find files while its store does not answer, and leave it killed."""
    right = daemon.environment["S3_ENDPOINT"]
    daemon.environment["S3_ENDPOINT"] = _nowhere()
    for name, data in files.items():
        (daemon.watch / name).write_bytes(data)
    daemon.start()
    daemon.until(lambda: all(daemon.statuses().get(name) == "pending" for name in files))
    daemon.kill()
    daemon.environment["S3_ENDPOINT"] = right


def _nowhere() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"
