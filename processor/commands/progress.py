"""Progress of a long command, on a terminal only."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from processor.commands.humanize import plain, size, span

_FIRST_SECONDS = 2.0  # what takes no longer shows nothing
_EACH_SECONDS = 0.25
_shown: list["ProgressLine"] = []


def hide() -> None:
    """Remove the line that is shown, if any, before something else is printed."""
    for each in _shown:
        each.clear()


class ProgressLine:
    """One line that tells how far a command is: how much, how fast, how long still.

    `unit`: "" for bytes, else what is counted. The steps may be taken anywhere; a pipe or a file as stderr shows none.
    """

    def __init__(self, unit: str, total: int | None = None, what: str = "") -> None:
        self._unit = unit
        self._what = what
        self.total = total
        self.done = 0
        self._began = self._drawn = time.monotonic()
        self._stream: TextIO | None = sys.stderr if sys.stderr is not None and sys.stderr.isatty() else None
        self._shown = False

    def __enter__(self) -> Self:
        _shown.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
        _shown.remove(self)

    def step(self, amount: int, what: str = "") -> None:
        """Tell that so much more is done, and perhaps what comes now."""
        self.reach(self.done + amount, what)

    def reach(self, done: int, what: str = "") -> None:
        """Tell how much is done by now."""
        self.done, self._what = done, what or self._what
        now = time.monotonic()
        if self._stream is None or now - self._drawn < _EACH_SECONDS or now - self._began < _FIRST_SECONDS:
            return
        self._drawn = now
        import shutil  # noqa: PLC0415 - only where something is shown

        columns = shutil.get_terminal_size().columns
        self._stream.write(f"\r{self.line(now)[: columns - 1]}\x1b[K")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Remove the line: whatever is printed next begins where it stood."""
        if self._shown and self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def line(self, now: float) -> str:
        """Return `12.3 MB of 80.0 MB (15 %) · 4.1 MB/s · 16 s left · name`."""
        seconds = max(now - self._began, 0.001)
        rate = self.done / seconds
        parts = [f"{self._amount(self.done)}{self._share()}", f"{self._amount(rate, whole=False)}/s"]
        if self.total and 0 < self.done <= self.total:
            parts.append(f"{span((self.total - self.done) / rate * 1000)} left")
        return " · ".join((*parts, plain(self._what))) if self._what else " · ".join(parts)

    def _share(self) -> str:
        if not self.total:
            return ""
        return f" of {self._amount(self.total)} ({min(100, self.done * 100 // self.total)} %)"

    def _amount(self, count: float, *, whole: bool = True) -> str:
        if not self._unit:
            return size(count)
        return f"{count:,.0f} {self._unit}" if whole else f"{count:,.1f}"
