"""Requests that operators may make of a running daemon."""

import time
from collections.abc import Callable
from typing import Any

from processor.actors.counters import Counters
from processor.actors.messages import Obey
from processor.actors.routes import Routes
from processor.domain.keys import escape, unescape
from processor.domain.status import ABOUT, WATCH, Order
from processor.watch.tree import Tree

_ANSWER_SECONDS = 20.0
_MOST_OPEN = 20


class ControlApi:
    """Turns a request of the control socket into a question to Progress, or to the watched tree."""

    def __init__(self, routes: Routes, tree: Tree, files: Counters, about: Callable[[], dict[str, Any]]) -> None:
        self._files = files
        self._routes = routes
        self._tree = tree
        self._about = about

    def answer(self, request: dict[str, Any]) -> Any:
        """Return plain values. Raises ValueError for what is no order."""
        if request["order"] == WATCH:
            return self._watch()
        if request["order"] == ABOUT:
            return self._about()
        path = request.get("path")
        obey = Obey(
            Order(request["order"]),
            None if path is None else unescape(path),
            request.get("since_ms"),
            request.get("feed"),
            request.get("table"),
        )
        answer: Any = self._routes.progress.ask(obey, timeout=_ANSWER_SECONDS)
        if obey.order is not Order.FLIGHTS:
            return answer
        return [
            {
                "path": escape(flight.job.file.relative_path),
                "step": flight.job.current,
                "attempt": flight.job.attempt,
                "size_bytes": flight.job.file.size_bytes,
                "uploaded_bytes": flight.uploaded_bytes,
                "objects": flight.objects,
                "seconds": round(time.monotonic() - flight.since, 1),
            }
            for flight in list(answer)
        ]

    def _watch(self) -> dict[str, Any]:
        counters = self._tree.counters()
        longest = sorted(self._tree.open_files(), key=lambda each: -each[1])[:_MOST_OPEN]
        return {
            "open": counters.open,
            "left_out": counters.left_out,
            "open_files": [{"path": escape(path), "seconds": round(seconds, 1)} for path, seconds in longest],
            "unreadable": len(self._files.unreadable),
            "unreadable_files": [escape(path) for path in sorted(self._files.unreadable.copy().values())[:_MOST_OPEN]],
        }
