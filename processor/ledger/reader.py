"""Read-only queries on the ledger."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from processor.domain.feeds import FeedMark
from processor.domain.jobs import Status
from processor.domain.keys import escape, unescape
from processor.domain.tables import Batch, BatchFile
from processor.ledger.database import FEEDS_SINCE, connect_reader
from processor.ledger.summary import size_on_disk


@contextmanager
def recorded_objects(path: Path, row: int) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield, one by one, what was recorded of each object of a file, in the archive's order."""
    query = "SELECT details FROM objects WHERE file_id=? ORDER BY member, content"
    # The cursor is closed, not left: an unfinished reading would hold up the WAL's checkpoints.
    with closing(_own_connection(path).execute(query, (row,))) as found:
        yield (orjson.loads(details) for (details,) in found)


_own = threading.local()


def _own_connection(path: Path) -> sqlite3.Connection:
    """Return this thread's connection, kept from one question to the next: opening takes 50 times as long as asking."""
    ledger = (path, path.stat().st_ino)
    if getattr(_own, "ledger", None) != ledger:
        _own.connection = connect_reader(path)  # another that it replaces closes itself
        _own.ledger = ledger
    connection: sqlite3.Connection = _own.connection
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection whose rows are read by column name, for the commands that show things."""
    with closing(connect_reader(path)) as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """How many files of one status were read by one declaration, and when the latest of them changed."""

    mark: FeedMark
    status: str
    files: int
    latest_ms: int


def standing_of_feeds(path: Path) -> tuple[FeedStanding, ...]:
    """Return how the files of feeds stand. Raises FileNotFoundError when there is no ledger."""
    with reading(path) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] < FEEDS_SINCE:
            return ()
        rows = db.execute(
            "SELECT d.name, d.digest, f.status, count(*), max(f.updated_at) FROM feeds d"
            " JOIN feed_files ff ON ff.feed=d.id JOIN file_progress f ON f.id=ff.file_id GROUP BY d.id, f.status"
        ).fetchall()
    return tuple(FeedStanding(FeedMark(row[0], row[1]), *row[2:]) for row in rows)


def delivered_by_feed(path: Path) -> dict[FeedMark, int]:
    """Return how many delivered files were read by each declaration."""
    return {each.mark: each.files for each in standing_of_feeds(path) if each.status == Status.COMPLETED}


@dataclass(frozen=True, slots=True)
class Standing:
    """How many files have each status, since when the one that waits longest is due, and the ledger's size on disk."""

    counts: dict[str, int]
    oldest_waiting_ms: int | None
    size_bytes: int


def standing(path: Path) -> Standing:
    """Return the figures of a ledger: index look-ups only."""
    with reading(path) as db:
        rows = db.execute("SELECT status, count(*) FROM file_progress GROUP BY status").fetchall()
        oldest = db.execute(
            "SELECT due_at FROM file_progress WHERE status='pending' AND due_at IS NOT NULL ORDER BY due_at LIMIT 1"
        ).fetchone()
    counts = dict.fromkeys(map(str, Status), 0) | {row[0]: row[1] for row in rows}
    return Standing(counts, None if oldest is None else oldest[0], size_on_disk(path))


def status_of(path: Path, file_path: bytes) -> str | None:
    """Return the status of the file at this absolute path; None when it is not known, or there is no ledger."""
    if not path.exists():
        return None
    query = "SELECT status FROM file_progress WHERE file_path=?"
    with closing(_own_connection(path).execute(query, (escape(file_path),))) as found:
        row = found.fetchone()
    return None if row is None else str(row[0])


def claimant(path: Path, key: str) -> bytes | None:
    """Return the absolute path of the file that claimed a key which a template made."""
    if not path.exists():
        return None
    query = "SELECT file_path FROM claimed_keys JOIN file_progress f ON f.id=file_id WHERE claimed_keys.s3_key=?"
    db = _own_connection(path)
    if db.execute("PRAGMA user_version").fetchone()[0] < FEEDS_SINCE:
        return None
    with closing(db.execute(query, (key,))) as found:
        row = found.fetchone()
    return None if row is None else unescape(row[0])


def completed_paths(path: Path, root: bytes) -> Iterator[bytes]:
    """Yield the path, relative to `root`, of every file that is recorded as delivered."""
    above = root.rstrip(b"/") + b"/"
    with reading(path) as db:
        for (text,) in db.execute("SELECT file_path FROM file_progress WHERE status='completed'"):
            yield unescape(text).removeprefix(above)


def batch_files(path: Path, batch: Batch, root: bytes) -> Iterator[BatchFile]:
    """Yield the objects of a batch; those of one file come one after the other. `root` is the watched directory."""
    query = (
        "SELECT t.id, t.file_id, t.s3_key, t.size_bytes, t.row_count, substr(f.file_path, ?) AS source_path,"
        " t.source_sha256, t.state='committed' AS remove, t.doubtful"
        " FROM table_files t JOIN file_progress f ON f.id=t.file_id WHERE t.table_id=? AND t.in_batch=1"
        " ORDER BY t.file_id, t.id"
    )
    above = len(escape(root.rstrip(b"/"))) + 2
    with reading(path) as db:
        for row, file, key, size, rows, source, sha256, remove, doubtful in db.execute(query, (above, batch.row)):
            yield BatchFile(row, file, key, size, rows, source, sha256, bool(remove), bool(doubtful))


def refused_of_tables(path: Path, limit: int) -> tuple[tuple[str, str, str], ...]:
    """Return table, key and reason of objects that can not be files of their tables, the latest first."""
    query = (
        "SELECT t.name, f.s3_key, f.reason FROM table_files f JOIN tables t ON t.id=f.table_id"
        " WHERE f.state='refused' ORDER BY f.changed_at DESC LIMIT ?"
    )
    with reading(path) as db:
        return tuple(tuple(row) for row in db.execute(query, (limit,)))


def states_in_table(path: Path, table: str) -> dict[str, tuple[str, str]]:
    """Return state and SHA-256 of each object that is, or is to be, the table's, by key; of one to be removed none."""
    query = (
        "SELECT f.s3_key, f.state, f.sha256 FROM table_files f JOIN tables t ON t.id=f.table_id"
        " WHERE t.name=? AND f.superseded=0"
    )
    with reading(path) as db:
        return {key: (state, sha256) for key, state, sha256 in db.execute(query, (table,))}
