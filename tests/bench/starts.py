"""How long a start takes beside many files that are delivered already, or wait."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from processor.ledger.writer import Ledger
from tests.bench.backlog_cost import complete_all, find_all, make_files
from tests.bench.comparison import Bench
from tests.bench.latency import Lines

TARGETS = {"delivered": 25.0, "waiting": 15.0}  # seconds for a million files
_PATIENCE_SECONDS = 600


def measure(bench: Bench, count: int) -> dict[str, Any]:
    """Return seconds from the command on: until all that is delivered is known again; until the first is delivered."""
    return {
        "files": count,
        "delivered": _start(bench, count, "delivered", "run", "--once", said='"daemon.stopped"'),
        "waiting": _start(bench, count, "waiting", "run", said='"file.completed"'),
        "load": os.getloadavg()[0],
    }


def _start(bench: Bench, count: int, name: str, *arguments: str, said: str) -> float:
    home = bench.directory / f"start-{name}-{count}"
    source = home / "in"
    make_files(source, count)
    environment = {**os.environ, **bench.daemon_environment(source, home, home.name)}
    _fill(Path(environment["PROGRESS_DB_PATH"]), source, count, delivered=name == "delivered")
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "processor", *arguments], env=environment, cwd=home, stdout=subprocess.PIPE, text=True
    )
    try:
        return round(Lines(process, _PATIENCE_SECONDS).wait_for(said) - start, 2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)


def _fill(path: Path, source: Path, count: int, *, delivered: bool) -> None:
    ledger = Ledger(path, os.fsencode(source))
    find_all(ledger, source, count)
    if delivered:
        complete_all(ledger)
    ledger.close()
