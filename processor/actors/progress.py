"""The Progress actor: owns the ledger and every job.

It routes each message to the part that deals with it:

    reports          GroupCommit ──▶ JobReports, JobFailures, SourceCleanup: one transaction, then the effects
    orders           Orders of the control socket
    files, ticks     Admission: starts what is due
    outages          Outages: probes; failures that wait for one
    tables, events   TableBatches, Notices
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from processor.actors.admission import Admission
from processor.actors.base import BaseActor, DeathNotice
from processor.actors.counters import Counters
from processor.actors.group_commit import GroupCommit
from processor.actors.job_failures import JobFailures
from processor.actors.job_reports import JobReports
from processor.actors.messages import (
    AbortOrphans,
    AbortUploads,
    BroughtBack,
    Drain,
    Drifted,
    FeedsRead,
    FilePutAway,
    FilesFound,
    NoticesRefused,
    NoticesTaken,
    NotRegistered,
    Obey,
    OrphansAborted,
    ProbeStore,
    Register,
    Registered,
    StoreProbed,
    Tick,
    UploadsAborted,
    WatchIdle,
)
from processor.actors.notices import Notices
from processor.actors.notifier import Notifier
from processor.actors.orders import Orders
from processor.actors.outages import Outages, of_cluster, of_root
from processor.actors.progress_state import Effect, ProgressState, now_ms
from processor.actors.source_cleanup import SourceCleanup
from processor.actors.table_batches import TableBatches
from processor.domain.declarations import Drift
from processor.domain.errors import Failure
from processor.domain.feeds import NO_FEEDS, AfterUpload, Feeds
from processor.domain.keys import escape
from processor.domain.notices import EventType
from processor.domain.retry import RetryPolicy
from processor.domain.tables import Batch
from processor.ledger.records import Intake
from processor.ledger.writer import Ledger


@dataclass(frozen=True, slots=True)
class ProgressSettings:
    """How many files are on their way, what becomes of failed and delivered ones, and who is told.

    `table_commit_seconds` is None where no catalog knows the tables.
    """

    max_concurrency: int
    max_retries: int
    retry_delay_seconds: float
    after_upload: AfterUpload = AfterUpload.KEEP
    events: frozenset[EventType] = frozenset()
    table_commit_seconds: float | None = None


class Progress(BaseActor):
    """Owns `ledger`; admits jobs as far as there are credits and tells `idle` whenever nothing is left to do."""

    def __init__(
        self,
        died: DeathNotice,
        settings: ProgressSettings,
        ledger: Ledger,
        counters: Counters,
        idle: Callable[[], None],
        feeds: Feeds = NO_FEEDS,
        notifier: Notifier | None = None,
    ) -> None:
        super().__init__(died)
        counters.know_feeds(feeds)
        counters.arrived_ms, counters.completed_ms = ledger.latest()
        self.counters = counters
        self._ledger = ledger
        self._tell_idle = idle
        self._notifier = notifier
        self._max_retries = settings.max_retries
        self._watch_idle = False
        self._latest_ms = 0
        chance = random.Random()  # noqa: S311 - jitter, not secrets
        state = ProgressState(ledger, counters, self.log, lambda: self.routes, feeds, settings.after_upload)
        self._state = state
        self._group = GroupCommit(state, self._apply)
        self._outages = Outages(self._probe, self._tell_myself, chance, self.log, self._outage)
        self._admission = Admission(state, self._group, self._outages, settings.max_concurrency)
        self._cleanup = SourceCleanup(state)
        self._notices = _notices(settings, ledger, counters, notifier)
        self._batches = TableBatches(
            settings.table_commit_seconds,
            self._tell_registrar,
            counters,
            chance,
            self.log,
        )
        self._orders = Orders(state, self._group, self._admission, self._batches)
        policy = RetryPolicy(settings.max_retries, settings.retry_delay_seconds)
        failures = JobFailures(state, self._outages, self._notices, self._cleanup, policy, chance)
        self._reports = JobReports(state, failures, self._outages, self._notices, self._batches, self._cleanup)

    def met(self) -> None:
        """Take up what an earlier process left: files to put away, uploads to abort; then files to deliver."""
        self._cleanup.look()
        abandoned = tuple(self._ledger.abandoned_uploads())
        if abandoned:
            self.routes.uploader.tell(AbortUploads(abandoned))
        self._abort_orphans()
        if self._notifier is not None:
            self._notifier.start(self.actor_ref.tell, self.died)

    def handle(self, message: Any) -> Any:
        """Record a report, answer a question."""
        match message:
            case FilesFound(files):
                return self._found(files)
            case Obey():
                self._record_group()
                return self._orders.obey(message)
            case Tick():
                self._tick()
            case Drain():
                self._state.draining = True
                self._outages.release(confirmed=True)
                self._look_whether_idle()
            case WatchIdle():
                self._watch_idle = True
                self._look_whether_idle()
            case FeedsRead() | Drifted() | Registered() | NotRegistered():
                self._told_beside(message)
            case StoreProbed(failure):
                self._probed(failure)
            case OrphansAborted(failure):
                self._orphans_aborted(failure)
            case _:
                self._group.add(message)
                if self._group.due(mailbox_empty=self.actor_inbox.empty()):
                    self._record_group()
        return None

    def on_stop(self) -> None:
        """Record what was heard last."""
        if self._notifier is not None:
            self._notifier.stop()
        self._record_group()
        self._ledger.close()

    # Files and reports

    def _found(self, files: tuple[Any, ...]) -> Intake:
        self._record_group()
        intake = self._group.durably(lambda: self._ledger.found(files, now_ms()))
        self.counters.count_found(intake, now_ms())
        if intake.new or intake.changed or intake.released:
            self._state.more_may_be_due()
            self._admission.admit()
        if intake.released:
            self._cleanup.look()
        return intake

    def _record_group(self) -> None:
        if self._group.record():
            self._notices.hand_over()
            self._admission.admit()
            self._look_at_tables()
            self._look_whether_idle()

    def _apply(self, message: Any) -> list[Effect]:
        """Change the ledger as the report says; return what is to be done once that is committed."""
        match message:
            case FilePutAway():
                return self._cleanup.apply(message)
            case UploadsAborted(uploads):
                for upload in uploads:
                    self._ledger.upload_closed(upload.row, upload.key)
                return []
            case NoticesTaken() | NoticesRefused():
                if isinstance(message, NoticesTaken):
                    self._ledger.notices_sent(message.last)
                return [lambda: self._heard_of_notices(message)]
            case BroughtBack(row, found):
                self._ledger.retry(row, found, now_ms())
                return [self._state.more_may_be_due]
            case _:
                return self._reports.apply(message)

    # Events

    def _told_beside(self, message: FeedsRead | Drifted | Registered | NotRegistered) -> None:
        """Take what is no report of a job."""
        match message:
            case FeedsRead(feeds):
                self._state.feeds = feeds
                self.counters.know_feeds(feeds)
            case Drifted():
                self._drifted(message)
            case Registered() | NotRegistered():
                self._heard_of_batch(message)

    def _drifted(self, message: Drifted) -> None:
        for kind, column in message.drift:
            known = column if kind is not Drift.EXTRA else ""  # a stranger's names are no labels
            self.counters.feed_drift[message.feed, kind, known] += 1
            self.log.warning("feed.drift", feed=message.feed, path=escape(message.path), kind=kind, column=column)
            self._group.durably(partial(self._notices.drifted, message.feed, message.path, kind, column, now_ms()))

    def _heard_of_notices(self, message: NoticesTaken | NoticesRefused) -> None:
        match self._notices.heard(message), message:
            case False, NoticesRefused(reason):
                self.log.warning("notify.failed", reason=reason, hint="it is tried again; events wait in the ledger")
            case True, _:
                self.log.info("notify.back")

    def _outage(self, failure: Failure, seconds: float | None) -> None:
        of = "cluster" if of_cluster(failure) else "store"
        self._group.durably(lambda: self._notices.outage(of, failure, seconds, now_ms()))

    # The store as a whole

    def _abort_orphans(self) -> None:
        """Before anything new is uploaded, end what an earlier process began without living to record it."""
        recorded = frozenset(upload.resumption.upload_id for upload in self._ledger.open_uploads())
        self.routes.uploader.tell(AbortOrphans(self._ledger.orphan_places(), recorded))

    def _orphans_aborted(self, failure: Failure | None) -> None:
        if failure is None:
            self._group.durably(self._ledger.orphans_aborted)
            self._state.clean = True
            self._admission.admit()
        else:
            self._outages.begin(failure)

    def _probe(self) -> None:
        self.routes.uploader.tell(ProbeStore())

    def _probed(self, failure: Failure | None) -> None:
        self._outages.probed(failure)
        if failure is None and not self._state.clean:
            self._abort_orphans()
        self._state.more_may_be_due()
        self._admission.admit()

    def _tell_myself(self, message: Any) -> None:
        self.actor_ref.tell(message)

    # Tables

    def _look_at_tables(self) -> None:
        """Make the next batch when it is time, and send it once it is recorded."""
        if not self._state.draining and self._batches.due(time.monotonic()):
            batch = self._group.durably(self._ledger.next_batch)
            self._batches.begin(batch, time.monotonic())

    def _tell_registrar(self, batch: Batch) -> None:
        self.routes.registrar.tell(Register(batch))

    def _heard_of_batch(self, message: Registered | NotRegistered) -> None:
        if message.batch != self._batches.in_flight:
            return  # it was told before
        if isinstance(message, Registered):
            batch, result = message.batch, message.result
            self._group.durably(lambda: self._ledger.registered(batch, result, now_ms()))
            self._batches.registered(batch, result)
            self._look_at_tables()
        else:
            self._batches.failed(message.failure, time.monotonic())
        self._look_whether_idle()

    # Time, ends

    def _tick(self) -> None:
        self._ledger.see(time.monotonic())
        self._record_group()
        self._outages.probe_when_due()
        reason = self._outages.reason
        self.counters.cluster_out = of_cluster(reason)
        self.counters.store_out = reason is not None and not of_cluster(reason) and not of_root(reason)
        self.counters.store_problem = str(reason) if self.counters.store_out else ""
        self.counters.in_flight = len(self._state.flights)
        self._notices.look()
        self._notices.hand_over()
        self._look_at_the_clock()
        if not self._state.may_be_due:
            due = self._ledger.next_due_ms()
            self._state.may_be_due = due is not None and due <= now_ms()
        self._admission.admit()
        self._look_at_tables()
        self._look_whether_idle()

    def _look_at_the_clock(self) -> None:
        """Nobody is to wait out a year because the clock was once a year ahead."""
        now = now_ms()
        if now < self._latest_ms:
            self._group.durably(lambda: self._ledger.clock_set_back(now))
        self._latest_ms = now

    def _look_whether_idle(self) -> None:
        """Tell when nothing is on its way and, unless we drain, nothing waits."""
        state = self._state
        may_end = state.clean or state.draining
        if not may_end or state.flights or self._cleanup.busy or self._group.waits:
            return
        if self._batches.busy(draining=state.draining) or self._notices.busy:
            return
        if state.draining or (self._watch_idle and not self._waits()):
            self._tell_idle()

    def _waits(self) -> bool:
        """Tell whether files wait for their delivery, other than those that somebody else has to let go."""
        return self._ledger.waits_for_others(self.counters.stuck(self._max_retries))


def _notices(settings: ProgressSettings, ledger: Ledger, counters: Counters, notifier: Notifier | None) -> Notices:
    if notifier is None:
        return Notices(ledger, counters, frozenset(), lambda _notices: None)
    return Notices(ledger, counters, settings.events, notifier.give)
