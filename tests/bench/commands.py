"""CPU seconds of commands that people and programs give often."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

from processor.ledger.writer import Ledger

TARGETS = {"--help": 0.15, "status": 0.25}
_SETTINGS = {"S3_BUCKET": "bucket", "WATCH_PATH": "/nowhere"}


def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Return the median of CPU seconds by command, beside a ledger without files."""
    ledger = directory / "commands.db"
    if not ledger.exists():
        Ledger(ledger, b"/nowhere").close()
    environment = os.environ | _SETTINGS | {"PROGRESS_DB_PATH": str(ledger)}
    return {
        name: statistics.median(_cpu_seconds([*_PROGRAM, name], environment) for _ in range(rounds)) for name in TARGETS
    }


_PROGRAM = (sys.executable, "-m", "processor")


def _cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return used.ru_utime + used.ru_stime
