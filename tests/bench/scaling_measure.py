"""Measure what scaling is made of: CPU seconds of the daemon, the scheduler and the workers of a real cluster."""

import random
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from processor.store.probe import adopt, probe
from tests import seaweed
from tests.bench import data
from tests.cluster.programs import ClusterPrograms
from tests.e2e.daemon import Daemon, StoreAddress

_MIB = 1 << 20
_FILES, _MEMBERS, _LARGE_MIB = 300, 300, 48
_SECONDS = 900
_IDLE_SECONDS = 10


@dataclass(frozen=True)
class Spent:
    """CPU seconds of each side, all descendants included."""

    daemon: float
    scheduler: float
    workers: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.daemon - other.daemon, self.scheduler - other.scheduler, self.workers - other.workers)

    def __mul__(self, factor: float) -> "Spent":
        return Spent(self.daemon * factor, self.scheduler * factor, self.workers * factor)


def measured() -> dict[str, float]:
    """Return CPU milliseconds by what they are spent on; needs a quarter of an hour on a busy machine."""
    with tempfile.TemporaryDirectory(prefix="scaling-") as place:
        directory = Path(place)
        server = seaweed.started(directory / "store")
        try:
            store = seaweed.fresh_bucket(seaweed.settings_for(server))
            adopt(store, probe(store))
            settings = store.settings
            assert settings.endpoint
            assert settings.access_key_id
            assert settings.secret_access_key
            address = StoreAddress(
                settings.endpoint, settings.bucket, settings.access_key_id, settings.secret_access_key
            )
            return _of_cluster(directory, address)
        finally:
            server.stop(grace_seconds=0)


def _of_cluster(directory: Path, address: StoreAddress) -> dict[str, float]:
    (directory / "cluster").mkdir()
    cluster = ClusterPrograms(directory / "cluster", address.environment())
    cluster.start_scheduler()
    cluster.start_workers(2)
    daemon = Daemon(directory / "home", address, ENGINE="dask", WORKERS=1, DASK_MIN_SIZE=0, MAX_CONCURRENCY=8)
    daemon.environment["DASK_SCHEDULER"] = cluster.address
    daemon.environment["PATH_MAP"] = f"{daemon.watch}={daemon.watch}"
    daemon.start()
    try:
        figures = _figures(_Bench(daemon, cluster, directory))
    finally:
        daemon.stop()
        cluster.stop()
    alone = Daemon(directory / "alone", address, MAX_CONCURRENCY=8, S3_PREFIX="alone/")
    alone.start()
    try:
        return figures | _figures_alone(_Bench(alone, cluster, directory))
    finally:
        alone.stop()


@dataclass
class _Bench:
    daemon: Daemon
    cluster: ClusterPrograms
    directory: Path
    files: int = 0
    idle: Spent = Spent(0, 0, 0)

    def spent(self) -> Spent:
        """Return what was spent so far; of a daemon alone the pool's processes are the workers."""
        assert self.cluster.scheduler is not None
        if not self.cluster.scheduler.running:
            main = _own_cpu(psutil.Process(self.daemon.pid))
            return Spent(main, 0.0, _cpu(self.daemon.pid) - main)
        workers = sum(_cpu(program.process.pid) for program in self.cluster.workers)
        return Spent(_cpu(self.daemon.pid), _cpu(self.cluster.scheduler.process.pid), workers)

    def cost_of(self, files: int, make: Callable[[Path], None]) -> Spent:
        """Have `make` make files in a directory, move that in at once, and return what their delivery took.

        What all sides take by waiting is no part of it.
        """
        made = Path(tempfile.mkdtemp(dir=self.directory))
        make(made)
        before, start = self.spent(), time.perf_counter()
        made.rename(self.daemon.watch / made.name)
        self.files += files
        self.daemon.until_at_rest(self.files, _SECONDS)
        return self.spent() - before - self.idle * (time.perf_counter() - start)

    def learn_idle(self) -> None:
        """Measure what waiting takes a second."""
        before, start = self.spent(), time.perf_counter()
        time.sleep(_IDLE_SECONDS)
        self.idle = (self.spent() - before) * (1 / (time.perf_counter() - start))


def _figures(bench: _Bench) -> dict[str, float]:
    bench.cost_of(20, _tables(20))  # everybody is warm then
    bench.cost_of(3, _one_of_each(_MIB))
    bench.learn_idle()
    table = bench.cost_of(_FILES, _tables(_FILES))
    regular = bench.cost_of(_FILES, _regular(_FILES))
    members = bench.cost_of(1, _members(_MEMBERS))
    figures = {
        "daemon, small file": 1000 * regular.daemon / _FILES,
        "daemon, data file": 1000 * table.daemon / _FILES,
        "daemon, member": 1000 * members.daemon / _MEMBERS,
        "scheduler, unit": 1000 * table.scheduler / _FILES,
        "worker, CSV of 10 KB": 1000 * table.workers / _FILES,
        "worker, member of 10 KB": 1000 * members.workers / _MEMBERS,
    }
    for kind, make in _LARGE.items():
        cost = bench.cost_of(1, lambda place: make(place / f"large{_SUFFIX[kind]}", _LARGE_MIB * _MIB))  # noqa: B023
        figures[f"worker, MB of {kind}"] = 1000 * cost.workers / _LARGE_MIB
        figures[f"daemon, MB of {kind}"] = 1000 * cost.daemon / _LARGE_MIB
    return {name: round(value, 2) for name, value in figures.items()}


def _figures_alone(bench: _Bench) -> dict[str, float]:
    bench.cost_of(20, _tables(20))
    bench.learn_idle()
    table = bench.cost_of(_FILES, _tables(_FILES))
    members = bench.cost_of(1, _members(_MEMBERS))
    figures = {"alone, data file": 1000 * table.daemon / _FILES, "alone, member": 1000 * members.daemon / _MEMBERS}
    return {name: round(value, 2) for name, value in figures.items()}


def _one_of_each(size: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        for kind in ("CSV", "JSON Lines", "XML"):
            _LARGE[kind](place / f"first{_SUFFIX[kind]}", size)

    return make


def _tables(count: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        for number in range(count):
            (place / f"{number}.csv").write_bytes(data.small_table(number))

    return make


def _regular(count: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        for number in range(count):
            (place / f"{number}.bin").write_bytes(random.Random(number).randbytes(4096))

    return make


def _members(count: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        with zipfile.ZipFile(place / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(count):
                archive.writestr(f"{number}.csv", data.small_table(number))

    return make


_LARGE: dict[str, Callable[[Path, int], None]] = {
    "CSV": data.mixed_csv,
    "JSON Lines": data.json_lines,
    "XML": data.xml,
}
_SUFFIX = {"CSV": ".csv", "JSON Lines": ".jsonl", "XML": ".xml"}


def _cpu(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(map(_own_cpu, [process, *process.children(recursive=True)]))


def _own_cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
