"""Reports of jobs on their way, recorded in the ledger."""

import time
from functools import partial
from typing import Any, assert_never

from processor.actors.job_failures import JobFailures
from processor.actors.messages import (
    AbortUploads,
    FileStored,
    HandedBack,
    KeysWanted,
    ObjectStored,
    PartStored,
    Process,
    StepFailed,
    StepsCompleted,
    StoreManifest,
    UploadClosed,
    UploadOpened,
)
from processor.actors.notices import Notices
from processor.actors.outages import Outages
from processor.actors.progress_state import Effect, Flight, ProgressState, now_ms, own_feed
from processor.actors.source_cleanup import SourceCleanup
from processor.actors.table_batches import TableBatches
from processor.domain.errors import ErrorClass, Failure
from processor.domain.feeds import AfterUpload
from processor.domain.jobs import Delivered, Job, Step
from processor.domain.keys import escape
from processor.domain.tables import TableObject
from processor.streams.frames import Content


class JobReports:
    """Changes the ledger as each report says; the effects it returns are for after the commit."""

    def __init__(
        self,
        state: ProgressState,
        failures: JobFailures,
        outages: Outages,
        notices: Notices,
        batches: TableBatches,
        cleanup: SourceCleanup,
    ) -> None:
        self._state = state
        self._failures = failures
        self._outages = outages
        self._notices = notices
        self._batches = batches
        self._cleanup = cleanup

    def apply(self, message: Any) -> list[Effect]:
        """Record the report, unless its attempt is over: by an earlier report of the same group, perhaps."""
        state, row = self._state, message.job.row
        flight = state.flights.get(row)
        if flight is None or flight.job.attempt != message.job.attempt or row in state.ended:
            return self._discard(message)
        return self._apply(message, flight)

    def _apply(self, message: Any, flight: Flight) -> list[Effect]:
        ledger, row = self._state.ledger, message.job.row
        match message:
            case StepsCompleted(job, steps):
                return self._steps(job, steps, flight)
            case StepFailed() | HandedBack():
                self._state.ended.add(row)
                return self._failures.apply(message)
            case UploadOpened(_, key, upload_id):
                ledger.upload_opened(row, key, upload_id)
            case PartStored(_, key, part, recorded):
                ledger.part_stored(row, key, part)
                return [recorded.set, lambda: _add_bytes(flight, part.size_bytes)]
            case UploadClosed(_, key):
                ledger.upload_closed(row, key)
            case ObjectStored():
                return self._object_stored(message, flight)
            case KeysWanted(job, member, keys, answer):
                taken = ledger.claim(row, job.file.relative_path, member, keys)
                return [lambda: answer.put(taken)]
            case FileStored():
                return self._file_stored(message, flight)
            case Process(job):
                return self._completed(job, now_ms())
            case _:
                assert_never(message)
        return []

    def _steps(self, job: Job, steps: tuple[Step, ...], flight: Flight) -> list[Effect]:
        effects = []
        for step in steps:
            effects += self._step(job, step, flight)
            job = job.after(step)
        return effects

    def _step(self, job: Job, step: Step, flight: Flight) -> list[Effect]:
        after = job.after(step)
        effects: list[Effect] = [lambda: self._stepped(flight, after, step)]
        if step is Step.TYPE_DETECTION:
            stale = tuple(self._state.ledger.content_known(job, now_ms()))
            if stale:
                effects.append(lambda: self._tell_uploader(AbortUploads(stale)))
            if job.delivered is Delivered.OBJECTS:
                effects.append(lambda: self._tell_uploader(StoreManifest(after)))
            elif job.delivered is Delivered.MANIFEST:
                effects += self._completed(after, now_ms())
        elif step is Step.INTEGRITY_VERIFICATION:
            self._state.ledger.objects_delivered(job.row, now_ms())
            effects.append(lambda: self._tell_uploader(StoreManifest(after)))
        return effects

    def _object_stored(self, message: ObjectStored, flight: Flight) -> list[Effect]:
        size_bytes, feed, counters = message.size_bytes, message.feed, self._state.counters
        self._state.ledger.object_stored(
            message.job.row, message.member, message.content, message.details, size_bytes, feed
        )
        counted = None if feed is None or message.content in (Content.REJECTS, Content.NOTES) else feed.name
        return [
            lambda: counters.count_stored(size_bytes),
            lambda: counters.count_beside(message.rejected, message.notes),
            lambda: counters.count_feed(counted, "completed"),
            lambda: _add_object(flight),
        ]

    def _file_stored(self, message: FileStored, flight: Flight) -> list[Effect]:
        job, counters = message.job, self._state.counters
        effects: list[Effect] = [partial(counters.count_stored, size) for size in message.sizes]
        effects.append(lambda: counters.count_beside(message.rejected, message.notes))
        while job.current is not Step.PROGRESS_UPDATE:
            job, step = job.after(job.current), job.current
            effects.append(partial(self._stepped, flight, job, step))
        return effects + self._completed(job, now_ms(), message.tables)

    def _completed(self, job: Job, now: int, objects: tuple[TableObject, ...] | None = None) -> list[Effect]:
        self._state.ended.add(job.row)
        put_away = self._state.after_upload(job.file.relative_path) is not AfterUpload.KEEP
        unchanged = self._state.ledger.completed(job, now, put_away=put_away, objects=objects)
        if job.delivered is not Delivered.MANIFEST:
            self._notices.completed(job, now)
        return [lambda: self._landed(job, unchanged=unchanged)]

    def _landed(self, job: Job, *, unchanged: bool) -> None:
        state, flight = self._state, self._state.flights.pop(job.row)
        uploaded = job.delivered is not Delivered.MANIFEST
        if uploaded:
            self._outages.delivered(job.row)
            self._batches.may_wait = True
        state.counters.count_completed(job, now_ms(), uploaded=uploaded)
        if uploaded:
            state.counters.count_feed(own_feed(job), "completed")
        state.log.info(
            "file.completed" if uploaded else "file.unchanged",
            path=escape(job.file.relative_path),
            type=job.file.kind.type,
            size_bytes=job.file.size_bytes,
            sha256=job.file.checksum,
            seconds=round(time.monotonic() - flight.since, 3),
            attempt=job.attempt,
        )
        if not unchanged:
            state.more_may_be_due()
        elif state.after_upload(job.file.relative_path) is not AfterUpload.KEEP:
            self._cleanup.look()

    def _stepped(self, flight: Flight, after: Job, step: Step) -> None:
        now = time.monotonic()
        self._state.counters.step_seconds[step].add(now - flight.step_since)
        flight.job, flight.step_since = after, now

    def _tell_uploader(self, message: AbortUploads | StoreManifest) -> None:
        self._state.routes().uploader.tell(message)

    def _discard(self, message: Any) -> list[Effect]:
        """Answer whoever waits for a report of an attempt that is over; nothing else follows from it."""
        match message:
            case PartStored():
                return [message.recorded.set]
            case KeysWanted():
                over = Failure(ErrorClass.TRANSIENT, "worker.silent", "another attempt at the file has begun")
                return [lambda: message.answer.put(over)]
            case _:
                return [lambda: self._say_discarded(message)]

    def _say_discarded(self, message: Any) -> None:
        job, report = message.job, type(message).__name__
        path = escape(job.file.relative_path)
        self._state.log.debug("report.discarded", path=path, report=report, attempt=job.attempt)


def _add_object(flight: Flight) -> None:
    flight.objects += 1


def _add_bytes(flight: Flight, size_bytes: int) -> None:
    flight.uploaded_bytes += size_bytes
