"""Hash a file and detect its type, in one reading."""

import os
from dataclasses import dataclass, replace

from processor.delivery.digests import digests_of, sha256_of
from processor.domain.changed import changed
from processor.domain.detection import HEAD_BYTES, detect
from processor.domain.errors import transient
from processor.domain.files import ArchiveKind, FileMetadata, FileType, proposed_kind
from processor.domain.identity import Identity, is_still
from processor.domain.uploads import FileDigests, part_size_for
from processor.streams.source import FileSource, open_file

# A zip's end record lies in the last 22 bytes plus a comment of at most 65,535 (PKWARE APPNOTE 4.3.16).
_ZIP_END_REACH = 22 + 65_535
_ZIP_END = b"PK\x05\x06"


@dataclass(frozen=True, slots=True)
class Examined:
    """A file with checksum and kind; `digests` only of one that is going to be sent as it is, in several parts."""

    file: FileMetadata
    digests: FileDigests | None = None


def examine(root: bytes, file: FileMetadata) -> FileMetadata:
    """Return `file` with its checksum and kind, as its content is now.

    Raises DeliveryError: what `open_file` raises, `source.unreadable`, and `source.changed` when the file is not the
    one that was found or changes while it is read.
    """
    return examine_in_parts(root, file, file.size_bytes).file


def examine_in_parts(root: bytes, file: FileMetadata, part_size_bytes: int) -> Examined:
    """Do as `examine`; a regular file of more than one part is digested part by part in the same reading."""
    with open_file(root, file.relative_path) as source:
        before = os.fstat(source.path_fd)
        if not file.is_still(before):
            raise changed(file.relative_path)
        head = _read(source, HEAD_BYTES, 0)
        kind = detect(file.name, head, has_zip_directory=_ends_in_zip(source, file), feed=file.feed)
        part_size = part_size_for(file.size_bytes, part_size_bytes)
        digests = None
        if kind.type is FileType.REGULAR and file.size_bytes > part_size:
            digests = digests_of(source.path_fd, file.size_bytes, part_size)
        checksum = sha256_of(source.path_fd, file.size_bytes) if digests is None else digests.sha256
        if not is_still(before.st_size, before.st_mtime_ns, Identity.of(before), os.fstat(source.path_fd)):
            raise changed(file.relative_path)
    return Examined(replace(file, checksum=checksum, kind=kind), digests)


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
