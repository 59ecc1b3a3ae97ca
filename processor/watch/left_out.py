"""Count the files that patterns leave out."""

_REMEMBERED = 50_000


class LeftOut:
    """Counts the files that lie there and are left out: exactly up to a bound, beyond it those of the last scan."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._met: set[int] = set()  # by the scan that is under way
        self._more = self._more_met = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._known) + self._more

    def add(self, path: bytes, *, scanned: bool) -> None:
        """Count a file that was sighted, by a scan or by an event."""
        mark = hash(path)
        if len(self._known) < _REMEMBERED:
            self._known.add(mark)
        if not scanned:
            return
        if len(self._met) < _REMEMBERED:
            self._met.add(mark)
        elif mark not in self._met:
            self._more_met += 1

    def scanned(self) -> None:
        """Forget what the scan that has just ended did not meet."""
        self._known, self._met = self._met, set()
        self._more, self._more_met = self._more_met, 0
