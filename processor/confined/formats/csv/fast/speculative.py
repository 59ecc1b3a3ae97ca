"""Convert in one pass, trusting the beginning; check the rest.

The first piece says that the text is UTF-8 and that all its rows are alike; that is checked while DuckDB reads it. The
object is not ended before all was checked. Where the check fails, what was written is discarded and another strategy
reads the text.
"""

from collections.abc import Iterator

from processor.confined.formats.base import fast_paths
from processor.confined.formats.csv.analyse import analyse_beginning, check_width, survey_beginning
from processor.confined.formats.csv.analysis import Analysis
from processor.confined.formats.csv.declared import csv_declaration, is_of_utf8
from processor.confined.formats.csv.declared_text import DeclaredText
from processor.confined.formats.csv.encoding import Encoding, Utf8Check, promised_encoding, utf8_chunks
from processor.confined.formats.csv.reader.uniformity import Structure, StructureCheck, ending_of
from processor.confined.formats.csv.strategies import CsvInput
from processor.confined.formats.csv.text import PIECE_BYTES, find_encoding, open_text
from processor.domain.conversion import ConversionOptions
from processor.streams.source import Source


class SpeculationFailedError(Exception):
    """The text is not what its beginning promised."""


class Speculation:
    """A text as its first piece promises it, and the check of the rest."""

    def __init__(self, analysis: Analysis, ending: bytes) -> None:
        self.analysis = analysis
        self.ending = ending
        self.structure: Structure | None = None  # of the last reading that was checked to its end

    def new_check(self) -> StructureCheck:
        """Return a check of the rows."""
        return StructureCheck(self.analysis.dialect, self.analysis.layout.width, self.analysis.skipped_lines)

    def checked(self, check: StructureCheck) -> Iterator[bytes]:
        """Yield the text, each piece after it was checked. Raises SpeculationFailedError."""
        self.structure = None
        utf8 = Utf8Check()
        for chunk in utf8_chunks(self.analysis.text.source, self.analysis.encoding):
            if not (utf8.add(chunk) and check.add(chunk)):
                raise SpeculationFailedError
            yield chunk
        structure = check.finish()
        if structure is None or structure.ending != self.ending or not utf8.add(b"", final=True):
            raise SpeculationFailedError
        self.structure = structure


def may_speculate(csv: CsvInput) -> bool:
    """Tell whether the text may be read so at all."""
    return fast_paths() and not csv_declaration(csv.options).row_names


def speculate(csv: CsvInput, *, most_columns: int | None = None) -> Speculation:
    """Decide all by the first piece. Raises SpeculationFailedError where it does not promise equal rows."""
    text = open_text(csv.source, csv.options, _promised_encoding)
    piece, is_whole = text.first_piece()
    if not Utf8Check().add(piece):
        raise SpeculationFailedError
    found = survey_beginning(text, csv.data_format, piece, is_whole=is_whole)
    if most_columns is not None and found.layout.width > most_columns:
        raise SpeculationFailedError
    check_width(found)
    analysis, ending = analyse_beginning(found), ending_of(piece)
    if analysis is None or ending is None:
        raise SpeculationFailedError
    return Speculation(analysis, ending)


def _promised_encoding(source: Source, options: ConversionOptions) -> Encoding:
    """Return the encoding that the beginning promises, or the declared one."""
    if not is_of_utf8(csv_declaration(options)) and not isinstance(source, DeclaredText):
        return find_encoding(source, options)
    with source.open() as reader:
        found = promised_encoding(reader.read(PIECE_BYTES))
    if found is None:
        raise SpeculationFailedError
    return found
