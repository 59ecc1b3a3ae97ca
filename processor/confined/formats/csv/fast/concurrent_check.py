"""Convert a large file while another thread checks it.

DuckDB's threads hold no lock of Python's, so the check takes no time of its own where a processor is free, and it is
several times faster than the writing of the Parquet.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from processor.confined.formats import duckdb_session
from processor.confined.formats.csv.analysis import PIECE_BYTES
from processor.confined.formats.csv.fast.speculative import SpeculationFailedError, SpeculativeTable
from processor.streams.source import Source

_INTERRUPT_AGAIN_SECONDS = 0.05
_MOST_COLUMNS = 1000


def is_large_file(source: Source) -> bool:
    """Tell whether `source` is a plain file that is not decided on whole."""
    return source.path_fd is not None and source.size_bytes is not None and source.size_bytes > PIECE_BYTES


class ConcurrentTable(SpeculativeTable):
    """A table that DuckDB reads from the file."""

    def check_width(self) -> None:
        """Leave very wide tables to the careful way: DuckDB alone takes nearly all the memory there is for them."""
        if self.layout.width > _MOST_COLUMNS:
            raise SpeculationFailedError

    @contextmanager
    def _path(self) -> Iterator[str]:
        checking = _beside(self.checked()) if self.rows_passed is None else nullcontext()  # else all has been checked
        with checking, super()._path() as path:
            yield path


@contextmanager
def _beside(check: Iterable[object]) -> Iterator[None]:
    """Exhaust `check` in a thread; leaving waits for its end and raises what it raised, or gives it up on an error."""
    beside = _Beside(check)
    beside.start()
    try:
        yield
    except Exception as error:
        beside.leave(give_up=True)
        if beside.error is not None:
            raise beside.error from error
        raise
    beside.leave(give_up=False)
    if beside.error is not None:
        raise beside.error


class _Beside(threading.Thread):
    def __init__(self, check: Iterable[object]) -> None:
        super().__init__(name="check", daemon=True)
        self.error: Exception | None = None
        self._check = check
        self._given_up = False
        self._left = threading.Event()

    def run(self) -> None:
        """Until the end, a failure, or nobody wants to know any more."""
        try:
            for _ in self._check:
                if self._given_up:
                    return
        except Exception as error:  # noqa: BLE001 - raised again in the reading's thread
            self.error = error
            duckdb_session.interrupt()
            while not self._left.wait(_INTERRUPT_AGAIN_SECONDS):
                duckdb_session.interrupt()  # the statement may not have begun yet

    def leave(self, *, give_up: bool) -> None:
        """Wait for the end."""
        self._given_up = give_up
        self._left.set()
        self.join()
