"""Feeds: files that belong together, and where they match.

Patterns are those of gitignore, made regular expressions where the feeds are loaded (see processor.feeds.patterns), so
that a worker matches members without any library.
"""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from processor.domain.conversion import DataFormat, Facts
from processor.domain.declarations import Declaration


class AfterUpload(StrEnum):
    """What becomes of a file once it is delivered."""

    KEEP = "keep"
    DELETE = "delete"
    MOVE = "move"


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
class FeedMark:
    """A feed as it was when a file was read by it: its name, and the digest of its declaration."""

    name: str
    digest: str


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

    @property
    def mark(self) -> FeedMark:
        """Return what is recorded of files that are read by this declaration."""
        return FeedMark(self.name, self.declaration.digest)

    @property
    def facts(self) -> Facts:
        """Return what the Parquet says of the feed that it is of."""
        return (("feed", self.name), ("feed-digest", self.declaration.digest))

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

    def below(self, archive: bytes) -> "Feeds":
        """Return those that members of the archive at this path may be in."""
        text = archive.decode("utf-8", "surrogateescape")
        return replace(self, feeds=tuple(feed for feed in self.feeds if feed.may_match_below(text)))

    @property
    def none(self) -> "Feeds":
        """Return no feeds, but what holds outside of them."""
        return replace(self, feeds=()) if self.feeds else self

    def named(self, name: str) -> Feed | None:
        """Return the feed called so."""
        return next((feed for feed in self.feeds if feed.name == name), None)

    def delivery_of(self, path: bytes) -> FeedDelivery:
        """Return how the file at `path` is delivered."""
        feed = self.of(path)
        return self.outside if feed is None else feed.delivery


def feed_name(feed: Feed | None) -> str | None:
    """Return the feed's name; None of no feed."""
    return None if feed is None else feed.name


NO_FEEDS = Feeds()


@lru_cache(maxsize=4096)
def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex)
