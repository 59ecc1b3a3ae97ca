"""Rows of JSON as a DuckDB relation of text.

The lines go through the CSV reader, which stays bounded on a pipe where DuckDB's JSON reader keeps every buffer.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from processor.streams.threads import BoundedThread

_BLOCK_BYTES = 1 << 18
_SHORTEST_LIMIT = 4 << 20


class JsonFeed:
    """Lines on their way to DuckDB; `count` tells how many there were once all have gone."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._rows = rows
        self._error: Exception | None = None
        self.count = 0

    @contextmanager
    def relation(self, longest_bytes: int) -> Iterator[str]:
        """Feed a pipe while it is read; yields SQL that stands after FROM. A failure of the rows is raised here."""
        read_end, write_end = os.pipe()
        thread = BoundedThread(target=self._run, args=(write_end,), name="json-feed", daemon=True)
        thread.start()
        try:
            yield lines_of(f"/dev/fd/{read_end}", longest_bytes)
        finally:
            os.close(read_end)
            thread.join()
            if self._error is not None:
                raise self._error

    def _run(self, write_end: int) -> None:
        try:
            with open(write_end, "wb", buffering=_BLOCK_BYTES) as pipe:
                for row in self._rows:
                    pipe.write(row)
                    pipe.write(b"\n")
                    self.count += 1
        except BrokenPipeError:
            pass  # the reader has had enough
        except Exception as error:  # noqa: BLE001 - handed to the reading thread
            self._error = error


def lines_of(path: str, longest_bytes: int) -> str:
    """Return the relation of the lines of `path`; blank ones are NULL or blank."""
    longest = max(_SHORTEST_LIMIT, 2 * longest_bytes)
    return (
        f"read_csv('{path}', columns={{'j': 'VARCHAR'}}, auto_detect=false, header=false, delim='\x01', quote='',"
        f" escape='', max_line_size={longest}, buffer_size={longest})"
    )
