"""Read-only ledger queries for the pages, bounded by indexes."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from processor.ledger.chosen import CODE, ChosenFiles
from processor.ledger.database import FEEDS_SINCE
from processor.ledger.reader import reading

PAGE_ROWS = 50
MOST_COUNTED = 100_000
MOST_GROUPED = 20_000
_MINUTE_MS = 60_000
_COLUMNS = "f.id, f.file_path, f.status, f.kind, f.size_bytes, f.error_message, f.updated_at"
_FEED = "(SELECT min(d.name) FROM feed_files ff JOIN feeds d ON d.id=ff.feed WHERE ff.file_id=f.id)"


class Sort(StrEnum):
    """How a list of files is sorted."""

    LATEST = "latest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"
    NAME = "name"


_ORDERS = {
    Sort.LATEST: ("f.updated_at", True),
    Sort.OLDEST: ("f.updated_at", False),
    Sort.LARGEST: ("coalesce(f.size_bytes, 0)", True),
    Sort.SMALLEST: ("coalesce(f.size_bytes, 0)", False),
    Sort.NAME: ("f.file_path", False),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """What came to its end within one stretch of time."""

    start_ms: int
    completed: int = 0
    failed: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """What was delivered lately; `began_ms`: when the first of it was found, or the stretch of time began."""

    files: int
    size_bytes: int
    began_ms: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of files. `before` and `after` lead to the pages around it; None where there is none."""

    files: tuple[dict[str, Any], ...]
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Files and their bytes; `more`: there are more of them than are counted."""

    files: int
    size_bytes: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Files that failed alike. A file of several feeds stands with the first by name; "" is of none."""

    code: str
    feed: str
    files: int
    latest_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class FailureGroups:
    """Failed files by reason and feed, the largest group first; `more`: only the latest of them are grouped."""

    groups: tuple[FailureGroup, ...]
    more: bool


def throughput(ledger: Path, now_ms: int, bucket_ms: int, buckets: int) -> tuple[Bucket, ...]:
    """Return what came to its end in each of the last `buckets` stretches, the oldest first.

    A file counts where it came to its end last. Raises FileNotFoundError when there is no ledger.
    """
    first = (now_ms // bucket_ms - buckets + 1) * bucket_ms
    with reading(ledger) as db:
        rows = db.execute(
            "SELECT updated_at/? AS bucket, total(status='completed'), total(status='failed'),"
            " total(CASE status WHEN 'completed' THEN size_bytes END)"
            " FROM file_progress WHERE updated_at>=? AND status IN ('completed','failed') GROUP BY bucket",
            (bucket_ms, first),
        ).fetchall()
    found = {row[0] * bucket_ms: Bucket(row[0] * bucket_ms, *map(int, row[1:])) for row in rows}
    starts = range(first, first + buckets * bucket_ms, bucket_ms)
    return tuple(found.get(start, Bucket(start)) for start in starts)


def latest_pace(ledger: Path, now_ms: int, minutes: int) -> Pace:
    """Return what was delivered within the last minutes."""
    since_ms = now_ms - minutes * _MINUTE_MS
    with reading(ledger) as db:
        files, size_bytes, began_ms = db.execute(
            "SELECT count(*), total(size_bytes), min(created_at) FROM file_progress"
            " WHERE updated_at>? AND status='completed'",
            (since_ms,),
        ).fetchone()
    return Pace(files, int(size_bytes), now_ms if began_ms is None else max(began_ms, since_ms))


def search(ledger: Path, selection: ChosenFiles, sort: Sort = Sort.LATEST, place: str = "") -> RecordPage:
    """Return one page of the files; `place` is the `before` or the `after` of another page.

    Raises FileNotFoundError when there is no ledger.
    """
    column, descending = _ORDERS[sort]
    where, arguments = selection.where()
    back, value, row = _place(place, sort)
    if row is not None:
        comparison = "<" if descending != back else ">"
        where += f" AND ({column}, f.id) {comparison} (?, ?)"
        arguments = (*arguments, value, row)
    direction = "DESC" if descending != back else "ASC"
    query = (
        f"SELECT {_COLUMNS}, {column} AS sorted_by FROM file_progress f"  # noqa: S608
        f" WHERE {where} ORDER BY {column} {direction}, f.id {direction} LIMIT ?"
    )
    with reading(ledger) as db:
        rows = db.execute(query, (*arguments, PAGE_ROWS + 1)).fetchall()
    more, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
    if back:
        if not more:  # the first page, perhaps with less than a page before it
            return search(ledger, selection, sort)
        rows.reverse()
    before = f"-{rows[0]['sorted_by']}~{rows[0]['id']}" if rows and row is not None else None
    after = f"{rows[-1]['sorted_by']}~{rows[-1]['id']}" if rows and (more or back) else None
    return RecordPage(tuple(map(dict, rows)), before, after)


def _place(place: str, sort: Sort) -> tuple[bool, int | str, int | None]:
    """Return whether to go back, and the values to go on from; no row of whatever is no place."""
    back = place.startswith("-")
    value, _, row = place.removeprefix("-").rpartition("~")
    if not _is_number(row) or not (sort is Sort.NAME or _is_number(value)):
        return False, 0, None
    return back, value if sort is Sort.NAME else int(value), int(row)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19  # noqa: PLR2004 - digits of SQLite's integers


def totals(ledger: Path, selection: ChosenFiles) -> Totals:
    """Return how many files those are. Raises FileNotFoundError when there is no ledger."""
    where, arguments = selection.where()
    query = (
        "SELECT count(*), total(size_bytes) FROM"  # noqa: S608
        f" (SELECT f.size_bytes FROM file_progress f WHERE {where} LIMIT {MOST_COUNTED + 1})"
    )
    with reading(ledger) as db:
        files, size_bytes = db.execute(query, arguments).fetchone()
    return Totals(min(files, MOST_COUNTED), int(size_bytes), files > MOST_COUNTED)


def failure_groups(ledger: Path, selection: ChosenFiles) -> FailureGroups:
    """Return the failed ones of the files by reason and feed. Raises FileNotFoundError when there is no ledger."""
    where, arguments = selection.where()
    with reading(ledger) as db:
        feed = _FEED if db.execute("PRAGMA user_version").fetchone()[0] >= FEEDS_SINCE else "NULL"
        # The other columns of a group are those of the row with its maximum ("SELECT", SQLite documentation).
        query = (
            "SELECT code, feed, count(*) AS files, max(updated_at), error_message FROM ("  # noqa: S608
            f"SELECT f.updated_at, f.error_message, {CODE} AS code, {feed} AS feed FROM file_progress f"
            f" WHERE {where} AND f.status='failed' ORDER BY f.updated_at DESC LIMIT {MOST_GROUPED})"
            " GROUP BY code, feed ORDER BY files DESC, code, feed"
        )
        rows = db.execute(query, arguments).fetchall()
    groups = tuple(FailureGroup(row[0] or "unknown", row[1] or "", row[2], row[3], row[4] or "") for row in rows)
    return FailureGroups(groups, sum(group.files for group in groups) >= MOST_GROUPED)


def known_feeds(ledger: Path) -> tuple[str, ...]:
    """Return the names of feeds by which any file was read."""
    with reading(ledger) as db:
        if db.execute("PRAGMA user_version").fetchone()[0] < FEEDS_SINCE:
            return ()
        return tuple(row[0] for row in db.execute("SELECT DISTINCT name FROM feeds ORDER BY name"))
