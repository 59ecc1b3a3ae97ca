"""Read regular rows many at a time.

A row is regular when it has the table's width and its quotes leave no doubt. A few hundred of them are taken at the
speed of a search, also together with blank lines and rows of other widths; where quotes make no sense, what is before
and between these places still is. All else goes through the reader of records, one by one.
"""

import re
from collections.abc import Iterable, Iterator

from processor.confined.formats.csv.grammar import inner_escape, may_strip, normal_endings
from processor.confined.formats.csv.reader.ragged import NO_DELIMITER, NO_QUOTE, NULL, Block, Ragged, Skeletons
from processor.confined.formats.csv.reader.records import Record, RecordReader
from processor.confined.formats.csv.reader.swallowed import swallow_rows
from processor.confined.formats.dialect import Dialect, Newline

Passage = Record | Block | Ragged

_BLOCK_BYTES = 1 << 17
_SMALL_BYTES = 1 << 12
_WORTH_A_LOOK = 1 << 14
_BLANK_LINES, _MANY_BLANK = re.compile(rb"(?:\r?+\n)*+"), 1000
_MOST_ALONE, _FEW_ROWS = 64, 2


def passages(
    chunks: Iterable[bytes], dialect: Dialect, width: int, *, nulls: frozenset[bytes] = frozenset(), singly: int = 0
) -> Iterator[Passage]:
    """Yield all records of UTF-8 text in order: regular ones of `width` in blocks, but the first `singly` alone.

    Blank lines are records without fields and do not count; many of them come in a block of their own. Raises
    DeliveryError as `records` does.
    """
    reader = RecordReader(chunks, dialect, nulls, width)
    every = iter(reader.record, None)
    while singly and (record := next(every, None)) is not None:
        singly -= bool(record.fields)
        yield record
        if not record.fields and (blank := _blank_run(reader, dialect, nulls)) is not None:
            yield blank
    blocks = _Blocks(reader, dialect, width, nulls)
    alone = 1  # records to be read one by one before the next look: more and more where that takes a few rows only
    while True:
        if (block := blocks.take()) is not None:
            yield block
        alone = 1 if block is not None and block.rows > _FEW_ROWS else min(2 * alone, _MOST_ALONE)
        for _ in range(alone):
            if (record := next(every, None)) is None:
                return
            yield record


def _blank_run(reader: RecordReader, dialect: Dialect, nulls: frozenset[bytes]) -> Ragged | None:
    """Take blank lines, where there are many."""
    window = reader.window
    end = _BLANK_LINES.match(window.held, window.at, window.at + _BLOCK_BYTES).end()  # type: ignore[union-attr]
    lines = window.endings(window.at, end)
    if lines < _MANY_BLANK or dialect.newline is not Newline.ANY:
        return None
    line = reader.line + 1
    reader.passed(end, lines)
    return Ragged(range(line, line + lines), [b""] * lines, [0] * lines, dialect, nulls)


class _Blocks:
    """Takes from `reader` what needs no look at each row."""

    def __init__(self, reader: RecordReader, dialect: Dialect, width: int, nulls: frozenset[bytes]) -> None:
        self._reader = reader
        self._dialect = dialect
        self._nulls = nulls
        self._width = width
        self._regular = _regular(dialect, width)
        self._skeletons = Skeletons(dialect, width, nulls) if Skeletons.know(dialect) else None
        # Places in the bytes read: up to there a large block, or even a small one, has quotes that make no sense.
        self._small_until = self._doubtful_until = 0

    def take(self) -> Block | Ragged | None:
        """Return the next rows, None where the next one needs a look."""
        window = self._reader.window
        window.settle()
        if len(window.held) - window.at < _WORTH_A_LOOK and not window.ended:
            window.grow()
        return self._take_lines() or self._take_regular()

    def _take_lines(self) -> Block | Ragged | None:
        """Take as many whole lines as may be, if no row among them has quotes that make no sense."""
        read = self._reader.read
        if self._skeletons is None or read < self._doubtful_until:
            return None
        if read >= self._small_until:
            block, seen = self._take_whole(self._skeletons, _BLOCK_BYTES)
            if block is not None:
                return block
            self._small_until = read + seen
        block, seen = self._take_whole(self._skeletons, _SMALL_BYTES)
        self._doubtful_until = read + seen
        return block

    def _take_whole(self, skeletons: Skeletons, most_bytes: int) -> tuple[Block | Ragged | None, int]:
        """Take the lines in that many bytes, if all of them can be; return how many bytes were looked at, too."""
        reader, window = self._reader, self._reader.window
        start = window.at
        end = skeletons.end(window.held, start, min(start + most_bytes, len(window.held)))
        if end <= start:
            return None, 0
        block = skeletons.rows(window.held[start:end], reader.line + 1)
        if block is not None:
            reader.passed(end, window.endings(start, end))
        return block, end - start

    def _take_regular(self) -> Block | None:
        reader, window = self._reader, self._reader.window
        start = window.at
        match = self._regular.match(window.held, start, start + _BLOCK_BYTES)
        if match is None or match.end() == start:
            return None
        text = match[0]
        lines = window.endings(start, match.end())
        if self._dialect.quote and swallow_rows(
            text.split(self._dialect.quote)[1::2], self._dialect.delimiter, self._width
        ):
            return None
        rows = _endings_outside(text, self._dialect) if self._dialect.quote and self._dialect.quote in text else lines
        block = Block(reader.line + 1, rows, text, self._dialect, self._nulls)
        reader.passed(match.end(), lines)
        return block


def _endings_outside(text: bytes, dialect: Dialect) -> int:
    if inner_escape(dialect) and inner_escape(dialect) in text:
        text = re.sub(rb"%b." % re.escape(inner_escape(dialect)), b"", text, flags=re.DOTALL)
    outside = dialect.quote.join(text.split(dialect.quote)[::2])  # a quote keeps CR and LF of two lines apart
    return normal_endings(outside, dialect).count(b"\n")


def _regular(dialect: Dialect, width: int) -> re.Pattern[bytes]:
    """Return what matches any number of regular rows."""
    escape = inner_escape(dialect)
    never = (
        dialect.delimiter
        + dialect.quote
        + escape
        + (b"" if dialect.newline is Newline.ANY else dialect.newline.encode())
    )
    never += b"\r\n" + NO_DELIMITER + NO_QUOTE + NULL
    mixed = dialect.newline is Newline.ANY
    ending = rb"(?:\n|\r\n|\r(?=[^\n]))" if mixed else re.escape(dialect.newline.encode())
    if dialect.runs:
        field, between, edge = rb"[^ \t\v\f%b]++" % re.escape(never), rb"[ \t]++", rb"[ \t]*+"
    else:
        field, between, edge = _field(dialect, escape, never, width), re.escape(dialect.delimiter), b""
    row = rb"(?:%b%b){%d}%b" % (field, between, width - 1, field)
    return re.compile(rb"(?:%b%b%b%b)*+" % (edge, row, edge, ending))


def _field(dialect: Dialect, escape: bytes, never: bytes, width: int) -> bytes:
    plain = rb"[^%b]%b" % (re.escape(never), b"++" if width == 1 else b"*+")
    if not dialect.quote:
        return plain
    quote, not_inside = re.escape(dialect.quote), re.escape(dialect.quote + escape)
    spaces = rb"[ \t]*+" if may_strip(dialect) else b""
    pair = rb"%b%b" % (quote, quote) + (rb"|%b(?s:.)" % re.escape(escape) if escape else b"")
    doubled = rb"(?:(?:%b)[^%b]*+)*+" % (pair, not_inside) if dialect.escape else b""
    quoted = rb"%b%b[^%b]*+%b%b%b" % (spaces, quote, not_inside, doubled, quote, spaces)
    return rb"(?:%b|%b)" % (quoted, plain)
