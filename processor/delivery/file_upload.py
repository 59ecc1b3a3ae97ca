"""Upload a plain file, if it stands still."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from processor.delivery.digests import digests_of
from processor.delivery.object_upload import ObjectUpload, Unheard, UploadRecorder
from processor.domain.errors import SOURCE_CHANGED, DeliveryError, transient
from processor.domain.uploads import FileDigests, ObjectRequest, Resumption, StoredObject
from processor.store.s3 import S3Store


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What of an open file changes when its content may have changed."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, fd: int) -> Self:
        """Return the identity of the file open as `fd`."""
        status = os.fstat(fd)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def transfer_file(
    store: S3Store,
    request: ObjectRequest,
    fd: int,
    *,
    sha256: str | None = None,
    digests: FileDigests | None = None,
    recorder: UploadRecorder | None = None,
    resumption: Resumption | None = None,
    parts_in_flight: int = 1,
    unheard: Unheard | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> StoredObject:
    """Store the content of the file open as `fd`, from byte 0, whatever its position.

    `sha256` (hex) is the digest the file is known to have, `digests` those of its parts; what is not known, or of parts
    of another size, is computed first. Raises DeliveryError `source.changed` (the upload is aborted) when identity,
    size or a digest are not what they were, `source.unreadable`, and all that the store raises.
    """
    before = FileIdentity.of(fd)
    request = replace(request, size_bytes=before.size_bytes)
    with ObjectUpload(
        store,
        request,
        recorder=recorder,
        resumption=resumption,
        parts_in_flight=parts_in_flight,
        unheard=unheard,
        stopping=stopping,
    ) as upload:
        if before.size_bytes > upload.part_size_bytes:
            take_pages(upload, fd, before.size_bytes, digests, request.key)
        else:
            _take_copy(upload, fd, before.size_bytes)
        if FileIdentity.of(fd) != before:
            raise _changed(request.key)
        try:
            return upload.finish(size_bytes=before.size_bytes, sha256=sha256)
        except DeliveryError as error:
            if error.failure.code == "transfer.incomplete":
                raise _changed(request.key) from error
            raise


def take_pages(upload: ObjectUpload, fd: int, size_bytes: int, digests: FileDigests | None, key: str) -> FileDigests:
    """Send a file of several parts straight from its pages: memory does not depend on how many are on their way.

    Returns `digests`, computed here where they are not known or of parts of another size. Raises as `transfer_file`.
    """
    if digests is None or digests.part_size_bytes != upload.part_size_bytes:
        digests = digests_of(fd, size_bytes, upload.part_size_bytes)
    if digests.count != -(-size_bytes // upload.part_size_bytes):
        raise _changed(key)  # it has grown or shrunk since they were taken
    upload.take_file(fd, size_bytes, digests)
    return digests


def _take_copy(upload: ObjectUpload, fd: int, size_bytes: int) -> None:
    """Read a file of one part; one that has become shorter is noticed when the upload is to be finished."""
    offset = 0
    while offset < size_bytes:
        size = upload.fill(lambda space: _read(fd, space, offset))  # noqa: B023 - called at once
        if size == 0:
            return
        offset += size


def _read(fd: int, space: memoryview, offset: int) -> int:
    try:
        return os.preadv(fd, [space], offset)
    except OSError as error:
        raise transient("source.unreadable", f"reading stopped at byte {offset}: {error.strerror}") from error


def _changed(key: str) -> DeliveryError:
    return transient(SOURCE_CHANGED, f"the file changed while it was delivered as {key!r}", "it is taken again")
