"""Circuit breaker for outages: a pure state machine.

Closed: everything goes on. An outage opens it; then one probe at a time asks whether the store is back, the first one
at once. A first probe that succeeds shows that the store was there all along, so the failure was the request's own
(`blame`). Later probes wait longer and longer, with jitter, since many hosts may wait for the same store.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from processor.domain.errors import ErrorClass, Failure


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


def blame(failure: Failure, *, confirmed: bool) -> Failure:
    """Return the failure as the retry policy is to see it: an outage that no probe confirmed is this try's own."""
    if failure.error_class is ErrorClass.OUTAGE and not confirmed:
        return replace(failure, error_class=ErrorClass.TRANSIENT)
    return failure
