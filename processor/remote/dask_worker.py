"""Cluster worker: convert in a confined subprocess, fill uploads.

It uses its own host's settings (from the environment or `.env`, as the daemon does) for the way to the store and the
credentials, and for the limits of its subprocesses; everything else comes with the unit. `perform` and `Readiness` are
what the daemon has Dask run.
"""

import functools
import multiprocessing
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from processor.config.choices import SandboxMode
from processor.config.environment import ConfigurationError
from processor.config.load import load
from processor.config.settings import Settings
from processor.confined.entrypoint import ConvertRequest, ExtractRequest, prepare, stream_conversion, stream_extraction
from processor.delivery.file_upload import FileIdentity, take_pages
from processor.delivery.object_stream import BadMembers, deliver_stream, object_request
from processor.delivery.object_upload import TransferStopped
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import ConversionOptions
from processor.domain.errors import DeliveryError, ErrorClass, Failure, changed
from processor.domain.uploads import ObjectRequest, StoredObject
from processor.engine.pool import Pool
from processor.remote.dask_engine import given_up, worker_slots
from processor.remote.split_upload import FillingUpload, Fills, abort_fills
from processor.remote.tasks import MOST_COLUMNS, MOST_OBJECTS, Filled, Target, Unit, UnitReceipt, as_ranges, staging_key
from processor.sandbox.confine import Limits
from processor.store.from_settings import store_settings
from processor.store.patience import patiently
from processor.store.s3 import S3Store
from processor.streams.frames import Bad, Begin, Content, End, Frame, Skipped
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream
from processor.streams.ranges import RangeServer, range_id
from processor.streams.source import open_file

_STAGED = ()  # a subprocess that reads what lies in the store sees no directory


@dataclass(frozen=True, slots=True)
class Readiness:
    """Ask a worker whether it can do units: its settings, the shared directory, the store with its credentials."""

    root: bytes | None
    target: Target

    def __call__(self) -> Failure | None:
        """Return what is wrong."""
        try:
            context = worker_context()
            context.see(self.root)
            if not context.store(self.target).bucket_exists():
                text = f"the bucket {self.target.bucket} is not where this worker looks for it"
                return _not_ready(text, "its S3_ENDPOINT must lead to the store that the daemon uses")
            context.pool(self.root)  # starting now, so that the first unit does not wait for it
        except DeliveryError as error:
            return error.failure
        return None


def perform(unit: Unit) -> UnitReceipt:
    """Do the unit and return what there is to complete. Raises DeliveryError when it can not even be begun."""
    context = worker_context()
    context.see(unit.root)
    gathering = _Gathering(unit, context.store(unit.target), given_up())
    try:
        failure = None
        try:
            bad = gathering.file() if unit.work.options is None else gathering.stream(context)
        except DeliveryError as error:
            failure, bad = error.failure, BadMembers()
    except TransferStopped:
        gathering.abort()
        text = "the unit was given up"
        raise DeliveryError(Failure(ErrorClass.INFRASTRUCTURE, "cluster.given-up", text)) from None
    except BaseException:
        gathering.abort()
        raise
    return gathering.receipt(bad, failure)


class WorkerContext:
    """What one process works with: a store, and a pool of subprocesses for each directory that is to be read."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inbox = Inbox()
        self._pools: dict[tuple[str, ...], Pool] = {}
        self._stores: dict[Target, S3Store] = {}
        self._lock = threading.Lock()

    def see(self, root: bytes | None) -> None:
        """Raise DeliveryError unless the shared directory is there."""
        if root is not None and not os.path.isdir(root):
            text = f"{os.fsdecode(root)} is not there"
            raise DeliveryError(
                _not_ready(text, "mount it, or set the daemon's PATH_MAP to where it is on the workers")
            )

    def store(self, target: Target) -> S3Store:
        """Return the store as the daemon wants it used, reached in this host's own way."""
        with self._lock:
            if target not in self._stores:
                own = replace(store_settings(self.settings), max_connections=2 * worker_slots() + 2)
                told = {name: getattr(target, name) for name in _TOLD}
                store = S3Store(replace(own, **told), protection=target.protection)
                store.etag_is_md5 = target.etag_is_md5
                self._stores[target] = store
            return self._stores[target]

    def pool(self, root: bytes | None) -> Pool:
        """Return confined subprocesses that see `root` and nothing else of anybody's."""
        readable = _STAGED if root is None else (os.fsdecode(root),)
        with self._lock:
            if readable not in self._pools:
                limits = Limits(
                    self.settings.worker_memory, readable, required=self.settings.sandbox is SandboxMode.REQUIRE
                )
                self._pools[readable] = Pool(worker_slots(), limits, self.inbox.worker_end, prepare)
            return self._pools[readable]


_TOLD = ("bucket", "prefix", "part_size_bytes", "storage_class", "encrypt", "kms_key_id", "tags")


def worker_context() -> WorkerContext:
    """Return this process's worker_context. Raises DeliveryError when the settings of its host can not be used."""
    with _opening:
        return _opened()


_opening = threading.Lock()


@functools.cache
def _opened() -> WorkerContext:
    if multiprocessing.current_process().daemon:
        text = "a worker under Dask's nanny may not start processes, hence not confine parsers"
        raise DeliveryError(_not_ready(text, "start it with --no-nanny, under systemd or supervisor"))
    try:
        settings = load({"WATCH_PATH": "/", "S3_BUCKET": "given by the daemon", "ENGINE": "local"})
    except ConfigurationError as error:
        raise DeliveryError(_not_ready(f"its settings are not usable: {error}", "see docs/SCALING.md")) from error
    return WorkerContext(settings)


class _Gathering:
    """One unit's uploads, and what is told of its objects (see steps.delivery.Recorder)."""

    def __init__(self, unit: Unit, store: S3Store, stopping: Callable[[], bool]) -> None:
        self._unit = unit
        self._store = store
        self._stopping = stopping
        self._fills: Fills = {}
        self._filled: list[Filled] = []
        self._skipped: list[Skipped] = []
        self._done: set[int] = set()
        self._columns = 0
        self._more = False

    def claim(self, begin: Begin, key: str) -> None:
        """Leave it to the daemon, which completes the object."""

    def stored(self, begin: Begin, stored: StoredObject, end: End) -> None:
        upload_id, parts = self._fills[stored.key]
        self._filled.append(Filled(begin, end, upload_id, parts))
        self._done.add(begin.member)
        self._columns += 0 if end.receipt is None else len(end.receipt.columns)

    def skipped(self, member: Skipped) -> None:
        self._skipped.append(member)
        self._done.add(member.member)

    def file(self) -> BadMembers:
        """Fill one upload with the file as it is."""
        file = self._unit.file
        assert self._unit.root is not None, "what is not shared is sent by the daemon itself"
        begin = Begin(-1, file.relative_path, Content.AS_IS)
        with open_file(self._unit.root, file.relative_path) as source:
            before = FileIdentity.of(source.path_fd)
            if (before.size_bytes, before.modified_ns) != (file.size_bytes, file.modified_ns):
                raise changed(file.relative_path)
            request = replace(object_request(file, begin), size_bytes=file.size_bytes)
            with self._open(request) as upload:
                digests = take_pages(upload, source.path_fd, file.size_bytes, self._unit.work.digests, request.key)
                if FileIdentity.of(source.path_fd) != before or digests.sha256 != file.checksum:
                    raise changed(file.relative_path)
                stored = upload.finish(size_bytes=file.size_bytes, sha256=file.checksum)
        self.stored(begin, stored, End(stored.size_bytes, stored.sha256))
        return BadMembers()

    def stream(self, context: WorkerContext) -> BadMembers:
        """Have a subprocess make the objects, and fill an upload with each."""
        with self._made_by(context) as (stream, ranges):
            try:
                return deliver_stream(self._some(stream.frames()), self._unit.file, self._open, self)
            finally:
                if ranges is not None and ranges.failure is not None:
                    raise ranges.failure  # whatever the subprocess made of bytes it could not read

    def receipt(self, bad: BadMembers, failure: Failure | None) -> UnitReceipt:
        """Return what was gathered; what was filled and turned out to be of no use is given up."""
        used = {filled.upload_id for filled in self._filled}
        abort_fills(self._store, {key: fill for key, fill in self._fills.items() if fill[0] not in used})
        return UnitReceipt(
            attempt=self._unit.attempt,
            filled=tuple(self._filled),
            skipped=tuple(self._skipped),
            bad=bad,
            failure=failure,
            more=self._more,
            done=as_ranges(self._done),
        )

    def abort(self) -> None:
        """Give up what was filled."""
        abort_fills(self._store, self._fills)

    def _open(self, request: ObjectRequest) -> FillingUpload:
        return FillingUpload(self._store, request, self._fills, self._stopping)

    @contextmanager
    def _made_by(self, context: WorkerContext) -> Iterator[tuple[ObjectStream, RangeServer | None]]:
        """Yield the stream of a subprocess at work, and who serves it the source where that lies in the store."""
        unit, inbox, stream_id = self._unit, context.inbox, str(uuid.uuid4())
        pool = context.pool(unit.root)
        arrived = inbox.expect(stream_id)
        ranges = None if unit.root is not None else RangeServer(inbox.expect(range_id(stream_id)), self._fetch)
        below = "" if unit.root is None else context.settings.worker_renewal.part_of(unit.file.relative_path)
        work = pool.submit(*_request(unit, stream_id), below)
        stream = ObjectStream(stream_id, inbox, arrived, work, context.settings.worker_timeout / 1000)
        try:
            yield stream, ranges
        finally:
            stream.close()
            inbox.forget(range_id(stream_id))

    def _some(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield frames until enough members are dealt with for one receipt."""
        for frame in frames:
            if isinstance(frame, Begin | Bad | Skipped) and frame.member not in self._done:
                if len(self._done) >= MOST_OBJECTS or self._columns >= MOST_COLUMNS:
                    self._more = True
                    return
                if isinstance(frame, Bad):
                    self._done.add(frame.member)
            if self._stopping():
                raise TransferStopped(self._unit.file.relative_path)
            yield frame

    def _fetch(self, offset: int, size: int) -> bytes:
        key = staging_key(self._unit.file.checksum or "")
        return patiently(lambda: self._store.get_range(key, offset, size), self._store.pause)


def _request(unit: Unit, stream_id: str) -> tuple[Callable[[Any], None], ConvertRequest | ExtractRequest]:
    work, root, fetched = unit.work, unit.root or b"", unit.root is None
    match work.options:
        case ConversionOptions() as options:
            return stream_conversion, ConvertRequest(stream_id, root, unit.file, options, work.metadata, fetched)
        case ExtractionOptions() as options:
            return stream_extraction, ExtractRequest(
                stream_id,
                root,
                unit.file,
                options,
                work.metadata,
                work.stored,
                members=work.members,
                fetched=fetched,
            )
        case None:
            raise AssertionError("a file that goes as it is needs no subprocess")


def _not_ready(text: str, hint: str) -> Failure:
    return Failure(ErrorClass.OUTAGE, "cluster.not-ready", text, hint)
