"""Walk a directory tree a few entries at a time.

Directories are read as they are walked, so the memory needed depends on how deep the tree is, not on how many files a
directory holds. Each directory is entered (and so watched) before it is read: what is created while it is being read is
either seen or told by the watch.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from processor.trees.beneath import GONE, open_child, open_directory

# So many levels stay open while what lies below them is walked, with two descriptors each; deeper ones are read to the
# end first and only the names of their directories are kept.
_OPEN_LEVELS = 16

Sighting = tuple[bytes, os.stat_result]


class Gate(Protocol):
    """Decides about directories on behalf of a walk, and hears of those that cannot be walked."""

    def enter(self, directory_fd: int, path: bytes, parent: int, name: bytes) -> int | None:
        """Return the watch of the directory that is about to be read (it may be UNWATCHED); None: do not read it."""
        ...

    def trouble(self, path: bytes, error: OSError) -> None:
        """Hear that the directory at `path`, or something in it, cannot be read."""
        ...


@dataclass(slots=True)
class _Level:
    prefix: bytes
    fd: int
    watch: int
    entries: Iterator["os.DirEntry[str]"]
    is_open: bool = True
    later: list[bytes] = field(default_factory=list)


class Walk:
    """One walk from `start` (a path below `root`; b"": all). `close` it, or take steps until it is `done`."""

    def __init__(
        self, root: bytes, gate: Gate, start: bytes = b"", parent: int = 0, *, longest_path: int = 4095
    ) -> None:
        self._root = root
        self._gate = gate
        self._longest = longest_path - len(root) - 1
        self._levels: list[_Level] = []
        self._descend_from_root(start, parent, start.rpartition(b"/")[2])

    @property
    def done(self) -> bool:
        """Tell whether everything has been looked at."""
        return not self._levels

    def step(self, limit: int) -> list[Sighting]:
        """Look at about `limit` entries and return those that are not directories, with their lstat."""
        seen: list[Sighting] = []
        while limit > 0 and self._levels:
            limit -= self._some(self._levels[-1], limit, seen)
        return seen

    def close(self) -> None:
        """Give up what has not been looked at."""
        while self._levels:
            self._leave()

    def _some(self, level: _Level, limit: int, seen: list[Sighting]) -> int:
        """Look at up to `limit` entries of one directory, as far as the next one in it; return the steps taken."""
        prefix, count = level.prefix, 0
        path = prefix
        try:
            for entry in islice(level.entries, limit):
                count += 1
                path = prefix + os.fsencode(entry.name)
                if len(path) > self._longest:
                    self._gate.trouble(path, OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)))
                elif entry.is_dir(follow_symlinks=False):
                    self._below(level, path, entry.name)
                    return count
                else:
                    seen.append((path, entry.stat(follow_symlinks=False)))
            if count < limit:
                self._finish(level)
        except FileNotFoundError:
            pass  # gone while we were looking
        except OSError as error:
            self._gate.trouble(prefix[:-1], error)
            if path == prefix:  # the directory itself could not be read on
                self._finish(level)
        return count or 1

    def _below(self, level: _Level, path: bytes, name: str) -> None:
        if len(self._levels) <= _OPEN_LEVELS:
            self._descend(level, path)
        else:
            level.later.append(os.fsencode(name))

    def _finish(self, level: _Level) -> None:
        """Go on with the directories that were put off, or leave."""
        if not level.later:
            self._leave()
            return
        _shut(level)
        name = level.later.pop()
        self._descend_from_root(level.prefix + name, level.watch, name)

    def _descend(self, level: _Level, path: bytes) -> None:
        name = path.removeprefix(level.prefix)
        try:
            fd = open_child(level.fd, name)
        except OSError as error:
            self._refused(path, error)
        else:
            self._enter(fd, path, level.watch, name)

    def _descend_from_root(self, path: bytes, parent: int, name: bytes) -> None:
        try:
            fd = open_directory(self._root, path)
        except OSError as error:
            self._refused(path, error)
        else:
            self._enter(fd, path, parent, name)

    def _refused(self, path: bytes, error: OSError) -> None:
        # What is gone, or has become something else since, is told by the watch of its parent.
        if error.errno not in GONE:
            self._gate.trouble(path, error)

    def _enter(self, fd: int, path: bytes, parent: int, name: bytes) -> None:
        try:
            watch = self._gate.enter(fd, path, parent, name)
            if watch is None:
                os.close(fd)
                return
            entries = os.scandir(fd)
        except OSError as error:
            os.close(fd)
            self._gate.trouble(path, error)
            return
        self._levels.append(_Level(path + b"/" if path else b"", fd, watch, entries))

    def _leave(self) -> None:
        _shut(self._levels.pop())


def _shut(level: _Level) -> None:
    if level.is_open:
        level.is_open = False
        level.entries.close()  # type: ignore[attr-defined]
        level.entries = iter(())
        os.close(level.fd)
