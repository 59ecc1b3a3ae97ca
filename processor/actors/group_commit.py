"""Group commit: many reports in one transaction."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from processor.actors.messages import StepsCompleted
from processor.actors.progress_state import Effect, ProgressState
from processor.domain.jobs import FIRST_STEPS, Delivered
from processor.ledger.database import LedgerFullError

_GROUP = 256
_FULL_PAUSE_SECONDS = 1.0

_Result = TypeVar("_Result")


class GroupCommit:
    """Collects reports, applies them to the ledger, commits, and then does what follows from them.

    `apply` changes the ledger as one report says and returns the effects: telling somebody, giving a credit back. They
    come after the commit, never before: recorded means committed. A report is applied to the ledger alone, so that a
    group which met a full disk can be applied again.
    """

    def __init__(self, state: ProgressState, apply: Callable[[Any], list[Effect]]) -> None:
        self._state = state
        self._apply = apply
        self._group: list[Any] = []
        self._awaited = False  # something follows from what is in the group

    @property
    def waits(self) -> bool:
        """Whether reports wait to be recorded."""
        return bool(self._group)

    def add(self, message: Any) -> None:
        """Collect a report."""
        self._group.append(message)
        self._awaited |= not _can_wait(message)

    def due(self, *, mailbox_empty: bool) -> bool:
        """Tell whether to record now: the group is full, or something follows from it and nothing more has come."""
        return len(self._group) >= _GROUP or (self._awaited and mailbox_empty)

    def record(self) -> bool:
        """Record the group; return False when there was none."""
        group, self._group, self._awaited = self._group, [], False
        if not group:
            return False
        for effect in self.durably(lambda: self._applied(group)):
            effect()
        return True

    def _applied(self, group: list[Any]) -> list[Effect]:
        self._state.ended.clear()  # a group that met a full disk is applied from its first report again
        return [effect for message in group for effect in self._apply(message)]

    def durably(self, change: Callable[[], _Result]) -> _Result:
        """Make a change and commit it; wait and do all of it again while the disk is full."""
        state, told = self._state, False
        while True:
            try:
                result = change()
                state.ledger.commit()
            except LedgerFullError as error:
                state.ledger.rollback()
                if not told:
                    hint = "free space; work goes on by itself then"
                    state.log.error("ledger.full", message=str(error), hint=hint)
                told = state.counters.ledger_full = True
                time.sleep(_FULL_PAUSE_SECONDS)
            else:
                if told:
                    state.counters.ledger_full = False
                    state.log.info("ledger.goes-on")
                return result


def _can_wait(message: Any) -> bool:
    """Tell whether nothing follows from a report before the job's next one: it is recorded together with that."""
    match message:
        case StepsCompleted(job, steps):
            return steps == FIRST_STEPS and job.attempt == 1 and job.delivered is Delivered.NOTHING
        case _:
            return False
