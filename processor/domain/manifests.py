"""Contents of a manifest: a source and its objects."""

from dataclasses import dataclass
from datetime import datetime

from processor.domain.conversion import Facts
from processor.domain.feeds import FeedMark
from processor.domain.files import FileType
from processor.domain.timeline import NO_TIMELINE, Timeline
from processor.domain.uploads import StoredObject


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """The delivered file. `source_path` is relative to the watched directory, the kernel's bytes."""

    source_path: bytes
    sha256: str
    size_bytes: int
    modified_ns: int
    type: FileType
    delivered_at: datetime
    feed: FeedMark | None = None
    timeline: Timeline = NO_TIMELINE


@dataclass(frozen=True, slots=True)
class ManifestColumn:
    """A column of a Parquet object, with its DuckDB type and the reason for it."""

    name: str
    type: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """One object the file was delivered as.

    `member` is the name in the archive, None when the object is the file itself. `rows` and `columns` are those of a
    Parquet object, None and empty for all others; `facts` are the conversion's decisions. `feed` is a member's.
    """

    stored: StoredObject
    member: bytes | None = None
    rows: int | None = None
    rejected_rows: int = 0
    columns: tuple[ManifestColumn, ...] = ()
    facts: Facts = ()
    notes: int = 0
    feed: FeedMark | None = None


@dataclass(frozen=True, slots=True)
class Omission:
    """A member of the archive that is no object, and why (a link, a device, refused)."""

    member: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """The key of an object of the file's former delivery that this one has not: nobody should read it any more."""

    key: str


Entry = ManifestObject | Omission | Superseded


@dataclass(frozen=True, slots=True)
class ManifestCounts:
    """The manifest's last line: without it the manifest is not whole."""

    objects: int
    omissions: int
    bytes: int
