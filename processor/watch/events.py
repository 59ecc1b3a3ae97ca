"""Events for the operator, as values."""

from dataclasses import dataclass
from enum import StrEnum

_REMEMBERED = 10_000


class Level(StrEnum):
    """How much a note matters; the names are those of the log levels."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One thing that happened: a stable `event` name, the `path` it is about, what it was, and what to do about it."""

    event: str
    level: Level
    path: bytes
    detail: str
    hint: str = ""


class EventLog:
    """Gathers notes until they are taken, and can tell each only once: by event and path, up to a bound."""

    def __init__(self) -> None:
        self._fresh: list[WatchEvent] = []
        self._told: set[int] = set()
        self._full = False

    def tell(self, note: WatchEvent) -> None:
        """Tell it, however often."""
        self._fresh.append(note)

    def tell_once(self, note: WatchEvent) -> None:
        """Tell it unless it was told before; when too many different ones were, say that and fall silent."""
        mark = hash((note.event, note.path))
        if mark in self._told or self._full:
            return
        if len(self._told) >= _REMEMBERED:
            self._full = True
            detail = f"{_REMEMBERED} entries were reported one by one; further ones are not listed"
            self.tell(WatchEvent("watch.reports-suppressed", Level.WARNING, b"", detail))
            return
        self._told.add(mark)
        self.tell(note)

    def was_told(self, event: str, path: bytes) -> bool:
        """Tell whether a note of this event and path stands; always true where too many do."""
        return self._full or hash((event, path)) in self._told

    def recant(self, event: str, path: bytes) -> None:
        """Forget that it was told: should it happen again, it is news."""
        self._told.discard(hash((event, path)))

    def take(self) -> tuple[WatchEvent, ...]:
        """Return what was told since the last time."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh
