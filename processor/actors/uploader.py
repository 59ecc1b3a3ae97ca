"""The Uploader: the one actor that talks to the store."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processor.actors.base import DeathNotice, Stage
from processor.actors.messages import (
    AbortOrphans,
    AbortUploads,
    FileStored,
    OrphansAborted,
    ProbeStore,
    Process,
    StepFailed,
    StoreManifest,
    StoreProbed,
    UploadsAborted,
)
from processor.actors.upload_reports import UploadReports
from processor.delivery.file_upload import transfer_file
from processor.delivery.manifest_upload import transfer_manifest
from processor.delivery.object_stream import BadMembers, deliver_stream, object_request
from processor.delivery.object_upload import ObjectUpload, TransferStopped, Unheard
from processor.domain.credits import Credits
from processor.domain.errors import DeliveryError, Failure
from processor.domain.files import FileType
from processor.domain.jobs import Job, Step
from processor.domain.keys import PROBES, STAGING
from processor.domain.manifests import ManifestHead
from processor.domain.object_keys import raw_key
from processor.domain.timeline import Milestone
from processor.domain.uploads import FileDigests, ObjectRequest, Resumption
from processor.ledger.reader import recorded_objects
from processor.remote.dispatch import RemoteDelivery
from processor.remote.engine_link import Elsewhere
from processor.remote.staging import Staging
from processor.remote.tasks import Work
from processor.store.manifests import entry_from
from processor.store.orphans import abort_orphans
from processor.store.probe import adopt, probe
from processor.store.s3 import S3Store
from processor.streams.frames import Begin, Content, End
from processor.streams.object_stream import ObjectStream
from processor.streams.source import no_root, open_file
from processor.trees.beneath import open_root


@dataclass(frozen=True, slots=True)
class UploaderSettings:
    """Where files and the ledger lie, and how much is sent at the same time."""

    root: bytes  # the watched directory
    ledger: Path
    max_concurrency: int
    file_parts_in_flight: int  # of one regular file, straight from its pages
    stream_part_size_bytes: int  # of an object that a worker makes: so much memory each such object takes here
    stream_parts_in_flight: int
    shared_root: bytes | None = None  # where workers on other hosts find `root`


class Uploader(Stage):
    """Takes `Process` for every type, `StoreManifest`, `AbortUploads` and `ProbeStore`."""

    def __init__(
        self, died: DeathNotice, settings: UploaderSettings, store: S3Store, elsewhere: Elsewhere | None = None
    ) -> None:
        super().__init__(died, Credits(settings.max_concurrency).total + 1)
        self._settings = settings
        self._store = store
        self._stopping = False
        self._elsewhere = elsewhere
        self._remote = None if elsewhere is None else self._remote_delivery(elsewhere)

    def handle(self, message: Any) -> Any:
        """Do what is asked in a thread."""
        match message:
            case StoreManifest(job):
                self.in_thread(lambda: self._store_manifest(job))
            case AbortUploads():
                self.in_thread(lambda: self._abort(message))
            case AbortOrphans():
                self.in_thread(lambda: self._abort_orphans(message))
            case ProbeStore():
                self.in_thread(self._probe)
            case _:
                super().handle(message)

    def work(self, message: Process) -> None:
        """Store the objects of the job, each verified, and report the steps that were done meanwhile."""
        job = message.job
        known = {upload.key: upload.resumption for upload in message.resumable}
        recorder = UploadReports(self.routes.progress.tell, job)
        try:
            if self._remote is not None and self._goes_elsewhere(message, self._remote):
                works = message.works or (Work(digests=message.digests),)
                bad = self._remote.deliver(job, works, message.resumable, recorder)
            elif message.streams:
                bad = self._deliver_streams(job, message.streams, known, recorder)
            else:
                bad = self._deliver_file(message, known, recorder)
            if not bad.count and recorder.keeps_raw:
                self._deliver_raw(job, known, recorder)
        except TransferStopped:
            return  # the next start takes it up where it is
        job = recorder.passed(job).reached(Milestone.STORED)
        if bad.count:
            self.routes.progress.tell(StepFailed(job, bad.failure(), bad.first))
        elif not (recorder.held and self._store_manifest_at_once(job, recorder)):
            self._report_objects(job, recorder)

    def _store_manifest_at_once(self, job: Job, recorder: UploadReports) -> bool:
        """Complete a file of small objects; False when its manifest could not be stored now, whatever the reason."""
        entries = recorder.held
        try:
            transfer_manifest(self._store, _head(job), entries, supersedes=job.may_supersede)
        except DeliveryError:
            return False
        job = job.reached(Milestone.MANIFEST)
        sizes = tuple(entry.stored.size_bytes for entry in entries)
        rejected, notes = sum(entry.rejected_rows for entry in entries), sum(entry.notes for entry in entries)
        self.routes.progress.tell(FileStored(job, sizes, recorder.held_of_tables, rejected, notes))
        return True

    def _report_objects(self, job: Job, recorder: UploadReports) -> None:
        recorder.release()
        self.report(job, *(step for step in job.slip if step is not Step.PROGRESS_UPDATE))
        # Progress, once all of this is recorded, asks for the manifest.

    def on_stop(self) -> None:
        """Let uploads stop at their next part."""
        self._stopping = True
        super().on_stop()

    def _remote_delivery(self, elsewhere: Elsewhere) -> RemoteDelivery:
        settings = self._settings
        staging = Staging(self._store, self._settings.root, settings.file_parts_in_flight, lambda: self._stopping)
        return RemoteDelivery(
            self._store,
            elsewhere.engine,
            elsewhere.perform,
            root=settings.shared_root,
            staging=staging,
            stopping=lambda: self._stopping,
        )

    def _goes_elsewhere(self, message: Process, remote: RemoteDelivery) -> bool:
        return bool(message.works) or (not message.streams and remote.takes_as_it_is(message.job.file.size_bytes))

    def _deliver_file(self, message: Process, known: dict[str, Resumption], recorder: UploadReports) -> BadMembers:
        job = message.job
        begin = Begin(-1, job.file.relative_path, Content.AS_IS)
        request = object_request(job.file, begin)
        recorder.claim(begin, request.key)
        self._send_file(job, begin, request, message.digests, known, recorder)
        return BadMembers()

    def _deliver_raw(self, job: Job, known: dict[str, Resumption], recorder: UploadReports) -> None:
        """Store the source's own bytes beside what was made of it."""
        begin = Begin(-1, job.file.relative_path, Content.AS_IS)
        key = raw_key(job.file.relative_path)
        recorder.claim_keys(-1, (key,))
        self._send_file(job, begin, replace(object_request(job.file, begin), key=key), None, known, recorder)

    def _send_file(
        self,
        job: Job,
        begin: Begin,
        request: ObjectRequest,
        digests: FileDigests | None,
        known: dict[str, Resumption],
        recorder: UploadReports,
    ) -> None:
        with open_file(self._settings.root, job.file.relative_path) as source:
            stored = transfer_file(
                self._store,
                request,
                source.path_fd,
                sha256=job.file.checksum,
                digests=digests,
                recorder=recorder,
                resumption=known.get(request.key),
                parts_in_flight=self._settings.file_parts_in_flight,
                unheard=Unheard(possible=job.was_begun),
                stopping=lambda: self._stopping,
            )
        recorder.stored(begin, stored, End(stored.size_bytes, stored.sha256))

    def _deliver_streams(
        self, job: Job, streams: tuple[ObjectStream, ...], known: dict[str, Resumption], recorder: UploadReports
    ) -> BadMembers:
        """Store what the streams bring, side by side. When one of them fails, the others are given up too."""

        def open_upload(request: ObjectRequest, unheard: Unheard) -> ObjectUpload:
            return ObjectUpload(
                self._store,
                request,
                recorder=recorder,
                resumption=known.get(request.key),
                part_size_bytes=self._settings.stream_part_size_bytes,
                parts_in_flight=self._settings.stream_parts_in_flight,
                unheard=unheard,
                stopping=lambda: self._stopping,
            )

        failures: list[BaseException] = []

        def deliver(stream: ObjectStream) -> BadMembers:
            unheard = Unheard(possible=job.was_begun)
            try:
                return deliver_stream(
                    recorder.watch(stream.frames()), job.file, lambda request: open_upload(request, unheard), recorder
                )
            except BaseException as error:
                failures.append(error)  # before the others end: what they raise then follows from it
                for each in streams:
                    each.close()
                raise

        try:
            if len(streams) == 1:
                return deliver(streams[0])
            with ThreadPoolExecutor(len(streams), thread_name_prefix="uploader-share") as threads:
                delivered = [threads.submit(deliver, stream) for stream in streams]
            if failures:
                raise failures[0]
            return sum((each.result() for each in delivered), BadMembers())
        finally:
            for stream in streams:
                stream.close()

    def _store_manifest(self, job: Job) -> None:
        """Write the manifest from what Progress has recorded; with it the delivery is complete."""
        try:
            with recorded_objects(self._settings.ledger, job.row) as details:
                entries = map(entry_from, details)
                transfer_manifest(self._store, _head(job), entries, supersedes=job.may_supersede)
        except DeliveryError as error:
            self.routes.progress.tell(StepFailed(job, error.failure))
        else:
            self.routes.progress.tell(Process(job.reached(Milestone.MANIFEST)))

    def _abort(self, message: AbortUploads) -> None:
        aborted = []
        for upload in message.uploads:
            try:
                self._store.abort_upload(upload.key, upload.resumption.upload_id)
            except DeliveryError as error:
                self.log.warning(
                    "upload.not-aborted", key=upload.key, message=str(error), hint="the next start does it"
                )
            else:
                aborted.append(upload)
        self.routes.progress.tell(UploadsAborted(tuple(aborted)))

    def _abort_orphans(self, message: AbortOrphans) -> None:
        try:
            places = (*message.places, f"{PROBES}/", f"{STAGING}/")
            for upload in abort_orphans(self._store, places, lambda _key, id_: id_ in message.recorded):
                self.log.info("upload.orphan-aborted", key=upload.key)
            for left in (PROBES, STAGING):
                for key, _size in self._store.list_keys(f"{left}/"):
                    self._store.delete(key)
        except DeliveryError as error:
            self.routes.progress.tell(OrphansAborted(error.failure))
        else:
            self.routes.progress.tell(OrphansAborted())

    def _probe(self) -> None:
        """Ask whether the store is there, and again what it can do: it may be another than before.

        Then whether the cluster is there, and the watched directory.
        """
        profile = probe(self._store)
        problem = profile.problem
        if problem is None:
            adopt(self._store, profile)
            problem = None if self._elsewhere is None else self._elsewhere.problem()
            problem = problem or self._problem_of_root()
        self.routes.progress.tell(StoreProbed(problem))

    def _problem_of_root(self) -> Failure | None:
        try:
            os.close(open_root(self._settings.root))
        except OSError as error:
            return no_root(self._settings.root, error)
        return None


def _head(job: Job) -> ManifestHead:
    file = job.file
    assert file.checksum is not None, "its objects are stored, so its checksum is known"
    feed = None if file.feed is None or file.kind.type is FileType.ARCHIVE else file.feed.mark
    return ManifestHead(
        source_path=file.relative_path,
        sha256=file.checksum,
        size_bytes=file.size_bytes,
        modified_ns=file.modified_ns,
        type=file.kind.type,
        delivered_at=datetime.now(UTC),
        feed=feed,
        timeline=job.timeline,
    )
