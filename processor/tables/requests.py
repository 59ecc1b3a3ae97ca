"""Requests to the catalog's process, and its answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor.domain.errors import Failure
from processor.domain.tables import Batch


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """Commit this batch, whose objects the ledger names; answered by a Registration."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class DescribeTable:
    """Tell about a table: its snapshots; answered by a TableDescription, or None where there is no such table."""

    name: str


@dataclass(frozen=True, slots=True)
class ListDataFiles:
    """Tell what the table consists of; answered by many TableFiles, then None. `ever`: in any of its snapshots."""

    name: str
    ever: bool = False


CatalogRequest = CommitBatch | DescribeTable | ListDataFiles


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """One snapshot of a table: `files` and `rows` are all it has."""

    id: int
    at_ms: int
    operation: str
    files: int
    rows: int


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table as the catalog has it."""

    location: str
    metadata: str
    snapshots: tuple[SnapshotFacts, ...]
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A data file of the table; `location` is how the table names it.

    `sources` are the SHA-256 of sources, by escaped path, that the snapshot names which added it; None when that is
    gone, or was not ours. `all_sources`: it names each of them.
    """

    location: str
    size_bytes: int
    rows: int
    sources: Mapping[str, str] | None = None
    all_sources: bool = False


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """What became of a request: `value`, or the `failure`. `more`: another answer to the same request follows."""

    value: Any = None
    failure: Failure | None = None
    more: bool = False
