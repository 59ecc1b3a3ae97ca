"""The Uploader: the one actor that talks to the store."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from processor.actors.base import DeathNotice
from processor.actors.messages import (
    AbortOrphans,
    AbortUploads,
    Drifted,
    FileStored,
    KeysWanted,
    ObjectStored,
    OrphansAborted,
    PartStored,
    ProbeStore,
    Process,
    StepFailed,
    StoreManifest,
    StoreProbed,
    UploadClosed,
    UploadOpened,
    UploadsAborted,
)
from processor.actors.stage import Stage
from processor.delivery.file_upload import transfer_file
from processor.delivery.manifest_upload import transfer_manifest
from processor.delivery.object_stream import BadMembers, deliver_stream, object_request
from processor.delivery.object_upload import ObjectUpload, TransferStopped, Unheard
from processor.domain.credits import Credits
from processor.domain.declarations import drift_of
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.files import FileType
from processor.domain.jobs import Job, Step
from processor.domain.keys import PROBES, STAGING
from processor.domain.manifests import ManifestColumn, ManifestHead, ManifestObject, Omission
from processor.domain.object_keys import claims_needed, raw_key
from processor.domain.tables import TableObject
from processor.domain.timeline import Milestone, now_ms
from processor.domain.uploads import FileDigests, ObjectRequest, Part, Resumption, StoredObject
from processor.ledger.reader import recorded_objects
from processor.remote.dispatch import RemoteDelivery
from processor.remote.engine_link import Elsewhere
from processor.remote.staging import Staging
from processor.remote.tasks import Work
from processor.store.manifests import entry_fields, entry_from
from processor.store.orphans import abort_orphans
from processor.store.probe import adopt, probe
from processor.store.s3 import S3Store
from processor.streams.frames import Begin, Content, End, Frame, Skipped
from processor.streams.object_stream import ObjectStream
from processor.streams.source import no_root, open_file
from processor.trees.beneath import open_root

_RECORDING_SECONDS = 60.0  # then the upload goes on: the part may be sent again after a crash, nothing worse
_MEMBERS_EXPLAINED = 1000  # of an archive: the reasons for their types stand in the manifest; of all in the Parquet
_NO_CONTENT = 9  # in the ledger's `objects`: a member that is not a file


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
        recorder = _Recorder(self, job)
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

    def _store_manifest_at_once(self, job: Job, recorder: "_Recorder") -> bool:
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

    def _report_objects(self, job: Job, recorder: "_Recorder") -> None:
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

    def _deliver_file(self, message: Process, known: dict[str, Resumption], recorder: "_Recorder") -> BadMembers:
        job = message.job
        begin = Begin(-1, job.file.relative_path, Content.AS_IS)
        request = object_request(job.file, begin)
        recorder.claim(begin, request.key)
        self._send_file(job, begin, request, message.digests, known, recorder)
        return BadMembers()

    def _deliver_raw(self, job: Job, known: dict[str, Resumption], recorder: "_Recorder") -> None:
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
        recorder: "_Recorder",
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
        self, job: Job, streams: tuple[ObjectStream, ...], known: dict[str, Resumption], recorder: "_Recorder"
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


class _Recorder:
    """Tells Progress what one job's uploads reach. Only a part is waited for: an upload is found by its key.

    The objects of a file that has only small ones are `held`, since storing them again, after a crash, costs little;
    with the first large one, or by `release`, they are told too.
    """

    def __init__(self, uploader: Uploader, job: Job) -> None:
        self._tell = uploader.routes.progress.tell
        self._job = job
        self._holds = job.file.kind.type is not FileType.ARCHIVE and not job.stored_members
        self._held: list[tuple[Begin, ManifestObject]] = []
        self._converted_ms: int | None = None
        file = job.file
        # Members that an earlier try stored tell no feed here: then any that may be theirs counts.
        feeds = file.feeds.feeds if job.stored_members else ()
        own = file.feed if file.kind.type is FileType.DATABASE else None
        self.keeps_raw = any(feed.delivery.keep_raw for feed in (*feeds, *([own] if own is not None else [])))

    def watch(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass the frames on, and note when the last object was whole."""
        for frame in frames:
            if type(frame) is End:
                self._converted_ms = now_ms()
            yield frame

    def passed(self, job: Job) -> Job:
        """Return the job with what the frames told."""
        return job if self._converted_ms is None else job.reached(Milestone.CONVERTED, self._converted_ms)

    def claim(self, begin: Begin, key: str) -> None:
        """Have Progress enter the key as this object's, where it is no mirror of a path."""
        if begin.content in (Content.AS_IS, Content.PARQUET):
            member = begin.name if begin.member >= 0 else b""
            parquet = begin.content is Content.PARQUET
            self.claim_keys(begin.member, claims_needed(self._job.file, member, key, parquet=parquet))

    def claim_keys(self, member: int, keys: tuple[str, ...]) -> None:
        """Have Progress enter keys. Raises DeliveryError `key.taken`."""
        if not keys:
            return
        answer: SimpleQueue[Failure | None] = SimpleQueue()
        self._tell(KeysWanted(self._job, member, keys, answer))
        try:
            taken = answer.get(timeout=_RECORDING_SECONDS)
        except Empty:
            text = "the ledger did not answer whether a key is free"
            taken = Failure(ErrorClass.TRANSIENT, "ledger.silent", text, "it is tried again")
        if taken is not None:
            raise DeliveryError(taken)

    def upload_created(self, key: str, upload_id: str) -> None:
        self._tell(UploadOpened(self._job, key, upload_id))

    def part_stored(self, key: str, part: Part) -> None:
        recorded = Event()
        self._tell(PartStored(self._job, key, part, recorded))
        recorded.wait(_RECORDING_SECONDS)

    def upload_ended(self, key: str, upload_id: str) -> None:  # noqa: ARG002 - the protocol's
        self._tell(UploadClosed(self._job, key))

    def stored(self, begin: Begin, stored: StoredObject, end: End) -> None:
        member = None if begin.member < 0 else begin.raw_name or begin.name
        receipt = end.receipt
        entry = ManifestObject(stored, member)
        if receipt is not None:
            explained = begin.member < _MEMBERS_EXPLAINED
            columns = tuple(ManifestColumn(c.name, c.type, c.reason if explained else "") for c in receipt.columns)
            rejected, facts, notes = receipt.rejected_rows, receipt.facts, receipt.notes
            entry = ManifestObject(stored, member, receipt.rows, rejected, columns, facts, notes)
        feed = None if member is None else self._job.file.feed_of_member(begin.name)
        self._tell_drift(begin, entry)
        if feed is not None:
            entry = replace(entry, feed=feed.mark)
            self.keeps_raw |= feed.delivery.keep_raw
        if self._holds and not stored.parts:
            self._held.append((begin, entry))
        else:
            self.release()
            self._record(begin.member, begin.content, entry, stored.size_bytes)

    def _tell_drift(self, begin: Begin, entry: ManifestObject) -> None:
        file = self._job.file
        feed = file.feed_of_member(begin.name if begin.member >= 0 else b"")
        drift = tuple(drift_of(entry.facts))
        if feed is not None and drift:
            path = file.relative_path if begin.member < 0 else file.relative_path + b"/" + begin.name
            self._tell(Drifted(feed.name, path, drift))

    @property
    def held(self) -> tuple[ManifestObject, ...]:
        """Return the objects that Progress was not told of."""
        return tuple(entry for _begin, entry in self._held)

    @property
    def held_of_tables(self) -> tuple[TableObject, ...]:
        """Return those of them that belong to a table."""
        table = None if self._job.file.feed is None else self._job.file.feed.table
        if table is None:
            return ()
        return tuple(
            TableObject(table, entry.stored.key, entry.stored.sha256, entry.stored.size_bytes, entry.rows)
            for begin, entry in self._held
            if begin.content is Content.PARQUET and entry.rows is not None
        )

    def release(self) -> None:
        """Tell Progress of what is held, and from now on of each object at once."""
        held, self._held, self._holds = self._held, [], False
        for begin, entry in held:
            self._record(begin.member, begin.content, entry, entry.stored.size_bytes)

    def skipped(self, member: Skipped) -> None:
        self._record(member.member, _NO_CONTENT, Omission(member.name, member.reason), 0)

    def _record(self, member: int, content: int, entry: ManifestObject | Omission, size_bytes: int) -> None:
        fields = entry_fields(entry)
        if isinstance(entry, ManifestObject):
            beside = entry.rejected_rows, entry.notes
            self._tell(ObjectStored(self._job, member, content, fields, size_bytes, entry.feed, *beside))
        else:
            self._tell(ObjectStored(self._job, member, content, fields, size_bytes))
