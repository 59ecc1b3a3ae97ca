"""The fast way for a large text that is costly to read twice: judged while it passes on to DuckDB.

A member of a compressed tar can only be read again by decompressing all that lies before it. So what is else found out
by readings of their own, that the text is UTF-8 and that all its rows are alike, is promised by its first piece and
checked of every piece before DuckDB gets it. Where the promise is broken, whatever was written counts for nothing and
the careful way decides.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.steps.conversion.csv_direct import (
    Structure,
    StructureCheck,
    behind_lines,
    direct_reading,
    ending_of,
)
from processor.steps.conversion.csv_encoding import Encoding, Utf8Check, promised_encoding, utf8_chunks
from processor.steps.conversion.csv_exact import piped
from processor.steps.conversion.csv_relay import BUFFER_BYTES, RelayError, relayed
from processor.steps.conversion.csv_table import PIECE_BYTES, CsvTable
from processor.steps.conversion.table import Reading
from processor.streams.source import Source, about_bytes


class BrokenPromiseError(Exception):
    """The text is not what its beginning promised."""


def is_costly_to_read(source: Source) -> bool:
    """Tell whether `source` is large and no plain file."""
    return source.path_fd is None and (source.size_bytes is None or source.size_bytes > PIECE_BYTES)


class PassingTable(CsvTable):
    """A table as its first piece promises it. All that is not kept is raised as BrokenPromiseError."""

    rows_passed: int | None = None  # of the last reading that came to the end

    @staticmethod
    def encoding_of(source: Source) -> Encoding:
        """Return the encoding that the beginning promises."""
        with source.open() as reader:
            found = promised_encoding(reader.read(PIECE_BYTES))
        if found is None:
            raise BrokenPromiseError
        return found

    def first_piece(self) -> tuple[bytes, bool]:
        """Return the text's first piece, cut after a line, and whether it is all."""
        piece, whole = super().first_piece()
        if not Utf8Check().add(piece):
            raise BrokenPromiseError
        return piece, whole

    def find_structure(self) -> Structure | None:
        """Return the structure that the first piece promises; its rows are not counted yet."""
        ending = ending_of(self.first_piece()[0])
        return Structure(0, ending) if ending is not None else None

    def understand_all(self) -> None:
        """Leave it to the careful way."""
        raise BrokenPromiseError

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
        with piped(self._kept()) as path:
            yield path

    @contextmanager
    def _paths(self) -> Iterator[list[str]]:
        skip = self.skipped_lines()
        check = StructureCheck(self.dialect, self.layout.width, skip)
        pieces = _without_lines(self._kept(check), skip)
        try:
            with relayed(pieces, check.behind_a_row, about_bytes(self.source), self.options.threads) as paths:
                yield paths
        except RelayError as error:
            raise BrokenPromiseError from error

    def _kept(self, check: StructureCheck | None = None) -> Iterator[bytes]:
        """Yield the text while it keeps its promises, each piece when `check` has been made of it."""
        assert self.structure is not None
        self.rows_passed = None
        check = check or StructureCheck(self.dialect, self.layout.width, self.skipped_lines())
        utf8 = Utf8Check()
        for chunk in utf8_chunks(self.source, self.encoding):
            if not (utf8.add(chunk) and check.add(chunk)):
                raise BrokenPromiseError
            yield chunk
        structure = check.finish()
        if structure is None or structure.ending != self.structure.ending or not utf8.add(b"", final=True):
            raise BrokenPromiseError
        self.rows_passed = structure.rows


def _without_lines(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield the pieces without the first `count` lines, which lie in the first of them."""
    yield behind_lines(next(pieces, b""), count)
    yield from pieces
