"""`processor schema`: the columns of what was delivered, across files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from processor.config.settings import Settings
from processor.daemon.factories import open_store
from processor.domain.keys import escape
from processor.domain.manifests import ManifestObject
from processor.feeds.lattice import Joined, Witness
from processor.store.manifests import list_manifests, read_manifest
from processor.store.s3 import S3Store

_GLOB = re.compile(r"[*?\[]")


@dataclass(slots=True)
class DeliveredColumn:
    """One column over all objects that have it; `types` tells of each type how many, and the first object by key."""

    joined: Joined = field(default_factory=Joined)
    types: dict[str, tuple[int, str]] = field(default_factory=dict)
    objects: int = 0

    def add(self, type_: str, key: str) -> None:
        """Take one more object."""
        count, first = self.types.get(type_, (0, key))
        self.types[type_] = (count + 1, min(first, key))
        self.objects += 1
        self.joined.add(type_, Witness(key, ""))


@dataclass(slots=True)
class DeliveredSchema:
    """What a reader of the delivered tables meets. Grows with the columns, not with the files."""

    prefix: str
    files: int = 0
    objects: int = 0
    rows: int = 0
    feeds: dict[str, int] = field(default_factory=dict)
    columns: dict[str, DeliveredColumn] = field(default_factory=dict)

    def report(self) -> "SchemaReport":
        """Return what is to be told."""
        columns = tuple(self._reported(name, column) for name, column in self.columns.items())
        return SchemaReport(self.prefix, self.files, self.objects, self.rows, self.feeds, columns)

    def _reported(self, name: str, column: DeliveredColumn) -> "ReportedColumn":
        types = tuple(ReportedType(kind, count, key) for kind, (count, key) in sorted(column.types.items()))
        missing = self.objects - column.objects
        return ReportedColumn(name, column.objects, missing, types, column.joined.type, conflict=len(types) > 1)


@dataclass(frozen=True, slots=True)
class ReportedType:
    """One type that a column has, in how many objects, and the first of them by key."""

    type: str
    objects: int
    first: str


@dataclass(frozen=True, slots=True)
class ReportedColumn:
    """One column of delivered tables."""

    name: str
    objects: int
    missing: int
    types: tuple[ReportedType, ...]
    read_as: str
    conflict: bool


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """What a reader of the delivered tables meets."""

    prefix: Annotated[str, "of the files' paths; empty: everything"]
    files: Annotated[int, "delivered files that hold tables"]
    objects: Annotated[int, "their tables"]
    rows: int
    feeds: Annotated[dict[str, int], "tables by feed"]
    columns: Annotated[
        tuple[ReportedColumn, ...],
        "`name`, `objects` that have it, `missing` in so many, `types` (`type`, `objects`, `first`), `read_as`, "
        "`conflict`",
    ]

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield f"{self.prefix or 'everything'}: {self.files} files, {self.objects} tables, {self.rows} rows"
        for name, count in sorted(self.feeds.items()):
            yield f"  feed {name}: {count} tables"
        for column in self.columns:
            missing = f", missing in {column.missing}" if column.missing else ""
            yield f"  {column.name}: {column.read_as}, in {column.objects}{missing}"
            if column.conflict:
                told = ", ".join(f"{each.type} in {each.objects} ({each.first})" for each in column.types)
                yield f"    conflict: {told}: a reader that takes one file's type for all fails, or reads wrong values"


def delivered_schema(settings: Settings, prefix: str) -> DeliveredSchema:
    """Return the schema of complete deliveries of files whose paths begin with `prefix`. Raises DeliveryError."""
    schema = DeliveredSchema(prefix)
    with open_store(settings) as (_reached, store):
        for tables in _deliveries(store, prefix):
            schema.files += 1
            for entry, feed in tables:
                schema.objects += 1
                schema.rows += entry.rows or 0
                if feed:
                    schema.feeds[feed] = schema.feeds.get(feed, 0) + 1
                for column in entry.columns:
                    known = schema.columns.setdefault(column.name, DeliveredColumn())
                    known.add(column.type, entry.stored.key)
    return schema


def view(settings: Settings, prefix: str, name: str) -> Iterator[str]:
    """Yield the lines of a DuckDB view over exactly the tables of complete deliveries. Raises DeliveryError."""
    schema = delivered_schema(settings, prefix)
    yield f"CREATE OR REPLACE VIEW {_identifier(name)} AS SELECT"
    casts = ((_identifier(column), of.joined.type) for column, of in schema.columns.items())
    yield ",\n".join(f"  CAST({column} AS {type_}) AS {column}" for column, type_ in casts) or "  *"
    yield "FROM read_parquet(["
    with open_store(settings) as (_reached, store):
        for tables in _deliveries(store, prefix):
            for entry, _feed in tables:
                key = _GLOB.sub(lambda found: f"[{found[0]}]", store.full_key(entry.stored.key))
                yield "  '" + f"s3://{settings.s3_bucket}/{key}".replace("'", "''") + "',"
    yield "], union_by_name = true);"


def _deliveries(store: S3Store, prefix: str) -> Iterator[list[tuple[ManifestObject, str]]]:
    """Yield, by file, the tables of every delivery that is complete: those that a whole manifest names."""
    for key in list_manifests(store, escape(prefix.encode("utf-8", "surrogateescape"))):
        manifest = read_manifest(store, key)
        own = "" if manifest.head.feed is None else manifest.head.feed.name
        tables = [
            (entry, own if entry.feed is None else entry.feed.name)
            for entry in manifest.entries
            if isinstance(entry, ManifestObject) and entry.rows is not None
        ]
        if tables:
            yield tables


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
