"""Files that somebody has open for writing, on the real kernel."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.watch import tree
from processor.watch.tree import Clock

from .conftest import Watching
from .test_tree import make_old

Watch = Callable[..., Watching]


def test_a_file_is_not_found_before_its_writer_has_closed_it_however_long_it_stands_still(
    root: Path, watch: Watch
) -> None:
    watching = watch()
    watching.until_idle()
    with (root / "a").open("wb", buffering=0) as writer:
        writer.write(b"first")
        watching.until(lambda: watching.tree.counters().open == 1)
        watching.for_seconds(0.5)
        assert (watching.found, watching.tree.idle) == ([], False)
        [(path, seconds)] = watching.tree.open_files()
        assert path == b"a"
        assert seconds >= 0.1
        writer.write(b"second")
    watching.until_idle()
    assert [(file.relative_path, file.size_bytes) for file in watching.found] == [(b"a", 11)]
    assert watching.tree.counters().open == 0


@pytest.mark.parametrize("how", ["scanned", "event"])
def test_one_that_is_open_is_not_offered_by_a_scan_either(root: Path, watch: Watch, how: str) -> None:
    clock = Clock()
    late = Clock(wall_ns=lambda: clock.wall_ns() + 3600 * 10**9)  # by which everything is old
    watching = watch(late, rescan_seconds=0.2 if how == "scanned" else 0.0)
    watching.until_idle()
    with (root / "a").open("wb", buffering=0):
        watching.until(lambda: watching.tree.counters().open == 1)
        watching.for_seconds(1.0)
        assert watching.found == []
    watching.until(lambda: watching.paths[:1] == [b"a"])


def test_a_reader_holds_up_nothing_and_an_old_file_is_opened_by_nobody(root: Path, watch: Watch) -> None:
    (root / "a").write_bytes(b"a")
    make_old(root / "a")
    with (root / "a").open("rb"):
        watching = watch()
        watching.until_idle()
    assert watching.paths == [b"a"]


def test_a_writer_that_pauses_is_told_of_once_and_again_when_it_comes_back(root: Path, watch: Watch) -> None:
    watching = watch(open_told_seconds=0.3)
    watching.until_idle()
    for count in (1, 2):
        with (root / "a").open("ab", buffering=0) as writer:
            writer.write(b"x")
            watching.until(lambda: watching.events.count("watch.still-open") == count)  # noqa: B023
            watching.for_seconds(0.3)
        watching.until(lambda: len(watching.found) == count)  # noqa: B023
        (root / "a").unlink()
    assert watching.events.count("watch.still-open") == 2


def test_what_is_exchanged_meanwhile_is_not_opened(root: Path, watch: Watch) -> None:
    """A fifo or a device in its place would hang whoever opens it, or do worse."""
    watching = watch()
    watching.until_idle()
    (root / "a").write_bytes(b"a")
    watching.until(lambda: watching.tree.counters().unsettled == 1)
    (root / "a").unlink()
    os.mkfifo(root / "a")
    watching.until_idle()
    assert watching.found == []


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for files of another user without CAP_LEASE."""
    monkeypatch.setattr(tree, "has_open_writer", lambda *_file: False)
    monkeypatch.setattr(tree, "what_is_untold", lambda _root: "writers of others")


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_where_the_kernel_does_not_tell_of_writers_its_events_do(root: Path, watch: Watch, mode: str) -> None:
    (root / "a").write_bytes(b"")
    watching = watch()
    watching.until_idle()
    watching.found.clear()
    with (root / "a").open(mode, buffering=0) as writer:
        writer.write(b"first")
        watching.until(lambda: watching.tree.counters().open == 1)
        watching.for_seconds(0.4)
        assert watching.found == []
        writer.write(b"second")
    watching.until_idle()
    assert [file.size_bytes for file in watching.found] == [11]


@pytest.mark.usefixtures("untold")
def test_who_writes_is_forgotten_when_events_were_lost_and_after_an_hour(root: Path, watch: Watch) -> None:
    skipped = 0.0
    clock = Clock(monotonic=lambda: time.monotonic() + skipped)
    for forget in ("lost", "hour"):
        watching = watch(clock)
        watching.until_idle()
        watching.found.clear()
        with (root / forget).open("wb", buffering=0) as writer:
            writer.write(b"first")
            watching.until(lambda: watching.tree.counters().open == 1)  # noqa: B023
            if forget == "lost":
                watching.tree._intake.events_lost()
            else:
                skipped = 3601.0
            watching.until(lambda: watching.paths == [os.fsencode(forget)])  # noqa: B023
        watching.tree.close()


@pytest.mark.usefixtures("untold")
def test_a_closing_writer_ends_it_and_one_that_comes_after_begins_anew(root: Path, watch: Watch) -> None:
    watching = watch()
    watching.until_idle()
    (root / "a").write_bytes(b"one")
    with (root / "a").open("ab", buffering=0) as writer:
        writer.write(b"two")
        watching.until(lambda: watching.tree.counters().open == 1)
        assert watching.found == []
    watching.until_idle()
    assert [file.size_bytes for file in watching.found] == [6]
