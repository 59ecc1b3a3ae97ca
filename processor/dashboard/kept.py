"""A value that many pages ask for."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_COST_FACTOR = 20  # what took a second to find out is kept for twenty

_Value = TypeVar("_Value")


class Kept(Generic[_Value]):
    """Asked for again only once it is older than `seconds`, by one asker at a time.

    One that is costly is kept longer, so that a page that stays open takes only a small share of a processor.
    """

    def __init__(self, seconds: float, ask: Callable[[], _Value]) -> None:
        self._seconds = seconds
        self._ask = ask
        self._lock = threading.Lock()
        self._kept: tuple[float, _Value] | None = None

    def value(self) -> _Value:
        """Return it, new or kept."""
        with self._lock:
            began = time.monotonic()
            if self._kept is None or began > self._kept[0]:
                value = self._ask()
                now = time.monotonic()
                self._kept = (now + max(self._seconds, (now - began) * _COST_FACTOR), value)
            return self._kept[1]
