"""Values about tables and their data files."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from processor.domain.feeds import FeedTable

_FIELD = re.compile(r"(?:(?P<transform>[a-z]+)\()?(?P<column>[^()]+?)(?P<close>\))?")
_TRANSFORMS = ("year", "month", "day", "hour")


@dataclass(frozen=True, slots=True)
class TableObject:
    """A Parquet object that is to be a data file of a table; `sha256` is that of its bytes, in hex."""

    table: FeedTable
    key: str
    sha256: str
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes of one table that are committed together; the ledger holds which.

    `id` is another for every batch, and stands in the table once it is committed. `row` is the table's in the ledger.
    """

    id: str
    row: int
    table: FeedTable
    writer: str  # this ledger, among all that write to the table


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One object of a batch: to be added to the table, or to be removed.

    `row` is its row in the ledger. `source_path` is escaped; `source_sha256` is the digest of the whole source.
    """

    row: int
    file_row: int
    key: str
    size_bytes: int
    rows: int
    source_path: str
    source_sha256: str
    remove: bool
    doubtful: bool = False  # the table may have it already


@dataclass(frozen=True, slots=True)
class Registration:
    """What became of a batch.

    `snapshot` is None when nothing of it was to be committed. `refused` tells, by row, why an object is no data file;
    `again` are rows of which nothing became: they go with the next batch.
    """

    snapshot: int | None
    refused: Mapping[int, str]
    again: frozenset[int] = frozenset()
    added_rows: int = 0
    conflicts: int = 0


def path_in_summary(source_path: str) -> str:
    """Return an escaped path as snapshots name it: on one line."""
    return source_path.replace("\n", "%0A")


@dataclass(frozen=True, slots=True)
class PartitionColumn:
    """A column that divides a table, by its value or by the `year`, `month`, `day` or `hour` of it."""

    column: str
    transform: str = "identity"

    @property
    def name(self) -> str:
        """Return the field's name in the table: never that of a column, but for the column itself."""
        return self.column if self.transform == "identity" else f"{self.column}_{self.transform}"


def partition_fields(texts: Iterable[str]) -> tuple[PartitionColumn, ...]:
    """Return the fields that such as `region` and `day(booked)` name. Raises ValueError."""
    fields = tuple(map(_field, texts))
    names = [field.name for field in fields]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice!r} stands there twice")
    return fields


def _field(text: str) -> PartitionColumn:
    match = _FIELD.fullmatch(text.strip())
    if match is None or bool(match["transform"]) is not bool(match["close"]):
        raise ValueError(f"{text!r} is a column, or such as day(booked)")
    if match["transform"] is None:
        return PartitionColumn(match["column"])
    if match["transform"] not in _TRANSFORMS:
        raise ValueError(f"{text!r}: a column is divided by its value, or by {', '.join(_TRANSFORMS)} of it")
    return PartitionColumn(match["column"], match["transform"])
