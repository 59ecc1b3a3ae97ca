"""Feeds: files that belong together, and where they match.

Patterns are those of gitignore, made regular expressions where the feeds are loaded (see processor.feeds.patterns), so
that a worker matches members without any library.
"""

import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache

from processor.domain.conversion import DataFormat
from processor.domain.declarations import Declaration
from processor.domain.files import AfterUpload, FileType, Kind, proposed_kind


@dataclass(frozen=True, slots=True)
class PathPattern:
    """One line of gitignore: as it was written, as a regular expression, and whether a match is in the feed."""

    text: str
    regex: str
    include: bool = True

    def matches(self, path: str) -> bool:
        """Tell whether the path below WATCH_PATH, or one of its directories, matches."""
        return _compiled(self.regex).match(path) is not None

    def may_match_below(self, directory: str) -> bool:
        """Tell whether a path below `directory` can match: only what surely can not is ruled out."""
        text = self.text.lstrip("!").rstrip("/")
        if "/" not in text:
            return True
        for wanted, given in zip(text.lstrip("/").split("/"), directory.split("/"), strict=False):
            if wanted == "**":
                return True
            if not fnmatchcase(given, wanted):
                return False
        return True


@dataclass(frozen=True, slots=True)
class FeedDelivery:
    """`[feed.delivery]`: "" and None mean: as the settings say."""

    key: str = ""
    prefix: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    storage_class: str = ""
    after_upload: AfterUpload | None = None
    keep_raw: bool = False


@dataclass(frozen=True, slots=True)
class FeedTable:
    """`[feed.table]`: the table that the feed's Parquet is part of."""

    name: str
    partition: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """All that is declared of one feed."""

    name: str
    match: tuple[PathPattern, ...]
    format: DataFormat | None = None
    declaration: Declaration = field(default_factory=lambda: Declaration("", ""))
    delivery: FeedDelivery = FeedDelivery()
    table: FeedTable | None = None

    def matches(self, path: str) -> bool:
        """Tell whether the path is in the feed: the last pattern that matches decides, as in gitignore."""
        return next((pattern.include for pattern in reversed(self.match) if pattern.matches(path)), False)

    def may_match_below(self, directory: str) -> bool:
        """Tell whether something below `directory`, an archive, may be in the feed."""
        return any(pattern.include and pattern.may_match_below(directory) for pattern in self.match)


@dataclass(frozen=True, slots=True)
class Feeds:
    """Feeds in their order: the first that matches a path is the path's. `outside` holds for paths of none."""

    feeds: tuple[Feed, ...] = ()
    outside: FeedDelivery = FeedDelivery()

    def of(self, path: bytes) -> Feed | None:
        """Return the feed of the file at `path`, relative to WATCH_PATH; a member's is `archive/member`."""
        if not self.feeds:
            return None
        text = path.decode("utf-8", "surrogateescape")
        return next((feed for feed in self.feeds if feed.matches(text)), None)

    def about(self, path: bytes) -> "Feeds":
        """Return those that concern the file at `path`: its own; of an archive also those its members may be in."""
        if not self.feeds:
            return self
        text = path.decode("utf-8", "surrogateescape")
        if proposed_kind(path).type is FileType.ARCHIVE:
            chosen = tuple(feed for feed in self.feeds if feed.may_match_below(text) or feed.matches(text))
        else:
            chosen = tuple(feed for feed in self.feeds if feed.matches(text))[:1]
        return replace(self, feeds=chosen)

    def named(self, name: str) -> Feed | None:
        """Return the feed called so."""
        return next((feed for feed in self.feeds if feed.name == name), None)

    def delivery_of(self, path: bytes) -> FeedDelivery:
        """Return how the file at `path` is delivered."""
        feed = self.of(path)
        return self.outside if feed is None else feed.delivery

    def declaration_of(self, path: bytes) -> Declaration | None:
        """Return how the file at `path` is to be read; None when nothing is declared."""
        feed = self.of(path)
        return None if feed is None else feed.declaration


NO_FEEDS = Feeds()


def declared_format(name: bytes, feed: Feed | None) -> DataFormat | None:
    """Return the format that a feed declares for a file; with columns, the one its name proposes counts as declared."""
    if feed is None:
        return None
    return feed.format or (proposed_kind(name).data if feed.declaration.columns is not None else None)


def expected_kind(name: bytes, feed: Feed | None) -> Kind:
    """Return what name and feed propose before the content is known: an archive's name counts more than a format."""
    proposed = proposed_kind(name)
    declared = declared_format(name, feed)
    return proposed if declared is None or proposed.type is FileType.ARCHIVE else Kind(FileType.DATABASE, data=declared)


@lru_cache(maxsize=4096)
def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex)
