"""Content of each page; everything from strangers is escaped."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from processor.commands import ledger
from processor.commands.humanize import moment, plain, size, span
from processor.commands.status import LedgerState, upload_rate
from processor.commands.store import delivered_objects
from processor.config import EMBEDDED, Settings
from processor.dashboard import records
from processor.dashboard.chart import bytes_chart, files_chart
from processor.dashboard.feeds import shown_feeds
from processor.domain.errors import DeliveryError
from processor.domain.jobs import Status
from processor.domain.keys import escape, unescape
from processor.store.embedded import EmbeddedStore

# How far back the chart looks: length of a bar in milliseconds, and how many bars.
SPANS = {"1h": (60_000, 60), "24h": (900_000, 96), "7d": (3 * 3_600_000, 56), "30d": (12 * 3_600_000, 60)}
_DEFAULT_SPAN = "1h"
_FRESH_SECONDS = 1.0
_CHART_FRESH_SECONDS = 10.0
_RATE_STATES = 6  # a rate is that of so many looks
_COST_FACTOR = 20  # what took a second to find out is kept for twenty
_SHOWN_OBJECTS = 500

_Value = TypeVar("_Value")


class NotKnownError(Exception):
    """The page asks for something that is not there."""


class Pages:
    """Makes pages; `token` is what a form must send back to be obeyed."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._token = token
        self._states: deque[LedgerState] = deque(maxlen=_RATE_STATES)
        self._state = _Kept(_FRESH_SECONDS, self._look)
        self._minute = _Kept(_FRESH_SECONDS, lambda: records.last_minute(settings.progress_db_path, _now_ms()))
        self._throughput = {name: _Kept(_CHART_FRESH_SECONDS, self._measure(name)) for name in SPANS}
        self._feeds = _Kept(_FRESH_SECONDS, lambda: shown_feeds(settings))
        self._store_is_asked = threading.BoundedSemaphore(2)
        self._environment = Environment(
            loader=PackageLoader("processor.dashboard"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"size": size, "span": span, "moment": moment, "ago": _ago, "plain": plain}
        self._environment.globals |= {
            "token": token,
            "statuses": list(map(str, Status)),
            "spans": list(SPANS),
            "root": escape(os.fsencode(settings.watch_path)) + "/",
        }

    def home(self, arguments: dict[str, str]) -> str:
        """Return what flows now, and the throughput over time."""
        return self._page("home.html", **self._now(), **self._chart(arguments), at="home")

    def now(self, _arguments: dict[str, str]) -> str:
        """Return the part of `home` that shows counts and rates."""
        return self._page("now.html", **self._now())

    def flights(self, _arguments: dict[str, str]) -> str:
        """Return the part of `home` that shows what is on its way and what failed last."""
        return self._page("flights.html", **self._now())

    def chart(self, arguments: dict[str, str]) -> str:
        """Return the part of `home` that shows throughput."""
        return self._page("chart.html", **self._chart(arguments))

    def files(self, arguments: dict[str, str]) -> str:
        """Return one page of the history: files whose path holds `q`, of one status or of all."""
        text, wanted = arguments.get("q", ""), arguments.get("status", "")
        status = Status(wanted) if wanted in set(Status) else None
        rows = records.search(self._settings.progress_db_path, text, status, arguments.get("before", ""))
        return self._page(
            "files.html", rows=rows, q=text, status=status, done=arguments.get("done", ""), at=status or "files"
        )

    def file(self, arguments: dict[str, str]) -> str:
        """Return one file's journey. Raises NotKnownError."""
        path = arguments.get("path", "")
        story = ledger.story(self._settings, Path(os.fsdecode(unescape(path)))) if path else None
        if story is None:
            raise NotKnownError(f"{path} is not in the ledger")
        return self._page("file.html", story=story, path=story.record["file_path"], done=arguments.get("done", ""))

    def objects(self, arguments: dict[str, str]) -> str:
        """Return the objects of one file, from its manifest. Raises NotKnownError."""
        raw, root = unescape(arguments.get("path", "")), os.fsencode(self._settings.watch_path) + b"/"
        if not raw.startswith(root):
            raise NotKnownError(f"{escape(raw)} lies outside WATCH_PATH")
        try:
            found, problem = self._delivered(raw.removeprefix(root)), ""
        except DeliveryError as error:
            found, problem = [], str(error)
        more = len(found) > _SHOWN_OBJECTS
        return self._page("objects.html", objects=found[:_SHOWN_OBJECTS], more=more, problem=problem)

    def feeds(self, _arguments: dict[str, str]) -> str:
        """Return what the feeds declare, and what became of their files."""
        shown, problem = self._feeds.value()
        return self._page("feeds.html", feeds=shown, problem=problem, at="feeds")

    def problem(self, text: str) -> str:
        """Return a page that says what is the matter."""
        return self._page("problem.html", text=text, at="")

    def _delivered(self, relative_path: bytes) -> list[dict[str, Any]]:
        settings = self._settings
        if settings.s3_endpoint == EMBEDDED and not EmbeddedStore(settings.store_directory).attach():
            raise NotKnownError("the embedded store does not run: start the daemon")
        with self._store_is_asked:
            return list(islice(delivered_objects(settings, relative_path), _SHOWN_OBJECTS + 1))

    def _look(self) -> LedgerState:
        self._states.append(ledger.state(self._settings))
        return self._states[-1]

    def _now(self) -> dict[str, Any]:
        minute, state = self._minute.value(), self._state.value()
        rate = minute.completed / 60
        waiting = state.counts[Status.PENDING]
        return {
            "state": state,
            "minute": minute,
            "uploading": upload_rate(self._states[0], state),
            "left_ms": waiting / rate * 1000 if rate and waiting else None,
        }

    def _chart(self, arguments: dict[str, str]) -> dict[str, Any]:
        wanted = arguments.get("span", _DEFAULT_SPAN)
        name = wanted if wanted in SPANS else _DEFAULT_SPAN
        buckets = self._throughput[name].value()
        return {"charts": (files_chart(buckets), bytes_chart(buckets)), "span": name}

    def _measure(self, name: str) -> Callable[[], tuple[records.Bucket, ...]]:
        return lambda: records.throughput(self._settings.progress_db_path, _now_ms(), *SPANS[name])

    def _page(self, template: str, **values: Any) -> str:
        return self._environment.get_template(template).render(values)


class _Kept(Generic[_Value]):
    """A value that is asked for again only once it is older than `seconds`, by one asker at a time.

    One that is costly is kept longer, so that a page that stays open takes only a small share of a processor.
    """

    def __init__(self, seconds: float, ask: Callable[[], _Value]) -> None:
        self._seconds = seconds
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: tuple[float, _Value] | None = None

    def value(self) -> _Value:
        with self._lock:
            began = time.monotonic()
            if self._kept is None or began > self._kept[0]:
                value = self._ask()
                now = time.monotonic()
                self._kept = (now + max(self._seconds, (now - began) * _COST_FACTOR), value)
            return self._kept[1]


def _ago(milliseconds: float) -> str:
    """Return how long ago a moment was; the future counts as now."""
    passed = max(0.0, _now_ms() - milliseconds)
    return "now" if passed < 1000 else f"{span(passed)} ago"  # noqa: PLR2004 - a second


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
