"""When tables get their next batch.

One batch is on its way at a time. One whose end is not known is sent again, at growing distances, until the catalog
answers: it is the same batch, so nothing is added twice. Deliveries go on meanwhile.
"""

from collections.abc import Callable
from random import Random

from structlog.typing import FilteringBoundLogger

from processor.actors.counters import Counters
from processor.domain.errors import Failure
from processor.domain.tables import Batch, Registration

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_MOST_TOLD = 20


class TableBatches:
    """Decides when; `send` gives a batch to the Registrar. Times are of a monotonic clock."""

    def __init__(
        self,
        interval_seconds: float | None,
        send: Callable[[Batch], None],
        counters: Counters,
        chance: Random,
        log: FilteringBoundLogger,
    ) -> None:
        """Make a batch at most once in `interval_seconds`; None: there is no catalog."""
        self._interval = interval_seconds
        self._send = send
        self._counters = counters
        self._chance = chance
        self.log = log
        self._next = 0.0
        self._failures = 0
        self.may_wait = True  # an earlier process may have left something
        self.in_flight: Batch | None = None

    @property
    def out(self) -> bool:
        """Whether the catalog did not answer last."""
        return self._failures > 0

    def due(self, now: float) -> bool:
        """Tell whether a batch is to be made."""
        return self._interval is not None and self.may_wait and self.in_flight is None and now >= self._next

    def busy(self, *, draining: bool) -> bool:
        """Tell whether to stay for the tables: not for a catalog that is out."""
        waits = self.may_wait and not self.out and not draining
        return self._interval is not None and (self.in_flight is not None or waits)

    def begin(self, batch: Batch | None, now: float) -> None:
        """Send the batch that was made; None: nothing waits."""
        self._next = now + (self._interval or 0.0)
        if batch is None:
            self.may_wait = False
            return
        self.in_flight = batch
        self._send(batch)

    def registered(self, batch: Batch, result: Registration) -> None:
        """Learn that a batch has come to its end."""
        self.in_flight = None
        if self._failures:
            self.log.info("catalog.back")
        self._failures = 0
        counters = self._counters
        counters.catalog_problem = ""
        counters.table_conflicts += result.conflicts
        counters.table_refused += len(result.refused)
        if result.snapshot is not None:
            counters.table_commits += 1
            self.log.info(
                "table.committed",
                table=batch.table.name,
                snapshot=result.snapshot,
                rows=result.added_rows,
                batch=batch.id,
            )
        for reason in list(result.refused.values())[:_MOST_TOLD]:
            hint = "see `processor tables`; `processor tables --retry` once it is mended"
            self.log.error("table.refused", table=batch.table.name, message=reason, hint=hint)

    def failed(self, failure: Failure, now: float) -> None:
        """Learn that it is not known what became of the batch."""
        self.in_flight = None
        if not self._failures:
            self.log.error("catalog.outage", code=failure.code, message=failure.message, hint=failure.hint)
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**self._failures)
        self._next = now + pause * (0.5 + self._chance.random() / 2)
        self._failures += 1
        self._counters.catalog_problem = str(failure)
