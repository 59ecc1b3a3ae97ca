"""Figures of the ledger for `status`, by queries alone.

Imports next to nothing.
"""

from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processor.ledger.database import TABLES_SINCE, connect_reader

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Summary:
    """How many files have each status, the last hour, what waits longest, and what failed last."""

    by_status: tuple[tuple[str, int, int], ...]
    last_hour: tuple[int, int]
    oldest_waiting: tuple[int, str] | None
    failures: tuple[dict[str, Any], ...]
    size_bytes: int


def summary(path: Path, now_ms: int, most_failures: int) -> Summary:
    """Return the figures of a ledger. Raises FileNotFoundError when there is none."""
    with closing(connect_reader(path)) as db:
        rows = db.execute("SELECT status, count(*), total(size_bytes) FROM file_progress GROUP BY status").fetchall()
        hour = db.execute(
            "SELECT count(*), total(size_bytes) FROM file_progress WHERE updated_at>? AND status='completed'",
            (now_ms - _HOUR_MS,),
        ).fetchone()
        oldest = db.execute(
            "SELECT created_at, file_path FROM file_progress WHERE status='pending' ORDER BY due_at LIMIT 1"
        ).fetchone()
        failures = db.execute(
            "SELECT file_path, error_message, tries, updated_at FROM file_progress WHERE status='failed'"
            " ORDER BY updated_at DESC LIMIT ?",
            (most_failures,),
        ).fetchall()
    return Summary(
        tuple((row[0], row[1], int(row[2])) for row in rows),
        (hour[0], int(hour[1])),
        None if oldest is None else (oldest[0], oldest[1]),
        tuple(dict(row) for row in failures),
        size_on_disk(path),
    )


@dataclass(frozen=True, slots=True)
class TableStanding:
    """How a table stands: objects that are its files, that wait (removals, too) and that can not be its files."""

    name: str
    files: int
    rows: int
    waiting: int
    waiting_since_ms: int | None
    refused: int
    commits: int
    snapshot: int | None
    committed_ms: int | None


def standing_of_tables(path: Path, *, counted: bool = True) -> tuple[TableStanding, ...]:
    """Return how the tables stand; unless `counted`, what only takes a look-up: files and rows are 0.

    Raises FileNotFoundError when there is no ledger.
    """
    waiting = "table_id=t.id AND (state='waiting' OR (state='committed' AND superseded=1))"
    files = "table_id=t.id AND state='committed' AND superseded=0"
    totals = "count(*)", "coalesce(sum(row_count), 0)"
    counts = "".join(f" (SELECT {each} FROM table_files WHERE {files})," for each in totals) if counted else "0, 0,"
    query = (
        f"SELECT name, {counts}"
        f" (SELECT count(*) FROM table_files WHERE {waiting}),"
        f" (SELECT min(changed_at) FROM table_files WHERE {waiting}),"
        " (SELECT count(*) FROM table_files WHERE table_id=t.id AND state='refused'),"
        " commits, snapshot, committed_at FROM tables t ORDER BY name"
    )
    with closing(connect_reader(path)) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] < TABLES_SINCE:
            return ()
        return tuple(TableStanding(*row) for row in db.execute(query))


def size_on_disk(path: Path) -> int:
    """Return how many bytes a ledger takes, with its log and the log's index."""
    size = path.stat().st_size
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            size += path.with_name(path.name + suffix).stat().st_size
    return size
