"""A file's journey: events and the time between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from processor.commands.ledger import Story
from processor.dashboard.words import event_word, step_word

WIDTH = 1000
_TOLD = {"at", "event", "step", "failure", "bad_members", "attempt"}


@dataclass(frozen=True, slots=True)
class Stop:
    """One event: when, how long after the one before, where that time lies in a bar of WIDTH, and what was decided."""

    at_ms: int
    after_ms: int | None
    name: str
    x: float
    width: float
    step: str
    event: dict[str, Any]
    facts: tuple[tuple[str, str], ...]


def journey(story: Story) -> tuple[Stop, ...]:
    """Return the stops in order."""
    return tuple(_stops(story.events()))


def total_ms(stops: tuple[Stop, ...]) -> int:
    """Return how long all of it took."""
    return stops[-1].at_ms - stops[0].at_ms if stops else 0


def _stops(events: list[dict[str, Any]]) -> Iterator[Stop]:
    first, last = (events[0]["at"], events[-1]["at"]) if events else (0, 0)
    scale = WIDTH / max(last - first, 1)
    before: int | None = None
    for event in events:
        at = event["at"]
        after = None if before is None else at - before
        step = event.get("step") or ""
        yield Stop(
            at_ms=at,
            after_ms=after,
            name=event_word(event["event"]),
            x=round((at - first - (after or 0)) * scale, 1),
            width=round((after or 0) * scale, 1),
            step=step_word(step) if step else "",
            event=event,
            facts=tuple((name, str(value)) for name, value in event.items() if name not in _TOLD and value),
        )
        before = at
