"""Files that are replaced by others of the same size and time: never taken for delivered, never deleted undelivered."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon

SECOND = 10**9


def write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(SECOND, SECOND))


def in_place(path: Path, text: str) -> None:
    """As `cp -p` over it and `rsync --inplace -t` do."""
    write(path, text)


def renamed_over(path: Path, text: str) -> None:
    """As `rsync -t` and editors do."""
    other = path.with_name(f".{path.name}.x")
    write(other, text)
    other.rename(path)


def copied_from_elsewhere(path: Path, text: str) -> None:
    """As `rm` and `cp -p` do."""
    other = path.parent.parent / "elsewhere"
    write(other, text)
    path.unlink(missing_ok=True)
    shutil.copy2(other, path)


WAYS = pytest.mark.parametrize("replace", [in_place, renamed_over, copied_from_elsewhere])
Replace = Callable[[Path, str], None]


@WAYS
def test_a_content_of_the_same_size_and_time_is_delivered(daemon: Daemon, objects: Bucket, replace: Replace) -> None:
    write(daemon.watch / "a.txt", "first")
    daemon.start()
    daemon.until_at_rest(1)
    replace(daemon.watch / "a.txt", "other")
    daemon.until(lambda: objects.body("a.txt") == b"other")
    assert daemon.stop() == 0


@WAYS
def test_one_that_came_while_no_daemon_ran_is_delivered_before_it_is_deleted(
    make_daemon: MakeDaemon, objects: Bucket, replace: Replace
) -> None:
    daemon = make_daemon()
    write(daemon.watch / "a.txt", "first")
    assert daemon.once() == 0, daemon.failures()
    replace(daemon.watch / "a.txt", "other")
    daemon = make_daemon(AFTER_UPLOAD="delete")
    assert daemon.once() == 0, daemon.failures()
    assert objects.body("a.txt") == b"other"
    assert not (daemon.watch / "a.txt").exists()


def test_a_delivered_file_whose_deletion_is_due_is_delivered_first_when_it_was_replaced(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon()
    write(daemon.watch / "a.txt", "first")
    assert daemon.once() == 0, daemon.failures()
    with closing(sqlite3.connect(daemon.ledger)) as ledger:
        ledger.execute("UPDATE file_progress SET due_at=1")
        ledger.commit()
    in_place(daemon.watch / "a.txt", "other")
    daemon = make_daemon(AFTER_UPLOAD="delete")
    assert daemon.once() == 0, daemon.failures()
    assert objects.body("a.txt") == b"other"
    assert not (daemon.watch / "a.txt").exists()


def test_a_change_of_rights_alone_is_looked_at_and_not_delivered_again(daemon: Daemon, objects: Bucket) -> None:
    (daemon.watch / "a.txt").write_text("first")
    daemon.start()
    daemon.until_at_rest(1)
    stored = objects.client.head_object(Bucket=objects.name, Key="a.txt")["LastModified"]
    (daemon.watch / "a.txt").chmod(0o600)
    daemon.until(lambda: any(daemon.events("file.unchanged")))
    assert objects.client.head_object(Bucket=objects.name, Key="a.txt")["LastModified"] == stored
    assert len(list(daemon.events("file.completed"))) == 1
    assert daemon.stop() == 0
