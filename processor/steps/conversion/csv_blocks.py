"""Rows that need no look at each of them: found by one match over many lines, and passed on as they are.

A row is regular when it has the table's width and its quotes leave no doubt. The match takes a few hundred of them at
once at the speed of a search; all else goes through the reader of records, one by one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from processor.steps.conversion.csv_rows import Dialect, Grammar, Newline, Reader, Record, records

_BLOCK_BYTES = 1 << 18
_WORTH_A_MATCH = 1 << 14
_MOST_ALONE, _FEW_ROWS = 64, 2
# What stands for quotes, separators and NULL where the text itself has none that could.
_NO_DELIMITER, _NO_QUOTE, _NULL = b"\x01", b"\x02", b"\x03"


@dataclass(frozen=True, slots=True)
class Block:
    """Regular rows: the number of the first line, how many rows, and their text up to the last line's ending."""

    line: int
    rows: int
    text: bytes
    dialect: Dialect
    nulls: frozenset[bytes]

    def records(self) -> Iterator[Record]:
        """Return the rows one by one."""
        for record in records((self.text,), self.dialect, nulls=self.nulls):
            yield record._replace(line=self.line + record.line - 1)


def passages(
    chunks: Iterable[bytes], dialect: Dialect, width: int, *, nulls: frozenset[bytes] = frozenset(), singly: int = 0
) -> Iterator[Record | Block]:
    """Yield all records of UTF-8 text in order: regular ones of `width` in blocks, but the first `singly` alone.

    Blank lines are records without fields and do not count. Raises DeliveryError as `records` does.
    """
    reader = Reader(chunks, dialect, nulls, width)
    every = iter(reader.record, None)
    while singly and (record := next(every, None)) is not None:
        singly -= bool(record.fields)
        yield record
    regular = _regular(dialect, width)
    alone = 1  # records to be read one by one before the next match: more and more where a match takes a few rows only
    while True:
        if (block := _take(reader, regular, dialect, nulls)) is not None:
            yield block
        alone = 1 if block is not None and block.rows > _FEW_ROWS else min(2 * alone, _MOST_ALONE)
        for _ in range(alone):
            if (record := next(every, None)) is None:
                return
            yield record


def _take(reader: Reader, regular: re.Pattern[bytes], dialect: Dialect, nulls: frozenset[bytes]) -> Block | None:
    window = reader.window
    window.settle()
    if len(window.held) - window.at < _WORTH_A_MATCH and not window.ended:
        window.grow()
    start = window.at
    match = regular.match(window.held, start, start + _BLOCK_BYTES)
    if match is None or match.end() == start:
        return None
    text = match[0]
    lines = window.endings(start, match.end())
    rows = _endings_outside(text, dialect) if dialect.quote and dialect.quote in text else lines
    block = Block(reader.line + 1, rows, text, dialect, nulls)
    reader.passed(match.end(), lines)
    return block


def _endings_outside(text: bytes, dialect: Dialect) -> int:
    if _escape(dialect) and _escape(dialect) in text:
        text = re.sub(rb"%b." % re.escape(_escape(dialect)), b"", text, flags=re.DOTALL)
    outside = dialect.quote.join(text.split(dialect.quote)[::2])  # a quote keeps CR and LF of two lines apart
    return _normal_endings(outside, dialect).count(b"\n")


def _normal_endings(text: bytes, dialect: Dialect) -> bytes:
    if dialect.newline is not Newline.ANY:
        return text.replace(dialect.newline.encode(), b"\n")
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _regular(dialect: Dialect, width: int) -> re.Pattern[bytes]:
    """Return what matches any number of regular rows."""
    escape = _escape(dialect)
    never = (
        dialect.delimiter
        + dialect.quote
        + escape
        + (b"" if dialect.newline is Newline.ANY else dialect.newline.encode())
    )
    never += b"\r\n" + _NO_DELIMITER + _NO_QUOTE + _NULL
    mixed = dialect.newline is Newline.ANY
    ending = rb"(?:\n|\r\n|\r(?=[^\n]))" if mixed else re.escape(dialect.newline.encode())
    if dialect.runs:
        field, between, edge = rb"[^ \t\v\f%b]++" % re.escape(never), rb"[ \t]++", rb"[ \t]*+"
    else:
        field, between, edge = _field(dialect, escape, never, width), re.escape(dialect.delimiter), b""
    row = rb"(?:%b%b){%d}%b" % (field, between, width - 1, field)
    return re.compile(rb"(?:%b%b%b%b)*+" % (edge, row, edge, ending))


def _escape(dialect: Dialect) -> bytes:
    return dialect.escape if dialect.escape != dialect.quote else b""


def _field(dialect: Dialect, escape: bytes, never: bytes, width: int) -> bytes:
    plain = rb"[^%b]%b" % (re.escape(never), b"++" if width == 1 else b"*+")
    if not dialect.quote:
        return plain
    quote, not_inside = re.escape(dialect.quote), re.escape(dialect.quote + escape)
    spaces = rb"[ \t]*+" if _may_strip(dialect) else b""
    pair = rb"%b%b" % (quote, quote) + (rb"|%b(?s:.)" % re.escape(escape) if escape else b"")
    doubled = rb"(?:(?:%b)[^%b]*+)*+" % (pair, not_inside) if dialect.escape else b""
    quoted = rb"%b%b[^%b]*+%b%b%b" % (spaces, quote, not_inside, doubled, quote, spaces)
    return rb"(?:%b|%b)" % (quoted, plain)


def _may_strip(dialect: Dialect) -> bool:
    return dialect.spaced_quotes and not set(dialect.delimiter) & set(b" \t")


class PipeForm:
    """How rows are written for DuckDB: in the source's own dialect where its text allows it, NULL always unquoted."""

    def __init__(self, dialect: Dialect, width: int, *, surplus: bool = False) -> None:
        delimiter = b" " if dialect.runs else dialect.delimiter or _NO_DELIMITER
        quote = dialect.quote or _NO_QUOTE
        self._source = dialect
        self._end = delimiter + b"\n" if surplus else b"\n"
        self.dialect = Dialect(delimiter, quote, quote)
        self._escape = _escape(dialect)
        self._inner = Grammar(dialect).inner
        self.null = _NULL if width + surplus == 1 else b""  # a blank line would be no row
        self._plain = self._end == b"\n" and not dialect.runs

    def block(self, block: Block) -> bytes:
        """Return regular rows, changed only where a reader could differ about them."""
        text, quote = block.text, self._source.quote
        if self._escape and self._escape in text:  # stands in quoted fields only
            text = self._inner.sub(lambda found: quote * 2 if found[2] or found[1] == quote else found[1], text)
        if self._plain and not _may_strip(self._source) and self._source.newline is Newline.ANY and b"\r" not in text:
            return text
        if not (quote and quote in text):
            return self._outside(text)
        parts = text.split(quote)
        if _may_strip(self._source):
            for index in range(0, len(parts), 2):
                parts[index] = _without_spaces(parts[index], first=not index, last=index == len(parts) - 1)
        parts[::2] = map(self._outside, parts[::2])
        return quote.join(parts)

    def _outside(self, text: bytes) -> bytes:
        text = _normal_endings(text, self._source)
        if self._source.runs:
            text = re.sub(rb"[ \t]++", b" ", text).replace(b" \n", b"\n").replace(b"\n ", b"\n").lstrip(b" ")
        return text if self._end == b"\n" else text.replace(b"\n", self._end)


def _without_spaces(text: bytes, *, first: bool, last: bool) -> bytes:
    """Strip what stands between quotes and separators."""
    text = text if first else text.lstrip(b" \t")
    return text if last else text.rstrip(b" \t")
