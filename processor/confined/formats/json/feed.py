"""Rows of JSON as a DuckDB relation of text.

The lines go through the CSV reader, which stays bounded on a pipe where DuckDB's JSON reader keeps every buffer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.confined.formats.pipe_feed import piped
from processor.confined.formats.sql import read_lines


class JsonFeed:
    """Lines on their way to DuckDB; `count` tells how many there were once all have gone."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._rows = rows
        self.count = 0

    @contextmanager
    def relation(self, longest_bytes: int) -> Iterator[str]:
        """Feed a pipe while it is read; yields SQL that stands after FROM. A failure of the rows is raised here."""
        with piped(self._lines()) as path:
            yield read_lines(path, longest_bytes)

    def _lines(self) -> Iterator[bytes]:
        for row in self._rows:
            yield row
            yield b"\n"
            self.count += 1
