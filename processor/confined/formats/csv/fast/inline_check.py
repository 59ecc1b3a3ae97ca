"""Check a large text while it passes on to DuckDB.

A member of a compressed tar can only be read again by decompressing all that lies before it. So DuckDB gets it from
here, each piece after it has been checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.confined.formats.csv.declared import csv_declaration, is_changed
from processor.confined.formats.csv.fast.speculative import (
    Speculation,
    SpeculationFailedError,
    may_speculate,
    speculate,
)
from processor.confined.formats.csv.feed.multi_pipe import BUFFER_BYTES, RelayError, relayed
from processor.confined.formats.csv.reader.uniformity import behind_lines
from processor.confined.formats.csv.readings import RowReading, by_duckdb
from processor.confined.formats.csv.strategies import CsvInput
from processor.confined.formats.csv.text import PIECE_BYTES
from processor.confined.formats.pipe_feed import piped
from processor.streams.source import about_bytes


def inline(csv: CsvInput) -> RowReading | None:
    """Check a large text that is no plain file, or that DuckDB can not read as it stands, on its way to DuckDB."""
    is_large = csv.source.size_bytes is None or csv.source.size_bytes > PIECE_BYTES
    is_made = csv.source.path_fd is None or is_changed(csv_declaration(csv.options))
    if not (is_large and is_made and may_speculate(csv)):
        return None
    found = speculate(csv)
    if csv.options.threads == 1:
        return by_duckdb(
            found.analysis, found.ending, lambda: piped(found.checked(found.new_check())), lambda: found.structure
        )
    return by_duckdb(
        found.analysis, found.ending, lambda: _paths(found), lambda: found.structure, buffer_bytes=BUFFER_BYTES
    )


@contextmanager
def _paths(found: Speculation) -> Iterator[list[str]]:
    """Yield pipes, one for each thread that DuckDB may have."""
    check, text = found.new_check(), found.analysis.text
    pieces = _without_lines(found.checked(check), found.analysis.skipped_lines)
    try:
        with relayed(pieces, check.behind_a_row, about_bytes(text.source), text.options.threads) as paths:
            yield paths
    except RelayError as error:
        raise SpeculationFailedError from error


def _without_lines(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield the pieces without the first `count` lines, which lie in the first of them."""
    yield behind_lines(next(pieces, b""), count)
    yield from pieces
