"""`processor schema`: the columns of what was delivered, across files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from processor.config import Settings
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

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for --json."""
        return {
            "prefix": self.prefix,
            "files": self.files,
            "objects": self.objects,
            "rows": self.rows,
            "feeds": self.feeds,
            "columns": [
                {
                    "name": name,
                    "objects": column.objects,
                    "missing": self.objects - column.objects,
                    "types": [
                        {"type": type_, "objects": count, "first": key}
                        for type_, (count, key) in sorted(column.types.items())
                    ],
                    "read_as": column.joined.type,
                    "conflict": len(column.types) > 1,
                }
                for name, column in self.columns.items()
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield f"{self.prefix or 'everything'}: {self.files} files, {self.objects} tables, {self.rows} rows"
        for name, count in sorted(self.feeds.items()):
            yield f"  feed {name}: {count} tables"
        for name, column in self.columns.items():
            missing = self.objects - column.objects
            yield f"  {name}: {column.joined.type}, in {column.objects}" + (
                f", missing in {missing}" if missing else ""
            )
            if len(column.types) > 1:
                told = ", ".join(f"{kind} in {n} ({key})" for kind, (n, key) in sorted(column.types.items()))
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
