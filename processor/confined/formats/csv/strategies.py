"""Ways to read a CSV, each of which may decline.

A strategy takes a `CsvInput` and returns how its rows are to be read, or None where it is for other texts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

from processor.confined.formats.csv.analyse import analyse_all, analyse_beginning, check_width, survey_beginning
from processor.confined.formats.csv.analysis import Analysis, Surveyed
from processor.confined.formats.csv.reader.uniformity import Structure, check_structure
from processor.confined.formats.csv.readings import RowReading, by_duckdb, by_our_reader, text_path
from processor.confined.formats.csv.text import DelimitedText, as_one_column, open_text
from processor.domain.conversion import ConversionOptions, DataFormat
from processor.streams.source import Source


@dataclass(frozen=True)
class CsvInput:
    """A source that is to be read as CSV, and what is found out about it, once."""

    source: Source
    data_format: DataFormat
    options: ConversionOptions

    @cached_property
    def beginning(self) -> Surveyed:
        """The text by its first piece. Raises DeliveryError `csv.*`."""
        return self._begin(open_text(self.source, self.options))

    @cached_property
    def proved(self) -> tuple[Analysis, Structure] | None:
        """The decisions by the first piece, where all rows are proved to be like those in it."""
        analysis = analyse_beginning(self.beginning)
        if analysis is None:
            return None
        text, width = analysis.text, analysis.layout.width
        structure = check_structure(text.source, text.encoding, analysis.dialect, width, analysis.skipped_lines)
        return (analysis, structure) if structure is not None else None

    @cached_property
    def analysis(self) -> Analysis:
        """The decisions by every record."""
        analysis = analyse_all(self.beginning)
        if analysis.layout.width == 1 and analysis.text.declared is not None and analysis.text.csv.comment:
            return analyse_all(self._begin(as_one_column(analysis.text)))
        return analysis

    def _begin(self, text: DelimitedText) -> Surveyed:
        piece, is_whole = text.first_piece()
        found = survey_beginning(text, self.data_format, piece, is_whole=is_whole)
        check_width(found)
        return found


Strategy = Callable[[CsvInput], RowReading | None]


def verified(csv: CsvInput) -> RowReading | None:
    """Let DuckDB read a large text of which all rows have been proved to be alike."""
    if csv.proved is None:
        return None
    analysis, structure = csv.proved
    analysis.refuse_malformed()
    return by_duckdb(analysis, structure.ending, partial(text_path, analysis), lambda: structure)


def in_memory(csv: CsvInput) -> RowReading | None:
    """Read the rows of a small text once and keep them."""
    return by_our_reader(csv.analysis, in_memory=True) if csv.analysis.is_small else None


def exact(csv: CsvInput) -> RowReading:
    """Read every record by our own reader."""
    return by_our_reader(csv.analysis)
