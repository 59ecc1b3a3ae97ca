"""Estimate of the time left, by bytes and by files."""

from processor.commands.humanize import span
from processor.commands.status import LedgerState
from processor.dashboard.records import Pace
from processor.domain.status import Status

MINUTES = 10
_FEWEST_FILES = 20  # from so many on, their number tells a pace, too
_ALIKE = 1.5  # estimates that differ by less are one


def time_left(state: LedgerState, pace: Pace, now_ms: int) -> tuple[str, str]:
    """Return how long what is known takes at the latest pace, and what is not known; "" when there is nothing to say.

    Large files take as long as their bytes, small ones as long as they are many: where many were delivered and the two
    differ, both are told.
    """
    files = state.counts[Status.PENDING] + state.counts[Status.IN_PROGRESS]
    if not files:
        return "", ""
    if state.flights is None:
        return "", "no daemon is running"
    if state.hindrances:
        return "", state.hindrances[0]
    waiting = (state.bytes_by_status.get(status, 0) for status in (Status.PENDING, Status.IN_PROGRESS))
    uploaded = sum(min(flight["uploaded_bytes"], flight["size_bytes"]) for flight in state.flights)
    began_ms = min([pace.began_ms, *(now_ms - int(flight["seconds"] * 1000) for flight in state.flights)])
    milliseconds = max(1, min(now_ms - began_ms, MINUTES * 60_000))
    moved = pace.size_bytes + sum(_lately(flight) for flight in state.flights)
    if not moved:
        return "", f"nothing was delivered in the last {MINUTES} minutes"
    by_bytes = max(0, sum(waiting) - uploaded) / moved * milliseconds
    by_files = files / pace.files * milliseconds if pace.files >= _FEWEST_FILES else 0.0
    unsettled = "files that are still being written are not counted" if (state.watch or {}).get("open") else ""
    if by_files > by_bytes * _ALIKE:
        return f"{span(by_bytes)} by bytes, {span(by_files)} by number of files", unsettled
    return f"about {span(by_bytes)}", unsettled


def _lately(flight: dict[str, float]) -> float:
    """Return how many bytes of a file were uploaded within the last minutes, had they gone evenly."""
    uploaded = min(flight["uploaded_bytes"], flight["size_bytes"])
    return uploaded * min(1.0, MINUTES * 60 / max(flight["seconds"], 1.0))
