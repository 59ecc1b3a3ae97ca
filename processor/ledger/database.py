"""Open the ledger: lock, pragmas, schema, integrity check.

WAL and synchronous=FULL: a committed transaction survives a power cut ("Write-Ahead Logging", SQLite documentation).
"""

import fcntl
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from processor.config.environment import ConfigurationError

SCHEMA_VERSION = 6
FEEDS_SINCE = 3  # the version that began to record them; commands may read a ledger that no daemon migrated yet
TABLES_SINCE = 5
_BUSY_SECONDS = 10.0
# By the version that is left behind. A column is added without touching a row.
_MIGRATIONS = {
    1: """
        ALTER TABLE file_progress ADD COLUMN device INTEGER;
        ALTER TABLE file_progress ADD COLUMN inode INTEGER;
        ALTER TABLE file_progress ADD COLUMN changed_ns INTEGER;
    """,
    2: """
        CREATE TABLE feeds (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL,
          digest TEXT NOT NULL,
          UNIQUE (name, digest)
        );
        CREATE TABLE feed_files (
          file_id INTEGER NOT NULL REFERENCES file_progress (id),
          feed INTEGER NOT NULL REFERENCES feeds (id),
          PRIMARY KEY (file_id, feed)
        ) WITHOUT ROWID;
        CREATE TABLE claimed_keys (
          s3_key TEXT PRIMARY KEY,
          file_id INTEGER NOT NULL REFERENCES file_progress (id),
          member INTEGER
        ) WITHOUT ROWID;
        CREATE INDEX idx_claimed_keys ON claimed_keys (file_id);
    """,
    3: "ALTER TABLE file_progress ADD COLUMN timeline TEXT;",
    4: """
        CREATE TABLE tables (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          partition TEXT NOT NULL,
          batch TEXT,
          snapshot INTEGER,
          committed_at INTEGER,
          commits INTEGER NOT NULL DEFAULT 0
        );
        CREATE TABLE table_files (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          table_id INTEGER NOT NULL REFERENCES tables (id),
          file_id INTEGER NOT NULL REFERENCES file_progress (id),
          s3_key TEXT NOT NULL,
          sha256 TEXT NOT NULL,
          size_bytes INTEGER NOT NULL,
          row_count INTEGER NOT NULL,
          source_sha256 TEXT NOT NULL,
          state TEXT NOT NULL CHECK (state IN ('waiting','committed','refused')),
          superseded INTEGER NOT NULL DEFAULT 0,
          in_batch INTEGER NOT NULL DEFAULT 0,
          doubtful INTEGER NOT NULL DEFAULT 0,
          snapshot INTEGER,
          reason TEXT,
          changed_at INTEGER NOT NULL
        );
        CREATE INDEX idx_table_files_waiting ON table_files (table_id, state, superseded, file_id);
        CREATE INDEX idx_table_files_file ON table_files (file_id, s3_key);
    """,
    5: """
        CREATE TABLE outbox (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          at INTEGER NOT NULL,
          type TEXT NOT NULL,
          subject TEXT NOT NULL,
          data TEXT NOT NULL
        );
    """,
}
# Beyond this the whole check would hold up every start; a damaged page is then found when it is read.
_CHECKED_WHOLE_BYTES = 256 << 20


class LedgerBusyError(Exception):
    """Another process owns this ledger."""


class LedgerDamagedError(Exception):
    """The file is not a sound ledger."""


class LedgerFullError(Exception):
    """There is no room for the ledger, or its disk fails: nothing since the last commit is recorded."""


class LedgerLostError(Exception):
    """Somebody removed the ledger, or put another in its place, while it was open: what is recorded is lost."""


class LedgerTooNewError(Exception):
    """The ledger was written by a later version."""


class Lock:
    """The one right to write a ledger: an flock on `<ledger>.lock`, which ends with the process whatever happens."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises LedgerBusyError, and ConfigurationError where no ledger can be kept."""
        self.path = path.with_name(path.name + ".lock")
        while True:
            try:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                hint = "the daemon must be able to write in its directory"
                raise ConfigurationError(f"PROGRESS_DB_PATH={path}: {error.strerror} ({hint})") from error
            _lock(self._fd, path)
            if _lies_at(self.path, self._fd):  # else it was removed between the two, and another may be locked there
                return
            os.close(self._fd)

    @property
    def name(self) -> str:
        """Return what no other lock of this host is called at the same time."""
        status = os.fstat(self._fd)
        return f"{status.st_dev:x}-{status.st_ino:x}"

    def release(self) -> None:
        """Let somebody else write."""
        os.close(self._fd)


def own(path: Path) -> int:
    """Lock the ledger itself and return the descriptor that holds it, to be closed after the connection.

    So nobody gets in who finds no lock file, because it was removed. Closed earlier, it would take SQLite's own locks
    along ("How To Corrupt An SQLite Database File", POSIX advisory locks). Raises LedgerBusyError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a file system without such locks: the lock file is all there is
        _lock(fd, path)
    return fd


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise LedgerBusyError(f"another processor runs on {path}: stop it, or set PROGRESS_DB_PATH") from error


def _lies_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def connect_writer(path: Path) -> sqlite3.Connection:
    """Return the writing connection, the schema made if there was none. The caller holds the `Lock`.

    Raises LedgerDamagedError, LedgerTooNewError.
    """
    path.touch(mode=0o600, exist_ok=True)
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA wal_autocheckpoint=1000")
        connection.execute("PRAGMA journal_size_limit=16777216")
        _migrate(connection, path)
        _check(connection, path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise
        raise LedgerDamagedError(f"{path}: {error}") from error
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can not write. Raises FileNotFoundError when there is no ledger yet."""
    if not path.exists():
        raise FileNotFoundError(f"there is no ledger at {path}: set PROGRESS_DB_PATH, or start the daemon first")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    connection.row_factory = sqlite3.Row
    return connection


def raise_when_full(error: sqlite3.OperationalError) -> None:
    """Raise LedgerFullError when SQLite says that a disk is full or fails ("Result and Error Codes")."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        raise LedgerFullError(f"{name}: {error}") from error


def set_aside(path: Path) -> Path:
    """Move a damaged ledger out of the way, with its WAL, and return where it lies now."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        from importlib import resources  # noqa: PLC0415 - once in a ledger's life

        schema = resources.files("processor.ledger").joinpath("schema.sql").read_text(encoding="utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")
    for older in range(version, SCHEMA_VERSION) if version else ():
        connection.executescript(f"BEGIN IMMEDIATE;\n{_MIGRATIONS[older]};PRAGMA user_version={older + 1};\nCOMMIT;")
    if version > SCHEMA_VERSION:
        raise LedgerTooNewError(f"{path} has version {version}, this program knows {SCHEMA_VERSION}: upgrade processor")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    whole = path.stat().st_size <= _CHECKED_WHOLE_BYTES
    with closing(connection.execute("PRAGMA quick_check(1)" if whole else "PRAGMA schema_version")) as cursor:
        (answer,) = cursor.fetchone()
    if whole and answer != "ok":
        raise LedgerDamagedError(f"{path}: {answer}")
