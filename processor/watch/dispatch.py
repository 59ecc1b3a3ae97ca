"""Apply inotify events to the tree."""

from dataclasses import dataclass, field

from inotify_simple import flags

from processor.watch.events import EventLog
from processor.watch.scans import UNREADABLE, Scans
from processor.watch.watches import Watches

_COMPLETE = flags.CLOSE_WRITE | flags.MOVED_TO


@dataclass(slots=True)
class Hints:
    """What a batch of events asks for.

    `paths` may have something new, each once (true: its writer closed it, or it was renamed into place); those in
    `written` were written to and not closed since. `overflow` says that events were lost.
    """

    paths: dict[bytes, bool] = field(default_factory=dict)
    written: set[bytes] = field(default_factory=set)
    overflow: bool = False


class Dispatch:
    """Brings `watches` up to date, hands new directories to `scans`, and leaves the files to the caller.

    An event tells only that it is worth looking at a path: what is there is found out by looking, so it does no harm
    when the path was put together too late.
    """

    def __init__(self, watches: Watches, scans: Scans, notes: EventLog) -> None:
        self._watches = watches
        self._scans = scans
        self._notes = notes

    def take(self, events: list[tuple[int, int, bytes]]) -> Hints:
        """Act on the events, in their order, and return what remains to be looked at."""
        hints = Hints()
        for watch, mask, name in events:
            if mask & flags.Q_OVERFLOW:
                hints.overflow = True
            elif mask & flags.IGNORED:
                self._watches.ended(watch)
            elif mask & flags.MOVE_SELF:
                self._moved(watch)
            elif mask & flags.ISDIR:
                self._directory(watch, mask, name)
            elif name:
                self._file(watch, mask, name, hints)
        self._watches.sweep()
        return hints

    def _directory(self, watch: int, mask: int, name: bytes) -> None:
        if mask & flags.MOVED_TO:
            self._arrived(watch, name)
        if mask & (flags.CREATE | flags.MOVED_TO) or self._was_unreadable(watch, name):
            self._scans.arrived(watch, name)

    def _arrived(self, watch: int, name: bytes) -> None:
        try:
            self._watches.arrived(watch, name)
        except OSError as error:
            self._scans.cannot_watch(self._path(watch, name) or name, error)

    def _moved(self, watch: int) -> None:
        try:
            self._watches.moved(watch)
        except OSError as error:
            self._scans.cannot_watch(self._watches.path(watch) or b"", error)

    def _was_unreadable(self, watch: int, name: bytes) -> bool:
        # Of a change of its attributes both the directory itself (without a name) and its parent tell; the root has
        # no parent.
        path = self._path(watch, name) if name else b""
        return path is not None and self._notes.was_told(UNREADABLE, path)

    def _file(self, watch: int, mask: int, name: bytes, hints: Hints) -> None:
        path = self._path(watch, name)
        if path is None:
            return
        if mask & flags.MODIFY:
            hints.paths[path] = False
            hints.written.add(path)
            return
        if mask & _COMPLETE:
            hints.written.discard(path)
        hints.paths[path] = bool(mask & _COMPLETE) or hints.paths.get(path, False)

    def _path(self, watch: int, name: bytes) -> bytes | None:
        directory = self._watches.path(watch)
        return directory + b"/" + name if directory else directory if directory is None else name
