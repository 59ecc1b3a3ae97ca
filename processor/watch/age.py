"""Judge by time stamps which files are old enough."""

from processor.watch.found import FoundFile

_NANOSECONDS = 1_000_000_000
# A file server stamps files by its own clock, which may differ from ours by a few seconds.
_MARGIN_SECONDS = 5.0
_JUMP_SECONDS = 1.0


class Age:
    """Judges by the time stamps whether a file has been left alone for `quiet_seconds`.

    The stamps are of the wall clock. When that jumps, what was written just before the jump seems old; so for a while
    nothing counts as old and every file is waited for by the monotonic clock instead.
    """

    def __init__(self, quiet_seconds: float) -> None:
        self._trusted_seconds = quiet_seconds + _MARGIN_SECONDS
        self._trusted_ns = self._trusted_seconds * _NANOSECONDS
        self._offset: float | None = None
        self._distrusted_until = float("-inf")
        self._wall_ns = 0
        self._now = 0.0

    def clock(self, now: float, wall_ns: int) -> None:
        """Take the time, of the monotonic and of the wall clock, for the judgements that follow."""
        offset = wall_ns / _NANOSECONDS - now
        if self._offset is None:
            self._offset = offset
        elif abs(offset - self._offset) > _JUMP_SECONDS:
            self._offset = offset
            self._distrusted_until = now + self._trusted_seconds
        self._now = now
        self._wall_ns = wall_ns

    def is_old(self, found: FoundFile) -> bool:
        """Tell whether the file was last changed long enough ago. A stamp in the future is no proof of anything."""
        if self._now < self._distrusted_until:
            return False
        changed_ns = max(found.mtime_ns, found.ctime_ns)
        return self._wall_ns - changed_ns >= self._trusted_ns
