"""Scan the tree: whole, or a new directory."""

import errno
import os
from collections import deque
from pathlib import Path

from processor.watch.events import EventLog, Level, WatchEvent
from processor.watch.exclusions import Exclusions
from processor.watch.rescans import Rescans
from processor.watch.walk import Sighting, Walk
from processor.watch.watches import LIMIT_ERRORS, UNWATCHED, Watches

UNREADABLE = "watch.unreadable"
LIMIT_REACHED = "watch.limit-reached"

_ARRIVALS = 10_000  # new directories remembered one by one; beyond that the whole tree is walked
_LIMIT_FILE = Path("/proc/sys/fs/inotify/max_user_watches")


class Scans:
    """The walks of one tree: at most one through all of it and one through a new directory at a time.

    It is the walks' gate: puts a watch on each directory before it is read, keeps them out of what is excluded.
    """

    def __init__(
        self, root: bytes, watches: Watches | None, exclusions: Exclusions, rescans: Rescans, notes: EventLog
    ) -> None:
        self._root = root
        self._watches = watches
        self._exclusions = exclusions
        self._rescans = rescans
        self._notes = notes
        self._whole: Walk | None = None
        self._part: Walk | None = None
        self._arrivals: deque[tuple[int, bytes]] = deque()
        self._entered = self._seen = 0
        self._closed = False
        self.finished = 0  # walks through all
        self.unwatched = 0  # directories that the walk through all met and could not watch

    @property
    def walks_whole(self) -> bool:
        """Tell whether the walk through the whole tree is under way."""
        return self._whole is not None

    @property
    def settled(self) -> bool:
        """Tell whether there is nothing to walk, not even after a pause."""
        return self._rescans.settled and not (self._part or self._arrivals)

    def next_due(self) -> float:
        """Return when there is something to walk, on the clock of `step_whole`; minus infinity: right now."""
        if self._closed:
            return float("inf")
        return float("-inf") if self._whole or self._part or self._arrivals else self._rescans.next_due()

    def arrived(self, parent: int, name: bytes) -> None:
        """Remember to walk the directory `name` that has come to be in the one that `parent` watches."""
        if len(self._arrivals) < _ARRIVALS:
            self._arrivals.append((parent, name))
        else:
            self._arrivals.clear()
            self._rescans.want()

    def step_whole(self, now: float, limit: int) -> list[Sighting]:
        """Begin, go on with, or end the walk through the whole tree; return what about `limit` steps have seen."""
        if self._whole is None and self._rescans.is_due(now):
            self._rescans.start(now)
            self._entered = self._seen = self.unwatched = 0
            self._whole = Walk(self._root, self)
        if self._whole is None:
            return []
        seen = self._whole.step(limit)
        self._seen += len(seen)
        if self._whole.done:
            self._whole = None
            self.finished += 1
            self._report(self._rescans.finish(now))
            if not self.unwatched:
                self._notes.recant(LIMIT_REACHED, b"")
        return seen

    def step_part(self, limit: int) -> list[Sighting]:
        """Go on with the walks through new directories; return what about `limit` steps have seen."""
        seen: list[Sighting] = []
        while len(seen) < limit and (walk := self._part or self._next_part()):
            seen += walk.step(limit)
            self._part = None if walk.done else walk
            limit -= 1  # an empty directory is a step too
        return seen

    def _next_part(self) -> Walk | None:
        while self._arrivals:
            parent, name = self._arrivals.popleft()
            above = self._watches.path(parent) if self._watches else None
            if above is not None:
                return Walk(self._root, self, above + b"/" + name if above else name, parent)
        return None

    def close(self) -> None:
        """Give up what has not been walked."""
        for walk in (self._whole, self._part):
            if walk:
                walk.close()
        self._whole = self._part = None
        self._arrivals.clear()
        self._closed = True

    def enter(self, directory_fd: int, path: bytes, parent: int, name: bytes) -> int | None:
        """Watch the directory unless it is excluded; see Gate."""
        status = os.fstat(directory_fd)
        if path and self._exclusions.covers(path, (status.st_dev, status.st_ino)):
            return None
        if parent != UNWATCHED and self._watches and not self._watches.knows(parent):
            return None  # what is above it has left the tree; should it come back, that is news
        self._notes.recant(UNREADABLE, path)
        self._entered += 1
        watch = self._watch(directory_fd, path, parent, name)
        if watch is None:
            return None  # it has left the tree while it was entered
        if watch == UNWATCHED:
            self.unwatched += 1
            self._rescans.doubt()
        return watch

    def _watch(self, directory_fd: int, path: bytes, parent: int, name: bytes) -> int | None:
        # Below a directory without a watch no path could be put together.
        if self._watches is None or (path and parent == UNWATCHED):
            return UNWATCHED
        try:
            return self._watches.add(directory_fd, parent, name)
        except OSError as error:
            self.cannot_watch(path, error)
            return UNWATCHED

    def cannot_watch(self, path: bytes, error: OSError) -> None:
        """Report a directory that the kernel does not watch for us; scans will do it."""
        if self._watches is not None and error.errno in LIMIT_ERRORS:
            self._rescans.doubt()
            self._notes.tell_once(_limit_note(len(self._watches)))
        else:
            self.trouble(path, error)

    def trouble(self, path: bytes, error: OSError) -> None:
        """Report what cannot be read; all but a lack of permission may be over the next time. See Gate."""
        lasting = error.errno in (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
        if not lasting:
            self._rescans.doubt()
        hint = "give the daemon's user permission to read and enter it" if isinstance(error, PermissionError) else ""
        if error.errno == errno.ENAMETOOLONG:
            hint = "a path may have 4,095 bytes; what lies below is not delivered"
        self._notes.tell_once(WatchEvent(UNREADABLE, Level.WARNING, path, error.strerror or str(error), hint))

    def _report(self, seconds: float) -> None:
        detail = f"{self._seen} entries in {self._entered} directories, {seconds:.3f} s"
        self._notes.tell(WatchEvent("watch.scanned", Level.INFO, b"", detail))


def _limit_note(watches: int) -> WatchEvent:
    try:
        limit = f" (now {_LIMIT_FILE.read_text().strip()})"
    except OSError:
        limit = ""
    return WatchEvent(
        LIMIT_REACHED,
        Level.ERROR,
        b"",
        f"the kernel gives no more watches after {watches} directories; the others are only looked at by scans",
        f"raise the sysctl fs.inotify.max_user_watches{limit}",
    )
