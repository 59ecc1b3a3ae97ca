"""Counters since the start, for the summary and the metrics."""

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import accumulate

from processor.domain.declarations import Drift
from processor.domain.errors import SOURCE_CHANGED, SOURCE_FORBIDDEN, Failure
from processor.domain.feeds import Feeds
from processor.domain.jobs import Job
from processor.ledger.records import Intake

# Upper bounds, in seconds, of the histogram of step durations.
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, float("inf"))


@dataclass(slots=True)
class Spread:
    """A histogram of durations."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    total_seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total_seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative counts by upper bound, as Prometheus has them."""
        names = [*(str(bound) for bound in _BOUNDS[:-1]), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


@dataclass(slots=True)
class Counters:
    """Counters that only grow, and how things stand; written by Progress alone, read by anybody."""

    files_new: int = 0
    files_changed: int = 0
    completed: Counter[str] = field(default_factory=Counter)  # by type
    completed_bytes: Counter[str] = field(default_factory=Counter)  # source bytes, by type
    feed_files: Counter[tuple[str, str]] = field(default_factory=Counter)  # by feed and outcome; members count, too
    feed_drift: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # by feed, kind and declared column
    unchanged: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by error code
    retries: Counter[str] = field(default_factory=Counter)  # by error code
    changing: Counter[tuple[int, bytes]] = field(default_factory=Counter)  # row and path: tries that met a change
    open: dict[int, bytes] = field(default_factory=dict)  # row and path: pending, but open for writing
    unreadable: dict[int, bytes] = field(default_factory=dict)  # row and path: pending, but may not be read
    objects: int = 0
    object_bytes: int = 0
    rejected_rows: int = 0  # in <key>.rejects.jsonl of delivered tables
    notes: int = 0  # in <key>.notes.jsonl
    step_seconds: defaultdict[str, Spread] = field(default_factory=lambda: defaultdict(Spread))
    in_flight: int = 0
    arrived_ms: int = 0  # when the last new or changed file was found; 0: never
    completed_ms: int = 0  # when the last file was delivered
    store_out: bool = False
    store_problem: str = ""
    cluster_out: bool = False
    ledger_full: bool = False
    catalog_problem: str = ""  # why registrations wait; "" when the catalog answers, or was never asked
    table_commits: int = 0
    table_conflicts: int = 0  # commits for which another writer was quicker
    table_refused: int = 0
    notices_taken: int = 0  # events, by the receiver
    notices_refused: int = 0  # requests
    outbox: int = 0  # events that wait
    outbox_oldest_ms: int = 0

    @property
    def hindrances(self) -> tuple[str, ...]:
        """Return what keeps files from being delivered now, in an operator's words."""
        words = {
            f"the store is out: {self.store_problem}".removesuffix(": "): self.store_out,
            "the cluster is out": self.cluster_out,
            "there is no room for the ledger": self.ledger_full,
        }
        return tuple(text for text, holds in words.items() if holds)

    def count_found(self, intake: Intake, now_ms: int) -> None:
        """Count a batch of found files."""
        if intake.new or intake.changed:
            self.arrived_ms = now_ms
        self.files_new += intake.new
        self.files_changed += intake.changed

    def restless(self, tries: int) -> dict[int, bytes]:
        """Return the files, by row, that changed at each of more than `tries` readings or are open for writing."""
        return {row: path for (row, path), met in self.changing.items() if met > tries} | self.open

    def stuck(self, tries: int) -> dict[int, bytes]:
        """Return the files, by row, that `run --once` does not wait for."""
        return self.restless(tries) | self.unreadable

    def forget(self, row: int, path: bytes) -> None:
        """Count a file no more among those that wait for somebody else."""
        self.changing.pop((row, path), None)
        self.unreadable.pop(row, None)

    def know_feeds(self, feeds: Feeds) -> None:
        """Begin at zero: what is born with 1 does not increase."""
        for feed in feeds.feeds:
            for outcome in ("completed", "failed"):
                self.feed_files[feed.name, outcome] += 0
            for kind in Drift:
                self.feed_drift[feed.name, kind, ""] += 0
            declared = feed.declaration.columns
            for column in () if declared is None else declared.columns:
                self.feed_drift[feed.name, Drift.MISSING, column.source or column.name] += 0

    def count_feed(self, feed: str | None, outcome: str) -> None:
        """Count a file, or a member, of a feed."""
        if feed is not None:
            self.feed_files[feed, outcome] += 1

    def count_stored(self, size_bytes: int) -> None:
        """Count an object that is stored and verified."""
        self.objects += 1
        self.object_bytes += size_bytes

    def count_beside(self, rejected: int, notes: int) -> None:
        """Count the lines of a delivered table that are none of its rows."""
        self.rejected_rows += rejected
        self.notes += notes

    def count_completed(self, job: Job, now_ms: int, *, uploaded: bool) -> None:
        """Count a job that came home."""
        self.forget(job.row, job.file.relative_path)
        if not uploaded:
            self.unchanged += 1
            return
        self.completed_ms = now_ms
        self.completed[job.file.kind.type] += 1
        self.completed_bytes[job.file.kind.type] += job.file.size_bytes

    def count_failed(self, job: Job, failure: Failure, *, final: bool) -> None:
        """Count a failed try."""
        (self.failed if final else self.retries)[failure.code] += 1
        if final:
            self.forget(job.row, job.file.relative_path)
        elif failure.code == SOURCE_CHANGED:
            self.changing[job.row, job.file.relative_path] += 1
        elif failure.code == SOURCE_FORBIDDEN:
            self.unreadable[job.row] = job.file.relative_path
