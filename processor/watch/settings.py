"""Settings of the watcher."""

from dataclasses import dataclass, field

from processor.domain.selection import Selection


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How a tree is watched. `root` and `excluded` are absolute paths; `rescan_seconds` 0 means only when needed.

    With `settle_seconds` 0 a file is whole as soon as its writer closes it or it is renamed into place.
    """

    root: bytes
    settle_seconds: float = 2.0
    poll_seconds: float = 0.1
    rescan_seconds: float = 0.0
    ignore_initial: bool = False
    excluded: tuple[bytes, ...] = ()
    unsettled_limit: int = 20_000
    selection: Selection = field(default_factory=Selection)
    open_told_seconds: float = 60.0  # a file that stands still for so long with a writer is told of

    @property
    def quiet_seconds(self) -> float:
        """Return how long a file must be left alone when nobody has said that it is complete."""
        return self.settle_seconds or _UNSAID_SECONDS


_UNSAID_SECONDS = 1.0
