"""Orders of the operator, obeyed by Progress."""

from dataclasses import replace
from typing import Any

from processor.actors.admission import Admission
from processor.actors.group_commit import GroupCommit
from processor.actors.messages import BringBack, Obey
from processor.actors.progress_state import ProgressState, now_ms
from processor.actors.table_batches import TableBatches
from processor.domain.status import Order


class Orders:
    """Answers questions of the control socket and does what they order."""

    def __init__(self, state: ProgressState, group: GroupCommit, admission: Admission, batches: TableBatches) -> None:
        self._state = state
        self._group = group
        self._admission = admission
        self._batches = batches

    def obey(self, message: Obey) -> Any:
        """Return the answer to the order."""
        state, counters = self._state, self._state.counters
        match message.order:
            case Order.RETRY:
                failed = tuple(state.ledger.failed_files(message.path))
                state.routes().checksummer.tell(BringBack(failed))
                return len(failed)
            case Order.REPROCESS:
                return self._reprocess(message)
            case Order.DRIFT:
                return [(*labels, count) for labels, count in sorted(counters.feed_drift.items())]
            case Order.FLIGHTS:
                return tuple(replace(flight) for flight in state.flights.values())
            case Order.HINDRANCES:
                return counters.hindrances
            case Order.CATALOG:
                return counters.catalog_problem
            case Order.TABLES:
                return self._retry_tables(message.table)
            case Order.HOLD:
                return self._admission.hold()
            case Order.RELEASE:
                return self._admission.release()

    def _reprocess(self, message: Obey) -> int:
        count = self._group.durably(lambda: self._make_due(message))
        self._state.more_may_be_due()
        self._admission.admit()
        return count

    def _make_due(self, message: Obey) -> int:
        ledger = self._state.ledger
        if message.feed is not None:
            return ledger.reprocess_feed(message.feed, self._state.feeds, now_ms())
        return ledger.reprocess(message.path, message.since_ms, now_ms())

    def _retry_tables(self, table: str | None) -> int:
        count = self._group.durably(lambda: self._state.ledger.retry_tables(table, now_ms()))
        self._batches.may_wait = True
        return count
