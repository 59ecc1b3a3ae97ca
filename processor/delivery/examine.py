"""Hash a file and detect its type, in one reading."""

import os
from dataclasses import dataclass, replace

from processor.delivery.digests import Stopping, digests_of, never, sha256_of
from processor.domain.detection import HEAD_BYTES, detect
from processor.domain.errors import changed, refused, still_open, transient
from processor.domain.files import ArchiveKind, FileMetadata, FileType, proposed_kind
from processor.domain.identity import Identity, is_still
from processor.domain.uploads import LARGEST_OBJECT_BYTES, FileDigests, part_size_for
from processor.streams.source import FileSource, open_file
from processor.trees.open_writers import is_open_for_writing

# A zip's end record lies in the last 22 bytes plus a comment of at most 65,535 (PKWARE APPNOTE 4.3.16).
_ZIP_END_REACH = 22 + 65_535
_ZIP_END = b"PK\x05\x06"


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A file with checksum and kind; `digests` only of one that is going to be sent as it is, in several parts."""

    file: FileMetadata
    digests: FileDigests | None = None


def examine(root: bytes, file: FileMetadata) -> FileMetadata:
    """Return `file` with its checksum and kind, as its content is now.

    Raises DeliveryError: what `open_file` raises, `source.unreadable`, and `source.changed` when the file is not the
    one that was found or changes while it is read.
    """
    with open_file(root, file.relative_path) as source:
        return _examined(source, file, file.size_bytes, never).file


def examine_for_upload(
    root: bytes, file: FileMetadata, part_size_bytes: int, stopping: Stopping = never
) -> ExaminedFile:
    """Do as `examine` for a file that is to be delivered.

    A regular file of more than one part is digested part by part in the same reading. Raises also DeliveryError
    `source.open` while somebody has the file open for writing, `store.too-large`, and HashingStopped.
    """
    with open_file(root, file.relative_path) as source:
        # First: what is written after this look shows in what the status says.
        if is_open_for_writing(source.path_fd):
            raise still_open(file.relative_path)
        return _examined(source, file, part_size_bytes, stopping)


def _examined(source: FileSource, file: FileMetadata, part_size_bytes: int, stopping: Stopping) -> ExaminedFile:
    before = os.fstat(source.path_fd)
    if not file.is_still(before):
        raise changed(file.relative_path)
    head = _read(source, HEAD_BYTES, 0)
    kind = detect(file.name, head, has_zip_directory=_ends_in_zip(source, file), feed=file.feed)
    digests = None
    if kind.type is FileType.REGULAR:
        _see_that_it_fits(source)
        part_size = part_size_for(file.size_bytes, part_size_bytes)
        if file.size_bytes > part_size:
            digests = digests_of(source.path_fd, file.size_bytes, part_size, stopping)
    checksum = sha256_of(source.path_fd, file.size_bytes, stopping) if digests is None else digests.sha256
    if not is_still(before.st_size, before.st_mtime_ns, Identity.of(before), os.fstat(source.path_fd)):
        raise changed(file.relative_path)
    return ExaminedFile(replace(file, checksum=checksum, kind=kind), digests)


def _see_that_it_fits(source: FileSource) -> None:
    """Refuse what no store takes before hours are spent on reading it."""
    if source.size_bytes > LARGEST_OBJECT_BYTES:
        text = f"{source.name!r} has {source.size_bytes} bytes; an object has at most {LARGEST_OBJECT_BYTES}"
        raise refused("store.too-large", text, "split the file")


def _read(source: FileSource, size_bytes: int, offset: int) -> bytes:
    try:
        return os.pread(source.path_fd, size_bytes, offset)
    except OSError as error:
        raise transient("source.unreadable", f"{source.name!r} could not be read: {error.strerror}") from error


def _ends_in_zip(source: FileSource, file: FileMetadata) -> bool:
    if proposed_kind(file.name).archive is not ArchiveKind.ZIP:
        return False
    start = max(0, source.size_bytes - _ZIP_END_REACH)
    return _ZIP_END in _read(source, _ZIP_END_REACH, start)
