"""Ledger commands: `status`, `why`, `retry`, `reprocess`.

What only looks opens the ledger read-only. What changes something goes to the daemon over its control socket; when
none runs, it takes the ledger's lock itself.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from processor.actors.messages import Order
from processor.config import ConfigurationError, Settings
from processor.daemon.control_api import WATCH, request
from processor.daemon.control_socket import NotRunningError, ask
from processor.daemon.factories import own_ledger
from processor.delivery import quarantine
from processor.domain.feeds import FeedMark, Feeds
from processor.domain.jobs import Status
from processor.domain.keys import escape, unescape
from processor.feeds.load import load_feeds
from processor.ledger.database import FEEDS_SINCE, Lock
from processor.ledger.reader import TableStanding, delivered_by_feed, reading, standing_of_tables
from processor.ledger.records import Found
from processor.ledger.writer import Ledger

MOST_OBJECTS = 1000
_MOST_SHOWN = 20
_MOST_COMPLETED = 200
_FEEDS_OF_FILE = "SELECT name, digest FROM feed_files ff JOIN feeds f ON f.id=ff.feed WHERE file_id=? ORDER BY name"
_HARMLESS = re.compile(r"[\w/.,:=@%+-]+")


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Where everything stands. `flights` is None when no daemon runs; `hindrances` are why nothing is delivered.

    `watch`: how many files are `open` for writing, which (`open_files`), how many are `left_out`; None like `flights`.
    """

    counts: dict[str, int]
    bytes_by_status: dict[str, int]
    completed_last_hour: int
    bytes_last_hour: int
    oldest_waiting_ms: int | None
    oldest_waiting_path: str | None
    failures: tuple[dict[str, Any], ...]
    flights: tuple[dict[str, Any], ...] | None
    ledger_bytes: int
    at_ms: int
    hindrances: tuple[str, ...] = ()
    outdated: dict[str, int] = field(default_factory=dict)  # by feed: files delivered under an older declaration
    watch: dict[str, Any] | None = None
    tables: tuple[TableStanding, ...] = ()
    catalog_problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for --json."""
        return {name: getattr(self, name) for name in self.__slots__}


def upload_rate(before: LedgerState, after: LedgerState) -> float:
    """Return bytes a second that were uploaded meanwhile, of files that were on their way at both times."""
    if not before.flights or not after.flights or after.at_ms <= before.at_ms:
        return 0.0
    had = {(flight["path"], flight["attempt"]): flight["uploaded_bytes"] for flight in before.flights}
    grown = (
        flight["uploaded_bytes"] - had.get((flight["path"], flight["attempt"]), flight["uploaded_bytes"])
        for flight in after.flights
    )
    return float(sum(grown)) * 1000 / (after.at_ms - before.at_ms)


def state(settings: Settings) -> LedgerState:
    """Return where everything stands. Raises FileNotFoundError when there is no ledger yet."""
    now = time.time_ns() // 1_000_000
    with reading(settings.progress_db_path) as db:
        rows = db.execute("SELECT status, count(*), total(size_bytes) FROM file_progress GROUP BY status").fetchall()
        hour = db.execute(
            "SELECT count(*), total(size_bytes) FROM file_progress WHERE updated_at>? AND status='completed'",
            (now - 3_600_000,),
        ).fetchone()
        oldest = db.execute(
            "SELECT created_at, file_path FROM file_progress WHERE status='pending' ORDER BY due_at LIMIT 1"
        ).fetchone()
        failures = db.execute(
            "SELECT file_path, error_message, tries, updated_at FROM file_progress WHERE status='failed'"
            " ORDER BY updated_at DESC LIMIT ?",
            (_MOST_SHOWN,),
        ).fetchall()
    flights = asked(settings, Order.FLIGHTS)
    return LedgerState(
        counts=dict.fromkeys(map(str, Status), 0) | {row[0]: row[1] for row in rows},
        bytes_by_status={row[0]: int(row[2]) for row in rows},
        completed_last_hour=hour[0],
        bytes_last_hour=int(hour[1]),
        oldest_waiting_ms=None if oldest is None else now - oldest[0],
        oldest_waiting_path=None if oldest is None else oldest[1],
        failures=tuple(dict(row) for row in failures),
        flights=None if flights is None else tuple(flights),
        ledger_bytes=settings.progress_db_path.stat().st_size,
        at_ms=now,
        hindrances=tuple(asked(settings, Order.HINDRANCES) or ()),
        watch=asked(settings, WATCH),
        tables=standing_of_tables(settings.progress_db_path),
        catalog_problem=asked(settings, Order.CATALOG) or "",
        outdated={} if settings.feeds is None else _outdated_if_usable(settings),
    )


def drift_since_start(settings: Settings) -> tuple[tuple[str, str, str, int], ...]:
    """Return feed, kind, column and count of what drifted since the daemon started; nothing when none runs."""
    return tuple((feed, kind, column, count) for feed, kind, column, count in asked(settings, Order.DRIFT) or ())


def _outdated_if_usable(settings: Settings) -> dict[str, int]:
    try:
        return outdated(settings, load_feeds(settings))
    except ConfigurationError:
        return {}  # the daemon goes on with those that it read before; `processor feed list` tells what is wrong


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one file."""

    record: dict[str, Any]
    feeds: tuple[FeedMark, ...]
    history: tuple[dict[str, Any], ...]
    objects: tuple[dict[str, Any], ...]


def story(settings: Settings, path: Path) -> Story | None:
    """Return the file's record, history and objects so far; None when it is not known.

    Once a file is completed its objects stand in the manifest: see deliveries.delivered_objects.

    `path` may be absolute, relative to here, or relative to WATCH_PATH.
    """
    with reading(settings.progress_db_path) as db:
        for candidate in _candidates(settings, path):
            row = db.execute("SELECT * FROM file_progress WHERE file_path=?", (escape(candidate),)).fetchone()
            if row is None:
                continue
            events = db.execute("SELECT at, event, detail FROM history WHERE file_id=? ORDER BY at", (row["id"],))
            known = db.execute("PRAGMA user_version").fetchone()[0] >= FEEDS_SINCE
            marks = [FeedMark(*mark) for mark in db.execute(_FEEDS_OF_FILE, (row["id"],))] if known else []
            history = tuple({"at": at, "event": event, **orjson.loads(detail)} for at, event, detail in events)
            details = db.execute("SELECT details FROM objects WHERE file_id=? LIMIT ?", (row["id"], MOST_OBJECTS))
            return Story(dict(row), tuple(marks), history, tuple(orjson.loads(detail) for (detail,) in details))
    return None


def relative_path(settings: Settings, story: Story) -> bytes:
    """Return the file's path relative to WATCH_PATH."""
    return unescape(story.record["file_path"]).removeprefix(os.fsencode(settings.watch_path) + b"/")


def retry(settings: Settings, path: Path | None) -> int:
    """Make failed files, one or all, pending again; return how many. They are moved back to where they came from."""
    for candidate in _candidates(settings, path) if path is not None else [None]:
        meant = None if candidate is None else Path(os.fsdecode(candidate))
        try:
            count = int(ask(settings.control_socket_path, request(Order.RETRY, meant)))
        except NotRunningError:
            count = _retry_alone(settings, candidate)
        if count:
            return count
    return 0


def failed_paths(settings: Settings) -> list[str]:
    """Return the last failed files, absolute and relative to WATCH_PATH, for completion by a shell.

    Shells put what they are given on the command line as it is: names that mean something to them are left out.
    """
    root = os.fsdecode(settings.watch_path) + "/"
    query = "SELECT file_path FROM file_progress WHERE status='failed' ORDER BY updated_at DESC LIMIT ?"
    with reading(settings.progress_db_path) as db:
        paths = [os.fsdecode(unescape(row[0])) for row in db.execute(query, (_MOST_COMPLETED,))]
    harmless = [path for path in paths if _HARMLESS.fullmatch(path)]
    return [*(path.removeprefix(root) for path in harmless), *harmless]


def reprocess(settings: Settings, path: Path | None, since_ms: int | None) -> int:
    """Have completed files delivered once more: one, or all completed since `since_ms`; return how many."""
    for candidate in _candidates(settings, path) if path is not None else [None]:
        meant = None if candidate is None else Path(os.fsdecode(candidate))
        try:
            count = int(ask(settings.control_socket_path, request(Order.REPROCESS, meant, since_ms)))
        except NotRunningError:
            with ledger_alone(settings) as ledger:
                count = ledger.reprocess(candidate, since_ms, now_ms())
        if count:
            return count
    return 0


def reprocess_feed(settings: Settings, name: str) -> int:
    """Have what the feed concerns, and was read otherwise than it says now, delivered once more; return how many.

    Raises ConfigurationError when there is no such feed, now or of any delivered file.
    """
    feeds = load_feeds(settings)
    if feeds.named(name) is None and name not in outdated(settings, feeds):
        known = ", ".join(feed.name for feed in feeds.feeds) or "none"
        raise ConfigurationError(f"there is no feed {name!r} in FEEDS={settings.feeds or ''} (feeds: {known})")
    try:
        return int(ask(settings.control_socket_path, request(Order.REPROCESS, feed=name)))
    except NotRunningError:
        with ledger_alone(settings) as ledger:
            return ledger.reprocess_feed(name, feeds, now_ms())


def outdated(settings: Settings, feeds: Feeds) -> dict[str, int]:
    """Return, by feed, how many files are delivered as an older declaration of it had them read."""
    current = {feed.mark for feed in feeds.feeds}
    counts: dict[str, int] = {}
    for mark, count in delivered_by_feed(settings.progress_db_path).items():
        if mark not in current:
            counts[mark.name] = counts.get(mark.name, 0) + count
    return counts


def _retry_alone(settings: Settings, path: bytes | None) -> int:
    root, aside = os.fsencode(settings.watch_path), os.fsencode(settings.error_directory)
    count = 0
    with ledger_alone(settings) as ledger:
        for row, relative_path in ledger.failed_files(path):
            try:
                status = quarantine.bring_back(root, relative_path, aside)
            except FileNotFoundError:
                continue
            ledger.retry(row, Found.of(relative_path, status), now_ms())
            count += 1
    return count


@contextmanager
def ledger_alone(settings: Settings) -> Iterator[Ledger]:
    """Yield the ledger, which nobody else may write meanwhile. Raises LedgerBusyError."""
    lock = Lock(settings.progress_db_path)
    try:
        with closing(own_ledger(settings)) as ledger:
            yield ledger
    finally:
        lock.release()


def asked(settings: Settings, order: str) -> Any:
    """Return what a running daemon answers; None when none runs."""
    try:
        return ask(settings.control_socket_path, request(order))
    except (NotRunningError, OSError, ValueError):
        return None


def _candidates(settings: Settings, path: Path) -> list[bytes]:
    """Return the absolute paths that the operator may mean, the nearest first, each once."""
    here, watched = os.fsencode(path.absolute()), os.fsencode(settings.watch_path / path)
    aside = os.fsencode(settings.error_directory) + b"/"
    meant = [here, watched]
    if here.startswith(aside):
        meant.append(os.fsencode(settings.watch_path) + b"/" + here.removeprefix(aside))
    return list(dict.fromkeys(meant))


def now_ms() -> int:
    """Return the time as the ledger has it."""
    return time.time_ns() // 1_000_000
