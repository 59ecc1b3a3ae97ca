"""Table commands: `tables`, `verify --tables`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated

from processor.commands.ledger import asked, ledger_alone, now_ms
from processor.config.settings import Settings
from processor.daemon.control_socket import NotRunningError, ask, request
from processor.daemon.factories import catalog_process, open_store
from processor.delivery.key_set import KeySet
from processor.domain.feeds import Feeds
from processor.domain.files import FileType
from processor.domain.keys import escape
from processor.domain.manifests import ManifestHead, ManifestObject
from processor.domain.status import Order
from processor.domain.tables import path_in_summary
from processor.feeds.load import load_feeds
from processor.ledger.reader import refused_of_tables, states_in_table
from processor.ledger.summary import TableStanding, standing_of_tables
from processor.ledger.writer import Ledger
from processor.store.manifests import list_manifests, read_manifest
from processor.store.s3 import S3Store
from processor.tables.catalog_process import CatalogProcess
from processor.tables.requests import DescribeTable, ListDataFiles, TableDescription, TableFile
from processor.tables.settings import catalog_settings

MOST_REFUSED = 20


@dataclass(frozen=True, slots=True)
class TablesReport:
    """How the tables stand; of one table its `location`, `metadata`, `columns` and `snapshots`."""

    tables: Annotated[
        tuple[TableStanding, ...],
        "`name`, `files`, `rows`, `waiting`, `waiting_since_ms`, `refused`, `commits`, `snapshot`, `committed_ms`",
    ]
    refused: Annotated[tuple[tuple[str, str, str], ...], "table, key, reason"]
    problem: Annotated[str, "why the catalog does not answer a running daemon; empty: it does"]


@dataclass(frozen=True, slots=True)
class WaitingAgain:
    """Refused objects that wait for their table again."""

    waiting: int


def report(settings: Settings) -> TablesReport:
    """Return how the tables stand, by the ledger. Raises FileNotFoundError when there is none."""
    path = settings.progress_db_path
    tables = standing_of_tables(path)
    refused = refused_of_tables(path, MOST_REFUSED) if any(table.refused for table in tables) else ()
    return TablesReport(tables, refused, asked(settings, Order.CATALOG) or "")


def described(settings: Settings, name: str) -> TableDescription | None:
    """Return what the catalog says of a table; None where it knows none. Raises DeliveryError `catalog.*`."""
    with ExitStack() as parts:
        reached, _store = parts.enter_context(open_store(settings))
        catalog = catalog_process(reached)
        if catalog is None:
            return None
        parts.callback(catalog.stop)
        found = catalog.ask(DescribeTable(name))
        assert found is None or isinstance(found, TableDescription)
        return found


def retry_tables(settings: Settings, name: str | None) -> int:
    """Have refused objects wait for their table again; return how many."""
    try:
        return int(ask(settings.control_socket_path, request(Order.TABLES, table=name)))
    except NotRunningError:
        with ledger_alone(settings) as ledger:
            return ledger.retry_tables(name, now_ms())


@dataclass(frozen=True, slots=True)
class TableFinding:
    """One object of a table: `finding` is ok, waiting, refused, missing (in the table), stray or different."""

    table: str
    key: str
    finding: str
    detail: str = ""


def kept_by_tables(settings: Settings) -> Callable[[str], str]:
    """Return who tells why an object has to stay because of a table: a snapshot may be read as it was then.

    `settings` lead to a running store. Raises DeliveryError `catalog.*`, since without an answer nobody knows.
    """
    kept: dict[str, KeySet] = {}
    catalog = catalog_process(settings)
    if catalog is None:
        return lambda _key: ""
    try:
        names = {feed.table.name for feed in load_feeds(settings).feeds if feed.table is not None}
        if settings.progress_db_path.exists():
            names |= {table.name for table in standing_of_tables(settings.progress_db_path, counted=False)}
        for name in names:
            kept[name] = KeySet()
            for some in catalog.ask_many(ListDataFiles(name, ever=True)):
                for key in filter(None, (catalog_settings(settings).key(each.location) for each in some)):
                    kept[name].add(key)
    finally:
        catalog.stop()
    return lambda key: next((f"a snapshot of table {name} has it" for name in kept if key in kept[name]), "")


def register_again(settings: Settings, ledger: Ledger) -> int:
    """Have objects wait for their tables that these had and have no more; return how many.

    Somebody dropped the table, or the catalog was lost. `settings` lead to a running store. Raises DeliveryError
    `catalog.*`.
    """
    known = {
        each.name: states_in_table(settings.progress_db_path, each.name)
        for each in standing_of_tables(settings.progress_db_path, counted=False)
    }
    catalog = catalog_process(settings) if any(known.values()) else None
    if catalog is None:
        return 0
    key_of, count = catalog_settings(settings).key, 0
    try:
        for name, states in known.items():
            there = {key_of(each.location) for some in catalog.ask_many(ListDataFiles(name)) for each in some}
            lost = (key for key, (state, _) in states.items() if state == "committed" and key not in there)
            count += sum(ledger.lost_by_table(name, key, now_ms()) for key in lost)
        ledger.commit()
    finally:
        catalog.stop()
    return count


@dataclass(slots=True)
class TablesVerification:
    """Tables beside manifests; what differs comes first, as it is found."""

    differing: Iterator[TableFinding]
    counts: dict[str, int] = field(default_factory=dict)


def verify_tables(settings: Settings) -> TablesVerification:
    """Compare tables with manifests: both have to name the same objects, with the same sizes and rows.

    The SHA-256 of a source has to be the one that its snapshot names, that of an object the ledger's. The ledger also
    tells whether an object only waits. Iterating raises DeliveryError when store or catalog fail.
    """

    def differing() -> Iterator[TableFinding]:
        for each in _findings(settings):
            result.counts[each.finding] = result.counts.get(each.finding, 0) + 1
            if each.finding != "ok":
                yield each

    result = TablesVerification(differing())
    return result


def _findings(settings: Settings) -> Iterator[TableFinding]:
    with ExitStack() as parts:
        reached, store = parts.enter_context(open_store(settings))
        catalog = catalog_process(reached)
        if catalog is None:
            return
        parts.callback(catalog.stop)
        feeds = load_feeds(reached)
        for name in sorted({feed.table.name for feed in feeds.feeds if feed.table is not None}):
            yield from _verified(reached, store, catalog, feeds, name)


def _verified(
    settings: Settings, store: S3Store, catalog: CatalogProcess, feeds: Feeds, name: str
) -> Iterator[TableFinding]:
    key_of = catalog_settings(settings).key
    there: dict[str, TableFile] = {}
    twice: set[str] = set()
    for some in catalog.ask_many(ListDataFiles(name)):
        for each in some:
            key = key_of(each.location) or each.location
            if there.setdefault(key, each) is not each:
                twice.add(key)
    known = states_in_table(settings.progress_db_path, name) if settings.progress_db_path.exists() else {}
    for head, entry in _delivered(store, feeds, name):
        key = entry.stored.key
        found = there.pop(key, None)
        state, digest = known.get(key, ("", entry.stored.sha256))
        if found is None:
            finding = state if state in ("waiting", "refused") else "missing"
            yield TableFinding(name, key, finding, "a manifest names it, the table does not")
        elif key in twice:  # as a commit does that is repeated without asking
            yield TableFinding(name, key, "different", "the table names it more than once: so its rows count")
        elif difference := _difference(found, head, entry, digest):
            yield TableFinding(name, key, "different", difference)
        else:
            yield TableFinding(name, key, "ok")
    for key in there:
        yield TableFinding(name, key, "stray", "the table names it, no manifest does")


def _difference(found: TableFile, head: ManifestHead, entry: ManifestObject, known_sha256: str) -> str:
    """Return how what the table, its snapshot or the ledger says differs from what was delivered; "" if not."""
    stored = entry.stored
    if (found.size_bytes, found.rows) != (stored.size_bytes, entry.rows):
        has = f"the table has {found.size_bytes} bytes and {found.rows} rows"
        return f"{has}, delivered were {stored.size_bytes} and {entry.rows}"
    if known_sha256 != stored.sha256:
        return f"the ledger registered an object of SHA-256 {known_sha256}, delivered was {stored.sha256}"
    if found.sources is None or head.type is FileType.ARCHIVE:  # a member may have come with an earlier archive
        return ""
    source = found.sources.get(path_in_summary(escape(head.source_path)), "" if found.all_sources else head.sha256)
    if source != head.sha256:
        return f"its snapshot names a source of SHA-256 {source or 'none'}, delivered was {head.sha256}"
    return ""


def _delivered(store: S3Store, feeds: Feeds, table: str) -> Iterator[tuple[ManifestHead, ManifestObject]]:
    """Yield the Parquet objects of complete deliveries that belong to the table."""
    names = {feed.name for feed in feeds.feeds if feed.table is not None and feed.table.name == table}
    for key in list_manifests(store):
        manifest = read_manifest(store, key)
        for entry in manifest.entries:
            if isinstance(entry, ManifestObject) and entry.rows is not None:
                mark = entry.feed or manifest.head.feed
                if mark is not None and mark.name in names:
                    yield manifest.head, entry
