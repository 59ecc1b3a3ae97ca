"""The decisions about one delimited text, as values."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from processor.confined.formats.csv.declared_text import LinesInFile
from processor.confined.formats.csv.encoding import Encoding
from processor.confined.formats.csv.feed.encoded_rows import SURPLUS
from processor.confined.formats.csv.layout.doubts import Doubt, repeated_names, stray_quote
from processor.confined.formats.csv.layout.header import Name
from processor.confined.formats.csv.layout.header_evidence import Header
from processor.confined.formats.csv.layout.strangers import line_of_again
from processor.confined.formats.csv.layout.table_area import Layout
from processor.confined.formats.csv.malformed.collect import Misfits
from processor.confined.formats.csv.malformed.output_rows import OutputRows, is_row
from processor.confined.formats.csv.reader.batches import Passage, passages
from processor.confined.formats.csv.reader.records import Record, records
from processor.confined.formats.csv.reader.recover import Repair
from processor.confined.formats.csv.reader.survey import FIRST_RECORDS, Survey
from processor.confined.formats.csv.reader.swallowed import swallows_rows
from processor.confined.formats.csv.report import facts, refuse_malformed
from processor.confined.formats.csv.text import DelimitedText
from processor.confined.formats.dialect import Dialect
from processor.confined.formats.parquet.write import Sample, TextColumn
from processor.domain.conversion import Facts, MalformedRows, Receipt

_SAMPLE_ROWS = 120
_SAMPLE_CELLS = 20_000
_ROWS_FOR_REPAIR = 50
_LONGEST_KEPT = 1 << 20


@dataclass(frozen=True)
class Surveyed:
    """A text read by one dialect: its first records, or all of them, and where its table lies."""

    text: DelimitedText
    dialect: Dialect
    survey: Survey
    layout: Layout
    doubt: Doubt | None  # why this is not one table and nothing else
    is_whole: bool  # all of the text was looked at
    has_separator_line: bool  # Excel's `sep=;`

    @cached_property
    def repair(self) -> Repair:
        """What reads rows of another width anew."""
        width = self.layout.width
        rows = [record for record in self.survey.first[1:] if len(record.fields) == width][:_ROWS_FOR_REPAIR]
        return Repair(self.dialect, width, rows)

    @cached_property
    def holds_all(self) -> bool:
        """Whether the survey holds every record as it is read when the width is known, which parts some long ones."""
        survey, width = self.survey, self.layout.width
        if not self.is_whole or survey.odd or survey.total > len(survey.first):
            return False
        misfits = (r for r in survey.first if len(r.fields) != width) if len(survey.widths) > 1 else ()
        if any(b"\n" in record.text or b"\r" in record.text for record in misfits):
            return False
        delimiter = self.dialect.delimiter
        return not any(b"\n" in r.text and swallows_rows(r.text, delimiter, width) for r in survey.first)

    def records(self) -> Iterator[Record]:
        """Return all records, with NULL tokens applied."""
        return records(self.text.chunks(), self.dialect, nulls=self.text.nulls, width=self.layout.width)

    def passages(self) -> Iterator[Passage]:
        """Return all records, most of them in blocks; the first ones, among which the table begins, come alone."""
        chunks, width = self.text.chunks(), self.layout.width
        return passages(chunks, self.dialect, width, nulls=self.text.nulls, singly=FIRST_RECORDS)

    def new_misfits(self) -> Misfits:
        """Return what collects malformed rows, empty."""
        return Misfits(self.repair, is_kept=self.text.keeps_malformed, has_comments=self.layout.comments)


@dataclass(frozen=True)
class Analysis:
    """Every decision about one text: encoding, dialect, table, header, and which rows are malformed."""

    table: Surveyed
    header: Header
    names: list[Name]
    doubt: Doubt | None
    misfits: Misfits | None  # None where no row is malformed

    @property
    def text(self) -> DelimitedText:
        """The text."""
        return self.table.text

    @property
    def encoding(self) -> Encoding:
        """The text's encoding."""
        return self.table.text.encoding

    @property
    def dialect(self) -> Dialect:
        """Separators and quotes."""
        return self.table.dialect

    @property
    def survey(self) -> Survey:
        """The records that were looked at."""
        return self.table.survey

    @property
    def layout(self) -> Layout:
        """Where the table lies."""
        return self.table.layout

    @property
    def skipped_lines(self) -> int:
        """How many lines stand above the first row."""
        return self.layout.first_line - (not self.header.present)

    @property
    def malformed(self) -> int:
        """How many rows are malformed."""
        return self.misfits.count if self.misfits else 0

    @property
    def has_surplus(self) -> bool:
        """Whether there is a column of what rows have too much."""
        return self.text.keeps_malformed and self.misfits is not None and self.misfits.surplus

    @property
    def is_small(self) -> bool:
        """Whether few rows, blank lines included, may be held in memory several times."""
        is_short = self.survey.longest <= _LONGEST_KEPT and self.survey.blank <= FIRST_RECORDS
        return is_short and self.table.holds_all and not self.has_surplus

    def columns(self) -> list[TextColumn]:
        """Return the columns by their names in the relation."""
        return [TextColumn(f"c{i}", name.name, name.original) for i, name in enumerate(self.names)]

    def surplus_columns(self) -> tuple[str, ...]:
        """Return the name of the column of what rows have too much, if there is one."""
        return (SURPLUS,) if self.has_surplus else ()

    def facts(self) -> Facts:
        """Return what was decided, and the text that is no row, for the Parquet and the receipt."""
        return facts(self.encoding, self.dialect, self.header, self.layout, self.misfits, self.text.options)

    def refuse_malformed(self) -> None:
        """Raise DeliveryError `csv.*` where the text is not one table, or rows are wrong and none may be."""
        if self.doubt is not None:
            raise self.doubt
        if self.text.options.malformed_rows is MalformedRows.REFUSE:
            refuse_malformed(self.survey, self.dialect, self.layout.width, self.misfits)
            if not self.text.recognises and self.survey.encloses and self.survey.stray_line:
                raise stray_quote(self.survey.stray_line)

    def refuse_repeated_names(self, receipt: Receipt) -> None:
        """Raise DeliveryError `csv.not-one-table` where the names come again in a text that was not looked at whole.

        They make each column text; so nothing is read where one is not.
        """
        is_text = all(column.type == "VARCHAR" for column in receipt.columns)
        is_known = self.text.recognises or self.table.holds_all or self.text.csv.header is not None
        if is_known or not is_text or not self.header.present or self.layout.width == 1:
            return
        names = next(record for record in self.survey.first if record.line == self.layout.first_line)
        if line := line_of_again(self.text.chunks(), names):
            raise repeated_names(line, names)

    def output_rows(self) -> OutputRows:
        """Return what makes rows of records."""
        nulls, is_kept = self.text.nulls, self.text.keeps_malformed
        repair = self.table.repair
        return OutputRows(self.layout, self.header, repair, nulls, is_kept=is_kept, surplus=self.has_surplus)

    def rejected_lines(self) -> Iterator[bytes]:
        """Yield the malformed rows as lines of JSON."""
        return self.output_rows().rejected(self.table.passages())

    def raw_rows(self) -> Iterator[tuple[int, bytes]]:
        """Yield the line and the text of each row that is written, in their order."""
        width, blank = self.layout.width, []
        lines = self.text.declared.line_in_file() if self.text.declared is not None else LinesInFile([])
        for record in self.table.records():
            if not record.fields:
                blank.append((lines.of(record.line), record.text))
            elif self._is_row(record) and (self.text.keeps_malformed or len(record.fields) == width):
                yield from blank if width == 1 else ()  # a blank line between rows of one column is a row
                blank = []
                yield lines.of(record.line), record.text
            else:
                blank = []

    def sample(self) -> Sample:
        """Return the first and last rows that have the table's width and some that have not."""
        width = self.layout.width
        most = max(10, min(_SAMPLE_ROWS, _SAMPLE_CELLS // width))
        known = {r.line: r for r in (*self.survey.first[:most], *list(self.survey.last)[-most:])}
        regular = [r.fields for r in known.values() if len(r.fields) == width and self._is_row(r)]
        misfits = self.misfits.sample(self.text.nulls) if self.misfits else ()
        return [[None if value is None else value.decode() for value in row] for row in (*regular, *misfits)]

    def _is_row(self, record: Record) -> bool:
        return is_row(record, self.layout, self.header)
