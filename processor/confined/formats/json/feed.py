"""Rows of JSON as a DuckDB relation of text.

The lines go through the CSV reader, which stays bounded on a pipe where DuckDB's JSON reader keeps every buffer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.confined.formats.pipe_feed import piped

_SHORTEST_LIMIT = 4 << 20


class JsonFeed:
    """Lines on their way to DuckDB; `count` tells how many there were once all have gone."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._rows = rows
        self.count = 0

    @contextmanager
    def relation(self, longest_bytes: int) -> Iterator[str]:
        """Feed a pipe while it is read; yields SQL that stands after FROM. A failure of the rows is raised here."""
        with piped(self._lines()) as path:
            yield lines_of(path, longest_bytes)

    def _lines(self) -> Iterator[bytes]:
        for row in self._rows:
            yield row
            yield b"\n"
            self.count += 1


def lines_of(path: str, longest_bytes: int) -> str:
    """Return the relation of the lines of `path`; blank ones are NULL or blank."""
    longest = max(_SHORTEST_LIMIT, 2 * longest_bytes)
    return (
        f"read_csv('{path}', columns={{'j': 'VARCHAR'}}, auto_detect=false, header=false, delim='\x01', quote='',"
        f" escape='', max_line_size={longest}, buffer_size={longest})"
    )
