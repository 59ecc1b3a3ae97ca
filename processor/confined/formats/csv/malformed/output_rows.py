"""Rows as they are written: regular, fitted, or rejected."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import repeat

import orjson

from processor.confined.formats.csv.feed.encoded_rows import surplus_json
from processor.confined.formats.csv.layout.header_evidence import Header
from processor.confined.formats.csv.layout.table_area import Layout
from processor.confined.formats.csv.malformed.pad import Leveller
from processor.confined.formats.csv.reader.batches import Passage
from processor.confined.formats.csv.reader.ragged import Block, Ragged
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.recover import Repair
from processor.confined.formats.csv.reader.survey import FIRST_RECORDS
from processor.confined.formats.pipe_feed import Row

_BLANK_ROWS = 10_000


def is_row(record: Record, layout: Layout, header: Header) -> bool:
    """Whether a record that is not blank is a row of the table."""
    if record.line == layout.first_line and header.present:
        return False
    return layout.is_body(record)


class OutputRows:
    """Makes rows of what is read, once all is decided about the table."""

    def __init__(
        self, layout: Layout, header: Header, repair: Repair, nulls: frozenset[bytes], *, is_kept: bool, surplus: bool
    ) -> None:
        self._layout = layout
        self._header = header
        self._repair = repair
        self._nulls = nulls
        self._is_kept = is_kept  # malformed rows are
        self._surplus = surplus
        self.blank = 0  # rows that blank lines became

    @cached_property
    def _leveller(self) -> Leveller:
        return Leveller(self._repair, self._nulls, surplus=self._surplus)

    def of(self, passages: Iterable[Passage]) -> Iterator[Row | Block]:
        """Yield the rows of `passages`, regular ones in blocks."""
        blank = 0
        for passage in self._above_footer(passages):
            rows, blank_behind = self._parted(passage)
            if rows is None:
                blank += blank_behind
                continue
            yield from self._blank_rows(blank)  # in a table of one column a blank line is a row, but not at the end
            blank = blank_behind
            yield from self._rows_of(rows)

    def singly(self, passages: Iterable[Passage]) -> Iterator[Row]:
        """Yield the rows of a small table one by one."""
        for row in self.of(passages):
            assert not isinstance(row, Block)
            yield row

    def rejected(self, passages: Iterable[Passage]) -> Iterator[bytes]:
        """Yield the malformed rows as lines of JSON, verbatim, many at a time."""
        for passage in self._above_footer(passages):
            if isinstance(passage, Ragged):
                yield b"".join(_rejected(*each) for each in passage.misfits(self._layout.width))
            elif isinstance(passage, Record) and self._is_misfit(passage):
                yield _rejected(passage.line, passage.text)

    def _is_misfit(self, record: Record) -> bool:
        width = self._layout.width
        return len(record.fields) not in (0, width) and is_row(record, self._layout, self._header)

    def _blank_rows(self, count: int) -> Iterator[Row | Block]:
        """Yield as many rows of NULL, in a table of one column; more than few in blocks."""
        self.blank += count
        while count > FIRST_RECORDS:
            lines = [b""] * min(count, _BLANK_ROWS)
            yield self._leveller.choose(
                Ragged(range(len(lines)), lines, [0] * len(lines), self._repair.dialect, self._nulls)
            )
            count -= len(lines)
        yield from repeat([None] * (1 + self._surplus), count)

    def _above_footer(self, passages: Iterable[Passage]) -> Iterator[Passage]:
        """Yield the passages, those of several widths one by one where they may be below the table."""
        footer_line = self._layout.footer_line
        for passage in passages:
            if footer_line and isinstance(passage, Ragged) and passage.starts[-1] >= footer_line:
                yield from passage.records()
            else:
                yield passage

    def _parted(self, passage: Passage) -> tuple[Passage | None, int]:
        """Return what holds rows, if anything does, and how many blank lines that may be rows are behind it."""
        is_column = self._layout.width == 1
        if isinstance(passage, Record):
            if passage.fields:
                return (passage if is_row(passage, self._layout, self._header) else None), 0
            return None, int(is_column and passage.line > self._layout.first_line)
        if passage.line < self._layout.first_line:
            return None, 0  # a run of blank lines
        return passage.without_blank_end() if is_column and isinstance(passage, Ragged) else (passage, 0)

    def _rows_of(self, passage: Passage) -> Iterator[Row | Block]:
        if isinstance(passage, Block):
            yield passage
        elif isinstance(passage, Record):
            if (row := self._row_of(passage)) is not None:
                yield row
        elif self._is_kept:
            for part in self._leveller.level(passage):
                yield from self._rows_of(part)
        else:
            yield self._leveller.choose(passage)

    def _row_of(self, record: Record) -> Row | None:
        """Return the row as it is written, None where it is rejected."""
        width, fields = self._layout.width, record.fields
        if len(fields) != width:
            if not self._is_kept:
                return None
            fields = self._repair.fields(record) or fields
        elif record.odd and self._is_kept:
            fields = self._repair.sensible(record)
        row = [*fields, *[None] * (width - len(fields))] if len(fields) < width else fields[:width]
        if self._surplus:
            row.append(surplus_json(fields[width:]) if len(fields) > width else None)
        return row


def _rejected(line: int, text: bytes) -> bytes:
    return orjson.dumps({"line": line, "text": text.decode()}) + b"\n"
