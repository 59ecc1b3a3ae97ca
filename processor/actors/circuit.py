"""Circuit breaker for outages: a pure state machine.

Closed: everything goes on. An outage opens it; then one probe at a time asks whether the store is back, the first one
at once. Later probes wait longer and longer, with jitter, since many hosts may wait for the same store.

A first probe that succeeds shows that the store was there all along. Then `blame` decides. What the store refused by a
code of its own is the request's fault. Anything else (a 500, a redirect, a page of a proxy, a reset) remains the
store's for as long as `Suspicions` allows: probes may get through where deliveries do not.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from processor.domain.errors import STORE_REFUSED, ErrorClass, Failure


class CircuitState(StrEnum):
    """The three states."""

    CLOSED = "closed"
    OPEN = "open"  # waiting for the next probe
    HALF_OPEN = "half-open"  # a probe is on its way


@dataclass(frozen=True, slots=True)
class Circuit:
    """One store's circuit. Times are seconds of a monotonic clock; every method returns the circuit that follows."""

    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 60.0
    state: CircuitState = CircuitState.CLOSED
    failed_probes: int = 0
    next_probe_at: float = 0.0
    opened_at: float = 0.0
    reason: Failure | None = None

    @property
    def admits(self) -> bool:
        """Whether new work may begin."""
        return self.state is CircuitState.CLOSED

    @property
    def confirmed(self) -> bool:
        """Whether a probe failed too, so that the outage is the store's and nobody else's."""
        return self.failed_probes > 0

    def outage(self, failure: Failure, now: float) -> "Circuit":
        """Take note of a request that failed as an outage. A circuit that is open already stays as it is."""
        if self.state is not CircuitState.CLOSED:
            return self
        return replace(self, state=CircuitState.OPEN, opened_at=now, next_probe_at=now, reason=failure)

    def probe_due(self, now: float) -> bool:
        """Tell whether a probe is to be sent now; then call `probing` first."""
        return self.state is CircuitState.OPEN and now >= self.next_probe_at

    def probing(self) -> "Circuit":
        """Take note that a probe is on its way: there is never a second one."""
        assert self.state is CircuitState.OPEN
        return replace(self, state=CircuitState.HALF_OPEN)

    def distrusted(self, failure: Failure, pauses: int, now: float, chance: float) -> "Circuit":
        """Stay open although the probe was taken, since deliveries are not; longer after each of the `pauses`."""
        return replace(self, failed_probes=pauses).probe_failed(failure, now, chance)

    def probe_succeeded(self) -> "Circuit":
        """Close again: the store is back, or was never away."""
        return Circuit(self.first_delay_seconds, self.longest_delay_seconds)

    def probe_failed(self, failure: Failure, now: float, chance: float) -> "Circuit":
        """Wait and probe again; `chance` is in [0, 1). A Retry-After is honoured."""
        delay = min(self.longest_delay_seconds, self.first_delay_seconds * 2.0 ** min(self.failed_probes, 32))
        wait = max(failure.retry_after_seconds or 0.0, delay * (0.5 + chance / 2))
        return replace(
            self,
            state=CircuitState.OPEN,
            failed_probes=self.failed_probes + 1,
            next_probe_at=now + wait,
            reason=failure,
        )


@dataclass(frozen=True, slots=True)
class Doubt:
    """A file whose failures no probe confirms: since when, and how many they are."""

    since: float
    failures: int = 0


class Suspicions:
    """Files that failed by the store's fault although probes were taken, by row; bounded."""

    def __init__(self) -> None:
        self._doubts: dict[int, Doubt] = {}
        self._in_a_row: set[int] = set()

    def add(self, row: int, now: float) -> Doubt:
        """Take note of one more failure; return all that is known of the file."""
        before = self._doubts.pop(row, Doubt(now))
        doubt = self._doubts[row] = Doubt(before.since, before.failures + 1)
        while len(self._doubts) > _MOST_DOUBTS:
            del self._doubts[next(iter(self._doubts))]
        if len(self._in_a_row) < _MANY:
            self._in_a_row.add(row)
        return doubt

    def delivered(self, row: int) -> None:
        """Take note that a file was delivered: the store works, and the next failures begin a new row."""
        self._doubts.pop(row, None)
        self._in_a_row.clear()

    @property
    def many(self) -> bool:
        """Whether several files failed and none was delivered in between: then it is none of them."""
        return len(self._in_a_row) >= _MANY

    def begin_anew(self) -> None:
        """Let deliveries try again after a pause."""
        self._in_a_row.clear()


_MANY = 3
_MOST_DOUBTS = 10_000
_PATIENCE_SECONDS = 600.0
_LONGEST_WAIT_SECONDS = 60.0


def blame(failure: Failure, doubt: Doubt, now: float) -> Failure:
    """Return an outage that no probe confirmed as the retry policy is to see it.

    The request's own when the store named a reason, or when this file alone has met it for ten minutes. Until then it
    costs the file nothing, and is tried again at growing distances.
    """
    if failure.error_class is not ErrorClass.OUTAGE:
        return failure
    if failure.code == STORE_REFUSED or now - doubt.since > _PATIENCE_SECONDS:
        return replace(failure, error_class=ErrorClass.TRANSIENT)
    wait = min(_LONGEST_WAIT_SECONDS, 2.0 ** min(doubt.failures - 1, 32))
    return replace(failure, retry_after_seconds=max(failure.retry_after_seconds or 0.0, wait))
