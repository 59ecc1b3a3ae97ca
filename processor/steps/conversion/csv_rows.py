"""Read records from delimited text, exactly: every byte ends up in a field, a separator, a quote or a line ending.

The rules are RFC 4180's, made explicit by a `Dialect`, and one more for what RFC 4180 forbids: a quote that does not
enclose its whole field is an ordinary character. A quoted field may hold line endings; one that is never closed
properly is not quoted, so a stray quote costs no more than its own line.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from processor.domain.errors import refused

# A line or a quoted field beyond this is no table that anyone meant; it bounds memory.
LONGEST_RECORD = 32 << 20
# Lines that may be looked at in vain for a closing quote, at first and for each line read: hostile quotes cost no more.
_GIVEN_BACK_AT_FIRST = 100_000
_GIVEN_BACK_A_LINE = 20


class Newline(StrEnum):
    """What ends a record."""

    ANY = "any"  # LF, CRLF or CR, even mixed
    LF = "\n"
    CRLF = "\r\n"
    CR = "\r"
    RECORD_SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table was written. All are UTF-8 bytes; an empty one means that there is none."""

    delimiter: bytes = b","
    quote: bytes = b'"'
    escape: bytes = b'"'  # the quote itself where quotes are doubled
    newline: Newline = Newline.ANY
    spaced_quotes: bool = False  # spaces between a separator and a quote belong to neither field
    runs: bool = False  # any run of spaces and tabs is one separator, and none is one at the edges of a line

    def describe(self) -> str:
        """Return the dialect in words, for people and for the Parquet's metadata."""
        shown = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        words = [f"{name} {value.decode('utf-8', 'replace')!r}" for name, value in shown.items() if value]
        words.append(f"newline {self.newline.value!r}")
        words += ["spaces around quotes"] * self.spaced_quotes + ["runs of spaces"] * self.runs
        return ", ".join(words)


class Record(NamedTuple):
    """One record: the number of its first line (from 1), its fields (None: empty and not quoted), and its text.

    A blank line has no fields. `odd` tells that a field begins with a quote that does not enclose it.
    """

    line: int
    fields: list[bytes | None]
    text: bytes
    odd: bool = False


class Grammar:
    """The regular expressions of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.delimiter = dialect.delimiter
        self.quote = dialect.quote
        self.escape = dialect.escape if dialect.escape != dialect.quote else b""
        self.special = tuple(mark for mark in (self.quote, self.escape) if mark)
        quote, escape, delimiter = (re.escape(part) for part in (self.quote, self.escape, self.delimiter))
        spaces = rb"[ \t]*" if dialect.spaced_quotes else b""
        if self.escape:
            inside = rb"(?:[^%b%b]++|%b.|%b%b)*+" % (quote, escape, escape, quote, quote)
        else:
            inside = rb"(?:[^%b]++|%b%b)*+" % (quote, quote, quote) if quote else b""
        plain = _plain(delimiter, escape, single=len(self.delimiter) == 1)
        end = rb"(%b|\Z)" % delimiter if delimiter else rb"(\Z)"
        if dialect.runs:
            plain, end = rb"[^ \t]*+", rb"([ \t]++|\Z)"
        quoted = rb"%b(%b)(%b)%b%b" % (spaces, quote, inside, quote, spaces) if quote else rb"(\A\b\B)()"
        self.field = re.compile(rb"(?:%b|(%b))%b" % (quoted, plain, end), re.DOTALL)
        self.opens = re.compile(rb"%b%b%b(?:%b)?\Z" % (spaces, quote, inside, escape), re.DOTALL)
        self.stays_open = re.compile(rb"%b(?:%b)?\Z" % (inside, escape), re.DOTALL)
        meant = rb"|".join(re.escape(c) for c in (self.quote, self.delimiter, b"\n", b"\r") if c)
        self.escaped = re.compile(rb"%b(%b)" % (escape, meant))
        meant += rb"|" + escape
        self.inner = re.compile(rb"%b(%b)|(%b)%b" % (escape, meant, quote, quote))
        self.begins_quoted = re.compile(spaces + quote)

    def unquote(self, inside: bytes) -> bytes:
        """Return the value of what stands between two quotes."""
        if self.escape:
            return self.inner.sub(rb"\1\2", inside)
        return inside.replace(self.quote * 2, self.quote) if self.quote in inside else inside

    def plain(self, text: bytes) -> bytes:
        """Return the value of a field without quotes."""
        return self.escaped.sub(rb"\1", text) if self.escape and self.escape in text else text


def _plain(delimiter: bytes, escape: bytes, *, single: bool) -> bytes:
    if not delimiter:
        return rb".*+"
    if escape:
        return rb"(?:%b.|(?!%b).)*+" % (escape, delimiter)
    return rb"[^%b]*+" % delimiter if single else rb"(?:(?!%b).)*+" % delimiter


def records(
    chunks: Iterable[bytes],
    dialect: Dialect,
    *,
    nulls: frozenset[bytes] = frozenset(),
    width: int = 0,
) -> Iterator[Record]:
    """Yield the records of UTF-8 text.

    A field without quotes that is empty or one of `nulls` is None. A known `width` helps to tell a stray quote from
    one that opens a field of several lines. Raises DeliveryError `csv.line-too-long`.
    """
    return iter(_Reader(lines(chunks, dialect.newline), Grammar(dialect), nulls, width))


def lines(chunks: Iterable[bytes], newline: Newline) -> Iterator[tuple[bytes, bytes]]:
    """Yield each line with what ended it (b"" for a last line without an ending)."""
    held = b""
    for chunk in chunks:
        held += chunk
        if cut := _after_last_ending(held, newline):
            yield from _split(held[:cut], newline)
            held = held[cut:]
        if len(held) > LONGEST_RECORD:
            raise refused("csv.line-too-long", f"a line is longer than {LONGEST_RECORD} bytes", "is this a table?")
    if held:
        yield from _split(held, newline)


def _after_last_ending(text: bytes, newline: Newline) -> int:
    if newline is Newline.ANY:
        # A CR at the very end may be half of a CRLF: it waits for the next piece.
        return max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
    found = text.rfind(newline.encode())
    return found + len(newline) if found >= 0 else 0


def _split(text: bytes, newline: Newline) -> Iterator[tuple[bytes, bytes]]:
    if newline is Newline.ANY:
        for line in text.splitlines(keepends=True):
            body = line.rstrip(b"\r\n")
            yield body, line[len(body) :]
        return
    ending = newline.encode()
    *whole, rest = text.split(ending)
    for line in whole:
        yield line, ending
    if rest:
        yield rest, b""


class _Reader:
    """Assembles records from lines; a quoted field may need several."""

    def __init__(
        self, source: Iterator[tuple[bytes, bytes]], grammar: Grammar, nulls: frozenset[bytes], width: int
    ) -> None:
        self.source = source
        self.grammar = grammar
        self.nulls = nulls | {b""}
        self.width = width
        self.waiting: deque[tuple[bytes, bytes]] = deque()
        self.line = 0
        self.given_back = 0

    def __iter__(self) -> Iterator[Record]:
        delimiter, special, nulls = self.grammar.delimiter, self.grammar.special, self.nulls
        runs = self.grammar.dialect.runs
        while (pair := self._next()) is not None:
            self.line += 1
            text = pair[0].strip(b" \t") if runs else pair[0]
            if not text:
                yield Record(self.line, [], text)
            elif any(mark in text for mark in special):
                yield self._quoted(text, pair[1])
            elif delimiter:
                fields = text.split() if runs else text.split(delimiter)
                yield Record(self.line, [None if field in nulls else field for field in fields], text)
            else:
                yield Record(self.line, [None if text in nulls else text], text)

    def _next(self) -> tuple[bytes, bytes] | None:
        return self.waiting.popleft() if self.waiting else next(self.source, None)

    def _quoted(self, text: bytes, ending: bytes) -> Record:
        fields, odd = self._fields(text)
        alone = Record(self.line, fields, text, odd)
        if not odd:
            return alone
        whole, taken = bytearray(text), list[tuple[bytes, bytes]]()
        position = self._open_field(whole, 0)
        while position is not None:
            whole += ending
            more = self._until_closed()
            taken += more
            if not more:
                return self._give_back(taken, alone)
            whole += b"".join(line + end for line, end in more[:-1]) + more[-1][0]
            ending = more[-1][1]
            if len(whole) > LONGEST_RECORD or not self._closed_at(whole, position):
                return self._give_back(taken, alone)
            position = self._open_field(whole, position)
        if not taken:
            return alone
        fields, odd = self._fields(bytes(whole))
        if self.width and len(fields) != self.width and len(alone.fields) == self.width:
            return self._give_back(taken, alone)
        record = Record(self.line, fields, bytes(whole), odd)
        self.line += len(taken)
        return record

    def _give_back(self, taken: list[tuple[bytes, bytes]], alone: Record) -> Record:
        self.waiting.extendleft(reversed(taken))
        self.given_back += len(taken)
        if self.given_back > _GIVEN_BACK_AT_FIRST + _GIVEN_BACK_A_LINE * self.line:
            raise refused("csv.quotes", f"line {alone.line}: quotes open and close without sense", "repair the quotes")
        return alone

    def _until_closed(self) -> list[tuple[bytes, bytes]]:
        """Take lines up to and with the first that has a quote of its own; [] when there is none within reach."""
        more: list[tuple[bytes, bytes]] = []
        size = 0
        while (pair := self._next()) is not None:
            more.append(pair)
            size += len(pair[0])
            if not self.grammar.stays_open.match(pair[0]):
                return more
            if size > LONGEST_RECORD:
                break
        self.waiting.extendleft(reversed(more))
        return []

    def _open_field(self, text: bytearray, start: int) -> int | None:
        """Return where, from `start` on, a field begins whose quote is not closed by the end of `text`."""
        for match in self.grammar.field.finditer(text, start):
            if match[1] is None and self.grammar.opens.match(text, match.start()):
                return match.start()
        return None

    def _closed_at(self, text: bytearray, position: int) -> bool:
        match = self.grammar.field.match(text, position)
        return match is not None and match[1] is not None

    def _fields(self, text: bytes) -> tuple[list[bytes | None], bool]:
        grammar, nulls = self.grammar, self.nulls
        found = grammar.field.findall(text)
        if len(found) > 1 and not found[-2][3]:
            found.pop()  # after the last field there is an empty match at the very end
        fields: list[bytes | None] = []
        odd = False
        for quote, inside, plain, _ in found:
            if quote:
                fields.append(grammar.unquote(inside))
            else:
                odd = odd or (grammar.begins_quoted.match(plain) is not None and bool(grammar.quote))
                fields.append(None if plain in nulls else grammar.plain(plain))
        return fields, odd
