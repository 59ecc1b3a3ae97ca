"""Take entries that were seen until they can be offered."""

import os
import stat
from enum import Enum, auto

from processor.trees.moves import is_passing
from processor.watch.age import Age
from processor.watch.events import EventLog, Level, WatchEvent
from processor.watch.exclusions import Exclusions
from processor.watch.found import FoundFile, found_file
from processor.watch.initial import InitialFiles
from processor.watch.left_out import LeftOut
from processor.watch.rescans import Rescans
from processor.watch.settings import WatchSettings
from processor.watch.stability import IsOpen, Settling

STILL_OPEN = "watch.still-open"

# The kernel stamps files by a clock that may lag behind by one tick.
_TICK_NS = 10_000_000


class Reason(Enum):
    """Why an entry is looked at; what it tells about its being complete."""

    CLOSED = auto()  # its writer closed it, or it was renamed into place
    WRITTEN = auto()  # somebody has written to it, and not closed it since
    TOUCHED = auto()  # something happened to it: created, linked, its attributes changed
    LISTED = auto()  # a walk came by
    INITIAL = auto()  # the first walk of all came by


class EntryIntake:
    """Decides about each sighting: none of our business, there from the start, to be waited for, or found."""

    def __init__(
        self,
        settings: WatchSettings,
        exclusions: Exclusions,
        rescans: Rescans,
        notes: EventLog,
        wall_ns: int,
        is_open: IsOpen,
    ) -> None:
        """`is_open` tells whether somebody has a file open for writing; `wall_ns` is when watching begins."""
        self._is_open = is_open
        self._settings = settings
        self._exclusions = exclusions
        self._rescans = rescans
        self._notes = notes
        self._settling = Settling(settings.poll_seconds, settings.unsettled_limit)
        self._age = Age(settings.quiet_seconds)
        self._initial = InitialFiles()
        self._left_out = LeftOut()
        self._start_ns = wall_ns - _TICK_NS
        self._now = 0.0
        self.collects_initial = settings.ignore_initial
        self.turned_away = 0  # files for which there was no room; only a scan finds them again

    @property
    def unsettled(self) -> int:
        """Return how many files are being waited for."""
        return len(self._settling)

    def unsettled_since(self, then: float) -> tuple[bytes, ...]:
        """Return the files that were being waited for then, and have been ever since."""
        return self._settling.waiting_since(then)

    @property
    def open_count(self) -> int:
        """Return how many of them stand still and are open for writing."""
        return self._settling.open_count

    def open_files(self) -> tuple[tuple[bytes, float], ...]:
        """Return those, each with the seconds it has stood still."""
        return tuple(
            (path, seconds)
            for path in self._settling.open_files()
            if (seconds := self._settling.open_seconds(path, self._now)) is not None
        )

    @property
    def left_out(self) -> int:
        """Return how many files lie there that INCLUDE and EXCLUDE leave out."""
        return len(self._left_out)

    def scanned(self) -> None:
        """Take note that everything has been looked at."""
        self._left_out.scanned()

    def clock(self, now: float, wall_ns: int) -> None:
        """Take the time, monotonic and wall clock, for all that follows."""
        self._now = now
        self._age.clock(now, wall_ns)

    def sighted(self, path: bytes, status: os.stat_result, reason: Reason) -> FoundFile | None:
        """Take note of an entry that is not a directory; return it when it is whole."""
        if self._exclusions.covers(path, (status.st_dev, status.st_ino)):
            return None
        if is_passing(path.rpartition(b"/")[2]):
            return None  # on its way out, to be deleted or moved, or on its way back
        if self._settings.selection.leaves_out(path):
            self._left_out.add(path, scanned=reason in (Reason.LISTED, Reason.INITIAL))
            self._settling.forget(path)
            return None
        if not stat.S_ISREG(status.st_mode):
            self._skip(path, status.st_mode)
            return None
        found = found_file(path, status)
        if reason is Reason.INITIAL and self.collects_initial and found.ctime_ns < self._start_ns:
            self._initial.add(found)
            return None
        if self._is_whole(found, reason):
            self._settling.forget(path)
            return self._wanted(found)
        self._wait_for(found, reason)
        return None

    def _is_whole(self, found: FoundFile, reason: Reason) -> bool:
        if reason is Reason.LISTED or reason is Reason.INITIAL:
            # One that is known to be open is asked about at its time; of others whoever reads them finds out.
            waits = self._settling.open_seconds(found.relative_path, self._now) is not None
            return not waits and self._age.is_old(found)
        return reason is Reason.CLOSED and not self._settings.settle_seconds

    def _wait_for(self, found: FoundFile, reason: Reason) -> None:
        closed = reason is Reason.CLOSED
        quiet_seconds = self._settings.settle_seconds if closed else self._settings.quiet_seconds
        if not self._settling.track(found, quiet_seconds, self._now, closed=closed):
            self.turned_away += 1
            self._rescans.want()
        elif closed or reason is Reason.WRITTEN:
            self._settling.written(found.relative_path, unclosed=not closed)

    def _wanted(self, found: FoundFile) -> FoundFile | None:
        """Return it unless it was there from the start (while that is still being found out, nothing was)."""
        return None if self._initial and not self.collects_initial and found in self._initial else found

    def events_lost(self) -> None:
        """Forget who was told to be writing: that it was closed may have been among what was lost."""
        self._settling.events_lost()

    def due(self, limit: int) -> list[bytes]:
        """Return the paths of up to `limit` files that it is time to look at again."""
        return self._settling.due(self._now, limit)

    def looked(self, path: bytes, status: os.stat_result | None) -> FoundFile | None:
        """Take note of what is at a path that was due (None: nothing); return it when it has become whole."""
        plain = status is not None and stat.S_ISREG(status.st_mode)
        seen = found_file(path, status) if status is not None and plain else None
        settled = self._settling.looked(path, seen, self._now, self._is_open)
        self._tell_of_writer(path)
        return self._wanted(settled) if settled else None

    def _tell_of_writer(self, path: bytes) -> None:
        seconds = self._settling.open_seconds(path, self._now)
        if seconds is None:
            self._notes.recant(STILL_OPEN, path)
        elif seconds >= self._settings.open_told_seconds:
            detail = f"unchanged for {seconds:.0f} s, but a program has it open for writing"
            hint = "it is delivered when that program closes it; fuser -v or lsof names it"
            self._notes.tell_once(WatchEvent(STILL_OPEN, Level.WARNING, path, detail, hint))

    def next_look(self) -> float:
        """Return when a file is due; infinity when none is waited for."""
        due = self._settling.next_look()
        return float("inf") if due is None else due

    def _skip(self, path: bytes, mode: int) -> None:
        if stat.S_ISLNK(mode):
            note = WatchEvent("watch.link-skipped", Level.WARNING, path, "a symbolic link", "links are never followed")
        else:
            detail = "neither a plain file nor a directory"
            note = WatchEvent("watch.special-skipped", Level.WARNING, path, detail, "only plain files are delivered")
        self._notes.tell_once(note)
