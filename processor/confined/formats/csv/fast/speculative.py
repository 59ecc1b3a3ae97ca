"""Convert in one pass, trusting the beginning; check the rest.

What is else found out by readings of their own, that the text is UTF-8 and that all its rows are alike, is promised by
its first piece and checked while DuckDB reads it. The object is not ended before all was checked; where the promise is
broken, whatever was written counts for nothing and the careful way decides.
"""

from collections.abc import Iterator

from processor.confined.formats.csv.analysis import PIECE_BYTES, CsvTable
from processor.confined.formats.csv.declared import csv_declaration, is_of_utf8
from processor.confined.formats.csv.declared_text import DeclaredText
from processor.confined.formats.csv.encoding import Encoding, Utf8Check, promised_encoding, utf8_chunks
from processor.confined.formats.csv.reader.uniformity import Structure, StructureCheck, ending_of
from processor.domain.conversion import ConversionOptions
from processor.streams.source import Source


class SpeculationFailedError(Exception):
    """The text is not what its beginning promised."""


class SpeculativeTable(CsvTable):
    """A table as its first piece promises it. All that is not kept is raised as BrokenPromiseError."""

    rows_passed: int | None = None  # of the last reading that was checked to its end
    blank_passed = 0

    @classmethod
    def encoding_of(cls, source: Source, options: ConversionOptions) -> Encoding:
        """Return the encoding that the beginning promises, or the declared one."""
        if not is_of_utf8(csv_declaration(options)) and not isinstance(source, DeclaredText):
            return super().encoding_of(source, options)
        with source.open() as reader:
            found = promised_encoding(reader.read(PIECE_BYTES))
        if found is None:
            raise SpeculationFailedError
        return found

    def first_piece(self) -> tuple[bytes, bool]:
        """Return the text's first piece, cut after a line, and whether it is all."""
        piece, whole = super().first_piece()
        if not Utf8Check().add(piece):
            raise SpeculationFailedError
        return piece, whole

    def lines_read(self) -> tuple[int, int]:
        """Return the rows, and the blank lines behind them, of the reading that was checked to its end."""
        assert self.rows_passed is not None
        return self.rows_passed, self.blank_passed

    def find_structure(self) -> Structure | None:
        """Return the structure that the first piece promises; its rows are not counted yet."""
        ending = ending_of(self.first_piece()[0])
        return Structure(0, ending) if ending is not None else None

    def understand_all(self) -> None:
        """Leave it to the careful way."""
        raise SpeculationFailedError

    def checked(self, check: StructureCheck | None = None) -> Iterator[bytes]:
        """Yield the text while it keeps its promises, each piece when `check` has been made of it."""
        assert self.structure is not None
        self.rows_passed = None
        check = check or StructureCheck(self.dialect, self.layout.width, self.skipped_lines())
        utf8 = Utf8Check()
        for chunk in utf8_chunks(self.source, self.encoding):
            if not (utf8.add(chunk) and check.add(chunk)):
                raise SpeculationFailedError
            yield chunk
        structure = check.finish()
        if structure is None or structure.ending != self.structure.ending or not utf8.add(b"", final=True):
            raise SpeculationFailedError
        self.rows_passed = structure.rows
        self.blank_passed = structure.blank
