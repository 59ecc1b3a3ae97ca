"""Read records exactly: every byte has a place.

The rules are RFC 4180's, made explicit by a `Dialect`, and one more for what RFC 4180 forbids: a quote that does not
enclose its whole field is an ordinary character. A quoted field may hold line endings; one that is never closed
properly is not quoted, so a stray quote costs no more than its own line.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from processor.confined.formats.csv.grammar import Grammar
from processor.confined.formats.csv.reader.line_buffer import LONGEST_RECORD, SETTLED_BYTES, LineBuffer
from processor.confined.formats.csv.reader.swallowed import swallows_rows
from processor.confined.formats.dialect import Dialect
from processor.domain.errors import refused

# Bytes that may be looked at in vain for a closing quote, at first and for each byte read: hostile quotes cost no more.
_IN_VAIN_AT_FIRST = 256 << 20
_IN_VAIN_A_BYTE = 8
_BYTES_A_LINE = 4096  # looking at a line of a field costs as much as passing over so many bytes


class Record(NamedTuple):
    """One record: the number of its first line (from 1), its fields (None: empty and not quoted), and its text.

    A blank line has no fields. `odd` tells that a field begins with a quote that does not enclose it, `unclosed` that
    nothing up to the end of the text closes it.
    """

    line: int
    fields: list[bytes | None]
    text: bytes
    odd: bool = False
    unclosed: bool = False


def records(
    chunks: Iterable[bytes],
    dialect: Dialect,
    *,
    nulls: frozenset[bytes] = frozenset(),
    width: int = 0,
) -> Iterator[Record]:
    """Yield the records of UTF-8 text.

    A field without quotes that is empty or one of `nulls` is None. A known `width` helps to tell a stray quote from
    one that opens a field of several lines. Raises DeliveryError `csv.line-too-long`, `csv.quotes`.
    """
    return iter(RecordReader(chunks, dialect, nulls, width).record, None)


class RecordReader:
    """Assembles records from lines; a quoted field may need several."""

    def __init__(self, chunks: Iterable[bytes], dialect: Dialect, nulls: frozenset[bytes], width: int) -> None:
        self.window = LineBuffer(chunks, dialect.newline)
        self.grammar = Grammar(dialect)
        self.runs = dialect.runs
        self.nulls = nulls | {b""}
        self.width = width
        self.line = 0
        self.read = 0
        self.in_vain = 0

    def record(self) -> Record | None:
        """Return the next record, None after the last."""
        window, grammar, nulls = self.window, self.grammar, self.nulls
        if window.at > SETTLED_BYTES:
            window.settle()
        start = window.at
        end = -1 if window.ending or window.has_cr else window.held.find(b"\n", start)
        if end >= 0:
            after = end + 1
        elif (found := window.line(start)) is not None:
            end, after = found
        else:
            return None
        self.line += 1
        self.read += after - start
        window.at = after
        text = window.held[start:end]
        if self.runs:
            start += len(text) - len(text.lstrip(b" \t"))
            text = text.strip(b" \t")
        if not text:
            return Record(self.line, [], text)
        if (grammar.quote and grammar.quote in text) or (grammar.escape and grammar.escape in text):
            return self._quoted(text, start, after)
        if not grammar.delimiter:
            return Record(self.line, [None if text in nulls else text], text)
        fields: list[bytes | None] = text.split() if self.runs else text.split(grammar.delimiter)  # type: ignore[assignment]
        if not nulls.isdisjoint(fields):
            fields = [None if field in nulls else field for field in fields]
        return Record(self.line, fields, text)

    def passed(self, place: int, lines: int) -> None:
        """Go on at `place`, so many lines further on."""
        self.read += place - self.window.at
        self.line += lines
        self.window.at = place

    def _quoted(self, text: bytes, start: int, after: int) -> Record:
        fields, odd = self.grammar.fields(text, self.nulls)
        alone = Record(self.line, fields, text, odd)
        position = self._open_field(start, start + len(text)) if odd else None
        if position is None:
            return alone
        in_vain = self.in_vain
        end, place, closed, unclosed = start + len(text), after, None, False
        while position is not None:
            self.in_vain += _BYTES_A_LINE
            closing, unclosed = self._closing_line(place)
            if closing is not None:
                end, place = closing
            if closing is None or end - start > LONGEST_RECORD or not self._closed_at(position, end):
                self._look_in_vain(end - start)
                if closed is None:
                    return alone._replace(unclosed=unclosed)
                end, place = closed  # the quote after the fields that are closed is a stray one
                break
            closed = closing
            position = self._open_field(position, end)
        record = self._of_many_lines(alone, start, end)
        if record is not alone:
            self.line += self.window.endings(after, end) + 1
            self.read += place - after
            self.in_vain = in_vain if position is None else self.in_vain
            self.window.at = place
        return record if position is None else record._replace(unclosed=unclosed)

    def _of_many_lines(self, alone: Record, start: int, end: int) -> Record:
        whole = self.window.held[start:end]
        whole = whole.rstrip(b" \t") if self.runs else whole
        fields, odd = self.grammar.fields(whole, self.nulls)
        unfit = len(fields) != self.width and len(alone.fields) == self.width
        if self.width and (unfit or swallows_rows(whole, self.grammar.delimiter, self.width)):
            self._look_in_vain(len(whole))
            return alone
        return Record(self.line, fields, whole, odd)

    def _look_in_vain(self, looked_at: int) -> None:
        self.in_vain += looked_at
        if self.in_vain > _IN_VAIN_AT_FIRST + _IN_VAIN_A_BYTE * self.read:
            raise refused("csv.quotes", f"line {self.line}: quotes open and close without sense", "repair the quotes")

    def _closing_line(self, start: int) -> tuple[tuple[int, int] | None, bool]:
        """Return the end of the line, from `start` on, that has the first quote of its own; or None, and why.

        There may be none within reach, or (the second value) none to the end of the text.
        """
        window, inside = self.window, self.grammar.inside
        stop = _end_of(inside, window.held, start)
        while stop >= len(window.held) - 1 and not window.ended:  # a quote at the very end may be half of two
            if stop - start > LONGEST_RECORD:
                self.in_vain += stop - start
                return None, False
            window.grow()
            stop = _end_of(inside, window.held, start)
        if stop >= len(window.held):
            self.in_vain += stop - start
            return None, True
        return window.line(stop), False

    def _open_field(self, start: int, end: int) -> int | None:
        """Return where, from `start` on, a field begins whose quote is not closed before `end`."""
        held = self.window.held
        for match in self.grammar.field.finditer(held, start, end):
            if match[1] is None and self.grammar.opens.match(held, match.start(), end):
                return match.start()
        return None

    def _closed_at(self, position: int, end: int) -> bool:
        match = self.grammar.field.match(self.window.held, position, end)
        return match is not None and match[1] is not None


def _end_of(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start
