"""Hand tasks to the cluster and complete their uploads.

The attempt that counts is the job's; whoever works for an older one can fill uploads, but not complete them. They are
found by their keys and aborted before a later attempt begins and after it has ended.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from processor.delivery.object_stream import BadMembers, key_of_begun, object_request
from processor.delivery.object_upload import TransferStopped
from processor.domain.errors import DeliveryError
from processor.domain.jobs import Job
from processor.domain.object_keys import key_of
from processor.domain.uploads import StoredObject
from processor.engine.seam import Engine
from processor.ledger.records import UnfinishedUpload
from processor.remote.split_upload import Completion
from processor.remote.staging import Staging
from processor.remote.tasks import Filled, Target, Unit, UnitReceipt, Work, continued
from processor.store.orphans import abort_orphans
from processor.store.s3 import S3Store
from processor.streams.frames import Begin, End, Skipped
from processor.streams.object_stream import result_of

_LOOK_EVERY_SECONDS = 0.5
_MOST_AT_ONCE = 64  # units of one job, so that few receipts are held at the same time
_COMPLETERS = 4

Perform = Callable[[Unit], UnitReceipt]


class TaskRecorder(Protocol):
    """Told what is stored, and which recorded uploads are gone."""

    def claim(self, begin: Begin, key: str) -> None:
        """Make sure that the key is this object's. Raises DeliveryError `key.taken`."""

    def stored(self, begin: Begin, stored: StoredObject, end: End) -> None:
        """Take note of a stored object."""

    def skipped(self, member: Skipped) -> None:
        """Take note of a member that is not a file."""

    def upload_ended(self, key: str, upload_id: str) -> None:
        """Take note that an upload of an earlier try is gone."""


class RemoteDelivery:
    """Delivers jobs by units on an engine. `root` is where its workers find the watched directory, if they do."""

    def __init__(
        self,
        store: S3Store,
        engine: Engine,
        perform: Perform,
        *,
        root: bytes | None,
        staging: Staging,
        stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._engine = engine
        self._perform = perform
        self._staging = staging
        self._stopping = stopping
        self._root = root

    def takes_as_it_is(self, size_bytes: int) -> bool:
        """Tell whether a regular file is worth a unit: completing a small one costs as much as sending it."""
        return self._root is not None and size_bytes > self._store.settings.part_size_bytes

    def deliver(
        self, job: Job, works: tuple[Work, ...], resumable: tuple[UnfinishedUpload, ...], recorder: TaskRecorder
    ) -> BadMembers:
        """Store every object of the job. Raises DeliveryError; what was stored until then is recorded."""
        for upload in resumable:  # what is filled elsewhere begins anew
            self._store.abort_upload(upload.key, upload.resumption.upload_id)
            recorder.upload_ended(upload.key, upload.resumption.upload_id)
        with self._swept(job), self._reachable(job):
            return _Attempt(self, job, recorder).run(deque(works))

    @contextmanager
    def _swept(self, job: Job) -> Iterator[None]:
        """See that no upload is left: of an earlier attempt, of this one when it fails, of a unit that ran twice.

        A scheduler runs a unit again when its worker leaves in good order or goes down before its result is fetched.
        """
        if job.attempt > 1:
            self._sweep(job)
        try:
            yield
        except DeliveryError:
            with contextlib.suppress(DeliveryError):  # the next attempt, or start, does it
                self._sweep(job)
            raise
        self._sweep(job)

    def _sweep(self, job: Job) -> None:
        for _upload in abort_orphans(self._store, (key_of(job.file),), lambda _key, _id: False):
            pass

    @contextmanager
    def _reachable(self, job: Job) -> Iterator[None]:
        if self._root is not None:
            yield
            return
        with self._staging.holding(job.file):
            yield

    def target(self) -> Target:
        """Return where and how workers are to store."""
        return target_of(self._store)

    def submit(self, job: Job, work: Work) -> Future[UnitReceipt]:
        """Hand out one unit. Raises DeliveryError when the engine is out."""
        file = replace(job.file, identity=None)  # another host numbers devices, and may number inodes, in its own way
        return self._engine.submit(self._perform, Unit(file, job.attempt, self._root, self.target(), work))

    def at_once(self) -> int:
        """Return how many units of one job are worth handing out."""
        return min(self._engine.slots(), _MOST_AT_ONCE)

    def stopping(self) -> bool:
        """Tell whether the daemon is ending."""
        return self._stopping()

    def complete(self, job: Job, filled: Filled) -> StoredObject:
        """Complete what a worker filled, under the key that follows from its name."""
        return Completion(self._store, object_request(job.file, filled.begin), filled).complete()


class _Attempt:
    """The units of one job that wait and that are worked on."""

    def __init__(self, delivery: RemoteDelivery, job: Job, recorder: TaskRecorder) -> None:
        self._delivery = delivery
        self._job = job
        self._recorder = recorder
        self._at_work: dict[Future[UnitReceipt], Work] = {}
        self._failure: DeliveryError | None = None
        self._bad = BadMembers()

    def run(self, waiting: deque[Work]) -> BadMembers:
        """Do all of it; after a failure nothing new is begun, and what is being done is still made use of."""
        at_once = self._delivery.at_once()
        try:
            while self._at_work or (waiting and self._failure is None):
                while waiting and len(self._at_work) < at_once and self._failure is None:
                    work = waiting.popleft()
                    self._at_work[self._delivery.submit(self._job, work)] = work
                done, _ = wait(self._at_work, _LOOK_EVERY_SECONDS, FIRST_COMPLETED)
                if self._delivery.stopping():
                    raise TransferStopped(self._job.file.relative_path)
                for each in done:
                    waiting.extendleft(self._taken(each))
        finally:
            for each in self._at_work:
                each.cancel()
        if self._failure is not None:
            raise self._failure
        return self._bad

    def _taken(self, future: Future[UnitReceipt]) -> tuple[Work, ...]:
        """Make use of what came back; return what is left of that unit's work."""
        work = self._at_work.pop(future)
        try:
            receipt = result_of(future)
            assert receipt.attempt == self._job.attempt, "a receipt answers the request that it was made for"
            self._bad += receipt.bad
            self._complete(receipt)
        except DeliveryError as error:
            self._failure = self._failure or error
            return ()
        if receipt.failure is not None:
            self._failure = self._failure or DeliveryError(receipt.failure)
            return ()
        return (continued(work, receipt),) if receipt.more else ()

    def _complete(self, receipt: UnitReceipt) -> None:
        for member in receipt.skipped:
            self._recorder.skipped(member)
        if len(receipt.filled) <= 1:
            for filled in receipt.filled:
                self._complete_one(filled)
            return
        with ThreadPoolExecutor(_COMPLETERS, thread_name_prefix="complete") as threads:
            for _done in threads.map(self._complete_one, receipt.filled):
                pass

    def _complete_one(self, filled: Filled) -> None:
        self._recorder.claim(filled.begin, key_of_begun(self._job.file, filled.begin))
        stored = self._delivery.complete(self._job, filled)
        self._recorder.stored(filled.begin, stored, filled.end)


def target_of(store: S3Store) -> Target:
    """Return where and how workers are to store what this daemon would store here."""
    settings = store.settings
    return Target(
        bucket=settings.bucket,
        prefix=settings.prefix,
        protection=store.protection,
        etag_is_md5=store.etag_is_md5,
        part_size_bytes=settings.part_size_bytes,
        storage_class=settings.storage_class,
        encrypt=settings.encrypt,
        kms_key_id=settings.kms_key_id,
        tags=settings.tags,
    )
