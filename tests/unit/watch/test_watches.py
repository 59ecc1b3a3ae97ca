"""Watches whose directories move while they are being entered: in the end exactly what is in the tree is watched."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from processor.watch.dispatch import Dispatch
from processor.watch.events import EventLog
from processor.watch.exclusions import Exclusions
from processor.watch.rescans import Rescans
from processor.watch.scans import Scans
from processor.watch.watches import UNWATCHED, Watches

from .conftest import Watching


class Entered:
    """The root is watched, and `directory` in it was opened, but not watched yet."""

    def __init__(self, root: Path) -> None:
        self.watches = Watches(os.fsencode(root))
        notes = EventLog()
        scans = Scans(os.fsencode(root), self.watches, Exclusions(os.fsencode(root), ()), Rescans(0), notes)
        self._dispatch = Dispatch(self.watches, scans, notes)
        self.directory = root / "directory"
        self.directory.mkdir()
        self.root_watch = self._watch(os.open(root, os.O_RDONLY), UNWATCHED, b"")
        self._fd = os.open(self.directory, os.O_RDONLY)

    def _watch(self, fd: int, parent: int, name: bytes) -> int | None:
        try:
            return self.watches.add(fd, parent, name)
        finally:
            os.close(fd)

    def watch_it(self) -> int | None:
        assert self.root_watch is not None
        return self._watch(self._fd, self.root_watch, b"directory")

    def take_events(self) -> None:
        while events := self.watches.events(100):
            self._dispatch.take(events)


@pytest.fixture
def entered(root: Path) -> Iterator[Entered]:
    opened = Entered(root)
    with closing(opened.watches):
        yield opened


def test_a_directory_that_leaves_the_tree_before_its_watch_is_there_is_not_watched(
    entered: Entered, tmp_path: Path
) -> None:
    entered.directory.rename(tmp_path / "outside")
    watch = entered.watch_it()
    entered.take_events()
    assert watch is None
    assert len(entered.watches) == 1


def test_a_directory_whose_place_is_taken_before_its_watch_is_there_is_told_from_the_other(
    entered: Entered, tmp_path: Path
) -> None:
    entered.directory.rename(tmp_path / "outside")
    entered.directory.mkdir()
    watch = entered.watch_it()
    entered.take_events()
    assert watch is None
    assert len(entered.watches) == 1, "the other is entered by the next walk"


def test_a_directory_that_is_renamed_before_its_watch_is_there_is_watched_where_it_is(entered: Entered) -> None:
    entered.directory.rename(entered.directory.with_name("other"))
    watch = entered.watch_it()
    entered.take_events()
    assert watch is not None
    assert entered.watches.path(watch) == b"other"
    assert len(entered.watches) == 2


def test_a_directory_that_is_deleted_while_it_is_being_read_leaves_no_watch_when_all_is_quiet(
    root: Path, watch: Callable[..., Watching]
) -> None:
    directory = root / "directory"
    directory.mkdir()
    for number in range(600):  # more than one look reads
        (directory / f"{number}").touch()
    watching = watch()
    watching.look()
    assert watching.tree.counters().watches == 2
    shutil.rmtree(directory)
    while not watching.tree.idle:
        watching.look()
    assert watching.tree.counters().watches == 1
