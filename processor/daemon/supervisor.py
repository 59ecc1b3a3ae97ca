"""The main thread: waits for signals, deaths and the end."""

import faulthandler
import queue
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

_TICK_SECONDS = 0.2
_STDERR = 2  # by number: `sys.stderr` is None where it was closed before the start


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A first SIGTERM or SIGINT: drain, then end."""

    signal_name: str


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """SIGHUP: read again what can be read again."""


@dataclass(frozen=True, slots=True)
class Died:
    """An actor, or a thread of one, met a bug."""

    name: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is on its way and nothing waits."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """A moment has passed in which nothing else happened."""


Event = StopAsked | ReloadAsked | Died | Idle | Ticked


class Supervisor:
    """One queue that everything of importance arrives in. Signal handlers only put; the main thread decides."""

    def __init__(self) -> None:
        # SimpleQueue.put is reentrant: the one kind of queue a signal handler may use (queue, Python documentation).
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def take_signals(self) -> None:
        """Handle SIGTERM, SIGINT, SIGHUP and SIGUSR1 from now on; called in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._events.put(ReloadAsked()))
        faulthandler.register(signal.SIGUSR1, file=_STDERR, all_threads=True)

    def died(self, name: str, error: BaseException) -> None:
        """Tell of a death; from any thread."""
        self._events.put(Died(name, error))

    def idle(self) -> None:
        """Tell that nothing is left to do; from any thread."""
        self._events.put(Idle())

    def next_event(self, timeout_seconds: float = _TICK_SECONDS) -> Event:
        """Return what happened next, or that time has passed."""
        try:
            return self._events.get(timeout=timeout_seconds)
        except queue.Empty:
            return Ticked()

    def wait(self, done: Callable[[Event], bool], timeout_seconds: float) -> Event | None:
        """Return the first event that is `done`; None when it did not happen in time."""
        end = time.monotonic() + timeout_seconds
        while (left := end - time.monotonic()) > 0:
            event = self.next_event(min(left, _TICK_SECONDS))
            if done(event):
                return event
        return None

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """First signal: ask for a graceful end. A second one has its default effect."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        self._events.put(StopAsked(signal.Signals(number).name))
