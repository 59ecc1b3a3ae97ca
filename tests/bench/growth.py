"""Cost as work grows: more files, and a larger file. Time should be linear, memory flat, the ledger small.

    python -m tests.bench.growth [1000 10000 100000 1000000]

delivers so many files, each number from an empty ledger, to a store that keeps nothing, so that what grows is ours; it
writes tests/bench/out/growth.json and growth.png.
"""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bench import chart, data, stores
from tests.bench.comparison import Bench
from tests.bench.measure import run
from tests.bench.sides import OURS
from tests.bench.tools import OUT

_FILE_BYTES = 100  # of each of many files: what is measured is the cost of a file, not of its bytes


def main() -> None:
    """Deliver each of the given numbers of files."""
    counts = [int(argument) for argument in sys.argv[1:]] or [1000, 10_000, 100_000]
    fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    found = []
    with tempfile.TemporaryDirectory(prefix="growth-", dir=fast) as place, stores.sink(Path(place), "growth") as store:
        for count in counts:
            found.append(of_files(Bench(store, "growth", Path(place)), count))
            print(found[-1], flush=True)
    (OUT / "growth.json").write_text(json.dumps(found, indent=1))
    chart.draw_growth(found, OUT / "growth.png")


def of_files(bench: Bench, count: int) -> dict[str, Any]:
    """Deliver `count` small files; then start again with nothing to do."""
    home, source = bench.directory / "growth", bench.directory / "growth-in"
    home.mkdir()
    source.mkdir()
    try:
        data.small_files(source, count, _FILE_BYTES)
        environment = {**os.environ, **bench.daemon_environment(source, home, f"growth-{count}")}
        environment |= {"PROCESSOR": sys.executable, "LOG_LEVEL": "warn"}
        delivery = run(["bash", "-c", OURS.script], environment, home / "log", home)
        again = run(["bash", "-c", OURS.script], environment, home / "log", home)
        ledger = home / "ledger.db"
        with closing(sqlite3.connect(ledger)) as database:
            (completed,) = database.execute("SELECT count(*) FROM file_progress WHERE status='completed'").fetchone()
        if completed != count:
            raise RuntimeError(f"{completed} of {count} files are completed")
        return {
            "files": count,
            "delivery": delivery.as_dict(),
            "files_a_second": round(count / delivery.wall_seconds, 1),
            "cpu_ms_a_file": round(delivery.cpu_seconds / count * 1000, 3),
            "restart_seconds": round(again.wall_seconds, 2),
            "ledger_bytes_a_file": round(ledger.stat().st_size / count, 1),
            "path_characters": len(str(next(iter(source.rglob("*.bin"))))),
        }
    finally:
        shutil.rmtree(home)
        shutil.rmtree(source)


def of_size(bench: Bench, megabytes: int) -> dict[str, Any]:
    """Deliver one CSV of `megabytes`."""
    home, source = bench.directory / "growth", bench.directory / "growth-in"
    home.mkdir()
    source.mkdir()
    try:
        data.mixed_csv(source / "mixed.csv", megabytes * 1_000_000)
        environment = {**os.environ, **bench.daemon_environment(source, home, f"size-{megabytes}")}
        environment |= {"PROCESSOR": sys.executable}
        cost = run(["bash", "-c", OURS.script], environment, home / "log", home)
        return {"megabytes": megabytes, "mb_a_second": round(megabytes / cost.wall_seconds, 1), **cost.as_dict()}
    finally:
        shutil.rmtree(home)
        shutil.rmtree(source)


if __name__ == "__main__":
    main()
