"""Read records from delimited text, exactly: every byte ends up in a field, a separator, a quote or a line ending.

The rules are RFC 4180's, made explicit by a `Dialect`, and one more for what RFC 4180 forbids: a quote that does not
enclose its whole field is an ordinary character. A quoted field may hold line endings; one that is never closed
properly is not quoted, so a stray quote costs no more than its own line.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from processor.domain.errors import refused

# A line or a quoted field beyond this is no table that anyone meant; it bounds memory.
LONGEST_RECORD = 32 << 20
# Bytes that may be looked at in vain for a closing quote, at first and for each byte read: hostile quotes cost no more.
_IN_VAIN_AT_FIRST = 256 << 20
_IN_VAIN_A_BYTE = 8
_BYTES_A_LINE = 4096  # looking at a line of a field costs as much as passing over so many bytes
_SETTLED_BYTES = 1 << 18
_ANY_ENDING = re.compile(rb"\r\n|\n|\r")


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
    escape: bytes = (
        b'"'  # the quote itself where quotes are doubled; none where quotes stand in quoted fields as they are
    )
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

    A blank line has no fields. `odd` tells that a field begins with a quote that does not enclose it, `unclosed` that
    nothing up to the end of the text closes it.
    """

    line: int
    fields: list[bytes | None]
    text: bytes
    odd: bool = False
    unclosed: bool = False


class Grammar:
    """The regular expressions of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.delimiter = dialect.delimiter
        self.quote = dialect.quote
        self.escape = dialect.escape if dialect.escape != dialect.quote else b""
        quote, escape, delimiter = (re.escape(part) for part in (self.quote, self.escape, self.delimiter))
        spaces = rb"[ \t]*" if dialect.spaced_quotes else b""
        if quote and not dialect.escape:
            inside = rb"(?:[^%b]++|%b(?!%b(?:%b|[\r\n]|\Z)))*+" % (quote, quote, spaces, delimiter or rb"\Z")
        elif self.escape:
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
        self.inside = re.compile(inside, re.DOTALL)
        meant = rb"|".join(re.escape(c) for c in (self.quote, self.delimiter, b"\n", b"\r") if c)
        self.escaped = re.compile(rb"%b(%b)" % (escape, meant))
        meant += rb"|" + escape
        self.inner = re.compile(rb"%b(%b)|(%b)%b" % (escape, meant, quote, quote))
        self.begins_quoted = re.compile(spaces + quote)

    def unquote(self, inside: bytes) -> bytes:
        """Return the value of what stands between two quotes."""
        if self.escape:
            return self.inner.sub(rb"\1\2", inside)
        return inside.replace(self.quote * 2, self.quote) if self.dialect.escape else inside

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
    one that opens a field of several lines. Raises DeliveryError `csv.line-too-long`, `csv.quotes`.
    """
    return iter(Reader(chunks, dialect, nulls, width).record, None)


class Window:
    """The part of a text that is looked at: `held`, from `at` on not yet taken. It grows at its end on demand."""

    def __init__(self, chunks: Iterable[bytes], newline: Newline) -> None:
        self.chunks = iter(chunks)
        self.ending = b"" if newline is Newline.ANY else newline.encode()
        self.held = b""
        self.at = 0
        self.ended = False
        self.has_cr = False

    def line(self, start: int) -> tuple[int, int] | None:
        """Return where the line that begins at `start` ends, without and with its ending; None at the text's end."""
        searched = start
        while (found := self._ending(searched)) is None:
            if self.ended:
                return (len(self.held), len(self.held)) if start < len(self.held) else None
            if len(self.held) - start > LONGEST_RECORD:
                raise refused("csv.line-too-long", f"a line is longer than {LONGEST_RECORD} bytes", "is this a table?")
            searched = max(start, len(self.held) - 1)
            self.grow()
        return found

    def _ending(self, start: int) -> tuple[int, int] | None:
        if self.ending or not self.has_cr:
            ending = self.ending or b"\n"
            at = self.held.find(ending, start)
            return (at, at + len(ending)) if at >= 0 else None
        match = _ANY_ENDING.search(self.held, start)
        if match is None or (match[0] == b"\r" and match.end() == len(self.held) and not self.ended):
            return None  # a CR at the very end may be half of a CRLF
        return match.span()

    def endings(self, start: int, end: int) -> int:
        """Return the number of line endings between two places."""
        if self.ending:
            return self.held.count(self.ending, start, end)
        count = self.held.count(b"\n", start, end)
        if self.has_cr:
            count += self.held.count(b"\r", start, end) - self.held.count(b"\r\n", start, end)
        return count

    def settle(self) -> None:
        """Let go of what was taken, when it is more than what is left: places found before are void then."""
        if self.at > _SETTLED_BYTES and self.at > len(self.held) - self.at:
            self.held = self.held[self.at :]
            self.at = 0

    def grow(self) -> None:
        """Add a piece, or as many as to double what is left, so that looking far ahead costs no copy for each piece."""
        wanted = len(self.held) - self.at
        pieces = [self.held]
        while (piece := next(self.chunks, None)) is not None:
            pieces.append(piece)
            wanted -= len(piece)
            if piece and wanted <= 0:
                break
        else:
            self.ended = True
        self.held = b"".join(pieces)
        self.has_cr = self.has_cr or any(b"\r" in piece for piece in pieces[1:])


class Reader:
    """Assembles records from lines; a quoted field may need several."""

    def __init__(self, chunks: Iterable[bytes], dialect: Dialect, nulls: frozenset[bytes], width: int) -> None:
        self.window = Window(chunks, dialect.newline)
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
        if window.at > _SETTLED_BYTES:
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
        fields, odd = self._fields(text)
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
        fields, odd = self._fields(whole)
        if self.width and len(fields) != self.width and len(alone.fields) == self.width:
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


def _end_of(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start
