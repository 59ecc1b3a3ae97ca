"""The feeds as their page shows them."""

from collections.abc import Iterable
from dataclasses import dataclass

from processor.commands.ledger import drift_since_start
from processor.config.environment import ConfigurationError
from processor.config.settings import Settings
from processor.domain.declarations import ColumnDeclaration
from processor.domain.feeds import Feed
from processor.domain.jobs import Status
from processor.feeds.load import load_feeds
from processor.ledger.reader import FeedStanding, standing_of_feeds

Drifts = tuple[tuple[str, str, int], ...]
"""Kind, column and how often."""


@dataclass(frozen=True, slots=True)
class ShownFeed:
    """One feed: what it declares and what became of its files."""

    name: str
    match: tuple[str, ...]
    format: str
    key: str
    digest: str
    table: str
    columns: tuple[ColumnDeclaration, ...]
    delivered: int
    outdated: int
    refused: int
    latest_ms: int | None
    drift: Drifts


def shown_feeds(settings: Settings) -> tuple[tuple[ShownFeed, ...], str]:
    """Return the feeds in their order, and what is wrong with their file. Raises FileNotFoundError without a ledger."""
    standings = standing_of_feeds(settings.progress_db_path)
    try:
        feeds = load_feeds(settings).feeds
    except ConfigurationError as error:
        return (), str(error)
    drift = drift_since_start(settings)
    return tuple(_shown(feed, standings, drift) for feed in feeds), ""


def _shown(feed: Feed, standings: Iterable[FeedStanding], drift: Iterable[tuple[str, str, str, int]]) -> ShownFeed:
    own = [standing for standing in standings if standing.mark.name == feed.name]
    delivered = [standing for standing in own if standing.status == Status.COMPLETED]
    columns = feed.declaration.columns
    return ShownFeed(
        name=feed.name,
        match=tuple(pattern.text for pattern in feed.match),
        format=feed.format or "",
        key=feed.delivery.prefix + (feed.delivery.key or "{path}"),
        digest=feed.declaration.digest,
        table="" if feed.table is None else feed.table.name,
        columns=() if columns is None else columns.columns,
        delivered=sum(standing.files for standing in delivered),
        outdated=sum(standing.files for standing in delivered if standing.mark != feed.mark),
        refused=sum(standing.files for standing in own if standing.status == Status.FAILED),
        latest_ms=max((standing.latest_ms for standing in own), default=None),
        drift=tuple((kind, column, count) for name, kind, column, count in drift if name == feed.name and count),
    )
