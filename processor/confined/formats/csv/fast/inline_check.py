"""Check a large text while it passes on to DuckDB.

A member of a compressed tar can only be read again by decompressing all that lies before it. So DuckDB gets it from
here, each piece after it has been checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.confined.formats.csv.analysis import PIECE_BYTES
from processor.confined.formats.csv.fast.speculative import SpeculationFailedError, SpeculativeTable
from processor.confined.formats.csv.feed.multi_pipe import BUFFER_BYTES, RelayError, relayed
from processor.confined.formats.csv.reader.uniformity import StructureCheck, behind_lines, direct_reading
from processor.confined.formats.parquet.write import Reading
from processor.confined.formats.pipe_feed import piped
from processor.streams.source import Source, about_bytes


def is_costly_to_read(source: Source) -> bool:
    """Tell whether `source` is large and no plain file."""
    return source.path_fd is None and is_large(source)


def is_large(source: Source) -> bool:
    """Tell whether `source` may be more than what is decided on whole."""
    return source.size_bytes is None or source.size_bytes > PIECE_BYTES


class InlineTable(SpeculativeTable):
    """A table that DuckDB gets over pipes."""

    def direct(self) -> Reading:
        """Return the reading by DuckDB itself, with as many threads as it may have."""
        if self.options.threads == 1:
            return super().direct()
        assert self.structure is not None
        nulls = ("", *self.options.null_tokens)
        return direct_reading(
            self._paths, self.dialect, self.structure, self.layout.width, 0, nulls, buffer_bytes=BUFFER_BYTES
        )

    @contextmanager
    def _path(self) -> Iterator[str]:
        with piped(self.checked()) as path:
            yield path

    @contextmanager
    def _paths(self) -> Iterator[list[str]]:
        skip = self.skipped_lines()
        check = StructureCheck(self.dialect, self.layout.width, skip)
        pieces = _without_lines(self.checked(check), skip)
        try:
            with relayed(pieces, check.behind_a_row, about_bytes(self.source), self.options.threads) as paths:
                yield paths
        except RelayError as error:
            raise SpeculationFailedError from error


def _without_lines(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield the pieces without the first `count` lines, which lie in the first of them."""
    yield behind_lines(next(pieces, b""), count)
    yield from pieces
