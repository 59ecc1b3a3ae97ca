"""Find the bounds of documents with bounded memory.

Only strings and brackets are looked at: what a piece holds is judged by whoever parses it, and what stands between the
pieces is judged here. A piece that is not one JSON document makes the file no JSON, so nothing is guessed.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from processor.confined.formats.json.parser import DEEPEST, NotJsonError, parse

# One row beyond this needs more memory than there is by default.
LONGEST_ROW = 32 << 20

Row = tuple[int, bytes]
"""A row as it stands in the text, and the offset of its first byte."""

# Possessive, so that a long string costs no memory to match.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PLAIN = rb'[^\[\]{}"]*+'


def _container(levels: int) -> bytes:
    """Return the pattern of an array or object that has at most `levels` levels of containers in it.

    What may follow is decided by its first byte everywhere, so no input makes it slow.
    """
    inner = _STRING if levels == 0 else b"(?:" + _STRING + b"|" + _container(levels - 1) + b")"
    return rb"[\[{]" + _PLAIN + b"(?:" + inner + _PLAIN + rb")*+[\]}]"


_SHALLOW = re.compile(_container(3), re.DOTALL)
# Whole strings and shallow containers, of which a large document has many, are one token each.
_TOKEN = re.compile(_container(1) + b"|" + _STRING + rb'|[\[\]{}]|"', re.DOTALL)
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\r\n,\[\]{}"]+')
_SPACE = re.compile(rb"[ \t\r\n]*")
_OPENING = b"[{"


_LONGEST_BETWEEN = 64
# White space stays white space outside strings, and what a string may not have stays forbidden in it.
_ONE_LINE = bytes.maketrans(b"\n\r", b"\t\t")


class RowTooLongError(NotJsonError):
    """A row has more bytes than there is memory for."""


class RecordsPathError(NotJsonError):
    """The declared path of the rows leads to no array."""


class NotOneArrayError(Exception):
    """Something follows the array, so it was not the whole document."""


class Splitter:
    """The rows of a text that comes in chunks. One use."""

    def __init__(self, chunks: Iterator[bytes], *, guess: bool = False, longest: int = LONGEST_ROW) -> None:
        """Where it may `guess`, elements of an array are found fast, but a piece that is no JSON tells nothing yet.

        A row that has more than `longest` bytes is refused.
        """
        self._chunks = chunks
        self._longest = longest
        self._guess = guess
        self._has_guessed = False
        self._text = b""
        self._at = 0
        self._offset = 0  # of the buffer's first byte

    def elements(self) -> Iterator[Row]:
        """Yield the elements of the one array. Raises NotJsonError and NotOneArrayError."""
        self._space()
        self._at += 1  # the bracket that told that this is an array
        if self._next("an array") == b"]":
            self._at += 1
        else:
            yield from self._separated()
        self._space()
        if self._peek():
            raise self._error("more than an array, by a guess") if self._has_guessed else NotOneArrayError

    def records(self, path: Sequence[str]) -> Iterator[Row]:
        """Yield the elements of the array at `path`, the names of members, in the one document.

        Everything else in the document is parsed as well. Raises NotJsonError, also where the path leads to no array.
        """
        self._next("a document")
        yield from self._value_at(tuple(path), 0)
        self._space()
        if self._peek():
            raise self._error("more than one document")

    def _value_at(self, path: tuple[str, ...], depth: int) -> Iterator[Row]:
        """Yield the rows of the value that begins here."""
        if depth < len(path):
            yield from self._member_at(path, depth)
            return
        if self._peek() != b"[":
            raise self._no_records(f"{'.'.join(path)} is no array")
        self._at += 1
        if self._next("an array") == b"]":
            self._at += 1
        else:
            yield from self._separated()

    def _member_at(self, path: tuple[str, ...], depth: int) -> Iterator[Row]:
        """Yield the rows below the member `path[depth]` of the object that begins here; parse all other members."""
        if self._peek() != b"{":
            whole = ".".join(path[:depth]) or "the document"
            raise self._no_records(f"{whole} is no object, so it has no {path[depth]!r}")
        self._at += 1
        seen: set[str] = set()
        while self._next("an object") != b"}":
            name = self._member_name(seen)
            if name == path[depth]:
                yield from self._value_at(path, depth + 1)
            else:
                self._parsed()
            self._behind_member()
        self._at += 1
        if path[depth] not in seen:
            there = ", ".join(sorted(seen)[:20])
            raise self._no_records(f"there is no {'.'.join(path[: depth + 1])} (there are: {there})")

    def _behind_member(self) -> None:
        if self._next("an object") == b",":
            self._at += 1
            if self._next("an object") == b"}":
                raise self._error("a name is missing before }")
        elif self._peek() != b"}":
            raise self._error("a comma or } is missing before this")

    def _member_name(self, seen: set[str]) -> str:
        """Go behind a name and its colon; the name is none of those `seen`, and becomes one."""
        if self._peek() != b'"':
            raise self._error("a name in quotes is missing")
        name = str(self._parsed())
        if name in seen:
            raise self._error(f"key {name!r} stands twice in one object")
        seen.add(name)
        if self._next("an object") != b":":
            raise self._error("a colon is missing behind a name")
        self._at += 1
        self._next("an object")
        return name

    def _parsed(self) -> Any:
        offset, text = self._piece()
        try:
            return parse(text)
        except NotJsonError as error:
            raise NotJsonError(error.why, offset=offset) from error

    def _separated(self) -> Iterator[Row]:
        while True:
            yield self._piece()
            closing = self._offset + self._at - 1
            match self._next("an array"):
                case b",":
                    self._at += 1
                    self._next("an array")
                    if self._guess and closing >= self._offset:
                        yield from self._guessed(self._text[closing - self._offset : self._at + 1])
                case b"]":
                    self._at += 1
                    return
                case _:
                    raise self._error("a comma or ] is missing before this")

    def _guessed(self, between: bytes) -> Iterator[Row]:
        """Yield objects that end where the text `between` the last two stands again, as long as that looks right.

        Whoever parses a piece proves the guess: no beginning of an object is an object, so a piece that is one and is
        followed by a comma is the next element. A wrong guess gives a piece that is no JSON.
        """
        if not is_usual(between):
            return
        self._has_guessed = True
        text, at, to_next = self._text, self._at, len(between) - 1
        while (end := text.find(between, at)) >= 0:
            piece = text[at : end + 1]
            if piece.count(b"{") != piece.count(b"}") or piece.count(b"[") != piece.count(b"]"):
                break
            yield self._offset + at, piece
            at = end + to_next
        self._at = at

    def documents(self) -> Iterator[Row]:
        """Yield the documents. Each begins on a new line, but objects may follow each other at once."""
        before = b""
        new_line = True
        while True:
            new_line = self._space() or new_line
            first = self._peek()
            if not first:
                return
            if not new_line and not before == first == b"{":
                raise self._error("more than one value on a line")
            before, new_line = first, False
            yield self._piece()

    def _piece(self) -> Row:
        first = self._peek()
        if first in (b"[", b"{"):
            end = self._container_end()
        elif first == b'"':
            end = self._string_end()
        else:
            end = self._scalar_end()
        row = (self._offset + self._at, self._text[self._at : end])
        self._at = end
        return row

    def _container_end(self) -> int:
        shallow = _SHALLOW.match(self._text, self._at)
        if shallow:
            return shallow.end()
        scanned, depth = 0, 0  # scanned: from the container's first byte
        while True:
            start = self._at
            scanned_to = len(self._text)
            for token in _TOKEN.finditer(self._text, start + scanned):
                if token.end() - token.start() > 1:
                    continue
                first = self._text[token.start()]
                if first == ord('"'):
                    scanned_to = token.start()
                    break  # the string's end has not been read yet
                depth += 1 if first in _OPENING else -1
                if depth == 0:
                    return token.end()
                if depth > DEEPEST:
                    raise self._error(f"nested deeper than {DEEPEST} levels")
            scanned = scanned_to - start
            self._more_of("an array" if self._peek() == b"[" else "an object")

    def _string_end(self) -> int:
        while not (whole := _WHOLE_STRING.match(self._text, self._at)):
            self._more_of("a string")
        return whole.end()

    def _scalar_end(self) -> int:
        while True:
            scalar = _SCALAR.match(self._text, self._at)
            if scalar is None:
                raise self._error(f"unexpected {self._peek().decode('utf-8', 'replace')!r}")
            if scalar.end() < len(self._text) or not self._fill():
                return scalar.end()

    def _next(self, where: str) -> bytes:
        self._space()
        return self._peek() or self._fail_at_end(where)

    def _space(self) -> bool:
        """Go to the next byte that is no white space; tell whether a line ended on the way."""
        new_line = False
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None
            new_line = new_line or b"\n" in space[0] or b"\r" in space[0]
            self._at = space.end()
            if self._at < len(self._text) or not self._fill():
                return new_line

    def _peek(self) -> bytes:
        return self._text[self._at : self._at + 1]

    def _more_of(self, what: str) -> None:
        if not self._fill():
            self._fail_at_end(what)

    def _fail_at_end(self, where: str) -> bytes:
        self._at = len(self._text)
        raise self._error(f"the text ends within {where}")

    def _fill(self) -> bool:
        """Drop what is done with and read at least as much as is kept, so that no piece is gone over often."""
        kept = self._text[self._at :]
        if len(kept) > self._longest:
            raise too_long(self._offset + self._at, self._longest)
        pieces, size = [kept], 0
        while size <= len(kept) and (chunk := next(self._chunks, b"")):
            pieces.append(chunk)
            size += len(chunk)
        self._text = b"".join(pieces)
        self._offset += self._at
        self._at = 0
        return size > 0

    def _no_records(self, why: str) -> RecordsPathError:
        return RecordsPathError(why, offset=self._offset + self._at)

    def _error(self, why: str) -> NotJsonError:
        return NotJsonError(why, offset=self._offset + self._at)


def is_usual(between: bytes) -> bool:
    """Tell whether `between` is what stands between two objects of an array in a file of many."""
    return between.startswith(b"}") and between.endswith(b"{") and len(between) <= _LONGEST_BETWEEN


def on_one_line(row: bytes) -> bytes:
    """Return the document `row` without line ends; they can stand only between its tokens."""
    return row.translate(_ONE_LINE) if b"\n" in row or b"\r" in row else row


def too_long(offset: int, longest: int) -> RowTooLongError:
    """Return the error that the row at `offset` has more than `longest` bytes."""
    return RowTooLongError(f"a row has more than {longest >> 20} MiB", offset=offset)


def lines(chunks: Iterator[bytes], longest: int = LONGEST_ROW) -> Iterator[Row]:
    """Yield the lines that are not blank, without their ends. Raises RowTooLongError."""
    offset, kept = 0, b""
    for chunk in chunks:
        if b"\n" not in chunk:
            kept += chunk
            if len(kept) > longest:
                raise too_long(offset, longest)
            continue
        whole = (kept + chunk).split(b"\n")
        kept = whole.pop()
        for line in whole:
            if line.strip(b" \t\r"):
                yield offset, line
            offset += len(line) + 1
    if kept.strip(b" \t\r"):
        yield offset, kept
