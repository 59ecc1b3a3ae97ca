"""Whatever happens to a tree while it is watched: in the end each file has been found as it is."""

import os
import random
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import Watching

NAMES = ["a", "b", "c", "d"]


class Chaos:
    """Random operations on the tree at `root`, and on a place outside of it that things are moved to and from."""

    def __init__(self, root: Path, outside: Path, seed: int) -> None:
        self._root, self._outside = root, outside
        self._random = random.Random(seed)

    def act(self) -> None:
        act = self._random.choices(
            [self._write, self._append, self._make, self._move, self._away, self._link, self._delete],
            weights=[6, 3, 5, 6, 2, 1, 1],
        )[0]
        with suppress(OSError):  # the place is not there, or is not of this kind: so be it
            act()

    def _place(self) -> Path:
        return self._root.joinpath(*self._random.choices(NAMES, k=self._random.randint(1, 4)))

    def _write(self) -> None:
        self._place().write_bytes(b"x" * self._random.randint(0, 9))

    def _append(self) -> None:
        with self._place().open("ab") as file:
            file.write(b"x")

    def _make(self) -> None:
        self._place().mkdir(parents=True)

    def _move(self) -> None:
        self._place().rename(self._place())

    def _away(self) -> None:
        outside = self._outside / self._random.choice(NAMES)
        here, there = self._random.sample([self._place(), outside], 2)
        here.rename(there)

    def _link(self) -> None:
        self._place().hardlink_to(self._place())

    def _delete(self) -> None:
        place = self._place()
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()


def state(root: Path) -> dict[bytes, tuple[int, int, int]]:
    """Return size, modification time and inode of every file below `root`."""
    files = {}
    for directory, _, names in os.walk(os.fsencode(root)):
        for name in names:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            files[os.path.relpath(path, os.fsencode(root))] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return files


@pytest.mark.parametrize("settle_seconds", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_each_file_is_found_as_it_is_in_the_end(
    root: Path, tmp_path: Path, watch: Callable[..., Watching], seed: int, settle_seconds: float
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    chaos = Chaos(root, outside, seed)
    watching = watch(settle_seconds=settle_seconds)
    done = threading.Event()

    def act() -> None:
        for _ in range(3000):
            chaos.act()
        done.set()

    thread = threading.Thread(target=act)
    thread.start()
    watching.until(done.is_set, timeout_seconds=60)
    thread.join()
    watching.until_idle(timeout_seconds=60)
    found = {(file.relative_path, (file.size_bytes, file.mtime_ns, file.inode)) for file in watching.found}
    missed = state(root).items() - found
    assert not missed, f"seed {seed}"
    assert watching.tree.counters().overflows == 0
    directories = sum(1 for _ in os.walk(root))
    assert watching.tree.counters().watches == directories
