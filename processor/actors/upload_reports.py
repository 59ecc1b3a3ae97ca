"""Reports of one job's uploads to Progress."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

from processor.actors.messages import (
    Drifted,
    KeysWanted,
    ObjectStored,
    PartStored,
    UploadClosed,
    UploadOpened,
)
from processor.domain.declarations import drift_of
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.files import FileType
from processor.domain.jobs import Job
from processor.domain.manifests import ManifestColumn, ManifestObject, Omission
from processor.domain.object_keys import claims_needed
from processor.domain.tables import TableObject
from processor.domain.timeline import Milestone, now_ms
from processor.domain.uploads import Part, StoredObject
from processor.store.manifests import entry_fields
from processor.streams.frames import Begin, Content, End, Frame, Skipped

_RECORDING_SECONDS = 60.0  # then the upload goes on: the part may be sent again after a crash, nothing worse
_MEMBERS_EXPLAINED = 1000  # of an archive: the reasons for their types stand in the manifest; of all in the Parquet
_NO_CONTENT = 9  # in the ledger's `objects`: a member that is not a file


class UploadReports:
    """Tells Progress what one job's uploads reach. Only a part is waited for: an upload is found by its key.

    The objects of a file that has only small ones are `held`, since storing them again, after a crash, costs little;
    with the first large one, or by `release`, they are told too.
    """

    def __init__(self, tell: Callable[[Any], None], job: Job) -> None:
        self._tell = tell
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
        """Tell that a multipart upload was begun."""
        self._tell(UploadOpened(self._job, key, upload_id))

    def part_stored(self, key: str, part: Part) -> None:
        """Tell of a part, and wait until it is recorded."""
        recorded = Event()
        self._tell(PartStored(self._job, key, part, recorded))
        recorded.wait(_RECORDING_SECONDS)

    def upload_ended(self, key: str, upload_id: str) -> None:  # noqa: ARG002 - the protocol's
        """Tell that it was completed or aborted."""
        self._tell(UploadClosed(self._job, key))

    def stored(self, begin: Begin, stored: StoredObject, end: End) -> None:
        """Tell of an object, or hold it while the file has only small ones."""
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
        """Tell of a member that is no file."""
        self._record(member.member, _NO_CONTENT, Omission(member.name, member.reason), 0)

    def _record(self, member: int, content: int, entry: ManifestObject | Omission, size_bytes: int) -> None:
        fields = entry_fields(entry)
        if isinstance(entry, ManifestObject):
            beside = entry.rejected_rows, entry.notes
            self._tell(ObjectStored(self._job, member, content, fields, size_bytes, entry.feed, *beside))
        else:
            self._tell(ObjectStored(self._job, member, content, fields, size_bytes))
