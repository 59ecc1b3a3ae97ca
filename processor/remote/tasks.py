"""Small values that travel to a cluster worker and back.

A worker fills multipart uploads and completes none. Its receipt names them with the digests of their parts, and only
the daemon, which knows the attempt that counts, completes them. So whatever a worker does that was given up, cut off or
is run twice, no object comes to be by it, and none is overwritten.
"""

from dataclasses import dataclass, field, replace

from processor.delivery.object_stream import BadMembers
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import ConversionOptions, Facts
from processor.domain.errors import Failure
from processor.domain.files import FileMetadata
from processor.domain.keys import STAGING
from processor.domain.uploads import FileDigests, Part, Protection
from processor.streams.frames import Begin, End, Skipped

# A receipt names at most about so many objects and columns, whatever the archive; the rest is another unit.
MOST_OBJECTS = 500
MOST_COLUMNS = 50_000


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with a file: convert it, take members out of it, or (no options) send it as it is.

    `stored` and `members` as in an ExtractRequest; `digests` are those of a file that is sent as it is.
    """

    options: ConversionOptions | ExtractionOptions | None = None
    metadata: Facts = ()
    stored: tuple[tuple[int, int], ...] = ()
    members: range | None = None
    digests: FileDigests | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where objects go and how the store protects them; the worker adds its own way there, and credentials."""

    bucket: str
    prefix: str
    protection: Protection
    etag_is_md5: bool
    part_size_bytes: int
    storage_class: str | None = None
    encrypt: bool = False
    kms_key_id: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """One source, or a range of members of one archive, for one attempt.

    The file lies below `root` on the worker's host; where `root` is None, in the store as `staging_key` says.
    """

    file: FileMetadata
    attempt: int
    root: bytes | None
    target: Target
    work: Work


@dataclass(frozen=True, slots=True)
class Filled:
    """An object of which every byte is in the store as parts of an open upload; "" when it has no bytes at all."""

    begin: Begin
    end: End
    upload_id: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class UnitReceipt:
    """What became of a unit: objects to complete, and what is no object.

    `failure`: the source as a whole went no further. `more`: the members `done` are dealt with, others are left.
    """

    attempt: int
    filled: tuple[Filled, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    bad: BadMembers = field(default_factory=BadMembers)
    failure: Failure | None = None
    more: bool = False
    done: tuple[tuple[int, int], ...] = ()


def staging_key(sha256: str) -> str:
    """Return the key of the raw bytes that workers without a shared path read."""
    return f"{STAGING}/{sha256}"


def continued(work: Work, receipt: UnitReceipt) -> Work:
    """Return what is left of a work when its receipt tells of `more`."""
    return replace(work, stored=(*work.stored, *receipt.done))


def as_ranges(indexes: set[int]) -> tuple[tuple[int, int], ...]:
    """Return the indexes as ranges `(first, past_last)`."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(indexes):
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return tuple(ranges)
