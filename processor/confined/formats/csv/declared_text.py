"""A text without the lines declared to be no rows.

It is done before anything else looks at the text. Blank lines stand for those lines, so that lines keep their numbers.
In a table of one column, where a blank line is a row, nothing stands for them.
"""

import io
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from processor.confined.formats.csv.accounting import Note
from processor.confined.formats.csv.encoding import Encoding, utf8_chunks
from processor.confined.formats.csv.reader.records import Record
from processor.domain.declarations import CsvDeclaration
from processor.streams.source import Source, about_bytes

_MOST_KEPT_BYTES = 1 << 20


class DeclaredText:
    """A text, as UTF-8, without the lines that are declared to be no rows. A Source of unknown length.

    `is_one_column`: nothing stands for the lines that are taken out.
    """

    size_bytes: None = None
    path_fd: None = None

    def __init__(self, source: Source, csv: CsvDeclaration, encoding: Encoding, *, is_one_column: bool = False) -> None:
        self.source = source
        self.csv = csv
        self.encoding = encoding
        self.is_one_column = is_one_column
        self._known: list[bytes] | None = None  # all notes, once they have been seen and where they are few

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.source.name

    @property
    def about_bytes(self) -> int | None:
        """Length of the file, which is about that of the text."""
        return about_bytes(self.source)

    def for_one_column(self) -> "DeclaredText":
        """Return the text as one column is read."""
        return DeclaredText(self.source, self.csv, self.encoding, is_one_column=True)

    def open(self) -> BinaryIO:
        """Return a reader of the text. It raises DeliveryError `csv.encoding`."""
        return _Chunks(self._kept())

    def note_lines(self) -> Iterator[bytes]:
        """Yield the lines that are no rows as lines of JSON, verbatim."""
        yield from self._known if self._known is not None else self._notes()

    def _notes(self) -> Iterator[bytes]:
        taken = _Taken(self.csv)
        for piece in taken.pieces(self._chunks()):
            if isinstance(piece, Note):
                yield piece.line()
            elif taken.is_through:
                return

    def line_in_file(self) -> "LinesInFile":
        """Return what tells the lines of the file by those of the text."""
        lines = []
        if self.is_one_column:
            lines = [p.record.line for p in _Taken(self.csv).pieces(self._chunks()) if isinstance(p, Note)]
        return LinesInFile(lines)

    def _chunks(self) -> Iterator[bytes]:
        return utf8_chunks(self.source, self.encoding)

    def _kept(self) -> Iterator[bytes]:
        notes: list[bytes] = []
        size, ending = 0, b"\n"
        for piece in _Taken(self.csv).pieces(self._chunks()):
            if not isinstance(piece, Note):
                yield piece
                continue
            text = piece.record.text
            ending = b"\r\n" if text.endswith(b"\r\n") else b"\n" if text.endswith(b"\n") else ending
            if not self.is_one_column:
                yield ending
            if size < _MOST_KEPT_BYTES:
                notes.append(piece.line())
                size += len(notes[-1])
        if size < _MOST_KEPT_BYTES:
            self._known = notes


@dataclass(frozen=True, slots=True)
class LinesInFile:
    """The lines of a file (from 1) that have been taken out of it."""

    taken: list[int]

    def of(self, line: int) -> int:
        """Return the line of the file that is this line of what was left."""
        found = line + bisect_right(self.taken, line)
        while found != (found := line + bisect_right(self.taken, found)):
            pass
        return found


class _Taken:
    """One way through a text: what is kept, in large pieces, and the lines that are not, as notes."""

    def __init__(self, csv: CsvDeclaration) -> None:
        self.csv = csv
        self._line = 0  # lines that have passed
        self._quote = (csv.quote if csv.quote is not None else '"').encode()
        self._mark = csv.comment.encode()
        self._comment = re.compile(rb"^%b[^\n]*\n?" % re.escape(self._mark), re.MULTILINE)
        self._inside = False  # of a quoted field, where no line is a comment

    @property
    def is_through(self) -> bool:
        """Whether no more lines can be taken out."""
        return self._line >= self.csv.skip_lines and not (self.csv.comment or self.csv.footer_lines)

    def pieces(self, chunks: Iterator[bytes]) -> Iterator[bytes | Note]:
        """Yield all of the text in its order."""
        held = b""
        for chunk in chunks:
            held += chunk
            if end := self._before_footer(held):
                yield from self._above(held[:end])
                held = held[end:]
        *lines, rest = held.split(b"\n")
        left = [line + b"\n" for line in lines] + ([rest] if rest else [])
        footer = left[len(left) - self.csv.footer_lines :] if self.csv.footer_lines else []
        yield from self._above(b"".join(left[: len(left) - len(footer)]))
        yield from (self._note(text, "footer_lines") for text in footer)

    def _before_footer(self, held: bytes) -> int:
        """Return where whole lines end that can not be the last ones, 0 where there are none."""
        at = len(held)
        for _ in range(self.csv.footer_lines + 1):
            if (at := held.rfind(b"\n", 0, at)) < 0:
                return 0
        return at + 1

    def _above(self, text: bytes) -> Iterator[bytes | Note]:
        at = 0
        while at < len(text) and self._line < self.csv.skip_lines:
            end = text.find(b"\n", at) + 1 or len(text)
            yield self._note(text[at:end], "skip_lines")
            at = end
        if text := text[at:] if at else text:
            yield from self._without_comments(text) if self._may_have_comments(text) else (self._keep(text),)

    def _may_have_comments(self, text: bytes) -> bool:
        """Whether a line begins like a comment; where none does, which is told fast, the quotes are looked at."""
        if not self._mark:
            return False
        if text.startswith(self._mark) or b"\n" + self._mark in text:
            return True
        self._look_at_quotes(text, 0, len(text))
        return False

    def _without_comments(self, text: bytes) -> Iterator[bytes | Note]:
        at = counted = 0
        for match in self._comment.finditer(text):
            self._look_at_quotes(text, counted, match.start())
            counted = match.start()
            if self._inside:
                continue
            if at < match.start():
                yield self._keep(text[at : match.start()])
            yield self._note(match[0], "comment")
            at = counted = match.end()
        self._look_at_quotes(text, counted, len(text))
        if at < len(text):
            yield self._keep(text[at:])

    def _look_at_quotes(self, text: bytes, start: int, end: int) -> None:
        self._inside ^= bool(self._quote) and text.count(self._quote, start, end) % 2 == 1

    def _keep(self, text: bytes) -> bytes:
        self._line += text.count(b"\n")
        return text

    def _note(self, text: bytes, kind: str) -> Note:
        self._line += 1
        return Note(Record(self._line, [], text), kind)


class _Chunks(io.RawIOBase, BinaryIO):
    """A reader of pieces that are made while they are read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return as much as there is up to `size`, all for -1; nothing at the end."""
        pieces, length = [self._left], len(self._left)
        while (size < 0 or length < size) and (piece := next(self._pieces, b"")):
            pieces.append(piece)
            length += len(piece)
        text = b"".join(pieces)
        taken = len(text) if size < 0 else size
        self._left = text[taken:]
        return text[:taken]
