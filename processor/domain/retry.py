"""Decide if and when to retry after a failure."""

import random
from dataclasses import dataclass

from processor.domain.errors import (
    SOURCE_CHANGED,
    SOURCE_FORBIDDEN,
    SOURCE_OPEN,
    WORKER_CRASHED,
    ErrorClass,
    Failure,
)

_LONGEST_DELAY_SECONDS = 300.0
_FORBIDDEN_SECONDS = 60.0  # its change of rights is an event; this is for those that are none


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The job goes back to the ledger; `counts` tells whether this try is one of the file's own."""

    delay_seconds: float
    counts: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The file is failed: moved to the error directory with the reason beside it."""


Decision = TryAgain | GiveUp


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, so that files which failed together do not return together."""

    max_retries: int
    delay_seconds: float

    def decide(self, failure: Failure, tries: int, chance: random.Random) -> Decision:
        """Return what becomes of a file that has now failed `tries` times, this failure included.

        An outage or a throttled store is not the file's fault and costs it no try; nor does a change on the way, after
        which it is another file: who writes on is not to find the file gone. A file that may not be read waits for the
        right. A second crash is the file's fault.
        """
        if failure.code == SOURCE_FORBIDDEN:
            return TryAgain(max(_FORBIDDEN_SECONDS, self.delay_seconds) * chance.uniform(1.0, 1.5), counts=False)
        if failure.code in (SOURCE_CHANGED, SOURCE_OPEN):
            return TryAgain(self.delay_seconds * chance.uniform(1.0, 1.5), counts=False)
        match failure.error_class:
            case ErrorClass.PERMANENT:
                return GiveUp()
            case ErrorClass.OUTAGE | ErrorClass.THROTTLED:
                wait = failure.retry_after_seconds or self.delay_seconds
                return TryAgain(wait * chance.uniform(1.0, 1.5), counts=False)
            case ErrorClass.TRANSIENT | ErrorClass.INFRASTRUCTURE:
                if tries > (min(self.max_retries, 1) if failure.code == WORKER_CRASHED else self.max_retries):
                    return GiveUp()
                wait = max(failure.retry_after_seconds or 0.0, self._back_off(tries) * chance.random())
                return TryAgain(wait, counts=True)

    def _back_off(self, tries: int) -> float:
        return min(_LONGEST_DELAY_SECONDS, self.delay_seconds * 2.0 ** min(tries - 1, 32))
