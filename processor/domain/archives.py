"""Options and limits for opening archives."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from processor.domain.conversion import ConversionOptions
from processor.domain.feeds import NO_FEEDS, Feeds
from processor.domain.selection import NO_PATTERNS, MemberPatterns

MIB = 1 << 20
GIB = 1 << 30


class NestedArchives(StrEnum):
    """What becomes of an archive that is a member of an archive."""

    KEEP = "keep"  # delivered as it is
    EXTRACT = "extract"  # opened in turn, MAX_ARCHIVE_DEPTH levels deep


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may hold. Bytes are those that really come out, never those that a header declares.

    Each is a setting, named beside it, and the error of an archive that goes beyond names the setting too.
    """

    archive_bytes: int = 1024 * GIB  # MAX_ARCHIVE_BYTES: all members of one archive together
    member_bytes: int = 64 * GIB  # MAX_MEMBER_BYTES: one member
    members: int = 1_000_000  # MAX_ARCHIVE_MEMBERS: entries, directories and links included
    ratio: int = 1000  # MAX_ARCHIVE_RATIO: bytes out for one byte in; deflate can not do more than 1,032
    ratio_free_bytes: int = MIB  # what comes out before the ratio counts: a small one of equal lines passes
    depth: int = 3  # MAX_ARCHIVE_DEPTH: archives within archives; 1 opens none of them
    decoder_memory_bytes: int = 256 * MIB  # MAX_DECODER_MEMORY: window or dictionary that xz, lzma and zstd ask for
    overlapping_entries: bool = False  # ALLOW_OVERLAPPING_ENTRIES: several zip entries made of the same bytes


@dataclass(frozen=True, slots=True)
class ExtractionOptions:
    """All that may change what an extraction delivers. Small, frozen, picklable."""

    limits: ArchiveLimits = ArchiveLimits()
    nested: NestedArchives = NestedArchives.KEEP
    conversion: ConversionOptions = field(default_factory=ConversionOptions)
    feeds: Feeds = NO_FEEDS  # that members may be in, by `path`/member
    patterns: MemberPatterns = NO_PATTERNS  # of members that are left out, by `path`/member
    path: bytes = b""  # the archive's own, relative to the watched directory
    buffer_bytes: int = 32 * MIB  # a data member up to this size is held in memory; of a larger one, this much

    def of_archive(self, feeds: Feeds, path: bytes) -> "ExtractionOptions":
        """Return the options for the archive at `path`, relative to the watched directory."""
        return replace(self, feeds=feeds, path=path)
