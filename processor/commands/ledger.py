"""Ledger commands: `why`, `retry`, `reprocess`, and `status` with feeds.

What only looks opens the ledger read-only. What changes something goes to the daemon over its control socket; when
none runs, it takes the ledger's lock itself.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import orjson

from processor.commands.paths import meant
from processor.commands.status import LedgerState
from processor.commands.status import asked as asked_of
from processor.commands.status import state as state_of
from processor.config.environment import ConfigurationError, Places
from processor.config.settings import Settings
from processor.daemon.control_socket import NotRunningError, ask, request
from processor.daemon.factories import own_ledger
from processor.delivery import quarantine
from processor.domain.feeds import FeedMark, Feeds
from processor.domain.keys import escape, unescape
from processor.domain.status import Order, Status
from processor.domain.timeline import Passed, timeline_from
from processor.feeds.load import load_feeds
from processor.ledger.chosen import ChosenFiles
from processor.ledger.database import FEEDS_SINCE, Lock
from processor.ledger.reader import delivered_by_feed, reading
from processor.ledger.records import Found
from processor.ledger.writer import Ledger

MOST_OBJECTS = 1000
_MOST_COMPLETED = 200
_FEEDS_OF_FILE = "SELECT name, digest FROM feed_files ff JOIN feeds f ON f.id=ff.feed WHERE file_id=? ORDER BY name"
_HARMLESS = re.compile(r"[\w/.,:=@%+-]+")


def state(settings: Settings) -> LedgerState:
    """Return where everything stands. Raises FileNotFoundError when there is no ledger yet."""
    return state_of(_places(settings), {} if settings.feeds is None else _outdated_if_usable(settings))


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

    record: Annotated[dict[str, Any], "its row of the ledger's `file_progress`"]
    code: Annotated[str | None, "why it failed last, as a code of docs/OPERATIONS.md; null: it did not"]
    lies_at: Annotated[str | None, "where a failed file lies now; null: nowhere that is known"]
    feeds: Annotated[tuple[FeedMark, ...], "by which it was read: `name`, `digest` of the declaration"]
    timeline: Annotated[tuple[Passed, ...], "the last way: `milestone`, `at_ms`, `milliseconds` since the one before"]
    history: Annotated[tuple[dict[str, Any], ...], "what went otherwise: `at` (ms), `event`, and what was decided"]
    objects: Annotated[tuple[dict[str, Any], ...], "what is stored of it, as the manifest tells, 1,000 at most"]

    def events(self) -> list[dict[str, Any]]:
        """Return all that happened, in order: the last try's way, and what went otherwise."""
        way = [{"at": each.at_ms, "event": str(each.milestone)} for each in self.timeline]
        return sorted((*way, *self.history), key=lambda event: int(event["at"]))


def story(settings: Settings, path: Path) -> Story | None:
    """Return the file's record, history and objects so far; None when it is not known.

    Once a file is completed its objects stand in the manifest: see deliveries.delivered_objects.

    `path` is as `paths.meant` takes it.
    """
    with reading(settings.progress_db_path) as db:
        for candidate in meant(settings, path):
            row = db.execute("SELECT * FROM file_progress WHERE file_path=?", (escape(candidate),)).fetchone()
            if row is None:
                continue
            record = dict(row)
            events = db.execute("SELECT at, event, detail FROM history WHERE file_id=? ORDER BY at", (row["id"],))
            known = db.execute("PRAGMA user_version").fetchone()[0] >= FEEDS_SINCE
            marks = [FeedMark(*mark) for mark in db.execute(_FEEDS_OF_FILE, (row["id"],))] if known else []
            history = tuple({"at": at, "event": event, **orjson.loads(detail)} for at, event, detail in events)
            details = db.execute("SELECT details FROM objects WHERE file_id=? LIMIT ?", (row["id"], MOST_OBJECTS))
            objects = tuple(orjson.loads(detail) for (detail,) in details)
            failed = record["status"] == Status.FAILED
            code, lies_at = (_code(history), _lies_at(settings, candidate)) if failed else (None, None)
            passed = tuple(timeline_from(record.get("timeline")).passed())
            return Story(record, code, lies_at, tuple(marks), passed, history, objects)
    return None


def _code(history: tuple[dict[str, Any], ...]) -> str | None:
    failures = (event["failure"]["code"] for event in reversed(history) if event["event"] == "failed")
    return next(failures, None)


def _lies_at(settings: Settings, path: bytes) -> str | None:
    """Return where a failed file lies: aside, or still where it was found."""
    relative_path = path.removeprefix(os.fsencode(settings.watch_path) + b"/")
    with suppress(OSError):
        return escape(quarantine.lies_at(relative_path, os.fsencode(settings.error_directory)))
    return escape(path) if os.path.lexists(path) else None


def relative_path(settings: Settings, story: Story) -> bytes:
    """Return the file's path relative to WATCH_PATH."""
    return unescape(story.record["file_path"]).removeprefix(os.fsencode(settings.watch_path) + b"/")


@dataclass(frozen=True, slots=True)
class PendingAgain:
    """Files that were made pending again."""

    pending: Annotated[int, "how many"]
    chosen: Annotated[int, "how many were asked for; those whose file is gone stay as they are"]


def failed_files(settings: Settings, selection: ChosenFiles) -> list[Path]:
    """Return the failed ones of these files, as far as they are below WATCH_PATH. Raises FileNotFoundError."""
    root = os.fsencode(settings.watch_path) + b"/"
    where, arguments = replace(selection, status=Status.FAILED).where()
    with reading(settings.progress_db_path) as db:
        rows = db.execute(f"SELECT f.file_path FROM file_progress f WHERE {where}", arguments)  # noqa: S608
        paths = [unescape(path) for (path,) in rows]
    return [Path(os.fsdecode(path)) for path in paths if path.startswith(root)]


def retry_all(settings: Settings) -> int:
    """Make all failed files pending again; return how many. They are moved back to where they came from."""
    try:
        return int(ask(settings.control_socket_path, request(Order.RETRY)))
    except NotRunningError:
        with ledger_alone(settings) as ledger:
            return _retry_alone(settings, ledger, None)


def retry(settings: Settings, paths: Iterable[Path]) -> int:
    """Make these failed files pending again; return how many. A path is as `paths.meant` takes it."""
    count, left = 0, list(paths)
    while left:
        try:
            count += retry_by_daemon(settings, left[0])
        except NotRunningError:
            with ledger_alone(settings) as ledger:
                return count + sum(
                    next(filter(None, (_retry_alone(settings, ledger, each) for each in meant(settings, path))), 0)
                    for path in left
                )
        left.pop(0)
    return count


def retry_by_daemon(settings: Settings, path: Path) -> int:
    """Have a running daemon make this failed file pending again; 0: it has not failed. Raises NotRunningError."""
    orders = (request(Order.RETRY, Path(os.fsdecode(each))) for each in meant(settings, path))
    return next(filter(None, (int(ask(settings.control_socket_path, order)) for order in orders)), 0)


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
    for candidate in meant(settings, path) if path is not None else [None]:
        one = None if candidate is None else Path(os.fsdecode(candidate))
        try:
            count = int(ask(settings.control_socket_path, request(Order.REPROCESS, one, since_ms)))
        except NotRunningError:
            with ledger_alone(settings) as ledger:
                count = ledger.reprocess(candidate, since_ms, now_ms())
        if count:
            return count
    return 0


def delivered_since(settings: Settings, since_ms: int) -> int:
    """Return how many files `reprocess` would take. Raises FileNotFoundError."""
    query = "SELECT count(*) FROM file_progress WHERE status='completed' AND modified_ns IS NOT NULL AND updated_at>=?"
    with reading(settings.progress_db_path) as db:
        return int(db.execute(query, (since_ms,)).fetchone()[0])


def outdated_of(settings: Settings, name: str) -> int:
    """Return how many files `reprocess_feed` would take."""
    return outdated(settings, load_feeds(settings)).get(name, 0)


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


def _retry_alone(settings: Settings, ledger: Ledger, path: bytes | None) -> int:
    root, aside = os.fsencode(settings.watch_path), os.fsencode(settings.error_directory)
    count = 0
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
    return asked_of(_places(settings), order)


def _places(settings: Settings) -> Places:
    return Places(settings.progress_db_path, settings.control_socket_path, feeds=settings.feeds is not None)


def now_ms() -> int:
    """Return the time as the ledger has it."""
    return time.time_ns() // 1_000_000
