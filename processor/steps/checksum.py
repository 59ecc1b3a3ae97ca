"""Read a file once: its SHA-256, and what kind of file it is."""

import hashlib
import os
from dataclasses import replace
from typing import BinaryIO

from processor.domain.errors import SOURCE_CHANGED, DeliveryError, ErrorClass, Failure
from processor.domain.files import ArchiveKind, FileMetadata, proposed_kind
from processor.steps.detection import HEAD_BYTES, detect
from processor.streams.source import FileSource, open_file

_BUFFER_BYTES = 1 << 20
# A zip's end record lies in the last 22 bytes plus a comment of at most 65,535 (PKWARE APPNOTE 4.3.16).
_ZIP_END_REACH = 22 + 65_535
_ZIP_END = b"PK\x05\x06"


def examine(root: bytes, file: FileMetadata) -> FileMetadata:
    """Return `file` with its checksum and kind, as its content is now.

    Raises DeliveryError: what `open_file` raises, and `source.changed` when the file is not the one that was found or
    changes while it is read.
    """
    with open_file(root, file.relative_path) as source:
        before = _identity(source)
        if before[:2] != (file.size_bytes, file.modified_ns):
            raise changed(file.relative_path)
        with source.open() as reader:
            head = reader.read(HEAD_BYTES)
            digest = hashlib.sha256(head)
            _feed(reader, digest, max(1, min(_BUFFER_BYTES, source.size_bytes)))
        if _identity(source) != before:
            raise changed(file.relative_path)
        kind = detect(_name(file), head, has_zip_directory=_ends_in_zip(source, file))
    return replace(file, checksum=digest.hexdigest(), kind=kind)


def changed(relative_path: bytes) -> DeliveryError:
    """Return the error for a file that is no longer what was found: it will be found again."""
    shown = os.fsdecode(relative_path)
    text = f"{shown!r} changed while it was being delivered"
    return DeliveryError(Failure(ErrorClass.TRANSIENT, SOURCE_CHANGED, text, "it is taken again when it is whole"))


def _identity(source: FileSource) -> tuple[int, int, int, int]:
    status = os.fstat(source.path_fd)
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev


def _feed(reader: BinaryIO, digest: "hashlib._Hash", buffer_bytes: int) -> None:
    buffer = bytearray(buffer_bytes)  # a large one costs a small file more than its reading
    view = memoryview(buffer)
    while count := reader.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(view[:count])


def _ends_in_zip(source: FileSource, file: FileMetadata) -> bool:
    if proposed_kind(_name(file)).archive is not ArchiveKind.ZIP:
        return False
    start = max(0, source.size_bytes - _ZIP_END_REACH)
    return _ZIP_END in os.pread(source.path_fd, _ZIP_END_REACH, start)


def _name(file: FileMetadata) -> bytes:
    return file.relative_path.rpartition(b"/")[2]
