"""Pad rows to the table's width, many at a time."""

import re
from collections.abc import Iterator
from itertools import compress

from processor.confined.formats.csv.feed.canonical import PipeForm
from processor.confined.formats.csv.feed.encoded_rows import surplus_json
from processor.confined.formats.csv.grammar import Grammar
from processor.confined.formats.csv.reader.ragged import Block, Ragged
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.recover import Repair


class Leveller:
    """Fills short rows with NULL; what long ones have too much goes to the `surplus` column, where there is one.

    Blank lines are rows of NULL where the table has one column; elsewhere they are none.
    """

    def __init__(self, repair: Repair, nulls: frozenset[bytes], *, surplus: bool) -> None:
        dialect, width = repair.dialect, repair.width
        form = PipeForm(dialect, width, surplus=surplus)
        self._repair = repair
        self._width = width
        self._nulls = nulls | {b""}
        self._grammar = Grammar(dialect)
        self._quote = form.dialect.quote
        # What makes a row whole, by its number of fields; those that have more are whole when this is asked.
        self._ends = [form.dialect.delimiter * (width - count + surplus) for count in range(width + 1)] + [b""]
        if width == 1:
            self._ends[0] = form.null + form.dialect.delimiter * surplus
        # The table's fields of a long row, and the rest.
        quote, one = re.escape(dialect.quote), re.escape(dialect.delimiter)
        quoted = rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b|" % ((quote,) * 6) if quote else b""
        form_of_long = rb"^((?:(?:%b[^\n%b]*+)%b){%d})(.*)$" % (quoted, quote + one, one, width)
        self._long = re.compile(form_of_long, re.MULTILINE) if one else None
        # Fields none of which is empty, in quotes, or would be written otherwise in JSON.
        value = rb"[^\x00-\x1f\"\\%b]++" % (quote + one)
        self._simple = re.compile(rb"(?:%b(?:%b%b)*+\n)++" % (value, one, value))

    def choose(self, ragged: Ragged) -> Block:
        """Return the rows that have the table's width as they are."""
        least = self._width if self._width > 1 else 0
        chosen = [least <= count <= self._width for count in ragged.widths]
        rows = zip(compress(ragged.lines, chosen), compress(ragged.widths, chosen), strict=True)
        return ragged.block([row + self._ends[count] for row, count in rows])

    def level(self, ragged: Ragged) -> Iterator[Block | Record]:
        """Yield all rows in blocks, those alone that may have the table's width when they are read in another way."""
        misfits = [index for index, count in enumerate(ragged.widths) if count not in (0, self._width)]
        may_fit = self._repair.may_help([ragged.lines[index] for index in misfits])
        alone = [*compress(misfits, may_fit)]
        lines, widths = self._whole(ragged, set(alone))
        start = 0
        for index in (*alone, len(lines)):
            if block := self._block(ragged, lines[start:index], widths[start:index]):
                yield block
            if index < len(lines):
                yield ragged.record(index)
            start = index + 1

    def _block(self, ragged: Ragged, lines: list[bytes], widths: list[int]) -> Block | None:
        ends, least = self._ends, self._width > 1
        rows = [row + ends[count] for row, count in zip(lines, widths, strict=True) if count >= least]
        return ragged.block(rows, is_final=True) if rows else None

    def _whole(self, ragged: Ragged, alone: set[int]) -> tuple[list[bytes], list[int]]:
        """Return the rows, the long ones with their surplus as it is written, and their widths, of these one more."""
        if max(ragged.widths) <= self._width:
            return ragged.lines, ragged.widths
        lines, widths, whole = list(ragged.lines), list(ragged.widths), self._width + 1
        long = [index for index, count in enumerate(widths) if count >= whole]
        for index in long:
            widths[index] = whole
        long = [index for index in long if index not in alone]
        assert self._long is not None
        parts = self._long.findall(b"\n".join([lines[index] for index in long])) if long else []
        rests = self._rests([rest for _, rest in parts])
        for index, (fitting, _), rest in zip(long, parts, rests, strict=True):
            lines[index] = fitting + rest
        return lines, widths

    def _rests(self, texts: list[bytes]) -> list[bytes]:
        """Return the values of the surplus column for what rows have too much."""
        text = b"\n".join(texts)
        if len(self._nulls) > 1 or not self._simple.fullmatch(text + b"\n"):
            return [self._rest(each) for each in texts]
        quote = self._quote
        inner = quote * 2 if quote == b'"' else b'"'  # of JSON, in a field of the pipe
        written = text.replace(self._grammar.delimiter, inner + b"," + inner)
        return [quote + b"[" + inner + each + inner + b"]" + quote for each in written.split(b"\n")]

    def _rest(self, text: bytes) -> bytes:
        quote, nulls = self._quote, self._nulls
        if quote in text:
            fields, _ = self._grammar.fields(text, nulls)
        else:
            fields = [None if part in nulls else part for part in text.split(self._grammar.delimiter)]
        return quote + surplus_json(fields).replace(quote, quote * 2) + quote
