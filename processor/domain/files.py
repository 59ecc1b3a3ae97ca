"""Files, their metadata, and the types their names propose."""

import os
from dataclasses import dataclass, replace
from enum import StrEnum

from processor.domain.conversion import ConversionOptions, DataFormat, Facts
from processor.domain.feeds import NO_FEEDS, Feed, Feeds
from processor.domain.identity import Identity, is_still
from processor.domain.keys import escape


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


def expected_kind(name: bytes, feed: Feed | None) -> Kind:
    """Return what name and feed propose before the content is known: an archive's name counts more than a format."""
    proposed = proposed_kind(name)
    declared = declared_format(name, feed)
    return proposed if declared is None or proposed.type is FileType.ARCHIVE else Kind(FileType.DATABASE, data=declared)


def declared_format(name: bytes, feed: Feed | None) -> DataFormat | None:
    """Return the format that a feed declares for a file; with columns, the one its name proposes counts as declared."""
    if feed is None:
        return None
    return feed.format or (proposed_kind(name).data if feed.declaration.columns is not None else None)


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """One file as it was seen last: at most 500 bytes of memory.

    `path` is absolute, `relative_path` is relative to the watched directory; both are the kernel's bytes. Times are
    nanoseconds since the epoch. `checksum` is the SHA-256 in hex, None until it had to be known; `identity` is None
    where nobody compares it. `feed` is the one it is in and `feeds`, of an archive, are those that its members may be
    in: as they were when it was admitted.
    """

    path: bytes
    relative_path: bytes
    size_bytes: int
    modified_ns: int
    detected_ns: int
    kind: Kind = REGULAR
    checksum: str | None = None
    identity: Identity | None = None
    feed: Feed | None = None
    feeds: Feeds = NO_FEEDS

    def is_still(self, status: os.stat_result) -> bool:
        """Tell whether a status is of this very file, unchanged."""
        return is_still(self.size_bytes, self.modified_ns, self.identity, status)

    def among(self, feeds: Feeds, path: bytes | None = None) -> "FileMetadata":
        """Return the file with those of `feeds` that concern it, and the kind that its name and feed propose.

        `path` is what their patterns are about, where it is not the relative path.
        """
        path = self.relative_path if path is None else path
        feed, proposed = feeds.of(path), proposed_kind(path)
        below = feeds.below(path) if proposed.type is FileType.ARCHIVE else feeds.none
        return replace(self, kind=expected_kind(path, feed), feed=feed, feeds=below)

    @property
    def facts(self) -> Facts:
        """Return what every Parquet made of the file says of it. Members' feeds are told where members are read."""
        facts: Facts = (("source-sha256", self.checksum or ""), ("source-path", escape(self.relative_path)))
        return facts if self.feed is None or self.kind.type is FileType.ARCHIVE else (*facts, *self.feed.facts)

    def feed_of_member(self, member: bytes) -> Feed | None:
        """Return the feed of a member of the archive; of "" the file's own."""
        return self.feeds.of(self.relative_path + b"/" + member) if member else self.feed

    def reading(self, options: ConversionOptions) -> ConversionOptions:
        """Return the options with what the file's feed declares."""
        return options if self.feed is None else replace(options, declaration=self.feed.declaration)

    @property
    def name(self) -> bytes:
        """Return the file's name without its directories."""
        return self.relative_path.rpartition(b"/")[2]

    @property
    def extension(self) -> str:
        """Return the last suffix of the name, lower case, with its dot; "" when there is none."""
        stem, dot, last = self.name.rpartition(b".")
        return f".{last.decode('utf-8', 'replace').lower()}" if dot and stem else ""
