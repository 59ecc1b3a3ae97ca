"""Rows in a form that every CSV reader reads alike."""

import re

from processor.confined.formats.csv.grammar import Grammar, inner_escape, may_strip, normal_endings
from processor.confined.formats.csv.reader.ragged import NO_DELIMITER, NO_QUOTE, NULL, Block
from processor.confined.formats.dialect import Dialect, Newline


class PipeForm:
    """How rows are written for DuckDB: in the source's own dialect where its text allows it, NULL always unquoted."""

    def __init__(self, dialect: Dialect, width: int, *, surplus: bool = False) -> None:
        delimiter = b" " if dialect.runs else dialect.delimiter or NO_DELIMITER
        quote = dialect.quote or NO_QUOTE
        self._source = dialect
        self._end = delimiter + b"\n" if surplus else b"\n"
        self.dialect = Dialect(delimiter, quote, quote)
        self._escape = inner_escape(dialect)
        self._inner = Grammar(dialect).inner
        self.null = NULL if width + surplus == 1 else b""  # a blank line would be no row
        self._plain = self._end == b"\n" and not dialect.runs

    def block(self, block: Block) -> bytes:
        """Return regular rows, changed only where a reader could differ about them."""
        text, quote = block.text, self._source.quote
        if block.is_final:
            return text
        if self._escape and self._escape in text:  # stands in quoted fields only
            text = self._inner.sub(lambda found: quote * 2 if found[2] or found[1] == quote else found[1], text)
        if self._plain and not may_strip(self._source) and self._source.newline is Newline.ANY and b"\r" not in text:
            return text
        if not (quote and quote in text):
            return self._outside(text)
        parts = text.split(quote)
        if may_strip(self._source):
            for index in range(0, len(parts), 2):
                parts[index] = _without_spaces(parts[index], first=not index, last=index == len(parts) - 1)
        parts[::2] = map(self._outside, parts[::2])
        return quote.join(parts)

    def _outside(self, text: bytes) -> bytes:
        text = normal_endings(text, self._source)
        if self._source.runs:
            text = re.sub(rb"[ \t]++", b" ", text).replace(b" \n", b"\n").replace(b"\n ", b"\n").lstrip(b" ")
        return text if self._end == b"\n" else text.replace(b"\n", self._end)


def _without_spaces(text: bytes, *, first: bool, last: bool) -> bytes:
    """Strip what stands between quotes and separators."""
    text = text if first else text.lstrip(b" \t")
    return text if last else text.rstrip(b" \t")
