"""Run a command and say what it took: wall and CPU seconds, and the peak memory of it and all its descendants."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil

_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """What one run took. CPU is that of the process and every descendant it has waited for."""

    wall_seconds: float
    cpu_seconds: float
    main_mb: float  # peak of the first process alone
    tree_mb: float  # peak of the sum, pages that several share counted once (PSS)
    largest_child_mb: float
    load: float  # of the machine in the last minute, before the run

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def run(command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> Cost:
    """Run to the end. Raises RuntimeError with the end of the log for any exit code but 0."""
    load = os.getloadavg()[0]
    with log.open("wb") as output:
        start = perf_counter()
        process = subprocess.Popen(
            command, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        sampler = Sampler(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
    if process.returncode:
        tail = log.read_bytes()[-3000:].decode("utf-8", "replace")
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {tail}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, sampler.main_mb, sampler.tree_mb, sampler.child_mb, load)


class Sampler(threading.Thread):
    """Looks at a process and its descendants until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.main_mb = self.tree_mb = self.child_mb = 0.0
        self._process = psutil.Process(pid)
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            with contextlib.suppress(psutil.Error, OSError):  # it ends while it is looked at
                self._look()

    def _look(self) -> None:
        main = self._process.memory_info().rss / 1e6
        children = []
        total = self._pss(self._process)
        for child in self._process.children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError):
                children.append(child.memory_info().rss / 1e6)
                total += self._pss(child)
        self.main_mb = max(self.main_mb, main)
        self.child_mb = max(self.child_mb, *children, 0.0)
        self.tree_mb = max(self.tree_mb, total)

    @staticmethod
    def _pss(process: psutil.Process) -> float:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
        return 0.0

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure; of memory the most."""
    return Cost(
        median(cost.wall_seconds for cost in costs),
        median(cost.cpu_seconds for cost in costs),
        max(cost.main_mb for cost in costs),
        max(cost.tree_mb for cost in costs),
        max(cost.largest_child_mb for cost in costs),
        max(cost.load for cost in costs),
    )
