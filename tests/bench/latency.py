"""How long one small CSV takes from its rename to the stored object, on a daemon that has nothing else to do."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench import data
from tests.bench.comparison import Bench

_PATIENCE_SECONDS = 60


def measure(bench: Bench, files: int) -> dict[str, Any]:
    """Return the distribution in milliseconds: until the object's PUT was answered and until the ledger says so."""
    home = bench.directory / "latency"
    source, aside = home / "in", home / "aside"
    source.mkdir(parents=True)
    aside.mkdir()
    environment = {**os.environ, **bench.daemon_environment(source, home, "latency")}
    process = subprocess.Popen(
        [sys.executable, "-m", "processor", "run"], env=environment, cwd=home, stdout=subprocess.PIPE, text=True
    )
    lines = Lines(process)
    try:
        lines.wait_for('"daemon.started"')
        _until_quiet(process.pid)
        first = _one(source, aside, lines, 0)
        taken = [_one(source, aside, lines, number) for number in range(1, files + 1)]
        idle = _idle(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)
    taken.sort()
    return {
        "files": files,
        "first_ms": round(first, 1),
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(taken[int(len(taken) * 0.95)], 1),
        "max_ms": round(taken[-1], 1),
        "load": os.getloadavg()[0],
        **idle,
    }


def _one(source: Path, aside: Path, lines: "Lines", number: int) -> float:
    name = f"t{number:05}.csv"
    (aside / name).write_bytes(data.small_table(number))
    start = time.perf_counter()
    (aside / name).rename(source / name)
    return (lines.wait_for(name, '"file.completed"') - start) * 1000


class Lines:
    """The log of the daemon as it is written, each line with the moment it came."""

    def __init__(self, process: "subprocess.Popen[str]", patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._process, self._patience_seconds = process, patience_seconds
        self._come: list[tuple[float, str]] = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._come.append((time.perf_counter(), line))
                self._news.notify_all()

    def wait_for(self, *parts: str) -> float:
        """Return when a line with all `parts` came; lines before it are forgotten."""
        deadline = time.monotonic() + self._patience_seconds
        with self._news:
            while True:
                while self._come:
                    at, line = self._come.pop(0)
                    if all(part in line for part in parts):
                        return at
                if not self._news.wait(deadline - time.monotonic()) or time.monotonic() > deadline:
                    raise RuntimeError(f"the daemon did not say {parts}")


def _until_quiet(pid: int) -> None:
    """Wait until daemon and workers use no CPU: they have started."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    before = -1.0
    while time.monotonic() < deadline and (now := _cpu(pid)) - before > 0.02:
        before = now
        time.sleep(0.5)


def _cpu(pid: int) -> float:
    main = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (main, *main.children(recursive=True)))


def _idle(pid: int, seconds: float = 5.0) -> dict[str, float]:
    """Return what the daemon costs while nothing happens, and its size."""
    before = _cpu(pid)
    time.sleep(seconds)
    main = psutil.Process(pid)
    return {
        "idle_cpu_percent": round((_cpu(pid) - before) / seconds * 100, 2),
        "main_mb": round(main.memory_info().rss / 1e6, 1),
    }
