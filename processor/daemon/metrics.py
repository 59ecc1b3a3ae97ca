"""HTTP server for /metrics, /live and /ready.

/live    200 while the process answers at all.
/ready   200 while every actor answers, the store is not out and the ledger has room; else 503, and why.

Counters are those of the counters, in memory; what the ledger knows is read on a scrape, at most once in a few seconds,
over a read-only connection.
"""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from processor.actors.counters import Counters, Spread
from processor.daemon.bounded_http import BoundedHTTPServer, BoundedRequest
from processor.daemon.control_socket import end_serving
from processor.domain.codes import CODES
from processor.domain.files import FileType
from processor.domain.jobs import Status, Step
from processor.ledger.reader import Standing, standing
from processor.ledger.summary import TableStanding, standing_of_tables
from processor.sandbox.confine import Protections
from processor.watch.tree import WatchCounters

_FRESH_SECONDS = 5.0
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NEVER = Spread()
_WORKER_DEATHS = ("worker.died", "worker.crashed", "worker.silent", "worker.memory", "worker.cpu-time")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where figures come from; `not_ready` returns the reasons, none when all is well.

    `protections` are those of workers; None before any was made.
    """

    counters: Counters
    ledger: Path
    tree: Callable[[], WatchCounters]
    not_ready: Callable[[], tuple[str, ...]]
    protections: Protections | None = None


class MetricsServer:
    """Serves until `close`."""

    def __init__(self, listen: str, sources: Sources) -> None:
        """Listen on `host:port`. Raises OSError when that is not possible."""
        host, _, port = listen.rpartition(":")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(sources))
        ProcessCollector(registry=registry)
        self._server = _MetricsHttpServer((host.strip("[]"), int(port)), registry, sources.not_ready)
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no longer."""
        end_serving(self._server)


class _MetricsHttpServer(BoundedHTTPServer):
    def __init__(
        self, address: tuple[str, int], registry: CollectorRegistry, not_ready: Callable[[], tuple[str, ...]]
    ) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.registry = registry
        self.not_ready = not_ready
        super().__init__(address, _MetricsHandler)


class _MetricsHandler(BoundedRequest, BaseHTTPRequestHandler):
    server: _MetricsHttpServer

    def do_HEAD(self) -> None:
        """Answer like do_GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer one of the three pages."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(*self._metrics())
            case "/live":
                self._answer(HTTPStatus.OK, b"live\n")
            case "/ready":
                reasons = self.server.not_ready()
                status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
                self._answer(status, ("\n".join(reasons) or "ready").encode() + b"\n")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"/metrics, /live or /ready\n")

    def _metrics(self) -> tuple[HTTPStatus, bytes]:
        try:
            return HTTPStatus.OK, generate_latest(self.server.registry)
        except Exception as error:  # noqa: BLE001 - the border: a ledger that can not be read costs this scrape alone
            return HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}\n".encode()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep requests out of the log."""

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Collector:
    """Makes metrics of the sources when it is asked to."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._standing = Standing({}, None, 0)
        self._tables: tuple[TableStanding, ...] = ()
        self._standing_at = float("-inf")

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        built = {version("data-file-processor"): 1}
        yield _labelled(GaugeMetricFamily, "processor_build_info", "1, with the version.", "version", built)
        yield from _of_files(self._sources.counters)
        yield from _of_feeds(self._sources.counters)
        yield from _of_work(self._sources.counters)
        yield from _of_outbox(self._sources.counters)
        yield from self._of_ledger()
        yield from self._of_tree(self._sources.tree())
        if (protections := self._sources.protections) is not None:
            text = "Whether a protection of worker processes is on."
            on = {name: float(getattr(protections, name)) for name in Protections.__slots__}
            yield _labelled(GaugeMetricFamily, "processor_worker_protection", text, "protection", on)
        yield _gauge("processor_resident_bytes", "Resident memory of the main process.", _resident_bytes())

    def _of_ledger(self) -> Iterator[Metric]:
        now = time.monotonic()
        if now - self._standing_at > _FRESH_SECONDS:
            self._standing = standing(self._sources.ledger)
            self._tables = standing_of_tables(self._sources.ledger, counted=False)
            self._standing_at = now
        known = self._standing
        files = dict.fromkeys(map(str, Status), 0) | known.counts
        yield _labelled(GaugeMetricFamily, "processor_ledger_files", "Files in the ledger.", "status", files)
        age = 0.0 if known.oldest_waiting_ms is None else max(0.0, time.time() - known.oldest_waiting_ms / 1000)
        yield _gauge("processor_oldest_waiting_seconds", "Age of the file that waits longest; 0 when none waits.", age)
        yield _gauge("processor_ledger_bytes", "Size of the ledger, with its write-ahead log.", known.size_bytes)
        yield from _of_tables(self._tables)

    @staticmethod
    def _of_tree(tree: WatchCounters) -> Iterator[Metric]:
        yield _counter("processor_watch_events", "Events that inotify reported.", tree.events)
        yield _counter("processor_watch_overflows", "Times that inotify's queue ran over.", tree.overflows)
        yield _gauge("processor_watched_directories", "Directories that are watched.", tree.watches)
        yield _gauge("processor_unwatched_directories", "Directories that are only scanned.", tree.unwatched)
        yield _gauge("processor_unsettled_files", "Files that are not yet whole.", tree.unsettled)
        yield _gauge("processor_left_out_files", "Files that INCLUDE and EXCLUDE leave out.", tree.left_out)
        yield _gauge("processor_open_files", "Files that stand still and are open for writing.", tree.open)


def _of_tables(tables: tuple[TableStanding, ...]) -> Iterator[Metric]:
    lag = GaugeMetricFamily("processor_table_lag_seconds", "Age of what waits longest for its table.", labels=["table"])
    waiting = GaugeMetricFamily("processor_table_waiting", "Objects that wait for their table.", labels=["table"])
    refused = GaugeMetricFamily("processor_table_refused", "Objects that can not be in their table.", labels=["table"])
    now = time.time() * 1000
    for each in tables:
        since = now if each.waiting_since_ms is None else each.waiting_since_ms
        lag.add_metric([each.name], max(0.0, (now - since) / 1000))
        waiting.add_metric([each.name], each.waiting)
        refused.add_metric([each.name], each.refused)
    yield from (lag, waiting, refused)


def _of_files(counters: Counters) -> Iterator[Metric]:
    """Yield counters whose label sets are all there from the start: what is born with 1 does not increase."""
    files = CounterMetricFamily("processor_files", "Files that came to an end.", labels=["type", "outcome"])
    for type_ in FileType:
        files.add_metric([type_, "completed"], counters.completed[type_])
    files.add_metric(["any", "unchanged"], counters.unchanged)
    files.add_metric(["any", "failed"], counters.failed.total())
    yield files
    source = {str(type_): counters.completed_bytes[type_] for type_ in FileType}
    yield _labelled(CounterMetricFamily, "processor_source_bytes", "Bytes of delivered files.", "type", source)
    for name, text, counts in (
        ("processor_failures", "Files that failed for good, by code.", counters.failed),
        ("processor_retries", "Tries that failed and are repeated, by code.", counters.retries),
    ):
        yield _labelled(CounterMetricFamily, name, text, "code", dict.fromkeys(CODES, 0) | counts)
    deaths = sum(counts[code] for counts in (counters.failed, counters.retries) for code in _WORKER_DEATHS)
    yield _counter("processor_worker_deaths", "Workers that died, hung or ran out of memory.", deaths)


def _of_feeds(counters: Counters) -> Iterator[Metric]:
    feeds = CounterMetricFamily(
        "processor_feed_files", "Files and members of feeds that came to an end.", labels=["feed", "outcome"]
    )
    for (feed, outcome), count in sorted(counters.feed_files.items()):
        feeds.add_metric([feed, outcome], count)
    yield feeds
    drift = CounterMetricFamily(
        "processor_feed_drift", "Differences from what feeds declare.", labels=["feed", "kind", "column"]
    )
    for labels, count in sorted(counters.feed_drift.items()):
        drift.add_metric(list(labels), count)
    yield drift


def _of_work(counters: Counters) -> Iterator[Metric]:
    yield _counter("processor_objects", "Objects stored and verified.", counters.objects)
    yield _counter("processor_object_bytes", "Bytes of objects stored and verified.", counters.object_bytes)
    rejected = "Rows of delivered tables that went to their rejects."
    yield _counter("processor_rejected_rows", rejected, counters.rejected_rows)
    yield _counter("processor_notes", "Lines around delivered tables that went to their notes.", counters.notes)
    steps = HistogramMetricFamily("processor_step_seconds", "Duration of steps.", labels=["step"])
    for step in Step:
        spread = counters.step_seconds.get(step, _NEVER)
        steps.add_metric([step], spread.buckets(), spread.total_seconds)
    yield steps
    yield _gauge("processor_store_available", "1 unless the store is out.", 0.0 if counters.store_out else 1.0)
    cluster = 0.0 if counters.cluster_out else 1.0
    yield _gauge("processor_cluster_available", "1 unless the cluster of ENGINE=dask is out.", cluster)
    catalog = 0.0 if counters.catalog_problem else 1.0
    yield _gauge("processor_catalog_up", "1 unless the catalog of the feeds' tables is out.", catalog)
    yield _counter("processor_table_commits", "Snapshots that were committed to tables.", counters.table_commits)
    conflicts = "Commits for which another writer was quicker."
    yield _counter("processor_table_conflicts", conflicts, counters.table_conflicts)
    yield _gauge("processor_ledger_full", "1 while there is no room for the ledger.", float(counters.ledger_full))
    yield _gauge("processor_in_flight", "Files on their way.", counters.in_flight)
    yield _gauge(
        "processor_unreadable_files", "Files that wait because they may not be read.", len(counters.unreadable)
    )
    arrived, completed = counters.arrived_ms / 1000, counters.completed_ms / 1000
    yield _gauge("processor_last_arrival_timestamp_seconds", "Unix time when a file was found last; 0: never.", arrived)
    yield _gauge(
        "processor_last_completion_timestamp_seconds", "Unix time when a file was delivered last; 0: never.", completed
    )


def _of_outbox(counters: Counters) -> Iterator[Metric]:
    yield _counter("processor_notices_taken", "Events that NOTIFY_URL took.", counters.notices_taken)
    yield _counter("processor_notices_refused", "Requests that NOTIFY_URL did not take.", counters.notices_refused)
    yield _gauge("processor_outbox_events", "Events that wait to be told.", counters.outbox)
    age = max(0.0, time.time() - counters.outbox_oldest_ms / 1000) if counters.outbox else 0.0
    yield _gauge("processor_outbox_oldest_seconds", "Age of the oldest of them; 0 when none waits.", age)


def _labelled(
    family: type[CounterMetricFamily] | type[GaugeMetricFamily],
    name: str,
    text: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    metric = family(name, text, labels=[label])
    for value, number in values.items():
        metric.add_metric([value], number)
    return metric


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _resident_bytes() -> float:
    """Return resident memory now (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * resource.getpagesize())
