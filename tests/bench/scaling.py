"""How far it scales: a simulation of one daemon with a cluster, and of many daemons, for 1 to 1,000 hosts.

    python -m tests.bench.scaling [--measure] [--cores 4] [--out docs/images/scaling.png]

Every station a file passes (reading, the daemon's Python, ledger, scheduler, file server, workers, store) is a queue
before so many servers; files are let in as the daemon lets them in. Service times are CPU times measured here
(`--measure` measures them anew, by `scaling_measure`) and limits that are documented or assumed, all named below.
"""

import argparse
import heapq
import json
import random
from dataclasses import dataclass
from pathlib import Path

from tests.bench.tools import OUT, ROOT

# CPU milliseconds as `--measure` found them: two processors, shared with other work.
MEASURED: dict[str, float] = {
    "daemon, small file": 6.3,
    "daemon, data file": 27.15,
    "daemon, member": 10.5,
    "scheduler, unit": 6.18,
    "worker, CSV of 10 KB": 27.43,
    "worker, member of 10 KB": 16.82,
    "worker, MB of CSV": 38.24,
    "daemon, MB of CSV": 3.27,
    "worker, MB of JSON Lines": 22.51,
    "daemon, MB of JSON Lines": 2.74,
    "worker, MB of XML": 50.32,
    "daemon, MB of XML": 4.87,
    "alone, data file": 8.74,
    "alone, member": 2.81,
}

HASH_THREADS = 2  # the Checksummer's
LEDGER_COMMITS_A_SECOND = 3100.0  # SQLite, WAL, synchronous=FULL, one by one
COMMITS_A_FILE = 3.0  # under load reports are committed in groups; this is without
STORE_WRITES_A_SECOND = (
    3500.0  # PUT, COPY, POST, DELETE a prefix: "Best practices design patterns", Amazon S3 user guide
)
NETWORK_MB_A_SECOND = 1250.0  # assumed: 10 Gbit/s for each host
FILE_SERVER_MB_A_SECOND = 3125.0  # assumed: 25 Gbit/s for the shared directory
MOST_AT_ONCE = 256  # the largest MAX_CONCURRENCY
HOSTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Workload:
    """One kind of file: its size, and what each station has to do for one of it (milliseconds, write requests).

    `alone_ms` is the main process of a daemon without a cluster; `units` is how many workers share one file.
    """

    name: str
    megabytes: float
    daemon_ms: float
    alone_ms: float
    worker_ms: float
    writes: float
    units: int = 1


@dataclass
class Station:
    """A queue before some servers."""

    servers: int
    busy_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.free = [0.0] * self.servers

    def serve(self, now: float, seconds: float) -> float:
        """Return when work that arrives now is done."""
        start = max(now, heapq.heappop(self.free))
        heapq.heappush(self.free, start + seconds)
        self.busy_seconds += seconds
        return start + seconds


@dataclass(frozen=True)
class Result:
    """Files a second, and how busy each station was (0 to 1)."""

    files_a_second: float
    busy: dict[str, float]

    @property
    def limit(self) -> str:
        """Return what holds it up."""
        name = max(self.busy, key=lambda each: self.busy[each])
        return name if self.busy[name] > _BUSY else "MAX_CONCURRENCY"


_BUSY = 0.85


def workloads(measured: dict[str, float]) -> list[Workload]:
    """Return what is simulated."""
    csv_mb, parts_a_gb, members = measured["worker, MB of CSV"], 40.0, 1000
    small, file_ms, alone_ms = (
        measured[name] for name in ("worker, CSV of 10 KB", "daemon, data file", "alone, data file")
    )
    return [
        Workload("CSV of 1 GB", 1000, file_ms, alone_ms, 1000 * csv_mb, parts_a_gb + 3),
        Workload("CSV of 10 MB", 10, file_ms, alone_ms, 10 * csv_mb + small, 4),
        Workload("CSV of 10 KB", 0.01, file_ms, alone_ms, small, 4),
        Workload(
            f"zip of {members} CSV of 10 KB",
            members * 0.004,
            file_ms + members * measured["daemon, member"],
            alone_ms + members * measured["alone, member"],
            members * measured["worker, member of 10 KB"],
            3 * members + 1,
            units=8,
        ),
    ]


def simulate(workload: Workload, hosts: int, cores: int, measured: dict[str, float], *, cluster: bool) -> Result:
    """Run some thousand files through one daemon and its workers: `hosts` of a cluster, or the daemon's own host."""
    stations = _stations(hosts if cluster else 1, cores, cluster=cluster)
    route = _route(workload, measured, cluster=cluster)
    chance = random.Random(1)
    at_once = min(MOST_AT_ONCE, 4 * hosts * cores)
    total = 12 * at_once + 500
    tokens = [(0.0, number, 0) for number in range(at_once)]  # when, whose, where on the route
    missing: dict[int, int] = {}
    entered, ended, warm, warm_at, now = at_once, 0, total // 4, 0.0, 0.0
    while ended < total:
        now, number, at = heapq.heappop(tokens)
        match route[at] if at < len(route) else None:
            case None:  # it is delivered, and the next one is let in
                ended += 1
                warm_at = now if ended == warm else warm_at
                heapq.heappush(tokens, (now, entered, 0))
                entered += 1
            case "fork":
                missing[number] = workload.units
                for _ in range(workload.units):
                    heapq.heappush(tokens, (now, number, at + 1))
            case "join":
                missing[number] -= 1
                if missing[number] == 0:
                    heapq.heappush(tokens, (now, number, at + 1))
            case (station, seconds):
                done = stations[station].serve(now, seconds * chance.uniform(0.7, 1.3))
                heapq.heappush(tokens, (done, number, at + 1))
    busy = {name: station.busy_seconds / station.servers / now for name, station in stations.items()}
    return Result((total - warm) / (now - warm_at), busy)


Step = tuple[str, float] | str


def _stations(hosts: int, cores: int, *, cluster: bool) -> dict[str, Station]:
    stations = {
        "hashing": Station(HASH_THREADS),
        "daemon's network": Station(1),
        "daemon": Station(1),
        "ledger": Station(1),
        "workers": Station(hosts * cores),
        "store": Station(1),
    }
    if cluster:
        stations |= {"scheduler": Station(1), "file server": Station(1), "workers' network": Station(hosts)}
    return stations


def _route(workload: Workload, measured: dict[str, float], *, cluster: bool) -> list[Step]:
    """Return where a file goes and the seconds it takes there; between fork and join, each of its units."""
    megabytes, units = workload.megabytes, workload.units
    daemon = (workload.daemon_ms if cluster else workload.alone_ms) / 1000
    read = [("daemon's network", megabytes / NETWORK_MB_A_SECOND)] if cluster else []
    fetched = [
        ("scheduler", measured["scheduler, unit"] / 1000),
        ("file server", megabytes / units / FILE_SERVER_MB_A_SECOND),
        ("workers' network", megabytes / units / NETWORK_MB_A_SECOND),
    ]
    return [
        *read,
        ("hashing", megabytes * measured["daemon, MB of CSV"] / 1000),
        ("daemon", daemon / 2),
        "fork",
        *(fetched if cluster else []),
        ("workers", workload.worker_ms / 1000 / units),
        ("store", workload.writes / units / STORE_WRITES_A_SECOND),
        "join",
        ("daemon", daemon / 2),
        ("ledger", COMMITS_A_FILE / LEDGER_COMMITS_A_SECOND),
    ]


def table(measured: dict[str, float], cores: int) -> list[dict[str, object]]:
    """Return a row for each workload and number of hosts."""
    rows: list[dict[str, object]] = []
    for workload in workloads(measured):
        alone = simulate(workload, 1, cores, measured, cluster=False)
        for hosts in HOSTS:
            cluster = simulate(workload, hosts, cores, measured, cluster=True)
            rows.append(
                {
                    "workload": workload.name,
                    "hosts": hosts,
                    "cluster": cluster.files_a_second,
                    "cluster_mb": cluster.files_a_second * workload.megabytes,
                    "limit": cluster.limit,
                    "daemons": alone.files_a_second * hosts,
                    "daemons_mb": alone.files_a_second * hosts * workload.megabytes,
                }
            )
    return rows


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Draw files a second by hosts; a mark where something other than the workers begins to hold the cluster up."""
    import matplotlib as mpl  # noqa: PLC0415 - only for the chart

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = list(dict.fromkeys(str(row["workload"]) for row in rows))
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 4.4))
    for place, name in zip(axes, names, strict=True):
        mine = [row for row in rows if row["workload"] == name]
        hosts = [row["hosts"] for row in mine]
        place.loglog(hosts, [row["cluster"] for row in mine], "o-", label="one daemon, a cluster")
        place.loglog(hosts, [row["daemons"] for row in mine], "s--", label="a daemon on each host")
        held = next((row for row in mine if row["limit"] != "workers"), None)
        if held is not None:
            place.annotate(
                str(held["limit"]), (held["hosts"], held["cluster"]), xytext=(4, -16), textcoords="offset points"
            )
        place.set_title(name)
        place.set_xlabel("hosts")
        place.grid(visible=True, which="both", alpha=0.3)
    axes[0].set_ylabel("files a second")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


_LINE = "{workload:24} {hosts:5} {cluster:10.1f} files/s {cluster_mb:9.1f} MB/s  {limit:18} {daemons:10.1f} files/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--measure", action="store_true", help="measure on this machine instead of taking the figures here"
    )
    parser.add_argument("--cores", type=int, default=4, help="processors of each host")
    parser.add_argument("--out", type=Path, help="where the chart goes; none: beside the results")
    arguments = parser.parse_args()
    measured = MEASURED
    if arguments.measure:
        from tests.bench import scaling_measure  # noqa: PLC0415 - starts a store and a cluster

        measured = scaling_measure.measured()
    for name, value in measured.items():
        print(f"{name:28} {value:8.2f} ms")
    rows = table(measured, arguments.cores)
    for row in rows:
        print(
            "{workload:24} {hosts:5} {cluster:10.1f} files/s {cluster_mb:9.1f} MB/s  {limit:18} {daemons:10.1f}".format(
                **row
            )
        )
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "scaling.json").write_text(json.dumps({"measured": measured, "rows": rows}, indent=1))
    chart = arguments.out or OUT / "scaling.png"
    draw(rows, chart)
    print(chart.relative_to(ROOT) if chart.is_relative_to(ROOT) else chart)


if __name__ == "__main__":
    main()
