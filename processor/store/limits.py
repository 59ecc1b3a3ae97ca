"""Bandwidth and request-rate limits shared by all uploads.

Times are `time.monotonic()` seconds and come in as arguments to the pure parts; waiting is done by the caller's
`Pause`, which a shutdown can cut short.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Pause = Callable[[float], object]


class Bandwidth:
    """A token bucket that may go into debt: a big piece passes at once and the next ones wait for it.

    Averages to `bytes_per_second` over all threads; None means unlimited.
    """

    def __init__(self, bytes_per_second: int | None) -> None:
        assert bytes_per_second is None or bytes_per_second > 0
        self._rate = bytes_per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def reserve(self, size_bytes: int, now: float) -> float:
        """Book `size_bytes` and return how many seconds to wait before they may be sent."""
        if self._rate is None:
            return 0.0
        with self._lock:
            start = max(self._free_at, now)
            self._free_at = start + size_bytes / self._rate
            return start - now

    def take(self, size_bytes: int, pause: Pause = time.sleep) -> None:
        """Wait until `size_bytes` may be sent."""
        if (seconds := self.reserve(size_bytes, time.monotonic())) > 0:
            pause(seconds)


@dataclass(frozen=True, slots=True)
class _Rate:
    per_second: float | None  # None: no limit
    changed_at: float


class RequestRate:
    """Requests a second: unlimited until the store says SlowDown; then halved each time, and raised by success.

    Additive increase, multiplicative decrease, at most one decrease a second, so that the answers to requests that were
    on their way together count once. The limit is lifted when it has grown beyond `unlimited_above`.
    """

    def __init__(self, *, first_limit: float = 50, unlimited_above: float = 500, least: float = 0.5) -> None:
        self._first_limit = first_limit
        self._unlimited_above = unlimited_above
        self._least = least
        self._rate = _Rate(None, 0.0)
        self._free_at = 0.0
        self._lock = threading.Lock()

    @property
    def per_second(self) -> float | None:
        """The limit now; None when there is none."""
        return self._rate.per_second

    def reserve(self, now: float) -> float:
        """Book one request and return how many seconds to wait before it may be sent."""
        with self._lock:
            if self._rate.per_second is None:
                return 0.0
            start = max(self._free_at, now)
            self._free_at = start + 1 / self._rate.per_second
            return start - now

    def take(self, pause: Pause = time.sleep) -> None:
        """Wait until one request may be sent."""
        if self._rate.per_second is not None and (seconds := self.reserve(time.monotonic())) > 0:
            pause(seconds)

    def throttled(self, now: float) -> None:
        """Take note of a SlowDown."""
        with self._lock:
            if self._rate.per_second is None:
                self._rate = _Rate(self._first_limit, now)
            elif now - self._rate.changed_at >= 1:
                self._rate = _Rate(max(self._least, self._rate.per_second / 2), now)

    def succeeded(self) -> None:
        """Take note of a success: the limit grows by one request a second for each second of success."""
        limit = self._rate.per_second
        if limit is None:
            return
        with self._lock:
            grown = limit + 1 / limit
            self._rate = _Rate(None if grown > self._unlimited_above else grown, self._rate.changed_at)
