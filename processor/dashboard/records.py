"""Read-only ledger queries for the pages, bounded by indexes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processor.domain.jobs import Status
from processor.ledger.reader import reading

PAGE_ROWS = 50
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """What came to its end within one stretch of time."""

    start_ms: int
    completed: int = 0
    failed: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of files, the latest change first; `older` leads to the next page, None when this is the last."""

    files: tuple[dict[str, Any], ...]
    older: str | None


def throughput(ledger: Path, now_ms: int, bucket_ms: int, buckets: int) -> tuple[Bucket, ...]:
    """Return what came to its end in each of the last `buckets` stretches, the oldest first.

    A file counts where it came to its end last. Raises FileNotFoundError when there is no ledger.
    """
    first = (now_ms // bucket_ms - buckets + 1) * bucket_ms
    with reading(ledger) as db:
        rows = db.execute(
            "SELECT updated_at/?1 AS bucket, total(status='completed'), total(status='failed'),"
            " total(CASE status WHEN 'completed' THEN size_bytes END)"
            " FROM file_progress WHERE updated_at>=?2 AND status IN ('completed','failed') GROUP BY bucket",
            (bucket_ms, first),
        ).fetchall()
    found = {row[0] * bucket_ms: Bucket(row[0] * bucket_ms, *map(int, row[1:])) for row in rows}
    starts = range(first, first + buckets * bucket_ms, bucket_ms)
    return tuple(found.get(start, Bucket(start)) for start in starts)


def last_minute(ledger: Path, now_ms: int) -> Bucket:
    """Return what came to its end within the last minute."""
    with reading(ledger) as db:
        completed, size_bytes = db.execute(
            "SELECT count(*), total(size_bytes) FROM file_progress WHERE updated_at>? AND status='completed'",
            (now_ms - _MINUTE_MS,),
        ).fetchone()
    return Bucket(now_ms - _MINUTE_MS, completed=completed, size_bytes=int(size_bytes))


def search(ledger: Path, text: str, status: Status | None, before: str = "") -> RecordPage:
    """Return files whose path holds `text` (ASCII letters of either case) and that have the status, if one is given.

    `before` is the `older` of the page before. Raises FileNotFoundError when there is no ledger.
    """
    wheres, arguments = ["1"], []
    if text:
        # The index of paths is read first, and rows only for what it found: several times as fast as reading all rows.
        wheres.append("+id IN (SELECT id FROM file_progress WHERE file_path LIKE ? ESCAPE '\\')")
        arguments.append(f"%{_literal(text)}%")
    if status is not None:
        # Few fail or are on their way: their index is the short way; through many, time's index is.
        column = "status" if status in (Status.FAILED, Status.IN_PROGRESS) else "+status"
        wheres.append(f"{column}=?")
        arguments.append(str(status))
    moment, _, row = before.partition(".")
    if moment.isascii() and moment.isdigit() and row.isascii() and row.isdigit():
        wheres.append("(updated_at, id) < (CAST(? AS INTEGER), CAST(? AS INTEGER))")
        arguments += [moment, row]
    query = (
        "SELECT id, file_path, status, kind, size_bytes, error_message, updated_at FROM file_progress"  # noqa: S608
        f" WHERE {' AND '.join(wheres)} ORDER BY updated_at DESC, id DESC LIMIT ?"
    )
    with reading(ledger) as db:
        rows = db.execute(query, (*arguments, PAGE_ROWS + 1)).fetchall()
    last = rows[PAGE_ROWS - 1] if len(rows) > PAGE_ROWS else None
    older = None if last is None else f"{last['updated_at']}.{last['id']}"
    return RecordPage(tuple(dict(row) for row in rows[:PAGE_ROWS]), older)


def _literal(text: str) -> str:
    """Return `text` so that LIKE takes it as it stands."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
