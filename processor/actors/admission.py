"""Admission of files that are due."""

import time

from processor.actors.group_commit import GroupCommit
from processor.actors.messages import Process, StepFailed
from processor.actors.outages import Outages
from processor.actors.progress_state import Flight, ProgressState, now_ms
from processor.domain.credits import Credits
from processor.domain.jobs import Job
from processor.domain.keys import escape
from processor.domain.status import HOLD_SECONDS


class Admission:
    """Starts jobs while there are credits, the store answers, nobody drains and no operator holds it."""

    def __init__(self, state: ProgressState, group: GroupCommit, outages: Outages, max_concurrency: int) -> None:
        self._state = state
        self._group = group
        self._outages = outages
        self._credits = Credits(max_concurrency)
        self._held_until = 0.0  # monotonic

    def hold(self) -> None:
        """Start nothing for a while, so that an operator can look at what is stored."""
        self._held_until = time.monotonic() + HOLD_SECONDS

    def release(self) -> None:
        """End the hold."""
        self._held_until = 0.0
        self.admit()

    def admit(self) -> None:
        """Start jobs for files that are due, as far as the credits go."""
        state, cost = self._state, self._credits.cost
        free = self._credits.total - sum(flight.cost for flight in state.flights.values())
        if free <= 0 or not state.may_be_due or self._held_up():
            return
        jobs, refused = self._group.durably(
            lambda: state.ledger.admit(free, now_ms(), time.monotonic_ns(), cost, state.feeds)
        )
        for job in (*jobs, *(job for job, _failure in refused)):
            state.counters.open.pop(job.row, None)
            state.flights[job.row] = Flight(job, cost(job.file))
            free -= cost(job.file)
        state.may_be_due = free <= 0
        for job in jobs:
            self._send(job)
        for job, failure in refused:
            state.routes().progress.tell(StepFailed(job, failure))

    def _held_up(self) -> bool:
        state = self._state
        held = time.monotonic() < self._held_until
        return held or state.draining or not state.clean or not self._outages.admits

    def _send(self, job: Job) -> None:
        state = self._state
        state.log.debug("file.admitted", path=escape(job.file.relative_path), attempt=job.attempt)
        resumable = tuple(state.ledger.open_uploads(job.row)) if job.attempt > 1 else ()
        state.routes().next_for(job).tell(Process(job, resumable=resumable))
