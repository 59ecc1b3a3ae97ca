"""Content of each page; everything from strangers is escaped."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from processor.commands import ledger
from processor.commands.humanize import moment, plain, size, span
from processor.commands.status import LedgerState, upload_rate
from processor.commands.store import delivered_objects
from processor.commands.tables import described, report
from processor.config.choices import EMBEDDED, CatalogType
from processor.config.settings import Settings
from processor.dashboard import estimate, filters, health, records
from processor.dashboard.chart import bytes_chart, files_chart
from processor.dashboard.feeds import shown_feeds
from processor.dashboard.filters import Filter, filter_from
from processor.dashboard.journey import WIDTH, journey, total_ms
from processor.dashboard.kept import Kept
from processor.dashboard.objects import ObjectPage, object_page
from processor.dashboard.words import STATUSES, status_word, step_word
from processor.domain.errors import DeliveryError
from processor.domain.keys import escape, unescape
from processor.domain.status import Status
from processor.store.embedded import EmbeddedStore

# How far back the chart looks: length of a bar in milliseconds, and how many bars.
SPANS = {"1h": (60_000, 60), "24h": (900_000, 96), "7d": (3 * 3_600_000, 56), "30d": (12 * 3_600_000, 60)}
_DEFAULT_SPAN = "1h"
_FRESH_SECONDS = 1.0
_CHART_FRESH_SECONDS = 10.0
_RATE_STATES = 6  # a rate is that of so many looks
_SHOWN_CHOSEN = 10


class NotKnownError(Exception):
    """The page asks for something that is not there."""


class Pages:
    """Makes pages; `token` is what a form must send back to be obeyed."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._ledger = settings.progress_db_path
        self._states: deque[LedgerState] = deque(maxlen=_RATE_STATES)
        self._state = Kept(_FRESH_SECONDS, self._look)
        self._health = Kept(_FRESH_SECONDS, lambda: health.signs(settings, self._state.value()))
        self._minute = Kept(_FRESH_SECONDS, partial(self._done, 1))
        self._minutes = Kept(_FRESH_SECONDS, partial(self._done, estimate.MINUTES))
        self._throughput = {name: Kept(_CHART_FRESH_SECONDS, self._measure(name)) for name in SPANS}
        self._groups = Kept(_FRESH_SECONDS, lambda: records.failure_groups(self._ledger, Filter().selection()))
        self._feeds = Kept(_FRESH_SECONDS, lambda: shown_feeds(settings))
        self._tables = Kept(_FRESH_SECONDS, lambda: report(settings))
        self._store_is_asked = threading.BoundedSemaphore(2)
        self._environment = Environment(
            loader=PackageLoader("processor.dashboard"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        words = {"status_word": status_word, "step_word": step_word}
        self._environment.filters |= {"size": size, "span": span, "moment": moment, "ago": _ago, "plain": plain} | words
        self._environment.filters |= {"count": lambda number: f"{number:,}", "took": _took}
        self._environment.globals |= {
            "token": token,
            "statuses": list(STATUSES),
            "sorts": list(records.Sort),
            "no_feed": filters.NO_FEED,
            "spans": list(SPANS),
            "root": escape(os.fsencode(settings.watch_path)) + "/",
            "has_tables": settings.catalog not in (None, CatalogType.NONE),
        }

    def home(self, arguments: dict[str, str]) -> str:
        """Return what flows now, and the throughput over time."""
        return self._page("home.html", **self._now(), **self._chart(arguments), at="home")

    def now(self, _arguments: dict[str, str]) -> str:
        """Return the part of `home` that shows health, counts and rates."""
        return self._page("now.html", **self._now())

    def flights(self, _arguments: dict[str, str]) -> str:
        """Return the part of `home` that shows what is in progress and what failed last."""
        return self._page("flights.html", **self._now())

    def chart(self, arguments: dict[str, str]) -> str:
        """Return the part of `home` that shows throughput."""
        return self._page("chart.html", **self._chart(arguments))

    def files(self, arguments: dict[str, str]) -> str:
        """Return one page of files: those of a filter; failed ones also by reason and feed."""
        chosen = filter_from(arguments)
        rows = records.search(self._ledger, chosen.selection(), chosen.order, arguments.get("place", ""))
        failed = chosen.status == Status.FAILED
        return self._page(
            "files.html",
            rows=rows,
            chosen=chosen,
            totals=self._totals(chosen),
            groups=self._grouped(chosen) if failed else None,
            codes=self._codes(),
            feeds=records.known_feeds(self._ledger),
            done=arguments.get("done", ""),
            at="failed" if failed else "files",
        )

    def retry(self, arguments: dict[str, str]) -> str:
        """Return the question whether these failed files are to be tried again, with their number."""
        chosen = replace(filter_from(arguments), status=Status.FAILED, sort="")
        until_ms = _now_ms() + 1
        paths = chosen_for_retry(self._settings, chosen, until_ms)
        return self._page(
            "retry.html",
            chosen=chosen,
            until_ms=until_ms,
            count=len(paths),
            some=[escape(bytes(path)) for path in paths[:_SHOWN_CHOSEN]],
            at="failed",
        )

    def file(self, arguments: dict[str, str]) -> str:
        """Return one file's journey. Raises NotKnownError."""
        path = arguments.get("path", "")
        story = ledger.story(self._settings, Path(os.fsdecode(unescape(path)))) if path else None
        if story is None:
            raise NotKnownError(f"{path} is not in the ledger")
        stops = journey(story)
        done = arguments.get("done", "")
        found = object_page(story.objects, "", 0)
        return self._page(
            "file.html",
            story=story,
            stops=stops,
            total_ms=total_ms(stops),
            bar_width=WIDTH,
            path=story.record["file_path"],
            found=found,
            problem="",
            q="",
            done=done,
        )

    def objects(self, arguments: dict[str, str]) -> str:
        """Return the objects of one file, from its manifest, searched. Raises NotKnownError."""
        return self._page("objects_page.html", **self._objects(arguments), at="")

    def objects_part(self, arguments: dict[str, str]) -> str:
        """Return the same as a part of the file's page. Raises NotKnownError."""
        return self._page("objects.html", **self._objects(arguments))

    def feeds(self, _arguments: dict[str, str]) -> str:
        """Return what the feeds declare, and what became of their files."""
        shown, problem = self._feeds.value()
        return self._page("feeds.html", feeds=shown, problem=problem, at="feeds")

    def tables(self, arguments: dict[str, str]) -> str:
        """Return how the tables stand, or one of them as the catalog has it. Raises NotKnownError."""
        name = arguments.get("name", "")
        if not name:
            return self._page("tables.html", report=self._tables.value(), now_ms=_now_ms(), at="tables")
        found, problem = None, ""
        try:
            with self._asking_the_store():
                found = described(self._settings, name)
        except DeliveryError as error:
            problem = str(error)
        if found is None and not problem:
            raise NotKnownError(f"the catalog knows no table {name}")
        return self._page("table.html", name=name, table=found, problem=problem, at="tables")

    def problem(self, text: str) -> str:
        """Return a page that says what is the matter."""
        return self._page("problem.html", text=text, at="")

    def _objects(self, arguments: dict[str, str]) -> dict[str, Any]:
        path, text, first = arguments.get("path", ""), arguments.get("q", ""), arguments.get("first", "")
        raw, root = unescape(path), os.fsencode(self._settings.watch_path) + b"/"
        if not raw.startswith(root):
            raise NotKnownError(f"{escape(raw)} lies outside WATCH_PATH")
        begin = int(first) if first.isascii() and first.isdigit() and len(first) < 10 else 0  # noqa: PLR2004 - digits
        try:
            found, problem = self._delivered(raw.removeprefix(root), text, begin), ""
        except DeliveryError as error:
            found, problem = object_page((), text, begin), str(error)
        return {"found": found, "problem": problem, "path": path, "q": text}

    def _delivered(self, relative_path: bytes, text: str, first: int) -> ObjectPage:
        with self._asking_the_store():
            return object_page(delivered_objects(self._settings, relative_path), text, first)

    @contextmanager
    def _asking_the_store(self) -> Iterator[None]:
        settings = self._settings
        if settings.s3_endpoint == EMBEDDED and not EmbeddedStore(settings.store_directory).attach():
            raise NotKnownError("the embedded store does not run: start the daemon")
        with self._store_is_asked:
            yield

    def _totals(self, chosen: Filter) -> records.Totals:
        if chosen.narrows:
            return records.totals(self._ledger, chosen.selection())
        state = self._state.value()
        status = [chosen.status] if chosen.status else list(state.counts)
        sizes = (state.bytes_by_status.get(each, 0) for each in status)
        return records.Totals(sum(state.counts[each] for each in status), sum(sizes))

    def _grouped(self, chosen: Filter) -> records.FailureGroups:
        return records.failure_groups(self._ledger, chosen.selection()) if chosen.narrows else self._groups.value()

    def _codes(self) -> list[str]:
        return sorted({group.code for group in self._groups.value().groups})

    def _look(self) -> LedgerState:
        self._states.append(ledger.state(self._settings))
        return self._states[-1]

    def _now(self) -> dict[str, Any]:
        state = self._state.value()
        left, unknown = estimate.time_left(state, self._minutes.value(), _now_ms())
        return {
            "state": state,
            "signs": self._health.value(),
            "minute": self._minute.value(),
            "uploading": upload_rate(self._states[0], state),
            "left": left,
            "unknown": unknown,
        }

    def _chart(self, arguments: dict[str, str]) -> dict[str, Any]:
        wanted = arguments.get("span", _DEFAULT_SPAN)
        name = wanted if wanted in SPANS else _DEFAULT_SPAN
        buckets = self._throughput[name].value()
        return {"charts": (files_chart(buckets), bytes_chart(buckets)), "span": name}

    def _measure(self, name: str) -> Callable[[], tuple[records.Bucket, ...]]:
        return lambda: records.throughput(self._ledger, _now_ms(), *SPANS[name])

    def _done(self, minutes: int) -> records.Pace:
        return records.latest_pace(self._ledger, _now_ms(), minutes)

    def _page(self, template: str, **values: Any) -> str:
        return self._environment.get_template(template).render(values)


def chosen_for_retry(settings: Settings, chosen: Filter, until_ms: int) -> list[Path]:
    """Return the failed files of a filter that failed before that time: those that were counted when it was asked."""
    selection = chosen.selection()
    until_ms = until_ms if selection.until_ms is None else min(until_ms, selection.until_ms)
    return ledger.failed_files(settings, replace(selection, until_ms=until_ms))


def _ago(milliseconds: float) -> str:
    """Return how long ago a moment was; the future counts as now."""
    passed = max(0.0, _now_ms() - milliseconds)
    return "now" if passed < 1000 else f"{span(passed)} ago"  # noqa: PLR2004 - a second


def _took(milliseconds: int) -> str:
    """Return a duration of a step: short ones to the millisecond."""
    if milliseconds < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 60_000 else span(milliseconds)  # noqa: PLR2004 - a minute


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
