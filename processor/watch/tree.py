"""A watched directory tree: the watcher's single entry point."""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from processor.trees.beneath import GONE, open_root, status_below
from processor.trees.open_writers import has_open_writer, what_is_untold
from processor.watch.dispatch import Dispatch
from processor.watch.events import EventLog, Level, WatchEvent
from processor.watch.exclusions import Exclusions
from processor.watch.found import FoundFile
from processor.watch.intake import EntryIntake, Reason
from processor.watch.rescans import Rescans
from processor.watch.scans import Scans
from processor.watch.settings import WatchSettings
from processor.watch.wake import Waker
from processor.watch.watches import Watches

_BATCH = 500  # events, entries or files that one look takes from each source
_ROOT_CHECK_SECONDS = 0.5
_PATIENCE = 2.0  # times as long as a file needs to settle
_GATHER_SECONDS = 0.001  # where there were events, more are let gather before the next look: one by one they cost more


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the time comes from: seconds of a monotonic clock, nanoseconds of the wall clock."""

    monotonic: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True)
class Look:
    """What one look has brought: files to deliver, and what an operator should hear of."""

    found: tuple[FoundFile, ...]
    notes: tuple[WatchEvent, ...]


@dataclass(frozen=True, slots=True)
class WatchCounters:
    """Figures for metrics: `events`, `overflows` and `turned_away` only grow, the others are as of now."""

    events: int
    overflows: int
    turned_away: int
    watches: int
    unwatched: int
    unsettled: int
    open: int
    left_out: int


class Tree:
    """The tree at `settings.root`, which need not exist yet and may go and come back.

    Of one thread; only `wake` may be called from another. Reads directories and the status of files, never a file:
    one that has settled is opened to ask the kernel for its writers.
    """

    def __init__(self, settings: WatchSettings, clock: Clock | None = None) -> None:
        self._root = settings.root
        self._patience_seconds = _PATIENCE * settings.quiet_seconds
        self._clock = clock or Clock()
        self._notes = EventLog()
        self._exclusions = Exclusions(settings.root, settings.excluded)
        self._rescans = Rescans(settings.rescan_seconds)
        start_ns = self._clock.wall_ns()
        self._intake = EntryIntake(settings, self._exclusions, self._rescans, self._notes, start_ns, self._is_open)
        self._identity: tuple[int, int] | None = None  # of the root; None while there is none
        self._root_fd: int | None = None  # held no longer than one look takes, or the root could not be unmounted
        self._watches: Watches | None = None
        self._scans = Scans(self._root, None, self._exclusions, self._rescans, self._notes)
        self._next_check = float("-inf")
        self._checked = False
        self._events = self._overflows = 0
        self._quiet = False  # the last look met no events, and made none
        self._seen_all_at: float | None = None  # when a walk had first met everything
        self._looked_at = 0.0
        self._waker = Waker()

    def look(self, timeout_seconds: float) -> Look:
        """Wait until there may be something to do, at most so long, do a bounded part of it, return what came of it.

        A file is found again whenever it has changed, and by every scan; whoever takes it knows what is known already.
        """
        self._wait(timeout_seconds)
        self._looked_at = self._clock.monotonic()
        self._intake.clock(self._looked_at, self._clock.wall_ns())
        found: list[FoundFile] = []
        self._check_root()
        try:
            if self._identity is not None:
                self._take_events(found)
            if self._identity is not None:
                self._take_walks(found)
            self._take_due(found)
        finally:
            self._let_go()
        if self._seen_all_at is None and self._scans.settled:
            self._seen_all_at = self._clock.monotonic()
        return Look(tuple(found), self._notes.take())

    def look_at(self, path: bytes) -> None:
        """Look at one path as if an event had told of it."""
        try:
            status = self._status(path)
        finally:
            self._let_go()
        if status is not None and not stat.S_ISDIR(status.st_mode):
            self._intake.sighted(path, status, Reason.TOUCHED)

    def wake(self) -> None:
        """Make `look` return soon, from any thread."""
        self._waker.wake()

    def close(self) -> None:
        """Give back watches and descriptors."""
        self._detach()
        self._waker.close()

    @property
    def idle(self) -> bool:
        """Tell whether all that was there has been found: no walk, no event, no file that is waited for.

        True also while there is no root: then there is nothing.
        """
        if self._identity is None:
            return self._checked and not self._intake.unsettled
        return self._quiet and self._scans.settled and not self._intake.unsettled

    @property
    def done(self) -> bool:
        """Tell whether all that was there at the start has been found, or goes on changing.

        For that a file has twice the time that it needs to settle; what arrives meanwhile is not waited for.
        """
        return self.idle or (self._scans.settled and self._is_patience_over())

    def restless(self) -> tuple[bytes, ...]:
        """Return the files that had time to settle and go on changing; for the thread that looks, or after its end."""
        return self._intake.unsettled_since(self._clock.monotonic() - self._patience_seconds)

    def open_files(self) -> tuple[tuple[bytes, float], ...]:
        """Return the files that stand still and are open for writing, with seconds; may be asked from any thread."""
        return self._intake.open_files()

    @property
    def identity(self) -> tuple[int, int] | None:
        """Return device and inode of the root as it was when it was looked for last; None when it was not there."""
        return self._identity

    @property
    def present(self) -> bool:
        """Tell whether the root was there when it was looked for last."""
        return self._identity is not None

    def counters(self) -> WatchCounters:
        """Return the figures so far; may be asked from any thread."""
        watches = self._watches
        return WatchCounters(
            events=self._events,
            overflows=self._overflows,
            turned_away=self._intake.turned_away,
            watches=0 if watches is None else len(watches),
            unwatched=self._scans.unwatched,
            unsettled=self._intake.unsettled,
            open=self._intake.open_count,
            left_out=self._intake.left_out,
        )

    def _is_patience_over(self) -> bool:
        # Time that passed since the last look counts for nothing: in it no file could be found.
        return self._seen_all_at is not None and self._looked_at - self._seen_all_at > self._patience_seconds

    def _wait(self, timeout_seconds: float) -> None:
        due = min(self._next_check, self._intake.next_look(), self._scans.next_due())
        seconds = min(timeout_seconds, due - self._clock.monotonic())
        if self._watches is None:
            self._waker.wait(seconds)
        elif self._watches.has_unread:
            self._waker.wait(0)
        else:
            if not self._quiet:
                self._waker.wait(min(seconds, _GATHER_SECONDS))
            self._waker.wait(seconds, self._watches.fileno())

    # The root

    def _check_root(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + _ROOT_CHECK_SECONDS
        self._exclusions.refresh()
        identity = self._root_identity()
        if identity != self._identity:
            self._detach()
            if identity is not None:
                self._attach(identity)
        self._checked = True

    def _root_identity(self) -> tuple[int, int] | None:
        try:
            fd = open_root(self._root)
        except OSError as error:
            detail = error.strerror or str(error)
            hint = "create it, or check WATCH_PATH; watching begins as soon as it is there"
            self._notes.tell_once(WatchEvent("watch.root-missing", Level.ERROR, self._root, detail, hint))
            if not self._checked:
                self._intake.collects_initial = False  # nothing was there at the start
            return None
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        return status.st_dev, status.st_ino

    def _attach(self, identity: tuple[int, int]) -> None:
        self._identity = identity
        try:
            self._watches = Watches(self._root, tell_of_writing=bool(what_is_untold(self._root)))
        except OSError as error:
            hint = "raise the sysctl fs.inotify.max_user_instances; until then only scans find files"
            self._notes.tell_once(WatchEvent("watch.no-inotify", Level.ERROR, b"", error.strerror or str(error), hint))
        self._rescans.restart()
        self._scans = Scans(self._root, self._watches, self._exclusions, self._rescans, self._notes)
        if self._notes.was_told("watch.root-missing", self._root):
            self._notes.recant("watch.root-missing", self._root)
            self._notes.tell(WatchEvent("watch.root-found", Level.INFO, self._root, "the watched directory is there"))

    def _detach(self) -> None:
        self._scans.close()
        if self._identity is not None:
            self._intake.collects_initial = False
        if self._watches is not None:
            self._watches.close()
            self._watches = None
        self._identity = None

    # Where sightings come from

    def _take_events(self, found: list[FoundFile]) -> None:
        if self._watches is None:
            self._quiet = True
            return
        events = self._watches.events(_BATCH)
        self._quiet = not events
        if not events:
            return
        self._events += len(events)
        told = Dispatch(self._watches, self._scans, self._notes).take(events)
        if told.overflow:
            self._overflows += 1
            self._rescans.want()
            self._intake.events_lost()
        for path, complete in told.paths.items():
            status = self._status(path)
            if status is not None and not stat.S_ISDIR(status.st_mode):
                reason = Reason.WRITTEN if path in told.written else Reason.TOUCHED
                self._take(found, self._intake.sighted(path, status, Reason.CLOSED if complete else reason))
        if self._watches.root_lost:
            self._detach()
            self._next_check = float("-inf")

    def _take_walks(self, found: list[FoundFile]) -> None:
        if self._scans.next_due() <= self._clock.monotonic():
            self._quiet = False  # whatever happens to a directory while it is being read is told when it is closed
        initial, finished = self._intake.collects_initial, self._scans.finished
        for path, status in self._scans.step_part(_BATCH):
            self._take(found, self._intake.sighted(path, status, Reason.LISTED))
        for path, status in self._scans.step_whole(self._clock.monotonic(), _BATCH):
            self._take(found, self._intake.sighted(path, status, Reason.INITIAL if initial else Reason.LISTED))
        if self._scans.finished > finished:
            self._intake.scanned()
        if initial and not self._scans.walks_whole:
            self._intake.collects_initial = False

    def _take_due(self, found: list[FoundFile]) -> None:
        for path in self._intake.due(_BATCH):
            self._take(found, self._intake.looked(path, self._status(path)))

    def _is_open(self, file: FoundFile) -> bool:
        return has_open_writer(self._root + b"/" + file.relative_path, file.device, file.inode)

    def _take(self, found: list[FoundFile], file: FoundFile | None) -> None:
        if file is not None:
            found.append(file)

    def _status(self, path: bytes) -> os.stat_result | None:
        try:
            if self._root_fd is None:
                self._root_fd = open_root(self._root)
            return status_below(self._root_fd, path)
        except OSError as error:
            if error.errno in GONE:
                return None
            self._scans.trouble(path.rpartition(b"/")[0], error)
            return None

    def _let_go(self) -> None:
        if self._root_fd is not None:
            os.close(self._root_fd)
            self._root_fd = None
