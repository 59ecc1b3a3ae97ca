"""Deliver every object of a worker's stream."""

import mimetypes
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.files import FileMetadata
from processor.domain.keys import escape, notes_key, rejects_key
from processor.domain.object_keys import delivery_of, object_key
from processor.domain.uploads import ObjectRequest, StoredObject, completion_metadata
from processor.streams.frames import (
    MOST_HELD,
    Bad,
    Begin,
    BrokenStreamError,
    Content,
    Data,
    End,
    EndOfStream,
    Failed,
    Frame,
    Proved,
    Restart,
    Skipped,
)

_MOST_BAD_MEMBERS = 100
_CONTENT_TYPES = {
    Content.PARQUET: "application/vnd.apache.parquet",
    Content.REJECTS: "application/x-ndjson",
    Content.NOTES: "application/x-ndjson",
}
_UNKNOWN_CONTENT = "application/octet-stream"

OpenUpload = Callable[[ObjectRequest], ObjectUpload]


class StreamRecorder(Protocol):
    """Told of every object that is stored and verified, and of every member that is no object."""

    def claim(self, begin: Begin, key: str) -> None:
        """Make sure that the key is this object's. Raises DeliveryError `key.taken`."""

    def stored(self, begin: Begin, stored: StoredObject, end: End) -> None:
        """Take note of a stored object."""

    def skipped(self, member: Skipped) -> None:
        """Take note of a member that is not a file."""


@dataclass(slots=True)
class BadMembers:
    """The members that could not be delivered: the first ones with their reasons, all of them counted."""

    count: int = 0
    first: tuple[tuple[str, Failure], ...] = ()

    def add(self, bad: Bad) -> None:
        """Take one more."""
        self.count += 1
        if self.count <= _MOST_BAD_MEMBERS:
            self.first = (*self.first, (escape(bad.name), bad.failure))

    def __add__(self, other: "BadMembers") -> "BadMembers":
        return BadMembers(self.count + other.count, (self.first + other.first)[:_MOST_BAD_MEMBERS])

    def failure(self) -> Failure:
        """Return the failure of the archive as a whole."""
        name, first = self.first[0]
        text = f"{self.count} of the archive's members could not be delivered; the first is {name!r}: {first.message}"
        worth_another_try = any(bad.error_class is not ErrorClass.PERMANENT for _name, bad in self.first)
        return Failure(
            ErrorClass.TRANSIENT if worth_another_try else ErrorClass.PERMANENT,
            "archive.bad-members",
            text,
            "the other members are delivered; `processor retry` takes up only these",
        )


def deliver_stream(
    frames: Iterator[Frame], file: FileMetadata, open_upload: OpenUpload, recorder: StreamRecorder
) -> BadMembers:
    """Store every object of the stream. Raises DeliveryError when the stream as a whole fails or breaks off."""
    bad = BadMembers()
    delivery = _Delivery(file, open_upload, recorder)
    try:
        for frame in frames:
            match frame:
                case Bad():
                    delivery.void()
                    bad.add(frame)
                case Failed(failure):
                    raise DeliveryError(failure)  # noqa: TRY301 - on its way through the clean-up below
                case _:
                    delivery.take(frame)
    except BaseException as error:
        delivery.broken(error)
        raise
    return bad


class _Delivery:
    """The object that is being delivered, and the Parquet that still waits for its receipt."""

    def __init__(self, file: FileMetadata, open_upload: OpenUpload, recorder: StreamRecorder) -> None:
        self._file = file
        self._open_upload = open_upload
        self._recorder = recorder
        self._begin: Begin | None = None
        self._upload: ObjectUpload | None = None
        self._waiting: list[tuple[Begin, StoredObject, End]] = []
        self._held: list[tuple[Begin, ObjectUpload, End]] = []

    def take(self, frame: Begin | Data | Restart | End | Proved | Skipped | EndOfStream) -> None:
        """Do what the frame says."""
        match frame:
            case Begin():
                self.begin(frame)
            case Data(data):
                self.upload.write(data)
            case Restart():
                self.upload.restart()
            case End(held=True):
                self.hold(frame)
            case End():
                self.end(frame)
            case Proved():
                self.prove()
            case Skipped():
                self._recorder.skipped(frame)
            case EndOfStream():
                self.end_of_stream()
            case _:
                assert_never(frame)

    @property
    def upload(self) -> ObjectUpload:
        """Return the upload of the object that is open; `frames` has seen to the order."""
        assert self._upload is not None, "no object is open"
        return self._upload

    def begin(self, begin: Begin) -> None:
        """Open the upload of the next object."""
        self._begin = begin
        request = object_request(self._file, begin)
        self._recorder.claim(begin, request.key)
        self._upload = self._open_upload(request).__enter__()

    def end(self, end: End) -> None:
        """Complete the object. A Parquet followed by rejects or notes has its receipt in the last of them."""
        assert self._begin is not None
        stored = self.upload.finish(size_bytes=end.size_bytes, sha256=end.sha256)
        self._close(None)
        if end.receipt is None and self._begin.content is not Content.AS_IS:
            self._waiting.append((self._begin, stored, end))
            return
        waiting, self._waiting = [*self._waiting, (self._begin, stored, end)], []
        for begin, done, its_end in waiting:
            self._recorder.stored(
                begin, done, replace(its_end, receipt=end.receipt if begin is waiting[0][0] else None)
            )

    def hold(self, end: End) -> None:
        """Have the object ready to be completed, and do not complete it yet."""
        assert self._begin is not None
        if len(self._held) == MOST_HELD:
            raise BrokenStreamError(f"holds more than {MOST_HELD} objects")
        self.upload.hold()
        self._held.append((self._begin, self.upload, end))
        self._upload = None

    def prove(self) -> None:
        """Complete what was held."""
        while self._held:
            begin, upload, end = self._held[0]
            stored = upload.finish(size_bytes=end.size_bytes, sha256=end.sha256)
            del self._held[0]
            upload.__exit__(None, None, None)
            self._recorder.stored(begin, stored, end)

    def end_of_stream(self) -> None:
        """Make sure that nothing waits any more."""
        if self._held:
            raise BrokenStreamError("ended before its objects were proved")

    def void(self) -> None:
        """Give up the object that is open, if one is: its member is bad."""
        if self._upload is not None:
            self._upload.abort()
        self._waiting = []
        self._upload = None

    def broken(self, error: BaseException) -> None:
        """Leave the open upload, and those that are held, as the kind of error says: to be resumed, or aborted."""
        self._close(error)
        while self._held:
            _begin, self._upload, _end = self._held.pop(0)
            self._close(error)

    def _close(self, error: BaseException | None) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.__exit__(None if error is None else type(error), error, None)


def object_request(file: FileMetadata, begin: Begin) -> ObjectRequest:
    """Return key, content type and metadata of an object of `file`. A worker names members, it never chooses a key."""
    kind = _CONTENT_TYPES.get(begin.content) or guess_content_type(begin.name)
    member = begin.name if begin.member >= 0 else b""
    delivery = delivery_of(file, member)
    beside = begin.content in (Content.REJECTS, Content.NOTES)  # small, and looked at: for no cold class
    return ObjectRequest(
        key_of_begun(file, begin),
        kind,
        object_metadata(file, begin.mismatch),
        storage_class=None if beside else delivery.storage_class,
        tags=delivery.tags,
    )


def key_of_begun(file: FileMetadata, begin: Begin) -> str:
    """Return the key of one object of `file`."""
    member = begin.name if begin.member >= 0 else b""
    again = begin.member if begin.again else None
    match begin.content:
        case Content.AS_IS:
            return object_key(file, member, again, parquet=False)
        case Content.PARQUET:
            return object_key(file, member, again, parquet=True)
        case Content.REJECTS:
            return rejects_key(object_key(file, member, again, parquet=True))
        case Content.NOTES:
            return notes_key(object_key(file, member, again, parquet=True))


def object_metadata(file: FileMetadata, mismatch: str = "") -> Mapping[str, str]:
    """Return the user metadata of every object of `file`."""
    assert file.checksum is not None, "nothing is delivered before its checksum is known"
    metadata = completion_metadata(file.relative_path, file.checksum)
    reason = mismatch or file.kind.mismatch
    return {**metadata, "type-mismatch": reason.encode("ascii", "replace").decode()} if reason else metadata


def guess_content_type(name: bytes) -> str:
    """Return the media type that the name suggests; a compressed file's is that of what it is."""
    guessed, encoding = mimetypes.guess_type(name.decode("utf-8", "replace"), strict=False)
    return guessed if guessed is not None and encoding is None else _UNKNOWN_CONTENT
