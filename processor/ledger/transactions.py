"""The writing connection and its transactions."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from processor.domain.jobs import Status
from processor.domain.keys import escape
from processor.ledger.database import LedgerLostError, connect_writer, own, raise_when_full

_MISSED_SECONDS = 5.0  # somebody may move it and bring it back


class Transactions:
    """The writing side: one connection of one thread. `root` is the watched directory, absolute."""

    def __init__(self, path: Path, root: bytes) -> None:
        """Open the ledger; see database.connect_writer for what it raises."""
        self._owned: int | None = own(path)
        try:
            self._db = connect_writer(path)
        except BaseException:
            self._disown()
            raise
        self._path, self._file = path, _file_at(path)
        self._missed_since: float | None = None
        self._root = root.rstrip(b"/")
        self._prefix = escape(self._root) + "/"

    def close(self) -> None:
        """Commit and close; more than once does no harm."""
        with suppress(sqlite3.ProgrammingError):
            self.commit()
        self._db.close()
        self._disown()

    def _disown(self) -> None:
        owned, self._owned = self._owned, None
        if owned is not None:
            os.close(owned)

    def commit(self) -> None:
        """Make everything so far durable."""
        if self._db.in_transaction:
            try:
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise_when_full(error)
                raise

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def see(self, now: float) -> None:
        """Raise LedgerLostError when the file has been gone for a while that all this is recorded in.

        No later start would know of it. `now` is of a monotonic clock.
        """
        if _file_at(self._path) == self._file:
            self._missed_since = None
        elif self._missed_since is None:
            self._missed_since = now
        elif now - self._missed_since > _MISSED_SECONDS:
            text = "was removed or replaced while the daemon ran; `processor rebuild` makes it again from the manifests"
            raise LedgerLostError(f"PROGRESS_DB_PATH={self._path} {text}")

    # Facts

    def fact(self, name: str) -> str | None:
        """Return a fact that `remember_fact` recorded."""
        found = self._read("SELECT value FROM facts WHERE name=?", name).fetchone()
        return None if found is None else str(found[0])

    def remember_fact(self, name: str, value: str) -> None:
        """Record a fact about this ledger."""
        self._write("INSERT OR REPLACE INTO facts VALUES (?,?)", name, value)

    def counts(self) -> dict[Status, int]:
        """Return how many files have each status."""
        rows = self._read("SELECT status, count(*) FROM file_progress GROUP BY status")
        return dict.fromkeys(Status, 0) | {Status(status): count for status, count in rows}

    def latest(self) -> tuple[int, int]:
        """Return when the last new file was found and when the last one was delivered; 0: never."""
        arrived = self._read("SELECT created_at FROM file_progress ORDER BY id DESC LIMIT 1").fetchone()
        completed = self._read(
            "SELECT updated_at FROM file_progress WHERE status='completed' ORDER BY updated_at DESC LIMIT 1"
        ).fetchone()
        return (arrived or (0,))[0], (completed or (0,))[0]

    # For the topics

    def _set(self, row: int, now_ms: int, **columns: object) -> None:
        assignments = ", ".join(f"{name}=?" for name in columns)
        self._write(f"UPDATE file_progress SET {assignments}, updated_at=? WHERE id=?", *columns.values(), now_ms, row)

    def _write(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            return self._db.execute(sql, arguments)
        except sqlite3.OperationalError as error:
            raise_when_full(error)
            raise

    def _read(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        return self._db.execute(sql, arguments)


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
