"""Convert a large file while another thread checks it.

DuckDB's threads hold no lock of Python's, so the check takes no time of its own where a processor is free, and it is
several times faster than the writing of the Parquet.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from processor.confined.formats import duckdb_session
from processor.confined.formats.csv.declared import csv_declaration, is_changed
from processor.confined.formats.csv.fast.speculative import Speculation, may_speculate, speculate
from processor.confined.formats.csv.readings import RowReading, by_duckdb, text_path
from processor.confined.formats.csv.strategies import CsvInput
from processor.confined.formats.csv.text import PIECE_BYTES
from processor.streams.threads import BoundedThread

_INTERRUPT_AGAIN_SECONDS = 0.05
_MOST_COLUMNS = 1000  # DuckDB alone takes nearly all the memory there is for more


def concurrent(csv: CsvInput) -> RowReading | None:
    """Let DuckDB read a large plain file as it stands, while another thread checks it."""
    size, is_file = csv.source.size_bytes, csv.source.path_fd is not None
    is_large = is_file and size is not None and size > PIECE_BYTES
    if not is_large or is_changed(csv_declaration(csv.options)) or not may_speculate(csv):
        return None
    found = speculate(csv, most_columns=_MOST_COLUMNS)
    return by_duckdb(found.analysis, found.ending, lambda: _checked_path(found), lambda: found.structure)


@contextmanager
def _checked_path(found: Speculation) -> Iterator[str]:
    is_checked = found.structure is not None  # by an earlier reading
    checking = nullcontext() if is_checked else _beside(found.checked(found.new_check()))
    with checking, text_path(found.analysis) as path:
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


class _Beside(BoundedThread):
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
