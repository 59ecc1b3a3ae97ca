"""Upload one object in parts, each protected by a digest.

An `ObjectUpload` is fed by whoever has the bytes. Up to one part's worth it becomes a single PUT, beyond that a
multipart upload whose id and parts are told to an `UploadRecorder` as they come to be: a later try goes on there.
Nothing is completed but by `finish`.
"""

import contextlib
import hashlib
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from processor.delivery.part_buffers import PartBuffer, PartSender
from processor.delivery.verification import Proof
from processor.domain.errors import DeliveryError, ErrorClass, refused, transient
from processor.domain.uploads import (
    MOST_PARTS,
    FileDigests,
    ObjectRequest,
    Part,
    Resumption,
    StoredObject,
    part_size_for,
)
from processor.store.answers import Answer, Head
from processor.store.body import FilePart
from processor.store.errors import DAMAGED, mismatch, not_stored
from processor.store.patience import patiently
from processor.store.s3 import Digest, S3Store

# After these the object may be there although nobody told us.
_PERHAPS_DONE = {"store.upload-gone", "store.unreachable", "store.unavailable", "store.internal", "store.slow"}


_LOOK_EVERY_SECONDS = 0.5


class TransferStopped(Exception):  # noqa: N818 - no error: the daemon is shutting down
    """The upload was left where it is, to be resumed."""


class UploadRecorder(Protocol):
    """Told what a later try needs to know. Each call returns only when that is committed."""

    def upload_created(self, key: str, upload_id: str) -> None:
        """Take note that a multipart upload was begun."""

    def part_stored(self, key: str, part: Part) -> None:
        """Take note that the store holds this part; it replaces an earlier one of its number."""

    def upload_ended(self, key: str, upload_id: str) -> None:
        """Take note that the upload is completed or gone: nothing is left to resume or to clean."""


class Unheard:
    """Whether small objects may be there that an earlier try stored and that nobody recorded, since it was killed.

    They are the first of those that are left to be stored. So each is looked for, until one is not there.
    """

    def __init__(self, *, possible: bool) -> None:
        self.possible = possible


class ObjectUpload:
    """One object on its way. Use as a context manager: leaving it without `finish` never leaves an object.

    What is left by an exception: a passing failure or a stop leaves the recorded upload to be resumed; a permanent
    failure, a source that changed, or an upload that nobody records is aborted. `stopping` is asked before each part.
    `part_size_bytes` is what is wanted instead of the store's setting; an object may need larger ones.
    """

    def __init__(
        self,
        store: S3Store,
        request: ObjectRequest,
        *,
        recorder: UploadRecorder | None = None,
        resumption: Resumption | None = None,
        part_size_bytes: int | None = None,
        parts_in_flight: int = 1,
        unheard: Unheard | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._unheard_of = unheard or Unheard(possible=False)
        self._request = request
        self._recorder = recorder
        self._stopping = stopping
        self._proof = Proof(store, request.key)
        self._part_size = part_size_for(request.size_bytes, part_size_bytes or store.settings.part_size_bytes)
        self._sender = PartSender(self._send, self._new_buffer, parts_in_flight)
        large = request.size_bytes is not None and request.size_bytes > self._part_size
        self._buffer = PartBuffer(self._part_size, None if large else request.size_bytes)
        self._whole = hashlib.sha256()
        self._digests: FileDigests | None = None  # where a file told them; else what passes goes into `_whole`
        self._size = 0
        self._number = 0
        self._upload_id: str | None = None
        self._landed: Head | None = None  # the object itself, when an earlier try completed it unheard
        self._known: dict[int, Part] = {}
        self._parts: list[Part] = []
        self._finished = False
        if resumption is not None:
            self._reopen(resumption)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take more of the object's bytes; they are copied."""
        rest = memoryview(data).cast("B")
        while rest:
            if self._buffer.full:
                self._flush()
            rest = rest[self._buffer.take(rest) :]

    def fill(self, read_into: Callable[[memoryview], int]) -> int:
        """Let `read_into` put the next bytes directly into the buffer; return their number, 0 at the end."""
        if self._buffer.full:
            self._flush()
        size = read_into(self._buffer.space())
        self._buffer.filled(size)
        return size

    @property
    def part_size_bytes(self) -> int:
        """Return the size of every part but the last."""
        return self._part_size

    def take_file(self, fd: int, size_bytes: int, digests: FileDigests) -> None:
        """Take all of an object of several parts straight from its file; nothing of it is held.

        `digests` are of parts of `part_size_bytes`. Not together with `write`.
        """
        assert digests.part_size_bytes == self._part_size
        self._digests = digests
        while self._size < size_bytes:
            self._begin_part()
            part = FilePart(fd, self._size, min(self._part_size, size_bytes - self._size))
            self._sender.submit_file(partial(self._store_part, self._number, part, digests.part(self._number)))
            self._size += len(part)

    def restart(self) -> None:
        """Void all bytes so far: the producer begins anew. What the store holds already is not sent again."""
        self._collect()
        self._known |= {part.number: part for part in self._parts}
        self._parts = []
        self._buffer.clear()
        self._whole = hashlib.sha256()
        self._size = 0
        self._number = 0

    def hold(self) -> None:
        """Send all there is but complete nothing: `finish` or leaving comes later. Of a small object it is kept."""
        if self._number == 0:
            return
        if self._buffer.filled_bytes:
            self._flush()
        self._collect()
        self._sender.close()
        self._buffer.free()

    def finish(self, *, size_bytes: int | None = None, sha256: str | None = None) -> StoredObject:
        """Complete the object and return it verified.

        `size_bytes` and `sha256` (hex) are what the producer says it made: when they differ from what came, nothing is
        completed (`transfer.incomplete`).
        """
        single = self._number == 0 and self._upload_id is None and self._landed is None
        if single:
            self._account(self._buffer.view())
        elif self._buffer.filled_bytes or self._number == 0:
            self._flush()
        self._expect(size_bytes, sha256)
        stored = self._put() if single else self._complete()
        self._finished = True
        return stored

    def abort(self) -> None:
        """Give the upload up. When the store can not be told, it stays recorded and is cleaned later."""
        self._sender.close()
        if self._upload_id is None:
            return
        try:
            self._store.abort_upload(self._request.key, self._upload_id)
        except DeliveryError:
            return  # recorded still, so the next start aborts it
        self._ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.close()
        if not self._finished and (kind is None or self._recorder is None or _ends_the_upload(error)):
            self.abort()
        # Now, not when the garbage collector comes by: the next upload is about to take as much.
        self._buffer.free()

    def _pause(self, seconds: float) -> None:
        """Wait, unless the daemon is stopping."""
        while seconds > 0:
            if self._stopping():
                raise TransferStopped(self._request.key)
            self._store.pause(min(seconds, _LOOK_EVERY_SECONDS))
            seconds -= _LOOK_EVERY_SECONDS

    def _new_buffer(self) -> PartBuffer:
        return PartBuffer(self._part_size, self._part_size)

    def _account(self, view: memoryview) -> None:
        self._whole.update(view)
        self._size += len(view)

    def _expect(self, size_bytes: int | None, sha256: str | None) -> None:
        if size_bytes is not None and size_bytes != self._size:
            raise transient("transfer.incomplete", f"{self._request.key!r}: {self._size} of {size_bytes} bytes came")
        if sha256 is not None and sha256 != self._sha256():
            raise transient("transfer.incomplete", f"{self._request.key!r}: other bytes came than were announced")

    def _sha256(self) -> str:
        return self._whole.hexdigest() if self._digests is None else self._digests.sha256

    # A small object: one PUT.

    def _put(self) -> StoredObject:
        if self._stopping():
            raise TransferStopped(self._request.key)
        view = self._buffer.view()
        digest = self._proof.digest_of_object(view, self._whole.digest())
        if self._unheard_of.possible:
            head = self._look()
            if head is not None and self._is_stored(head, digest):
                return self._stored(head.etag, self._proof.of_body(digest))
            self._unheard_of.possible = False

        def put() -> tuple[Answer, bool]:
            self._store.bandwidth.take(len(view), self._pause)
            answer = self._store.put_object(self._request, view, digest)
            return answer, self._proof.names_body(answer, digest)

        try:
            answer, named = patiently(put, self._pause)
        except DeliveryError as error:
            if error.failure.code == "store.mismatch":
                self._remove()
            raise
        etag = answer.etag if named else self._etag_of_unnamed(digest)
        return self._stored(etag, self._proof.of_body(digest))

    def _etag_of_unnamed(self, digest: Digest) -> str:
        """Look for an object that the answer to its PUT did not name. Raises DeliveryError `store.not-stored`."""
        head = self._look()
        if head is None or head.size_bytes != self._size:
            raise not_stored(f"store {self._request.key!r}", self._size, head)
        known = self._proof.proven_body(head, self._size, digest) or self._is_described(head)
        if not known and not self._proof.read(self._size, digest.sha256):
            raise not_stored(f"store {self._request.key!r}", self._size, head)
        return head.etag

    def _look(self) -> Head | None:
        return patiently(lambda: self._store.head(self._request.key), self._pause)

    def _is_stored(self, head: Head, digest: Digest) -> bool:
        return self._proof.proven_body(head, self._size, digest) and self._is_told(head)

    def _is_described(self, head: Head) -> bool:
        """Tell whether the object carries our metadata, which name its source's content."""
        return bool(self._request.metadata) and self._is_told(head)

    def _is_told(self, head: Head) -> bool:
        told = self._request.metadata.items()
        return all(head.metadata.get(name.lower()) == value for name, value in told)

    # A large one: parts.

    def _flush(self) -> None:
        """Send the buffer as the next part."""
        self._begin_part()
        self._account(self._buffer.view())
        self._buffer = self._sender.submit(self._number, self._buffer)

    def _begin_part(self) -> None:
        if self._stopping():
            raise TransferStopped(self._request.key)
        if self._number == MOST_PARTS:
            text = f"{self._request.key!r} needs more than {MOST_PARTS} parts"
            raise refused("store.too-large", text, "set a larger S3_PART_SIZE")
        if self._upload_id is None and self._landed is None:
            self._create()
        self._number += 1

    def _create(self) -> None:
        self._upload_id = patiently(lambda: self._store.create_upload(self._request), self._pause)
        if self._recorder is not None:
            self._recorder.upload_created(self._request.key, self._upload_id)

    def _send(self, number: int, buffer: PartBuffer) -> Part:
        """Store what a buffer holds as one part."""
        view = buffer.view()
        return self._store_part(number, view, hashlib.sha256(view).digest())

    def _store_part(self, number: int, body: memoryview | FilePart, sha256: bytes) -> Part:
        """Store one part, unless the store holds it already. Runs in the sender's threads."""
        known = self._known.get(number)
        if known is not None and (known.sha256, known.size_bytes) == (sha256.hex(), len(body)):
            return known
        if self._stopping():
            raise TransferStopped(self._request.key)
        upload_id = self._upload_id
        if upload_id is None:
            raise self._gone()
        digest = self._proof.digest_of_part(body, sha256)

        def send() -> Answer:
            self._store.bandwidth.take(len(body), self._pause)
            try:
                answer = self._store.upload_part(self._request.key, upload_id, number, body, digest)
            except DeliveryError as error:
                if error.failure.code == DAMAGED:
                    self._proof.see_unchanged(body, sha256)
                raise
            self._proof.see_part(answer, digest)
            return answer

        try:
            answer = patiently(send, self._pause)
        except DeliveryError as error:
            if error.failure.code == "store.upload-gone":
                self._ended()
            raise
        part = Part(number, len(body), sha256.hex(), answer.etag)
        if self._recorder is not None:
            self._recorder.part_stored(self._request.key, part)
        return part

    def _collect(self) -> None:
        self._parts += self._sender.drain()

    def _complete(self) -> StoredObject:
        self._collect()
        if self._landed is not None:
            if not self._proof.proven(self._landed, self._parts):
                raise self._gone()
            return self._stored(self._landed.etag, self._proof.composite(self._parts))
        assert self._upload_id is not None
        try:
            answer = patiently(self._complete_once, self._pause)
        except DeliveryError as error:
            etag = self._unheard(error)
        else:
            etag = self._verified(answer)
        self._ended()
        return self._stored(etag, self._proof.composite(self._parts))

    def _complete_once(self) -> Answer:
        assert self._upload_id is not None
        return self._store.complete_upload(self._request.key, self._upload_id, self._parts)

    def _verified(self, answer: Answer) -> str:
        """Look at the object that was just completed; one that is not what was sent is removed."""
        named = self._proof.names_whole(answer, self._parts)
        try:
            head = self._look()
        except DeliveryError:
            if named:  # a look that is refused takes nothing back
                return answer.etag
            raise
        if head is not None and self._is_ours(answer, head, named=named):
            return head.etag or answer.etag
        self._ended()
        self._remove()
        theirs = None if head is None else (head.size_bytes, head.sha256, head.etag)
        raise mismatch(f"complete {self._request.key!r}", (self._size, self._proof.composite(self._parts)), theirs)

    def _is_ours(self, answer: Answer, head: Head, *, named: bool) -> bool:
        """Tell whether the completed object is what was sent: what names nothing is looked at, at last read."""
        if self._proof.contradicted(answer, head, self._parts):
            return False
        told = named or self._proof.names_whole(head, self._parts) or self._is_described(head)
        return told or self._proof.proven(head, self._parts)

    def _remove(self) -> None:
        with contextlib.suppress(DeliveryError):  # without a manifest it counts for nothing, and is overwritten
            self._store.delete(self._request.key)

    def _unheard(self, error: DeliveryError) -> str:
        """Return the ETag of the object if it was completed although we were told otherwise; else raise `error`."""
        code = error.failure.code
        if code in _PERHAPS_DONE:
            head = self._store.head(self._request.key)
            if head is not None and self._proof.proven(head, self._parts):
                return head.etag
        if code == "store.upload-gone":
            self._ended()
        elif code == "store.part-gone":
            self.abort()
        raise error

    def _reopen(self, resumption: Resumption) -> None:
        """Go on with an earlier try's upload: with those recorded parts that the store still lists."""
        self._upload_id = resumption.upload_id
        try:
            listed = patiently(lambda: self._store.list_parts(self._request.key, resumption.upload_id), self._pause)
        except DeliveryError as error:
            if error.failure.code != "store.upload-gone":
                raise
            self._reopen_gone(resumption)
            return
        self._known = {
            number: part
            for number, part in resumption.parts.items()
            if number in listed and (listed[number].size_bytes, listed[number].etag) == (part.size_bytes, part.etag)
        }

    def _reopen_gone(self, resumption: Resumption) -> None:
        """Go on without the upload: it was completed by an earlier try whose end nobody heard, or cleaned away."""
        head = self._store.head(self._request.key)
        parts = [resumption.parts[number] for number in sorted(resumption.parts)]
        if head is not None and self._proof.proven(head, parts):
            self._landed = head
            self._known = dict(resumption.parts)
        self._ended()

    def _ended(self) -> None:
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is not None and self._recorder is not None:
            self._recorder.upload_ended(self._request.key, upload_id)

    def _gone(self) -> DeliveryError:
        text = f"the upload of {self._request.key!r} is gone and the content is another"
        return transient("store.upload-gone", text, "it is begun anew")

    def _stored(self, etag: str, checksum: str) -> StoredObject:
        return StoredObject(self._request.key, self._size, self._sha256(), etag, checksum, len(self._parts))


def _ends_the_upload(error: BaseException | None) -> bool:
    if not isinstance(error, DeliveryError):
        return False
    failure = error.failure
    return failure.error_class is ErrorClass.PERMANENT or failure.code.startswith("source.")
