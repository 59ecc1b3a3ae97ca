"""Writers that keep a file open: what they write last arrives, too, whatever becomes of the file afterwards."""

import os
import time
from pathlib import Path

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon


def paused(path: Path, daemon: Daemon) -> None:
    """Write, stand still for several times the threshold, write again, close."""
    with path.open("wb", buffering=0) as writer:
        writer.write(b"first ")
        time.sleep(1.2)  # the writer's own pause; the threshold is 300 ms
        assert daemon.statuses().get(path.name) in (None, "pending")
        writer.write(b"second")


@pytest.mark.parametrize("after", ["keep", "delete", "move"])
def test_a_writer_that_pauses_is_waited_for(
    make_daemon: MakeDaemon, objects: Bucket, tmp_path: Path, after: str
) -> None:
    daemon = make_daemon(AFTER_UPLOAD=after, AFTER_UPLOAD_DIRECTORY=tmp_path / "done")
    daemon.start()
    paused(daemon.watch / "a.txt", daemon)
    daemon.until(lambda: daemon.at_rest(1))
    assert objects.body("a.txt") == b"first second"
    assert (daemon.watch / "a.txt").exists() is (after == "keep")
    assert daemon.stop() == 0


def test_a_file_that_was_open_already_at_the_start_is_waited_for_shown_and_left_by_one_run(
    daemon: Daemon, objects: Bucket
) -> None:
    path = daemon.watch / "a.txt"
    with path.open("wb", buffering=0) as writer:
        writer.write(b"first ")
        os.utime(path, (1, 1))
        time.sleep(6)  # so that the first scan takes it for old
        assert daemon.once() == 75
        [left] = daemon.events("file.left")
        assert left["path"] == "a.txt"
        daemon.start()
        daemon.until(lambda: daemon.statuses() == {"a.txt": "pending"})
        writer.write(b"second")
    daemon.until(lambda: daemon.at_rest(1))
    assert objects.body("a.txt") == b"first second"
    assert daemon.stop() == 0


def test_a_file_that_is_opened_during_its_delivery_is_not_deleted_before_it_is_closed(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    """It has the size and times that were delivered, all the same."""
    daemon = make_daemon(AFTER_UPLOAD="delete", MAX_BANDWIDTH=2000)
    path = daemon.watch / "a.txt"
    path.write_bytes(b"x" * 4000)
    daemon.start()
    daemon.until(lambda: [row["checksum"] for row in daemon.rows()] not in ([], [None]))
    with path.open("ab", buffering=0) as writer:
        daemon.until(lambda: any(row["due_at"] == -1 for row in daemon.rows()))
        assert path.exists()
        writer.write(b"second")
    daemon.until(lambda: daemon.at_rest(1) and not path.exists(), timeout=60)
    assert objects.body("a.txt") == b"x" * 4000 + b"second"
    assert daemon.stop() == 0


def test_one_that_was_closed_without_a_change_is_deleted_then(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(AFTER_UPLOAD="delete", MAX_BANDWIDTH=2000)
    path = daemon.watch / "a.txt"
    path.write_bytes(b"x" * 4000)
    daemon.start()
    daemon.until(lambda: [row["checksum"] for row in daemon.rows()] not in ([], [None]))
    with path.open("ab"):
        daemon.until(lambda: any(row["due_at"] == -1 for row in daemon.rows()))
    daemon.until(lambda: daemon.at_rest(1) and not path.exists())
    assert len(list(daemon.events("file.completed"))) == 1
    assert objects.body("a.txt") == b"x" * 4000
    assert daemon.stop() == 0
