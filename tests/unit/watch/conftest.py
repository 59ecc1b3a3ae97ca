import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processor.watch.events import WatchEvent
from processor.watch.found import FoundFile
from processor.watch.settings import WatchSettings
from processor.watch.tree import Clock, Tree


class Watching:
    """A tree on the real kernel, looked at by the test itself; keeps all that was found and told."""

    def __init__(self, settings: WatchSettings, clock: Clock | None = None) -> None:
        self.tree = Tree(settings, clock)
        self.found: list[FoundFile] = []
        self.notes: list[WatchEvent] = []

    def look(self, timeout_seconds: float = 0.0) -> None:
        look = self.tree.look(timeout_seconds)
        self.found += look.found
        self.notes += look.notes

    def until(self, condition: Callable[[], bool], timeout_seconds: float = 20.0) -> None:
        """Look until the condition holds; fail when it does not in time."""
        end = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < end, f"not in time; found {self.found[-5:]}, told {self.notes[-5:]}"
            self.look(0.02)

    def until_idle(self, timeout_seconds: float = 20.0) -> None:
        self.look()
        self.until(lambda: self.tree.idle, timeout_seconds)

    def for_seconds(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.look(min(left, 0.02))

    @property
    def paths(self) -> list[bytes]:
        return [file.relative_path for file in self.found]

    @property
    def events(self) -> list[str]:
        return [note.event for note in self.notes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "root"
    directory.mkdir()
    return directory


@pytest.fixture
def watch(root: Path) -> Iterator[Callable[..., Watching]]:
    """Make a watched tree at `root`; quick by default: 100 ms to settle."""
    made: list[Watching] = []

    def make(clock: Clock | None = None, **changes: object) -> Watching:
        quick = WatchSettings(os.fsencode(root), settle_seconds=0.1, poll_seconds=0.01)
        made.append(Watching(replace(quick, **changes), clock))
        return made[-1]

    yield make
    for watching in made:
        watching.tree.close()
