"""One delimited text and every decision about it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from processor.confined.formats.csv.accounting import Account, Note, notes_of
from processor.confined.formats.csv.declared import (
    csv_declaration,
    declared_header,
    declared_reading,
    declares_dialect,
    null_tokens,
    takes_lines_out,
    without_quoted_nulls,
)
from processor.confined.formats.csv.declared_text import DeclaredText, LinesInFile
from processor.confined.formats.csv.encoding import Encoding, decide_encoding, declared_encoding, utf8_chunks
from processor.confined.formats.csv.feed.encoded_rows import SURPLUS, PipedRows
from processor.confined.formats.csv.grammar import Grammar
from processor.confined.formats.csv.layout.doubts import Doubt, repeated_names, stray_quote, unsure_header
from processor.confined.formats.csv.layout.header import Name, decide_header, name_columns, without_quotes
from processor.confined.formats.csv.layout.header_evidence import Header, weigh_header
from processor.confined.formats.csv.layout.one_table import declared_separator, one_table
from processor.confined.formats.csv.layout.strangers import line_of_again, stranger
from processor.confined.formats.csv.layout.table_area import Layout, lay_out
from processor.confined.formats.csv.malformed.collect import Misfits
from processor.confined.formats.csv.malformed.output_rows import OutputRows, is_row
from processor.confined.formats.csv.reader.batches import Passage, passages
from processor.confined.formats.csv.reader.padding import without_padding
from processor.confined.formats.csv.reader.ragged import Block
from processor.confined.formats.csv.reader.records import Record, records
from processor.confined.formats.csv.reader.recover import Repair
from processor.confined.formats.csv.reader.survey import FIRST_RECORDS, Survey
from processor.confined.formats.csv.reader.swallowed import swallows_rows
from processor.confined.formats.csv.reader.uniformity import Structure, check_structure, direct_reading
from processor.confined.formats.csv.report import facts, refuse_malformed
from processor.confined.formats.csv.sniffer.detect import Reading as SnifferReading
from processor.confined.formats.csv.sniffer.detect import choose, choose_one_table
from processor.confined.formats.csv.sniffer.whole_records import behind_records
from processor.confined.formats.dialect import Dialect, Newline
from processor.confined.formats.parquet.write import Reading, Sample, TextColumn, write_table
from processor.confined.formats.pipe_feed import Row, piped
from processor.domain.conversion import ConversionOptions, CsvNotes, DataFormat, Facts, MalformedRows, Receipt
from processor.domain.errors import DeliveryError, refused
from processor.streams.feed import readable_fd
from processor.streams.output import Output
from processor.streams.source import BytesSource, Source

PIECE_BYTES = 1 << 17
_BLANK, _MOST_BLANK_BYTES = b"\r\n", 1 << 20
_MOST_PIECE_BYTES = 4 << 20  # where one cell is longer than a piece
_SAMPLE_ROWS = 120
_SAMPLE_CELLS = 20_000
_ROWS_FOR_REPAIR = 50
_MOST_COLUMNS = 25_000
_LONGEST_KEPT = 1 << 20


class CsvTable:
    """One source and what has been decided about it."""

    dialect: Dialect
    survey: Survey
    layout: Layout
    header: Header
    names: list[Name]

    def __init__(self, source: Source, encoding: Encoding, options: ConversionOptions) -> None:
        self.source = source
        self.encoding = encoding
        self.options = options
        self.nulls = frozenset(token.encode() for token in options.null_tokens)
        self.whole = False
        self.misfits: Misfits | None = None  # None where no row is malformed
        self._repair: Repair | None = None
        self._output_rows: OutputRows | None = None
        self.kept: list[Row] | None = None  # all rows, where they are few
        self.csv = csv_declaration(options)
        self.recognises = options.csv_notes is CsvNotes.RECOGNISE and not takes_lines_out(self.csv)
        self.declared: DeclaredText | None = None  # without the lines that the feed declares to be no rows
        self.has_separator_line = False  # Excel's `sep=;`
        self.doubt: Doubt | None = None  # why this is not one table and nothing else
        self.structure: Structure | None = None  # found when DuckDB may read the source itself

    @classmethod
    def of(cls, source: Source, data_format: DataFormat, options: ConversionOptions) -> Self:
        """Return the table in `source`, understood. Raises DeliveryError `csv.empty`, `csv.encoding`."""
        if source.size_bytes is not None and source.size_bytes <= PIECE_BYTES and source.path_fd is not None:
            with source.open() as reader:
                source = BytesSource(source.name, reader.read())
        csv = csv_declaration(options)
        options = replace(options, null_tokens=null_tokens(csv, options.null_tokens))
        encoding = cls.encoding_of(source, options)
        if not takes_lines_out(csv):
            return cls(source, encoding, options).understand_text(data_format)
        declared = DeclaredText(source, csv, encoding)
        table = cls._of_declared(declared, options, data_format)
        is_one_column = table.layout.width == 1 and bool(csv.comment)
        return cls._of_declared(declared.for_one_column(), options, data_format) if is_one_column else table

    @classmethod
    def _of_declared(cls, declared: DeclaredText, options: ConversionOptions, data_format: DataFormat) -> Self:
        table = cls(declared, cls.encoding_of(declared, options), options)
        table.declared = declared
        return table.understand_text(data_format)

    def understand_text(self, data_format: DataFormat) -> Self:
        """Decide all that is to be decided about the text."""
        piece, self.whole = self.first_piece()
        if not piece.strip(_BLANK):
            begins = "" if self.whole else f" in its first {len(piece)} bytes"
            raise _empty(self.source, begins)
        reading = self.read_piece(piece, data_format)
        self.dialect, self.survey = reading.dialect, reading.survey
        if reading.layout is None:
            raise _empty(self.source)
        self.has_separator_line = not self.recognises and bool(declared_separator(piece))
        self._find_layout(reading.layout)
        self.check_width()
        self.understand()
        self.check_width()
        return self

    def read_piece(self, piece: bytes, data_format: DataFormat) -> SnifferReading:
        """Return the first piece as it is read by the best dialect, or the declared one."""
        if declares_dialect(self.csv):
            return declared_reading(piece, data_format, self.csv)
        return choose(piece, data_format) if self.recognises else choose_one_table(piece, data_format)

    def check_width(self) -> None:
        """Raise DeliveryError `csv.too-wide` for more columns than a Parquet should have."""
        if self.layout.width > _MOST_COLUMNS:
            raise refused(
                "csv.too-wide", f"{self.layout.width} columns are more than {_MOST_COLUMNS}", "split the table"
            )

    @classmethod
    def encoding_of(cls, source: Source, options: ConversionOptions) -> Encoding:
        """Return the encoding of `source`. Raises DeliveryError `csv.encoding`."""
        csv = csv_declaration(options)
        if csv.encoding and not isinstance(source, DeclaredText):
            return declared_encoding(source, csv.encoding)
        return decide_encoding(source, options.fallback_encoding)

    def chunks(self) -> Iterator[bytes]:
        """Return the text as UTF-8."""
        chunks = utf8_chunks(self.source, self.encoding)
        return chunks if self.recognises else without_padding(chunks)

    def records(self) -> Iterator[Record]:
        """Return all records, with NULL tokens applied."""
        return records(self.chunks(), self.dialect, nulls=self.nulls, width=self.layout.width)

    def passages(self) -> Iterator[Passage]:
        """Return all records, most of them in blocks; the first ones, among which the table begins, come alone."""
        return passages(self.chunks(), self.dialect, self.layout.width, nulls=self.nulls, singly=FIRST_RECORDS)

    def first_piece(self) -> tuple[bytes, bool]:
        """Return the text's first piece, cut after a record, and whether it is all."""
        looked_at = 0
        piece, blank = b"", True  # a dialect is decided by what is behind the first blank lines
        for chunk in self.chunks():
            piece += chunk
            blank = blank and not chunk.strip(_BLANK)
            if len(piece) >= (_MOST_BLANK_BYTES if blank else max(PIECE_BYTES, 2 * looked_at)):
                looked_at = len(piece)
                cut = behind_records(piece)
                if cut >= PIECE_BYTES // 4:
                    return piece[:cut], False
                if looked_at >= _MOST_PIECE_BYTES:
                    return piece[: piece.rfind(b"\n", 0, PIECE_BYTES) + 1 or None], False  # quotes without sense
        return piece, True

    def understand(self) -> None:
        """Decide layout, header, names and malformed rows from what is known of the records."""
        if not self.whole and self._looks_regular():
            self.names = name_columns(self._decide_header(), self.layout.width, stripped=self.recognises)
            if self.doubt is None:
                self._check_structure()
        if self.structure is None:
            self.understand_all()

    def _looks_regular(self) -> bool:
        layout, wrong = self.layout, len(self.layout.preamble) + bool(self.layout.header)
        alike = self.doubt is None and self.survey.widths[layout.width] >= self.survey.total - wrong
        return alike and self.survey.odd == 0 and layout.width > 1 and not layout.footer

    def understand_all(self) -> None:
        """Survey every record, unless the survey of the first piece did."""
        is_surveyed, self.whole = self._is_surveyed(), True
        seen = None
        if self.nulls or not is_surveyed:
            seen = self._misfits()
            watched = seen.watch(self.passages(), FIRST_RECORDS)
            self.survey = Survey().add_all(watched, self.layout.width, Grammar(self.dialect))
            self._find_layout(lay_out(self.survey, self.dialect) if self.recognises else None)
        elif self.dialect.quote and not self.recognises:
            self._look_at_quotes()
        header = self._decide_header()
        self._find_misfits(seen)
        reserved = {SURPLUS} if self.has_surplus else set()
        self.names = name_columns(header, self.layout.width, reserved, stripped=self.recognises)

    def _look_at_quotes(self) -> None:
        grammar = Grammar(self.dialect)
        for record in self.survey.first:
            if grammar.quote in record.text:
                self.survey.add_quotes(record, grammar)

    def _is_surveyed(self) -> bool:
        """Whether the survey holds every record as it is read when the width is known, which parts some long ones."""
        survey, width = self.survey, self.layout.width
        if not self.whole or survey.odd or survey.total > len(survey.first):
            return False
        misfits = (r for r in survey.first if len(r.fields) != width) if len(survey.widths) > 1 else ()
        if any(b"\n" in record.text or b"\r" in record.text for record in misfits):
            return False
        delimiter = self.dialect.delimiter
        return not any(b"\n" in r.text and swallows_rows(r.text, delimiter, width) for r in survey.first)

    def _is_uniform(self) -> bool:
        """Whether the survey holds every record, and all of them have the table's width."""
        return self._is_surveyed() and self.layout.width > 1 and set(self.survey.widths) == {self.layout.width}

    def _decide_header(self) -> list[bytes | None]:
        """Decide whether there is a header and return its fields, [] when there is none."""
        layout = self.layout
        table = [record for record in self.survey.first if record.line >= layout.first_line]
        rows = [record for record in table[1:] if len(record.fields) == layout.width and layout.is_body(record)]
        if (declared := declared_header(self.csv, table[0], layout.width)) is not None and not layout.header:
            self.header, names = declared
            return names
        if layout.header:
            self.header = Header(True, "names above rows of another width")
        else:
            self.header = self._weigh_header(table[0], rows)
            self._look_for_strangers(table[0], rows)
        return self._header_fields(table[0], rows)

    def _weigh_header(self, first: Record, rows: list[Record]) -> Header:
        if len(first.fields) != self.layout.width:
            return Header(False, "the first record has another width")
        found = weigh_header(first.fields, [row.fields for row in rows])
        if found.present is not None:
            return found
        if self.recognises:
            return decide_header(first, rows)
        self.doubt = self.doubt or unsure_header(first, found.reason)
        return Header(False, found.reason)

    def _look_for_strangers(self, first: Record, rows: list[Record]) -> None:
        if self.recognises or self.doubt is not None or self.layout.width == 1:
            return
        last = list(self.survey.last) if self.whole else []
        self.doubt = stranger(first if self.header.present else None, rows, last)

    def _header_fields(self, first: Record, rows: list[Record]) -> list[bytes | None]:
        if not self.header.present:
            return []
        sound = self.repair.sensible(first) if first.odd and len(first.fields) == self.layout.width else first.fields
        if not self.recognises:
            return list(self.layout.header or sound)
        names = without_quotes(self.layout.header or sound, rows)
        if len(names) == self.layout.width - 1 and any(row.fields[-1] is not None for row in rows):
            return [None, *names]  # R writes no name above the names of its rows
        return names

    def _find_misfits(self, seen: Misfits | None) -> None:
        """Find the rows that do not have the table's width, unless they have been `seen`, but for the first ones."""
        if set(self.survey.widths) == {self.layout.width}:
            return
        found = self._misfits()
        for record in self.survey.first:
            self._judge(record, found)
        if self.survey.total > len(self.survey.first):
            if seen is None or not seen.is_for(self.repair):
                seen = self._misfits()
                for _ in seen.watch(self.passages(), FIRST_RECORDS):
                    pass
            found.join(seen, self.layout.footer)
        self.misfits = found

    def _judge(self, record: Record, found: Misfits) -> None:
        if len(record.fields) == self.layout.width:
            return
        if is_row(record, self.layout, self.header):
            found.add_row(record)
        elif self.layout.is_comment(record):
            found.add_comment(record)

    def _misfits(self) -> Misfits:
        return Misfits(self.repair, is_kept=self.keeps, has_comments=self.layout.comments)

    @property
    def keeps(self) -> bool:
        """Whether malformed rows are to be kept."""
        return self.options.malformed_rows is MalformedRows.KEEP

    @property
    def malformed(self) -> int:
        """How many rows are malformed."""
        return self.misfits.count if self.misfits else 0

    @property
    def malformed_lines(self) -> list[int]:
        """The lines of the first malformed rows."""
        return self.misfits.lines if self.misfits else []

    @property
    def has_surplus(self) -> bool:
        """Whether there is a column of what rows have too much."""
        return self.keeps and self.misfits is not None and self.misfits.surplus

    def _find_layout(self, recognised: Layout | None) -> None:
        if self.recognises:
            assert recognised is not None
            self.layout = recognised
        else:
            self.layout, self.doubt = one_table(
                self.survey,
                self.dialect,
                has_separator_line=self.has_separator_line,
                has_blank_lines=bool(self.csv.comment),
            )
            first = self.survey.first[self.has_separator_line :][:1]
            if self.csv.row_names and first and len(first[0].fields) + 1 == self.layout.width:
                names = (self.csv.row_names.encode(), *first[0].fields)
                self.layout, self.doubt = Layout(self.layout.width, first[0].line, header=names, comments=False), None
        self._repair = None

    @property
    def repair(self) -> Repair:
        """What reads rows of another width anew."""
        if self._repair is None:
            width = self.layout.width
            rows = [record for record in self.survey.first[1:] if len(record.fields) == width][:_ROWS_FOR_REPAIR]
            self._repair = Repair(self.dialect, width, rows)
        return self._repair

    def refuse_malformed(self) -> None:
        """Raise DeliveryError `csv.*` where the text is not one table, or rows are wrong and none may be."""
        if self.doubt is not None:
            raise self.doubt
        if self.options.malformed_rows is MalformedRows.REFUSE:
            refuse_malformed(self.survey, self.dialect, self.layout.width, self.misfits)
            if not self.recognises and self.survey.encloses and self.survey.stray_line:
                raise stray_quote(self.survey.stray_line)

    def direct(self) -> Reading:
        """Return the reading by DuckDB itself, where a structure was found."""
        assert self.structure is not None
        nulls = ("", *self.options.null_tokens)
        return direct_reading(self._path, self.dialect, self.structure, self.layout.width, self.skipped_lines(), nulls)

    @contextmanager
    def _path(self) -> Iterator[str]:
        """Yield what DuckDB opens: the file itself, or a pipe where the text must be unpacked or decoded first."""
        if self.encoding.is_utf8:
            with readable_fd(self.source) as fd:
                yield f"/dev/fd/{fd}"
        else:
            with piped(self.chunks()) as path:
                yield path

    def skipped_lines(self) -> int:
        """Return how many lines stand above the first row."""
        return self.layout.first_line - (not self.header.present)

    def _check_structure(self) -> None:
        """Find out whether DuckDB may read the source itself: a large one whose rows are all alike."""
        if not _is_plain(self.dialect):
            return
        above = [record for record in self.survey.first if record.line <= self.skipped_lines()]
        if any(b"\n" in record.text or b"\r" in record.text for record in above):
            return
        if any(self.dialect.quote in record.text for record in self.layout.preamble):
            return
        self.structure = self.find_structure()

    def find_structure(self) -> Structure | None:
        """Return what all rows are like, or None when not all are alike."""
        return check_structure(self.source, self.encoding, self.dialect, self.layout.width, self.skipped_lines())

    def columns(self) -> list[TextColumn]:
        """Return the columns by their names in the relation."""
        return [TextColumn(f"c{i}", name.name, name.original) for i, name in enumerate(self.names)]

    def piped(self) -> PipedRows:
        """Return the reading by our own reader; the rows of a small table are read once and kept."""
        surplus = self.has_surplus
        if self._is_surveyed() and not surplus and self._is_small():
            self.kept = list(self.rows())
        kept = self.kept
        rows = self.passing_rows if kept is None else lambda: iter(kept)
        nulls = self.options.null_tokens
        return PipedRows(
            rows, self.layout.width, self.dialect, nulls, self.survey.longest, surplus, few=kept is not None
        )

    def _is_small(self) -> bool:
        """Whether few rows, blank lines included, may be held in memory several times."""
        return self.survey.longest <= _LONGEST_KEPT and self.survey.blank <= FIRST_RECORDS

    def _rows(self) -> OutputRows:
        self._output_rows = OutputRows(
            self.layout, self.header, self.repair, self.nulls, is_kept=self.keeps, surplus=self.has_surplus
        )
        return self._output_rows

    def passing_rows(self) -> Iterator[Row | Block]:
        """Yield the rows as they are written, the regular ones in blocks."""
        return self._rows().of(self.passages())

    def rows(self) -> Iterator[Row]:
        """Yield the rows of a small table as they are written."""
        if self._is_uniform() and not self.layout.footer_line:
            first = self.layout.first_line + bool(self.header.present)
            return (record.fields for record in self.survey.first if record.line >= first)
        return self._rows().singly(self.records())

    def write(self, reading: Reading, count: Callable[[], int | None], output: Output, metadata: Facts) -> Receipt:
        """Write the table."""
        surplus = (SURPLUS,) if self.has_surplus else ()
        return write_table(
            without_quoted_nulls(reading, self.layout.width, self.csv),
            self.columns(),
            self.options,
            output,
            metadata,
            sample=None if self.csv.null_quoted else self.sample(),
            is_whole=self.kept is not None and not self.csv.null_quoted,
            passthrough=surplus,
            facts=self.facts(),
            rows_read=count,
            raw_rows=self.raw_rows,
            more_rejects=self.rejected_lines if self._rejects_malformed else None,
        )

    def raw_rows(self) -> Iterator[tuple[int, bytes]]:
        """Yield the line and the text of each row that is written, in their order."""
        width, blank = self.layout.width, []
        lines = self.declared.line_in_file() if self.declared is not None else LinesInFile([])
        for record in self.records():
            if not record.fields:
                blank.append((lines.of(record.line), record.text))
            elif is_row(record, self.layout, self.header) and (self.keeps or len(record.fields) == width):
                yield from blank if width == 1 else ()  # a blank line between rows of one column is a row
                blank = []
                yield lines.of(record.line), record.text
            else:
                blank = []

    @property
    def _rejects_malformed(self) -> bool:
        return bool(self.malformed) and self.options.malformed_rows is MalformedRows.REJECT_OBJECT

    def sample(self) -> Sample:
        """Return the first and last rows that have the table's width and some that have not, or all that are kept."""
        if self.kept is not None:
            return [[None if value is None else value.decode() for value in row] for row in self.kept]
        width = self.layout.width
        most = max(10, min(_SAMPLE_ROWS, _SAMPLE_CELLS // width))
        known = {r.line: r for r in (*self.survey.first[:most], *list(self.survey.last)[-most:])}
        regular = [r.fields for r in known.values() if len(r.fields) == width and is_row(r, self.layout, self.header)]
        misfits = self.misfits.sample(self.nulls) if self.misfits else ()
        return [[None if value is None else value.decode() for value in row] for row in (*regular, *misfits)]

    def facts(self) -> Facts:
        """Return what was decided, and the text that is no row, for the Parquet and the receipt."""
        return facts(self.encoding, self.dialect, self.header, self.layout, self.misfits, self.options)

    def finish(self, receipt: Receipt, output: Output) -> Receipt:
        """Check that every record has an owner, write rejects and notes, and return the receipt with the counts.

        Raises DeliveryError `csv.unaccounted`.
        """
        self._look_for_names_again(receipt)
        is_rejecting = self.options.malformed_rows is MalformedRows.REJECT_OBJECT
        malformed = self.malformed if is_rejecting else 0
        rejects = receipt.rejected_rows + malformed
        notes = notes_of(self.layout, self.misfits, has_separator_line=self.has_separator_line)
        has_columns = self.options.declaration is not None and self.options.declaration.columns is not None
        if malformed and not has_columns:  # else they are among the table's own
            self._write_rejects(output, malformed)
        declared = _write_notes(output, self.declared.note_lines() if self.declared is not None else (), notes)
        account = self.account(receipt.rows, rejects, len(notes), declared)
        account.check()
        facts = (*receipt.facts, ("records", str(account)))
        return replace(receipt, rejected_rows=rejects, notes=account.notes, facts=facts)

    def _look_for_names_again(self, receipt: Receipt) -> None:
        """Raise DeliveryError `csv.not-one-table` where the names come again in a text that was not looked at whole.

        They make each column text; so nothing is read where one is not.
        """
        is_text = all(column.type == "VARCHAR" for column in receipt.columns)
        is_known = self.recognises or self._is_surveyed() or self.csv.header is not None
        if is_known or not is_text or not self.header.present or self.layout.width == 1:
            return
        names = next(record for record in self.survey.first if record.line == self.layout.first_line)
        if line := line_of_again(self.chunks(), names):
            raise repeated_names(line, names)

    def account(self, rows: int, rejects: int, notes: int, declared: int) -> Account:
        """Return the owners of all records; those of a structure that was proved are counted by the proof.

        Blank lines stand for the notes that were `declared`, but in a table of one column.
        """
        stand_in = 0 if self.declared is not None and self.declared.is_one_column else declared
        header = int(bool(self.header.present))
        if self.structure is not None:
            above = self.skipped_lines()
            read, behind = self.lines_read()
            blank = above + behind - header - notes - stand_in
            return Account(read + above + behind + declared - stand_in, header, rows, rejects, notes + declared, blank)
        made_rows = self._output_rows.blank if self._output_rows is not None else 0
        records, blank = self.survey.total + self.survey.blank, self.survey.blank - made_rows
        return Account(records + declared - stand_in, header, rows, rejects, notes + declared, blank - stand_in)

    def lines_read(self) -> tuple[int, int]:
        """Return the rows that the proof of the structure has counted, and the blank lines behind them."""
        assert self.structure is not None
        return self.structure.rows, self.structure.blank

    def _write_rejects(self, output: Output, expected: int) -> None:
        """Write the malformed rows, verbatim. Raises DeliveryError `csv.unaccounted` for another number of them."""
        count = 0
        with output.rejects() as rejects:
            for lines in self.rejected_lines():
                rejects.write(lines)
                count += lines.count(b"\n")
        if count != expected:
            raise refused(
                "csv.unaccounted", f"{count} of {expected} malformed rows were rejected", "report this as a bug"
            )

    def rejected_lines(self) -> Iterator[bytes]:
        """Yield the malformed rows as lines of JSON."""
        return self._rows().rejected(self.passages())


def _write_notes(output: Output, declared: Iterable[bytes], found: list[Note]) -> int:
    """Write the lines that are no rows, those `declared` first, if there are any; return how many were declared."""
    lines = iter(declared)
    first = next(lines, b"")
    if not first and not found:
        return 0
    count = int(bool(first))
    with output.notes() as written:
        written.write(first)
        for line in lines:
            written.write(line)
            count += 1
        written.write(b"".join(note.line() for note in found))
    return count


def _empty(source: Source, where: str = "") -> DeliveryError:
    return refused("csv.empty", f"{source.name} has no rows and no header{where}", "there is nothing to convert")


def _is_plain(dialect: Dialect) -> bool:
    """Whether DuckDB reads this dialect as we do, once all rows are alike."""
    return (
        dialect.escape == dialect.quote
        and dialect.newline is Newline.ANY
        and not (dialect.spaced_quotes or dialect.runs)
    )
