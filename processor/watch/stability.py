"""Decide when a file is stable."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from processor.watch.found import FoundFile

# Looking at one file costs a few microseconds; so much of the time between two looks is allowed to each file waiting.
_PACE_SECONDS = 50e-6
# truncate(2) writes and never closes: what stands still for so long is not held up by it for ever.
_UNCLOSED_SECONDS = 3600.0


@dataclass(slots=True)
class _Waiting:
    seen: FoundFile
    first: float
    since: float
    quiet_seconds: float
    next_look: float
    closed: bool  # by a writer, or renamed into place, and not changed since
    unclosed: bool = False  # an event told of writing, and none of closing since


IsOpen = Callable[[FoundFile], bool]


class Settling:
    """The files that are still changing, have changed lately or are open for writing; at most `limit` of them.

    The caller looks at the file system: it tells what it saw by `track`, asks for what is `due`, looks at that again
    and says by `looked` what it saw. All times are of one monotonic clock.
    """

    def __init__(self, poll_seconds: float, limit: int) -> None:
        self._poll_seconds = poll_seconds
        self._limit = limit
        self._waiting: OrderedDict[bytes, _Waiting] = OrderedDict()
        self._open: set[bytes] = set()  # of those: all that keeps them is that somebody has them open

    def __len__(self) -> int:
        """Return how many files are waiting."""
        return len(self._waiting)

    def track(self, seen: FoundFile, quiet_seconds: float, now: float, *, closed: bool = False) -> bool:
        """Begin or go on waiting until `seen` has been unchanged for `quiet_seconds`; False when there is no room.

        Of a file that is waited for already the shortest `quiet_seconds` count. `closed`: a writer has just closed it.
        """
        waiting = self._waiting.get(seen.relative_path)
        if waiting is not None:
            waiting.quiet_seconds = min(waiting.quiet_seconds, quiet_seconds)
            _observe(waiting, seen, now)
            waiting.closed |= closed
            return True
        if len(self._waiting) >= self._limit:
            return False
        self._waiting[seen.relative_path] = _Waiting(seen, now, now, quiet_seconds, now + self._interval(), closed)
        return True

    def due(self, now: float, limit: int) -> list[bytes]:
        """Return the paths to look at now, at most `limit`; each comes again one interval later."""
        paths: list[bytes] = []
        while self._waiting and len(paths) < limit:
            path, waiting = next(iter(self._waiting.items()))
            if waiting.next_look > now:
                break
            waiting.next_look = now + self._interval()
            self._waiting.move_to_end(path)
            paths.append(path)
        return paths

    def looked(self, path: bytes, seen: FoundFile | None, now: float, is_open: IsOpen) -> FoundFile | None:
        """Take note of what lies at `path` (None: nothing that is a plain file) and return it once it has settled.

        It has when it was unchanged for its time and nobody has it open for writing. That is asked only then, and of
        one that was closed not even then: it has no other writer as a rule, and whoever reads it asks once more.
        """
        waiting = self._waiting.get(path)
        if waiting is None:
            return None
        self._open.discard(path)
        if seen is None:
            del self._waiting[path]
            return None
        _observe(waiting, seen, now)
        if now - waiting.since < waiting.quiet_seconds:
            return None
        unclosed = waiting.unclosed and now - waiting.since < _UNCLOSED_SECONDS
        if unclosed or (not waiting.closed and is_open(seen)):
            self._open.add(path)
            return None
        del self._waiting[path]
        return replace(seen, watched_seconds=now - waiting.first)

    def written(self, path: bytes, *, unclosed: bool) -> None:
        """Take note of an event: somebody has written to a file that is waited for, or has closed it."""
        self._waiting[path].unclosed = unclosed

    def events_lost(self) -> None:
        """Forget what events told of writing."""
        for waiting in self._waiting.values():
            waiting.unclosed = False

    def forget(self, path: bytes) -> None:
        """Stop waiting for `path`, if anyone does."""
        self._waiting.pop(path, None)
        self._open.discard(path)

    @property
    def open_count(self) -> int:
        """Return how many files stand still and are waited for only because somebody has them open for writing."""
        return len(self._open)

    def open_seconds(self, path: bytes, now: float) -> float | None:
        """Return for how long a file that is open for writing stands still; None when that is not what it is."""
        waiting = self._waiting.get(path) if path in self._open else None
        return None if waiting is None else now - waiting.since

    def open_files(self) -> tuple[bytes, ...]:
        """Return the files of `open_count`; may be asked from any thread."""
        return tuple(self._open)

    def waiting_since(self, then: float) -> tuple[bytes, ...]:
        """Return the files that were waiting then, and have been ever since."""
        return tuple(path for path, waiting in self._waiting.items() if waiting.first <= then)

    def next_look(self) -> float | None:
        """Return when something is due, or None when nothing waits."""
        return next(iter(self._waiting.values())).next_look if self._waiting else None

    def _interval(self) -> float:
        return max(self._poll_seconds, len(self._waiting) * _PACE_SECONDS)


def _observe(waiting: _Waiting, seen: FoundFile, now: float) -> None:
    if seen != waiting.seen:
        waiting.seen = seen
        waiting.since = now
        waiting.closed = False
