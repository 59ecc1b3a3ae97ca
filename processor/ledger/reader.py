"""Questions to the ledger, over a read-only connection: they never hold up the one who writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from processor.domain.jobs import Status
from processor.ledger.database import connect_reader


@contextmanager
def recorded_objects(path: Path, row: int) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield, one by one, what was recorded of each object of a file, in the archive's order."""
    with closing(connect_reader(path)) as connection:
        query = "SELECT details FROM objects WHERE file_id=? ORDER BY member, content"
        yield (orjson.loads(details) for (details,) in connection.execute(query, (row,)))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection whose rows are read by column name, for the commands that show things."""
    with closing(connect_reader(path)) as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class Standing:
    """How many files have each status, when the one that waits longest was first seen, and the ledger's size."""

    counts: dict[str, int]
    oldest_waiting_ms: int | None
    size_bytes: int


def standing(path: Path) -> Standing:
    """Return the figures of a ledger: index look-ups only."""
    with reading(path) as db:
        rows = db.execute("SELECT status, count(*) FROM file_progress GROUP BY status").fetchall()
        oldest = db.execute(
            "SELECT created_at FROM file_progress WHERE status='pending' ORDER BY due_at LIMIT 1"
        ).fetchone()
    counts = dict.fromkeys(map(str, Status), 0) | {row[0]: row[1] for row in rows}
    return Standing(counts, None if oldest is None else oldest[0], path.stat().st_size)
