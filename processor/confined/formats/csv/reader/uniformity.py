"""Prove that all rows have one structure, for DuckDB's reader.

All but separators, quotes and line endings is deleted from a copy of the text, piece by piece; what is left outside of
quotes must be the same row again and again. So nothing that DuckDB is lenient about (a surplus empty field, a
blank line) is in the file, and the number of rows is known before DuckDB reads the first.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from processor.confined.formats.csv.encoding import Encoding, utf8_chunks
from processor.confined.formats.csv.reader.padding import is_irregular
from processor.confined.formats.csv.reader.swallowed import swallow_rows
from processor.confined.formats.dialect import Dialect
from processor.confined.formats.sql import read_csv
from processor.streams.source import Source

_MOST_KINDS = 1000
_MOST_ENCLOSED = 10_000  # line endings that are looked at to find one that ends a row


@dataclass(frozen=True, slots=True)
class Structure:
    """A text of equal rows: their number (header and skipped lines not counted) and what ends them."""

    rows: int
    ending: bytes
    blank: int = 0  # lines at the end


def check_structure(source: Source, encoding: Encoding, dialect: Dialect, width: int, skip: int) -> Structure | None:
    """Return the structure of all rows after `skip` lines, or None when not every row is the same."""
    check = StructureCheck(dialect, width, skip)
    return check.finish() if all(map(check.add, utf8_chunks(source, encoding))) else None


class StructureCheck:
    """Takes a text piece by piece; the `skip` lines above its rows are known to lie in the first piece."""

    def __init__(self, dialect: Dialect, width: int, skip: int) -> None:
        self._dialect = dialect
        self._width = width
        self._skip = skip
        self._rows: _Rows | None = None

    def add(self, chunk: bytes) -> bool:
        """Take the next piece; return False when a row is not like the others."""
        if is_irregular(chunk):
            return False
        if self._rows is not None:
            return self._rows.add(chunk)
        first = behind_lines(chunk, self._skip)
        ending = ending_of(first)
        if ending is None:
            return False
        self._rows = _Rows(self._dialect, self._width, ending)
        return self._rows.add(first)

    def behind_a_row(self, chunk: bytes) -> int:
        """Return where in `chunk`, the piece added last, the last row begins; 0 where none is found."""
        return self._rows.behind_a_row(chunk) if self._rows is not None else 0

    def finish(self) -> Structure | None:
        """Return what was found, once all pieces have been added."""
        return self._rows.finish() if self._rows is not None else None


def behind_lines(text: bytes, count: int) -> bytes:
    """Return what follows the first `count` lines of `text`."""
    lines = re.compile(rb"\r\n|\n|\r")
    position = 0
    for _ in range(count):
        match = lines.search(text, position)
        position = match.end() if match else len(text)
    return text[position:]


def ending_of(text: bytes) -> bytes | None:
    """Return what ends the first line of `text` for certain, None where nothing does."""
    match = re.search(rb"\r\n|\n|\r(?=.)", text, re.DOTALL)
    return match[0] if match else None


class _Rows:
    """Goes through the pieces; `carry` is the skeleton of the row that the last piece left unfinished."""

    def __init__(self, dialect: Dialect, width: int, ending: bytes) -> None:
        self.quote = dialect.quote
        self.delimiter, self.width = dialect.delimiter, width
        self.ending = ending
        self.row = dialect.delimiter * (width - 1) + ending
        self.deleted = bytes(set(range(256)) - set(dialect.delimiter + self.quote + b"\r\n"))
        quote = re.escape(self.quote)
        self.enclosed = re.compile(rb"%b[^%b]*%b" % (quote, quote, quote))
        self.alike: set[bytes] = set()
        self.carry = b""
        self.rows = 0

    def add(self, chunk: bytes) -> bool:
        """Take the next piece; return False when a row is not like the others."""
        skeleton = self.carry + chunk.translate(None, self.deleted)
        if self.quote not in skeleton:
            return self._add_rows(skeleton, b"")
        return self._add_lines(skeleton) or self._add_quoted(skeleton)

    def behind_a_row(self, chunk: bytes) -> int:
        """Return where in the piece added last the last row begins, 0 where none is found.

        That is behind the last line ending that is not enclosed: from there on quotes come in pairs, or one is open.
        """
        still_inside = self.carry.count(self.quote) % 2
        quotes, looked_at = 0, len(chunk)
        for _ in range(_MOST_ENCLOSED):
            end = chunk.rfind(self.ending, 0, looked_at)
            if end < 0:
                break
            quotes += chunk.count(self.quote, end, looked_at)
            looked_at = end
            if quotes % 2 == still_inside:
                return end + len(self.ending)
        return 0

    def _add_rows(self, skeleton: bytes, carried: bytes) -> bool:
        count = len(skeleton) // len(self.row)
        self.rows += count
        self.carry = skeleton[count * len(self.row) :] + carried
        return skeleton.startswith(self.row * count)

    def _add_lines(self, skeleton: bytes) -> bool:
        """Take whole lines when each is a row: few skeletons come again and again, and each is looked at once."""
        *lines, rest = skeleton.split(self.ending[-1:])
        kinds = set(lines) - self.alike
        if len(kinds) > _MOST_KINDS or not all(map(self._is_row, kinds)):
            return False
        self.alike |= kinds
        self.rows += len(lines)
        self.carry = rest
        return True

    def _is_row(self, skeleton: bytes) -> bool:
        return self.enclosed.sub(b"", skeleton) == self.row[:-1]

    def _add_quoted(self, skeleton: bytes) -> bool:
        """Take rows whose quotes may enclose line endings: what is outside of quotes must be row after row."""
        pieces = skeleton.split(self.quote)
        if swallow_rows(pieces[1::2], self.delimiter, self.width):
            return False
        still_inside = len(pieces) % 2 == 0
        return self._add_rows(b"".join(pieces[::2]), self.quote if still_inside else b"")

    def finish(self) -> Structure | None:
        """Return what was found, once all pieces have been added."""
        left = self.enclosed.sub(b"", self.carry)
        if left == self.row.removesuffix(self.ending):
            return Structure(self.rows + 1, self.ending)  # the last line has no ending
        return Structure(self.rows, self.ending, left.count(self.ending)) if not left.strip(b"\r\n") else None


def direct_reading(
    path: Callable[[], AbstractContextManager[str | list[str]]],
    dialect: Dialect,
    ending: bytes,
    width: int,
    skip: int,
    nulls: tuple[str, ...],
    *,
    buffer_bytes: int = 0,
) -> Callable[[], AbstractContextManager[str]]:
    """Return a reading for `write_table`: DuckDB reads what `path` yields, with nothing left to guess."""
    # DuckDB 2.0 errs when it is told of CRLF and finds it by itself; of the others it must be told.
    newline = "" if ending == b"\r\n" else ending.decode()

    @contextmanager
    def reading() -> Iterator[str]:
        with path() as opened:
            yield read_csv(opened, dialect, width, nulls, newline=newline, skip=skip, buffer_bytes=buffer_bytes)

    return reading
