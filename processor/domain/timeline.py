"""Times of one file's way, from sight to manifest."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Milestone(StrEnum):
    """What a file that goes well passes, in this order."""

    SEEN = "seen"  # by the watcher
    WHOLE = "whole"  # unchanged for its time, and closed; recorded in the ledger
    BEGUN = "begun"  # the last try of its delivery
    HASHED = "hashed"
    CONVERTED = "converted"  # or unpacked: the worker has made the last object
    STORED = "stored"  # every object, each verified by what the store answered
    MANIFEST = "manifest"


_ALL = tuple(Milestone)


@dataclass(frozen=True, slots=True)
class Passed:
    """A milestone that was passed, and how long that took since the one before."""

    milestone: Milestone
    at_ms: int
    milliseconds: int

    @property
    def at(self) -> datetime:
        """Return when, as an aware time."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Timeline:
    """`times` are milliseconds since the epoch, in the order of the milestones; None: not passed, or not known."""

    times: tuple[int | None, ...] = ()

    def reached(self, milestone: Milestone, now_ms: int) -> "Timeline":
        """Return the way with this milestone as the last one: what an earlier try passed behind it is forgotten."""
        place = _ALL.index(milestone)
        return Timeline((*self.times[:place], *(None,) * (place - len(self.times)), now_ms))

    def passed(self) -> Iterator[Passed]:
        """Yield the milestones that were passed, in order."""
        before: int | None = None
        for milestone, at_ms in zip(_ALL, self.times, strict=False):
            if at_ms is not None:
                yield Passed(milestone, at_ms, 0 if before is None else at_ms - before)
                before = at_ms

    def encoded(self) -> str:
        """Return the first time, and the distance of each other one from it: some 30 bytes."""
        first = self.times[0] if self.times else None
        return ",".join(
            "" if at is None else str(at - (first or 0) if place else at) for place, at in enumerate(self.times)
        )


NO_TIMELINE = Timeline()


def timeline_from(text: str | None) -> Timeline:
    """Return what `encoded` wrote; nothing was passed where nothing is recorded, as in ledgers of earlier versions."""
    if not text:
        return NO_TIMELINE
    first, *others = (int(part) if part else None for part in text.split(","))
    return Timeline((first, *(None if at is None else (first or 0) + at for at in others)))


def timeline_fields(timeline: Timeline) -> dict[str, str]:
    """Return the times by their milestones' names, as the manifest tells them."""
    return {str(each.milestone): each.at.isoformat(timespec="milliseconds") for each in timeline.passed()}


def timeline_of_fields(fields: dict[str, str]) -> Timeline:
    """Return what `timeline_fields` told. Raises ValueError, TypeError when it is something else."""
    timeline = NO_TIMELINE
    for milestone in _ALL:
        if milestone in fields:
            timeline = timeline.reached(milestone, _milliseconds(fields[milestone]))
    return timeline


def now_ms() -> int:
    """Return the time of the clock on the wall, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
