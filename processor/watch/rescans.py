"""Schedule full scans of the tree."""

# What could not be watched or read is looked at again after so long, whatever RESCAN_INTERVAL says.
_DOUBT_SECONDS = 30.0
_DOUBT_DURATIONS = 10.0
_SHORTEST_PAUSE_SECONDS = 1.0
_NEVER = float("inf")


class Rescans:
    """Decides when a full scan begins: because it is wanted, because its interval is over, never two at a time.

    A scan earns a pause as long as it took, so that a flood of reasons costs at most half of the time.
    `interval_seconds` 0 means that scans happen only for a reason.
    """

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds or _NEVER
        self._running = False
        self._wanted = False
        self._doubted = False
        self._started = self._finished = self._duration = 0.0
        self._scanned = False

    @property
    def settled(self) -> bool:
        """Tell whether no scan is running and none is wanted."""
        return not self._wanted and not self._running

    def want(self) -> None:
        """Remember that something was missed; a scan that is running already does not count."""
        self._wanted = True

    def doubt(self) -> None:
        """Remember that something may be missed for a reason that lasts, such as a directory that is not watched."""
        self._doubted = True

    def is_due(self, now: float) -> bool:
        """Tell whether a scan is to begin now."""
        return now >= self.next_due()

    def next_due(self) -> float:
        """Return when the next scan begins as things stand; infinity when none will, or one is running."""
        if self._running:
            return _NEVER
        if not self._scanned:
            return self._finished if self._wanted else _NEVER
        pauses = [max(self._interval_seconds, self._duration)]
        if self._wanted:
            pauses.append(max(_SHORTEST_PAUSE_SECONDS, self._duration))
        if self._doubted:
            pauses.append(max(_DOUBT_SECONDS, _DOUBT_DURATIONS * self._duration))
        return self._finished + min(pauses)

    def start(self, now: float) -> None:
        """Take note that a scan begins; it answers all that was wanted or doubted before."""
        self._running, self._wanted, self._doubted = True, False, False
        self._started = now

    def finish(self, now: float) -> float:
        """Take note that the scan has ended and return how many seconds it took."""
        self._running, self._scanned = False, True
        self._finished, self._duration = now, now - self._started
        return self._duration

    def restart(self) -> None:
        """Want a scan at once, whatever came before: the tree is another one now."""
        self._running = self._scanned = self._doubted = False
        self._wanted = True
        self._finished = float("-inf")
