"""Failures of jobs: retry, give up, wait for a probe."""

import logging
from random import Random

from processor.actors.messages import HandedBack, StepFailed
from processor.actors.notices import Notices
from processor.actors.outages import Outages, of_cluster
from processor.actors.progress_state import Effect, ProgressState, now_ms, own_feed
from processor.actors.source_cleanup import SourceCleanup
from processor.domain.declarations import drift_of_code
from processor.domain.errors import (
    SOURCE_CHANGED,
    SOURCE_FORBIDDEN,
    SOURCE_OPEN,
    SOURCE_VANISHED,
    ErrorClass,
    Failure,
)
from processor.domain.feeds import feed_name
from processor.domain.jobs import Job
from processor.domain.keys import escape, unescape
from processor.domain.object_keys import key_of
from processor.domain.retry import GiveUp, RetryPolicy, TryAgain

_OPEN_MS = 300_000  # then a file that was open is tried once more, should nobody have told that it was closed


class JobFailures:
    """Records what becomes of a job that failed: the policy decides, unless it may be an outage."""

    def __init__(
        self,
        state: ProgressState,
        outages: Outages,
        notices: Notices,
        cleanup: SourceCleanup,
        policy: RetryPolicy,
        chance: Random,
    ) -> None:
        self._state = state
        self._outages = outages
        self._notices = notices
        self._cleanup = cleanup
        self._policy = policy
        self._chance = chance

    def apply(self, message: StepFailed | HandedBack) -> list[Effect]:
        """Record the failure; return what follows."""
        ledger, job, now = self._state.ledger, message.job, now_ms()
        if isinstance(message, HandedBack):
            ledger.handed_back(job, now, now)
            return [lambda: self._land(job)]
        failure = message.failure
        if failure.code == SOURCE_OPEN:
            ledger.handed_back(job, now + _OPEN_MS, now)
            return [lambda: self._found_open(job)]
        if failure.code == SOURCE_VANISHED and ledger.vanished(job, now):
            return [lambda: self._vanished(job)]
        if self._unclear(message):
            return [lambda: self._outages.suspect(message)]
        if of_cluster(failure):  # whoever worked on it may be alive and come back after the last sweep
            ledger.orphans_may_come(key_of(job.file))
        tries = ledger.tries(job.row) + 1
        decision = self._decide(message, tries, now)
        return [lambda: self._failed(message, decision, tries)]

    def _unclear(self, message: StepFailed) -> bool:
        """Tell whether a probe has to show first whose failure it is."""
        looks_so = message.failure.error_class is ErrorClass.OUTAGE and not message.judged
        return looks_so and not self._outages.confirmed and not self._state.draining

    def _decide(self, message: StepFailed, tries: int, now: int) -> TryAgain | GiveUp:
        """Record the next try, or the end."""
        ledger, job, failure = self._state.ledger, message.job, message.failure
        decision = self._policy.decide(failure, tries, self._chance)
        match decision:
            case TryAgain(delay_seconds, counts):
                due = now + int(delay_seconds * 1000)
                ledger.try_again(job, failure, due, now, counts=counts)
            case GiveUp():
                if not ledger.failed(job, failure, message.bad_members, now):
                    return TryAgain(0.0, counts=False)  # it has changed: another content, with tries of its own
                self._notices.failed(job, failure, tries, now)
        return decision

    def _failed(self, message: StepFailed, decision: TryAgain | GiveUp, tries: int) -> None:
        state, job, failure = self._state, message.job, message.failure
        self._land(job)
        final = isinstance(decision, GiveUp)
        again = job.row in state.counters.unreadable and failure.code == SOURCE_FORBIDDEN
        state.counters.count_failed(job, failure, final=final)
        if final:
            self._count_feeds(message)
        facts = {
            "path": escape(job.file.relative_path),
            "code": failure.code,
            "message": failure.message,
            "hint": failure.hint,
            "error_class": failure.error_class,
            "step": job.current,
            "tries": tries,
        }
        if isinstance(decision, TryAgain):
            level = logging.DEBUG if again else logging.WARNING
            state.log.log(level, "file.retry", **facts, retry_seconds=round(decision.delay_seconds, 3))
            state.more_may_be_due()
            if failure.code == SOURCE_CHANGED:  # no event tells of truncate(2), nor of what is written through mmap(2)
                state.look_again(job.file)
        else:
            state.log.error("file.failed", **facts)
            self._cleanup.look()

    def _found_open(self, job: Job) -> None:
        """Leave it to the watcher, which sees when its writer closes it."""
        self._land(job)
        self._state.counters.open[job.row] = job.file.relative_path
        self._state.log.debug("file.open", path=escape(job.file.relative_path))
        self._state.look_again(job.file)

    def _vanished(self, job: Job) -> None:
        path = job.file.relative_path
        self._land(job)
        self._state.counters.forget(job.row, path)
        self._state.log.warning("file.vanished", path=escape(path), delivered=bool(job.delivered))
        # It may have come back, and been told of as known, in the moment before it was forgotten.
        self._state.look_again(job.file)

    def _land(self, job: Job) -> None:
        """Give its credits back."""
        self._state.flights.pop(job.row)

    def _count_feeds(self, message: StepFailed) -> None:
        """Count the file, or those of its members that are bad, as failed in their feeds; and what drifted."""
        file, counters = message.job.file, self._state.counters
        failures: list[tuple[str | None, Failure]] = [(own_feed(message.job), message.failure)]
        failures += [(feed_name(file.feed_of_member(unescape(name))), bad) for name, bad in message.bad_members]
        for feed, failure in failures:
            counters.count_feed(feed, "failed")
            if feed is not None and (kind := drift_of_code(failure.code)) is not None:
                counters.feed_drift[feed, kind, ""] += 1
