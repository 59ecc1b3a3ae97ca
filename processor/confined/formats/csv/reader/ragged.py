"""Read rows of several widths many at a time.

What stands outside of quotes, without all but separators and line endings, tells how wide each row is. That holds where
every quote stands at an edge of its field, or is doubled; text with a quote anywhere else is left to the reader.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from processor.confined.formats.csv.reader.records import Record, records
from processor.confined.formats.csv.reader.swallowed import swallow_rows
from processor.confined.formats.dialect import Dialect, Newline

# Bytes that stand for something on the way to DuckDB; text that has them outside of quotes is left to the reader.
NO_DELIMITER, NO_QUOTE, NULL = b"\x01", b"\x02", b"\x03"
_INNER = ((b"\n", b"\x01"), (b"\r", b"\x02"))  # what stands for line endings in quotes while lines are told apart
_COMMENT = b"#"
_MOST_ENDINGS = 1000  # that are looked at to find the last that is not enclosed


@dataclass(frozen=True, slots=True)
class Block:
    """Regular rows: the number of the first line, how many rows, and their text up to the last line's ending."""

    line: int
    rows: int
    text: bytes
    dialect: Dialect
    nulls: frozenset[bytes]
    is_final: bool = False  # the text is to go to DuckDB as it is

    def records(self) -> Iterator[Record]:
        """Return the rows one by one."""
        for record in records((self.text,), self.dialect, nulls=self.nulls):
            yield record._replace(line=self.line + record.line - 1)


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of several widths: each row's first line, its text and its number of fields.

    A blank line has no fields. Only rows of the table's width may hold line endings, in quotes.
    """

    starts: Sequence[int]
    lines: list[bytes]
    widths: list[int]
    dialect: Dialect
    nulls: frozenset[bytes]

    @property
    def line(self) -> int:
        """The number of the first line."""
        return self.starts[0]

    @property
    def rows(self) -> int:
        """The number of rows, blank lines not counted."""
        return len(self.widths) - self.widths.count(0)

    @property
    def counts(self) -> Counter[int]:
        """How many rows there are of each width."""
        found = Counter(self.widths)
        del found[0]
        return found

    @property
    def text(self) -> bytes:
        """The text of all rows."""
        return b"\n".join(self.lines) + b"\n"

    def records(self) -> Iterator[Record]:
        """Return the rows one by one, blank lines included."""
        return Block(self.line, self.rows, self.text, self.dialect, self.nulls).records()

    def record(self, index: int) -> Record:
        """Return one row."""
        (record,) = records((self.lines[index],), self.dialect, nulls=self.nulls)
        return record._replace(line=self.starts[index])

    def misfits(self, width: int) -> list[tuple[int, bytes]]:
        """Return first line and text of the rows that have another width."""
        if self.widths.count(0) + self.widths.count(width) == len(self.widths):
            return []
        rows = zip(self.starts, self.lines, self.widths, strict=True)
        return [(line, row) for line, row, found in rows if found not in (0, width)]

    def without_blank_end(self) -> tuple["Ragged | None", int]:
        """Return the rows without the blank lines at the end, None where all are, and how many of these there are."""
        end = len(self.widths)
        while end and not self.widths[end - 1]:
            end -= 1
        cut = replace(self, starts=self.starts[:end], lines=self.lines[:end], widths=self.widths[:end])
        return (cut if end else None), len(self.widths) - end

    def block(self, lines: Sequence[bytes], *, is_final: bool = False) -> Block:
        """Return a block of `lines`, which are rows of the same width."""
        return Block(self.line, len(lines), b"\n".join((*lines, b"")), self.dialect, self.nulls, is_final)


class Skeletons:
    """Tells rows from the text of whole lines, for dialects in which a quote is either doubled or at an edge."""

    def __init__(self, dialect: Dialect, width: int, nulls: frozenset[bytes]) -> None:
        self._dialect = dialect
        self._width = width
        self._nulls = nulls
        self._deleted = bytes(set(range(256)) - set(dialect.delimiter + b"\n"))
        quote, edge = re.escape(dialect.quote), re.escape(dialect.delimiter + dialect.quote + b"\n")
        self._stray = re.compile(rb"%b(?:[^%b]|(?<=[^%b]%b))" % (quote, edge, edge, quote))

    @staticmethod
    def know(dialect: Dialect) -> bool:
        """Tell whether rows of this dialect can be told in this way."""
        is_simple = dialect.escape == dialect.quote and dialect.newline is Newline.ANY
        return is_simple and len(dialect.delimiter) <= 1 and not (dialect.spaced_quotes or dialect.runs)

    def end(self, text: bytes, start: int, stop: int) -> int:
        """Return the place in `text`, up to `stop`, behind the last line that no quote is open at; -1 for none."""
        quote = self._dialect.quote
        is_open = bool(quote) and text.count(quote, start, stop) % 2
        for _ in range(_MOST_ENDINGS):
            found = text.rfind(b"\n", start, stop)
            if found < 0:
                return -1
            is_open ^= bool(quote) and text.count(quote, found, stop) % 2
            if not is_open:
                return found + 1
            stop = found
        return -1

    def rows(self, text: bytes, line: int) -> Block | Ragged | None:
        """Return the rows in `text`, whole lines of which the first has this number; None where it is not sure."""
        parts = text.split(self._dialect.quote) if self._dialect.quote else [text]
        outside = self._dialect.quote.join(parts[::2]).replace(b"\r\n", b"\n")
        if len(parts) % 2 == 0 or self._is_doubtful(outside):
            return None
        if swallow_rows(parts[1::2], self._dialect.delimiter, self._width):
            return None
        separators = list(map(len, outside.translate(None, self._deleted).split(b"\n")))
        separators.pop()
        if separators.count(self._width - 1) == len(separators) and not (self._width == 1 and _has_blank(outside)):
            return Block(line, len(separators), text, self._dialect, self._nulls)
        return self._ragged(text, b"".join(parts[1::2]), separators, line)

    def _is_doubtful(self, outside: bytes) -> bool:
        if any(mark in outside for mark in (b"\r", NO_DELIMITER, NO_QUOTE, NULL)):
            return True
        return bool(self._dialect.quote) and self._stray.search(outside) is not None

    def _ragged(self, text: bytes, inside: bytes, separators: list[int], line: int) -> Ragged | None:
        has_inner = b"\n" in inside or b"\r" in inside
        lines = self._lines_of_several(text, inside) if has_inner else _lines(text)
        if lines is None:
            return None
        widths = [count + 1 if row else 0 for count, row in zip(separators, lines, strict=True)]
        if has_inner or text[:1] == _COMMENT or b"\n" + _COMMENT in text:
            misfits = [row for row, width in zip(lines, widths, strict=True) if width not in (0, self._width)]
            if any(row[:1] == _COMMENT or b"\n" in row or b"\r" in row for row in misfits):
                return None
        starts = _starts(lines, line) if has_inner else range(line, line + len(lines))
        return Ragged(starts, lines, widths, self._dialect, self._nulls)

    def _lines_of_several(self, text: bytes, inside: bytes) -> list[bytes] | None:
        """Return the rows of text with line endings in quotes, None where nothing can stand for those."""
        if any(other in inside for _, other in _INNER):
            return None
        parts = text.split(self._dialect.quote)
        for ending, other in _INNER:
            parts[1::2] = [part.replace(ending, other) for part in parts[1::2]]
        lines = _lines(self._dialect.quote.join(parts))
        for ending, other in _INNER:
            lines = [row.replace(other, ending) for row in lines]
        return lines


def _lines(text: bytes) -> list[bytes]:
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    lines.pop()
    return lines


def _starts(lines: Sequence[bytes], first: int) -> list[int]:
    inner = (row.count(b"\n") + row.count(b"\r") - row.count(b"\r\n") for row in lines[:-1])
    return list(accumulate((1 + count for count in inner), initial=first))


def _has_blank(outside: bytes) -> bool:
    return b"\n\n" in outside or outside[:1] == b"\n"
