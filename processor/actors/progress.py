"""The Progress actor: owns the ledger and every job.

Reports are recorded in groups: a transaction is committed when the mailbox is empty and something follows from what
was heard, or `_GROUP` reports wait. What follows from a report (telling somebody, giving a credit back) is done after
the commit, never before: recorded means committed. A report is applied to the ledger alone, so that a group which met a
full disk can be applied again.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, assert_never

import pykka

from processor.actors.base import BaseActor, DeathNotice
from processor.actors.counters import Counters
from processor.actors.messages import (
    AbortOrphans,
    AbortUploads,
    BringBack,
    BroughtBack,
    Drain,
    Drifted,
    FeedsRead,
    FilePutAway,
    FilesFound,
    FileStored,
    HandedBack,
    KeysWanted,
    LookAgain,
    NoticesRefused,
    NoticesTaken,
    NotRegistered,
    Obey,
    ObjectStored,
    OrphansAborted,
    PartStored,
    ProbeStore,
    Process,
    PutFileAway,
    Register,
    Registered,
    StepFailed,
    StepsCompleted,
    StoreManifest,
    StoreProbed,
    Tick,
    UploadClosed,
    UploadOpened,
    UploadsAborted,
    WatchIdle,
)
from processor.actors.notices import Notices
from processor.actors.notifier import Notifier
from processor.actors.outages import Outages, of_cluster, of_root
from processor.actors.table_batches import TableBatches
from processor.config import CatalogType, Settings
from processor.domain.credits import Credits
from processor.domain.declarations import Drift, drift_of_code
from processor.domain.errors import (
    SOURCE_CHANGED,
    SOURCE_FORBIDDEN,
    SOURCE_OPEN,
    SOURCE_VANISHED,
    ErrorClass,
    Failure,
)
from processor.domain.feeds import NO_FEEDS, AfterUpload, Feeds, feed_name
from processor.domain.files import FileMetadata, FileType
from processor.domain.jobs import FIRST_STEPS, Delivered, Job, Status, Step
from processor.domain.keys import escape, unescape
from processor.domain.object_keys import key_of
from processor.domain.retry import GiveUp, RetryPolicy, TryAgain
from processor.domain.status import HOLD_SECONDS, Order
from processor.domain.tables import Batch, TableObject
from processor.ledger.database import LedgerFullError
from processor.ledger.records import Intake, PutAway
from processor.ledger.writer import Ledger
from processor.streams.frames import Content

_GROUP = 256
_FULL_PAUSE_SECONDS = 1.0
_PUT_AWAY_AT_ONCE = 100
_OPEN_MS = 300_000  # then a file that was open is tried once more, should nobody have told that it was closed

_Result = TypeVar("_Result")
Effect = Callable[[], None]


@dataclass(slots=True)
class Flight:
    """A job on its way, as far as it was heard of."""

    job: Job
    cost: int
    since: float = field(default_factory=time.monotonic)
    step_since: float = field(default_factory=time.monotonic)
    uploaded_bytes: int = 0


class Progress(BaseActor):
    """Owns `ledger`; admits jobs as far as there are credits and tells `idle` whenever nothing is left to do."""

    def __init__(
        self,
        died: DeathNotice,
        settings: Settings,
        ledger: Ledger,
        counters: Counters,
        idle: Callable[[], None],
        feeds: Feeds = NO_FEEDS,
        notifier: Notifier | None = None,
    ) -> None:
        super().__init__(died)
        self._settings = settings
        self._ledger = ledger
        self._tell_idle = idle
        self._feeds = feeds
        counters.know_feeds(feeds)
        counters.arrived_ms, counters.completed_ms = ledger.latest()
        self._policy = RetryPolicy(settings.max_retries, settings.retry_delay / 1000)
        self._chance = random.Random()  # noqa: S311 - jitter, not secrets
        self._outages = Outages(self._probe, self._tell_failed, self._chance, self.log, self._outage)
        self._notifier = notifier
        self._notices = _notices(settings, ledger, counters, notifier)
        self._credits = Credits(settings.max_concurrency)
        interval = settings.table_commit_interval / 1000
        self._batches = TableBatches(interval, self._tell_registrar, counters, self._chance, self.log)
        self._flights: dict[int, Flight] = {}
        self._putting_away: set[int] = set()
        self._group: list[Any] = []
        self._awaited = False  # something follows from what is in the group
        self._clean = False  # no uploads of an earlier process are left
        self._draining = False
        self._watch_idle = False
        self._may_be_due = True
        self._latest_ms = 0
        self._held_until = 0.0  # monotonic
        self.counters = counters

    def met(self) -> None:
        """Take up what an earlier process left: files to put away, uploads to abort; then files to deliver."""
        self._settle_accounts()
        abandoned = tuple(self._ledger.abandoned_uploads())
        if abandoned:
            self.routes.uploader.tell(AbortUploads(abandoned))
        self._abort_orphans()
        if self._notifier is not None:
            self._notifier.start(self.actor_ref.tell)

    def _abort_orphans(self) -> None:
        """Before anything new is uploaded, end what an earlier process began without living to record it."""
        recorded = frozenset(upload.resumption.upload_id for upload in self._ledger.open_uploads())
        self.routes.uploader.tell(AbortOrphans(self._ledger.orphan_places(), recorded))

    def _orphans_aborted(self, failure: Failure | None) -> None:
        if failure is None:
            self._durably(self._ledger.orphans_aborted)
            self._clean = True
            self._admit()
        else:
            self._outages.begin(failure)

    def handle(self, message: Any) -> Any:
        """Record a report, answer a question."""
        match message:
            case FilesFound(files):
                return self._found(files)
            case Obey():
                return self._obey(message)
            case Tick():
                self._tick()
            case Drain():
                self._draining = True
                self._outages.release(confirmed=True)
                self._look_whether_idle()
            case FeedsRead() | Drifted() | Registered() | NotRegistered():
                self._told_beside(message)
            case WatchIdle():
                self._watch_idle = True
                self._look_whether_idle()
            case StoreProbed(failure):
                self._probed(failure)
            case OrphansAborted(failure):
                self._orphans_aborted(failure)
            case _:
                self._group.append(message)
                self._awaited |= not _can_wait(message)
                if len(self._group) >= _GROUP or (self._awaited and self.actor_inbox.empty()):
                    self._record_group()
        return None

    def on_stop(self) -> None:
        """Record what was heard last."""
        if self._notifier is not None:
            self._notifier.stop()
        self._record_group()
        self._ledger.close()

    # Intake

    def _reprocess(self, message: Obey) -> int:
        if message.feed is not None:
            return self._ledger.reprocess_feed(message.feed, self._feeds, _now_ms())
        return self._ledger.reprocess(message.path, message.since_ms, _now_ms())

    def _found(self, files: tuple[Any, ...]) -> Intake:
        self._record_group()
        intake = self._durably(lambda: self._ledger.found(files, _now_ms()))
        self.counters.count_found(intake, _now_ms())
        if intake.new or intake.changed or intake.released:
            self._may_be_due = True
            self._admit()
        if intake.released:
            self._settle_accounts()
        return intake

    def _admit(self) -> None:
        """Put due files on their way as far as there are credits, the store answers, and nobody drains."""
        free = self._credits.total - sum(flight.cost for flight in self._flights.values())
        held_up = self._draining or not self._clean or not self._outages.admits
        held_up |= time.monotonic() < self._held_until
        if held_up or free <= 0 or not self._may_be_due:
            return
        cost = self._credits.cost
        jobs, refused = self._durably(
            lambda: self._ledger.admit(free, _now_ms(), time.monotonic_ns(), cost, self._feeds)
        )
        for job in (*jobs, *(job for job, _failure in refused)):
            self.counters.open.pop(job.row, None)
            self._flights[job.row] = Flight(job, cost(job.file))
            free -= cost(job.file)
        self._may_be_due = free <= 0
        for job in jobs:
            self._send(job)
        for job, failure in refused:
            self.actor_ref.tell(StepFailed(job, failure))

    def _send(self, job: Job) -> None:
        self.log.debug("file.admitted", path=escape(job.file.relative_path), attempt=job.attempt)
        resumable = tuple(self._ledger.open_uploads(job.row)) if job.attempt > 1 else ()
        self.routes.next_for(job).tell(Process(job, resumable=resumable))

    # Reports

    def _record_group(self) -> None:
        group, self._group, self._awaited = self._group, [], False
        if not group:
            return
        for effect in self._durably(lambda: [each for message in group for each in self._apply(message)]):
            effect()
        self._notices.hand_over()
        self._admit()
        self._look_at_tables()
        self._look_whether_idle()

    def _apply(self, message: Any) -> list[Effect]:
        """Change the ledger as the report says; return what is to be done once that is committed."""
        match message:
            case FilePutAway():
                return self._apply_put_away(message)
            case UploadsAborted(uploads):
                for upload in uploads:
                    self._ledger.upload_closed(upload.row, upload.key)
                return []
            case NoticesTaken() | NoticesRefused():
                if isinstance(message, NoticesTaken):
                    self._ledger.notices_sent(message.last)
                return [lambda: self._heard_of_notices(message)]
            case BroughtBack(row, found):
                self._ledger.retry(row, found, _now_ms())
                return [self._more_may_be_due]
            case _:
                flight = self._flights.get(message.job.row)
                if flight is None or flight.job.attempt != message.job.attempt:
                    return _let_go(message)
                return self._apply_report(message, flight)

    def _apply_report(self, message: Any, flight: Flight) -> list[Effect]:
        """Change the ledger as a report of a job on its way says."""
        row = message.job.row
        match message:
            case StepsCompleted(job, steps):
                return self._apply_steps(job, steps, flight)
            case StepFailed() | HandedBack():
                return self._apply_failure(message)
            case UploadOpened(_, key, upload_id):
                self._ledger.upload_opened(row, key, upload_id)
            case PartStored(_, key, part, recorded):
                self._ledger.part_stored(row, key, part)
                return [recorded.set, lambda: _add_bytes(flight, part.size_bytes)]
            case UploadClosed(_, key):
                self._ledger.upload_closed(row, key)
            case ObjectStored(_, member, content, details, size_bytes, feed, rejected, notes):
                self._ledger.object_stored(row, member, content, details, size_bytes, feed)
                counted = None if feed is None or content in (Content.REJECTS, Content.NOTES) else feed.name
                return [
                    lambda: self.counters.count_stored(size_bytes),
                    lambda: self.counters.count_beside(rejected, notes),
                    lambda: self.counters.count_feed(counted, "completed"),
                ]
            case KeysWanted(job, member, keys, answer):
                taken = self._ledger.claim(row, job.file.relative_path, member, keys)
                return [lambda: answer.put(taken)]
            case FileStored():
                return self._apply_file_stored(message, flight)
            case Process(job):
                return self._apply_home(job, _now_ms())
            case _:
                assert_never(message)
        return []

    def _apply_steps(self, job: Job, steps: tuple[Step, ...], flight: Flight) -> list[Effect]:
        effects = []
        for step in steps:
            effects += self._apply_step(job, step, flight)
            job = job.after(step)
        return effects

    def _apply_step(self, job: Job, step: Step, flight: Flight) -> list[Effect]:
        after = job.after(step)
        effects: list[Effect] = [lambda: self._stepped(flight, after, step)]
        if step is Step.TYPE_DETECTION:
            stale = tuple(self._ledger.content_known(job, _now_ms()))
            if stale:
                effects.append(lambda: self.routes.uploader.tell(AbortUploads(stale)))
            if job.delivered is Delivered.OBJECTS:
                effects.append(lambda: self.routes.uploader.tell(StoreManifest(after)))
            elif job.delivered is Delivered.MANIFEST:
                effects += self._apply_home(after, _now_ms())
        elif step is Step.INTEGRITY_VERIFICATION:
            self._ledger.objects_delivered(job.row, _now_ms())
            effects.append(lambda: self.routes.uploader.tell(StoreManifest(after)))
        return effects

    def _apply_file_stored(self, message: FileStored, flight: Flight) -> list[Effect]:
        job = message.job
        effects: list[Effect] = [partial(self.counters.count_stored, size) for size in message.sizes]
        effects.append(lambda: self.counters.count_beside(message.rejected, message.notes))
        while job.current is not Step.PROGRESS_UPDATE:
            job, step = job.after(job.current), job.current
            effects.append(partial(self._stepped, flight, job, step))
        return effects + self._apply_home(job, _now_ms(), message.tables)

    def _stepped(self, flight: Flight, after: Job, step: Step) -> None:
        now = time.monotonic()
        self.counters.step_seconds[step].add(now - flight.step_since)
        flight.job, flight.step_since = after, now

    def _apply_home(self, job: Job, now: int, objects: tuple[TableObject, ...] | None = None) -> list[Effect]:
        put_away = self._after_upload(job.file.relative_path) is not AfterUpload.KEEP
        unchanged = self._ledger.completed(job, now, put_away=put_away, objects=objects)
        if job.delivered is not Delivered.MANIFEST:
            self._notices.completed(job, now)
        return [lambda: self._came_home(job, unchanged=unchanged)]

    def _after_upload(self, path: bytes) -> AfterUpload:
        """Return what becomes of the source, by the feeds that are in force now."""
        return self._feeds.delivery_of(path).after_upload or self._settings.after_upload

    def _came_home(self, job: Job, *, unchanged: bool) -> None:
        flight = self._flights.pop(job.row)
        uploaded = job.delivered is not Delivered.MANIFEST
        if uploaded:
            self._outages.delivered(job.row)
            self._batches.may_wait = True
        self.counters.count_completed(job, _now_ms(), uploaded=uploaded)
        if uploaded:
            self.counters.count_feed(_own_feed(job), "completed")
        self.log.info(
            "file.completed" if uploaded else "file.unchanged",
            path=escape(job.file.relative_path),
            type=job.file.kind.type,
            size_bytes=job.file.size_bytes,
            sha256=job.file.checksum,
            seconds=round(time.monotonic() - flight.since, 3),
            attempt=job.attempt,
        )
        if not unchanged:
            self._may_be_due = True
        elif self._after_upload(job.file.relative_path) is not AfterUpload.KEEP:
            self._settle_accounts()

    def _apply_failure(self, message: StepFailed | HandedBack) -> list[Effect]:
        job, now = message.job, _now_ms()
        if isinstance(message, HandedBack):
            self._ledger.handed_back(job, now, now)
            return [lambda: self._forget_flight(job)]
        failure = message.failure
        if failure.code == SOURCE_OPEN:
            self._ledger.handed_back(job, now + _OPEN_MS, now)
            return [lambda: self._handed_back(job)]
        if failure.code == SOURCE_VANISHED and self._ledger.vanished(job, now):
            return [lambda: self._vanished(job)]
        unclear = failure.error_class is ErrorClass.OUTAGE and not message.judged
        if unclear and not self._outages.confirmed and not self._draining:
            return [lambda: self._outages.suspect(message)]
        if of_cluster(failure):  # whoever worked on it may be alive and come back after the last sweep
            self._ledger.orphans_may_come(key_of(job.file))
        tries = self._ledger.tries(job.row) + 1
        decision = self._policy.decide(failure, tries, self._chance)
        match decision:
            case TryAgain(delay_seconds, counts):
                due = now + int(delay_seconds * 1000)
                self._ledger.try_again(job, failure, due, now, counts=counts)
            case GiveUp():
                if self._ledger.failed(job, failure, message.bad_members, now):
                    self._notices.failed(job, failure, tries, now)
                else:
                    decision = TryAgain(0.0, counts=False)  # it has changed: another content, with tries of its own
        return [lambda: self._failed(message, decision, tries)]

    def _failed(self, message: StepFailed, decision: TryAgain | GiveUp, tries: int) -> None:
        job, failure = message.job, message.failure
        self._flights.pop(job.row)
        final = isinstance(decision, GiveUp)
        again = job.row in self.counters.unreadable and failure.code == SOURCE_FORBIDDEN
        self.counters.count_failed(job, failure, final=final)
        if final:
            self._count_feeds_failed(message)
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
            self.log.log(level, "file.retry", **facts, retry_seconds=round(decision.delay_seconds, 3))
            self._may_be_due = True
            if failure.code == SOURCE_CHANGED:  # no event tells of truncate(2), nor of what is written through mmap(2)
                self._look_again(job.file)
        else:
            self.log.error("file.failed", **facts)
            self._settle_accounts()

    def _handed_back(self, job: Job) -> None:
        """Leave it to the watcher, which sees when its writer closes it."""
        self._flights.pop(job.row)
        self.counters.open[job.row] = job.file.relative_path
        self.log.debug("file.open", path=escape(job.file.relative_path))
        self._look_again(job.file)

    def _forget_flight(self, job: Job) -> None:
        self._flights.pop(job.row)

    def _count_feeds_failed(self, message: StepFailed) -> None:
        """Count the file, or those of its members that are bad, as failed in their feeds; and what drifted."""
        file = message.job.file
        failures = [(_own_feed(message.job), message.failure)]
        failures += [(feed_name(file.feed_of_member(unescape(name))), bad) for name, bad in message.bad_members]
        for feed, failure in failures:
            self.counters.count_feed(feed, "failed")
            if feed is not None and (kind := drift_of_code(failure.code)) is not None:
                self.counters.feed_drift[feed, kind, ""] += 1

    def _told_beside(self, message: FeedsRead | Drifted | Registered | NotRegistered) -> None:
        """Take what is no report of a job."""
        match message:
            case Registered(batch, result):
                self._durably(lambda: self._ledger.registered(batch, result, _now_ms()))
                self._batches.registered(batch, result)
                self._look_at_tables()
                self._look_whether_idle()
            case NotRegistered(_, failure):
                self._batches.failed(failure, time.monotonic())
                self._look_whether_idle()
            case _:
                self._told_of_feeds(message)

    def _told_of_feeds(self, message: FeedsRead | Drifted) -> None:
        if isinstance(message, FeedsRead):
            self._feeds = message.feeds
            self.counters.know_feeds(message.feeds)
            return
        for kind, column in message.drift:
            known = column if kind is not Drift.EXTRA else ""  # a stranger's names are no labels
            self.counters.feed_drift[message.feed, kind, known] += 1
            self.log.warning("feed.drift", feed=message.feed, path=escape(message.path), kind=kind, column=column)
            self._durably(partial(self._notices.drifted, message.feed, message.path, kind, column, _now_ms()))

    def _vanished(self, job: Job) -> None:
        self._flights.pop(job.row)
        self.counters.forget(job.row, job.file.relative_path)
        self.log.warning("file.vanished", path=escape(job.file.relative_path), delivered=bool(job.delivered))
        # It may have come back, and been told of as known, in the moment before it was forgotten.
        self._look_again(job.file)

    def _look_again(self, file: FileMetadata | PutAway) -> None:
        with contextlib.suppress(pykka.ActorDeadError):  # it ends before we do
            self.routes.watcher.tell(LookAgain(file.relative_path))

    # The end of a file's stay

    def _settle_accounts(self) -> None:
        """Have files put away whose end is recorded; also what an earlier process recorded and did not live to do."""
        for status in (Status.FAILED, Status.COMPLETED):
            for file in self._ledger.to_put_away(status, _PUT_AWAY_AT_ONCE + len(self._putting_away)):
                if file.row not in self._putting_away and len(self._putting_away) < _PUT_AWAY_AT_ONCE:
                    self._putting_away.add(file.row)
                    self.routes.checksummer.tell(PutFileAway(file, self._after_upload(file.relative_path)))

    def _apply_put_away(self, message: FilePutAway) -> list[Effect]:
        self._ledger.put_away(message.file, _now_ms(), gone=message.gone, held=message.held)
        return [lambda: self._was_put_away(message)]

    def _was_put_away(self, message: FilePutAway) -> None:
        self._putting_away.discard(message.file.row)
        if message.held:
            self._look_again(message.file)
        if message.where is not None:
            self.log.info("file.set-aside", path=escape(message.file.relative_path), where=message.where)
        self._settle_accounts()

    # Others who are told

    def _heard_of_notices(self, message: NoticesTaken | NoticesRefused) -> None:
        match self._notices.heard(message), message:
            case False, NoticesRefused(reason):
                self.log.warning("notify.failed", reason=reason, hint="it is tried again; events wait in the ledger")
            case True, _:
                self.log.info("notify.back")

    def _outage(self, failure: Failure, seconds: float | None) -> None:
        of = "cluster" if of_cluster(failure) else "store"
        self._durably(lambda: self._notices.outage(of, failure, seconds, _now_ms()))

    # The store as a whole

    def _probe(self) -> None:
        self.routes.uploader.tell(ProbeStore())

    def _tell_failed(self, message: StepFailed) -> None:
        self.actor_ref.tell(message)

    def _probed(self, failure: Failure | None) -> None:
        self._outages.probed(failure)
        if failure is None and not self._clean:
            self._abort_orphans()
        self._may_be_due = True
        self._admit()

    # Tables

    def _look_at_tables(self) -> None:
        """Make the next batch when it is time, and send it once it is recorded."""
        no_catalog = self._settings.catalog in (None, CatalogType.NONE)
        if no_catalog or self._draining or not self._batches.due(time.monotonic()):
            return
        batch = self._durably(self._ledger.next_batch)
        self._batches.begin(batch, time.monotonic())

    def _tell_registrar(self, batch: Batch) -> None:
        self.routes.registrar.tell(Register(batch))

    def _retry_tables(self, table: str | None) -> int:
        count = self._durably(lambda: self._ledger.retry_tables(table, _now_ms()))
        self._batches.may_wait = True
        return count

    def _tables_wait(self) -> bool:
        """Tell whether to stay for the tables: not for a catalog that is out."""
        batches = self._batches
        off = self._settings.catalog in (None, CatalogType.NONE)
        return not off and (
            batches.in_flight is not None or (batches.may_wait and not batches.out and not self._draining)
        )

    # Time, orders, ends

    def _tick(self) -> None:
        self._ledger.see(time.monotonic())
        self._record_group()
        self._outages.probe_when_due()
        reason = self._outages.reason
        self.counters.cluster_out = of_cluster(reason)
        self.counters.store_out = reason is not None and not of_cluster(reason) and not of_root(reason)
        self.counters.store_problem = str(reason) if self.counters.store_out else ""
        self.counters.in_flight = len(self._flights)
        self._notices.look()
        self._notices.hand_over()
        self._look_at_the_clock()
        if not self._may_be_due:
            due = self._ledger.next_due_ms()
            self._may_be_due = due is not None and due <= _now_ms()
        self._admit()
        self._look_at_tables()
        self._look_whether_idle()

    def _look_at_the_clock(self) -> None:
        """Nobody is to wait out a year because the clock was once a year ahead."""
        now = _now_ms()
        if now < self._latest_ms:
            self._durably(lambda: self._ledger.clock_set_back(now))
        self._latest_ms = now

    def _obey(self, message: Obey) -> Any:
        self._record_group()
        match message.order:
            case Order.RETRY:
                failed = tuple(self._ledger.failed_files(message.path))
                self.routes.checksummer.tell(BringBack(failed))
                return len(failed)
            case Order.REPROCESS:
                count = self._durably(lambda: self._reprocess(message))
                self._more_may_be_due()
                self._admit()
                return count
            case Order.DRIFT:
                return [(*labels, count) for labels, count in sorted(self.counters.feed_drift.items())]
            case Order.FLIGHTS:
                return tuple(replace(flight) for flight in self._flights.values())
            case Order.HINDRANCES:
                return self.counters.hindrances
            case Order.CATALOG:
                return self.counters.catalog_problem
            case Order.TABLES:
                return self._retry_tables(message.table)
            case Order.HOLD:
                self._held_until = time.monotonic() + HOLD_SECONDS
                return None
            case Order.RELEASE:
                self._held_until = 0.0
                self._admit()
                return None

    def _more_may_be_due(self) -> None:
        self._may_be_due = True

    def _look_whether_idle(self) -> None:
        """Tell when nothing is on its way and, unless we drain, nothing waits."""
        if self._flights or self._putting_away or self._group or not (self._clean or self._draining):
            return
        if self._tables_wait() or self._notices.busy:
            return
        if self._draining or (self._watch_idle and not self._waits()):
            self._tell_idle()

    def _waits(self) -> bool:
        """Tell whether files wait for their delivery, other than those that somebody else has to let go."""
        return self._ledger.waits_for_others(self.counters.stuck(self._settings.max_retries))

    def _durably(self, change: Callable[[], _Result]) -> _Result:
        """Make a change and commit it; wait and do all of it again while the disk is full."""
        told = False
        while True:
            try:
                result = change()
                self._ledger.commit()
            except LedgerFullError as error:
                self._ledger.rollback()
                if not told:
                    self.log.error("ledger.full", message=str(error), hint="free space; work goes on by itself then")
                told = self.counters.ledger_full = True
                time.sleep(_FULL_PAUSE_SECONDS)
            else:
                if told:
                    self.counters.ledger_full = False
                    self.log.info("ledger.goes-on")
                return result


def _notices(settings: Settings, ledger: Ledger, counters: Counters, notifier: Notifier | None) -> Notices:
    if notifier is None:
        return Notices(ledger, counters, frozenset(), lambda _notices: None)
    return Notices(ledger, counters, settings.events_to_tell, notifier.give)


def _own_feed(job: Job) -> str | None:
    """Return the feed that counts the file itself; an archive is counted by its members."""
    return None if job.file.kind.type is FileType.ARCHIVE else feed_name(job.file.feed)


def _let_go(message: Any) -> list[Effect]:
    """Return what becomes of a report from an attempt that is over: whoever waits for an answer gets one."""
    match message:
        case PartStored():
            return [message.recorded.set]
        case KeysWanted():
            over = Failure(ErrorClass.TRANSIENT, "worker.silent", "another attempt at the file has begun")
            return [lambda: message.answer.put(over)]
        case _:
            return []


def _can_wait(message: Any) -> bool:
    """Tell whether nothing follows from a report before the job's next one: it is recorded together with that."""
    match message:
        case StepsCompleted(job, steps):
            return steps == FIRST_STEPS and job.attempt == 1 and job.delivered is Delivered.NOTHING
        case _:
            return False


def _add_bytes(flight: Flight, size_bytes: int) -> None:
    flight.uploaded_bytes += size_bytes


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
