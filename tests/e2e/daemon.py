"""The daemon as its operator sees it: a process with an environment, signals, log lines and a ledger."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.e2e import warm
from tests.processes import command_line

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class StoreAddress:
    """Where a store is and how to enter it."""

    endpoint: str
    bucket: str
    access_key_id: str
    secret_access_key: str

    def environment(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT": self.endpoint,
            "S3_BUCKET": self.bucket,
            "S3_ACCESS_KEY_ID": self.access_key_id,
            "S3_SECRET_ACCESS_KEY": self.secret_access_key,
        }


class Daemon:
    """One place to run in, `home`, and the process that runs there, again and again; everything is kept but the pid.

    `settings` are environment variables; what is not given is quick: short settling, short delays. A `warm` one is a
    fork of a process that has imported the product; others are started as an operator would.
    """

    def __init__(self, home: Path, store: StoreAddress, *, warm: bool = False, **settings: object) -> None:
        self.home = home
        self.warm = warm
        self.watch = home / "in"
        self.errors = home / "errors"
        self.ledger = home / "ledger.db"
        self.log = home / "daemon.log"
        self.watch.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "WATCH_PATH": str(self.watch),
            "ERROR_DIRECTORY": str(self.errors),
            "PROGRESS_DB_PATH": str(self.ledger),
            "STORE_DIRECTORY": str(home / "store"),
            "STABILITY_THRESHOLD": "300",
            "RETRY_DELAY": "50",
            "SHUTDOWN_TIMEOUT": "20000",
            "ALLOW_ROOT": "true",
            **store.environment(),
            **{name: str(value) for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | warm.Forked | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, *arguments: str, prefix: tuple[str, ...] = (), ready: bool = True, **popen: Any) -> None:
        """Start `processor run` in a process group of its own; `ready` waits until it says that it works."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            if self.warm and not prefix and not popen:
                self.process = warm.start(["run", *arguments], self.home, self.environment, log, log)
            else:
                self.process = subprocess.Popen(
                    [*prefix, sys.executable, "-m", "processor", "run", *arguments],
                    cwd=self.home,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    **popen,
                )
        if ready:
            self.until(lambda: any(self.events("daemon.started", since=before)) or not self.running, timeout=60)
            assert self.running, f"it ended at once: {self.tail()}"

    def once(self, timeout: float = 120, **popen: Any) -> int:
        """Run with --once and return the exit code."""
        self.start("--once", ready=False, **popen)
        return self.wait(timeout)

    def wait(self, timeout: float = 60) -> int:
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self.tail()}") from None

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, timeout: float = 60) -> int:
        """End it gracefully and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it as the out-of-memory killer would: the main process alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """Return the processes that read strangers' files, not the server that forks them."""
        servers = {each.pid for each in self.descendants() if "fork_server" in command_line(each)}
        return [each for each in self.descendants() if each.pid in servers and each.ppid() in servers]

    # What it has said and written

    def events(self, name: str | None = None, *, since: int = 0) -> Iterator[dict[str, Any]]:
        """Yield its log lines: all or those of one event, from the byte `since` on."""
        if not self.log.exists():
            return
        with self.log.open("rb") as log:
            log.seek(since)
            for line in log:
                with contextlib.suppress(ValueError):
                    fields = json.loads(line)
                    if isinstance(fields, dict) and name in (None, fields.get("event")):
                        yield fields

    def failures(self) -> list[dict[str, Any]]:
        """Return what it said of files that failed, finally or not, and of bugs."""
        bad = ("file.failed", "file.retry", "file.not-put-away", "actor.died")
        return [fields for fields in self.events() if fields.get("event") in bad]

    def tail(self, size: int = 4000) -> str:
        return self.log.read_bytes()[-size:].decode("utf-8", "replace") if self.log.exists() else "(no log)"

    def rows(self, query: str = "SELECT * FROM file_progress", *arguments: object) -> list[sqlite3.Row]:
        """Ask the ledger, read-only; no rows while there is no ledger."""
        if not self.ledger.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True, timeout=30)) as ledger:
            ledger.row_factory = sqlite3.Row
            try:
                return ledger.execute(query, arguments).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def statuses(self) -> dict[str, str]:
        """Return the status of every file by its path below the watched directory, as the ledger writes it."""
        prefix = f"{self.watch}/"
        return {row["file_path"].removeprefix(prefix): row["status"] for row in self.rows()}

    def at_rest(self, files: int) -> bool:
        """Tell whether at least `files` files are known and all have come to their end."""
        counts = {
            row["rest"]: row["n"]
            for row in self.rows(
                "SELECT status IN ('completed','failed') AND due_at IS NULL AS rest, count(*) AS n"
                " FROM file_progress GROUP BY rest"
            )
        }
        return counts.get(0, 0) == 0 and counts.get(1, 0) >= files

    def until_at_rest(self, files: int, timeout: float = 60) -> None:
        self.until(lambda: self.at_rest(files), timeout)

    def until(self, condition: Callable[[], Any], timeout: float = 30, every: float = 0.03) -> Any:
        """Wait for a condition; it fails with the end of the log."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                counts = [tuple(row) for row in self.rows("SELECT status, count(*) FROM file_progress GROUP BY 1")]
                raise AssertionError(f"not within {timeout} s; ledger {counts}; log: {self.tail()}")
            time.sleep(every)
        return value
