"""Files, their metadata, and the types their names propose."""

import os
from dataclasses import dataclass
from enum import StrEnum

from processor.domain.conversion import DataFormat
from processor.domain.identity import Identity, is_still


class FileType(StrEnum):
    """The three ways through the system."""

    ARCHIVE = "archive"
    DATABASE = "database"
    REGULAR = "regular"


class ArchiveKind(StrEnum):
    """Containers and compressions that are opened; the value is the canonical suffix without its first dot."""

    ZIP = "zip"
    TAR = "tar"
    GZ = "gz"
    BZ2 = "bz2"
    XZ = "xz"
    ZST = "zst"
    TAR_GZ = "tar.gz"
    TAR_BZ2 = "tar.bz2"
    TAR_XZ = "tar.xz"
    TAR_ZST = "tar.zst"


class AfterUpload(StrEnum):
    """What becomes of a file once it is delivered."""

    KEEP = "keep"
    DELETE = "delete"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Kind:
    """A file's type and, within it, which archive or which data format.

    `mismatch` tells why the content did not confirm what the name proposed ("" when it did): such a file is regular
    and delivered as it is.
    """

    type: FileType
    archive: ArchiveKind | None = None
    data: DataFormat | None = None
    mismatch: str = ""


REGULAR = Kind(FileType.REGULAR)

_ARCHIVES = {f".{kind.value}": kind for kind in ArchiveKind} | {
    ".tgz": ArchiveKind.TAR_GZ,
    ".tbz2": ArchiveKind.TAR_BZ2,
    ".txz": ArchiveKind.TAR_XZ,
    ".tzst": ArchiveKind.TAR_ZST,
}
_DATA = {f".{data.value}": data for data in DataFormat} | {".ndjson": DataFormat.JSONL}
_KINDS = [
    *(
        (suffix, Kind(FileType.ARCHIVE, archive=_ARCHIVES[suffix]))
        for suffix in sorted(_ARCHIVES, key=len, reverse=True)
    ),
    *((suffix, Kind(FileType.DATABASE, data=data)) for suffix, data in _DATA.items()),
]
_SUFFIXES = tuple(suffix for suffix, _kind in _KINDS)


def suffixes_of(archive: ArchiveKind) -> tuple[str, ...]:
    """Return the ends of names that propose the archive, each with its dot."""
    return tuple(suffix for suffix, kind in _ARCHIVES.items() if kind is archive)


def proposed_kind(name: bytes) -> Kind:
    """Return what the file's name proposes, whatever its case; the longest suffix decides (`.tar.gz` before `.gz`)."""
    lower = name.lower().decode("utf-8", "replace")
    if lower.endswith(_SUFFIXES):
        for suffix, kind in _KINDS:
            if lower.endswith(suffix) and len(lower) > len(suffix):
                return kind
    return REGULAR


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """One file as it was seen last: at most 500 bytes of memory.

    `path` is absolute, `relative_path` is relative to the watched directory; both are the kernel's bytes. Times are
    nanoseconds since the epoch. `checksum` is the SHA-256 in hex, None until it had to be known; `identity` is None
    where nobody compares it.
    """

    path: bytes
    relative_path: bytes
    size_bytes: int
    modified_ns: int
    detected_ns: int
    kind: Kind = REGULAR
    checksum: str | None = None
    identity: Identity | None = None

    def is_still(self, status: os.stat_result) -> bool:
        """Tell whether a status is of this very file, unchanged."""
        return is_still(self.size_bytes, self.modified_ns, self.identity, status)

    @property
    def name(self) -> bytes:
        """Return the file's name without its directories."""
        return self.relative_path.rpartition(b"/")[2]

    @property
    def extension(self) -> str:
        """Return the last suffix of the name, lower case, with its dot; "" when there is none."""
        stem, dot, last = self.name.rpartition(b".")
        return f".{last.decode('utf-8', 'replace').lower()}" if dot and stem else ""
