"""The rows of a JSON file, in any encoding.

RFC 8259 (8.1) wants UTF-8 and lets a byte order mark be ignored; UTF-16 and UTF-32 are recognised as its predecessor
RFC 4627 (3) tells: by where the first character, which is ASCII, has its zero bytes.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from processor.confined.formats.base import fast_paths
from processor.confined.formats.json.bulk_splitter import Joiner, beginning_of
from processor.confined.formats.json.parser import NotJsonError, parse
from processor.confined.formats.json.splitter import LONGEST_ROW, Row, Splitter, lines
from processor.confined.formats.unicode import as_utf8, marked_encoding, read_beginning
from processor.domain.conversion import DataFormat
from processor.streams.source import Source

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 18
_WINDOWS = 8
_WINDOW_BYTES = 1 << 15
# What a row takes at least, in DuckDB's memory, while it is read and written.
_MEMORY_OF_A_ROW = 8
_BLANK = b" \t\r\n"
_BLANK_BEGINS = (b"\n\n", b"\n\r", b"\n ", b"\n\t")

_ZEROES = (
    (re.compile(rb"\0\0\0[^\0]"), "utf-32-be"),
    (re.compile(rb"[^\0]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0[^\0]"), "utf-16-be"),
    (re.compile(rb"[^\0]\0"), "utf-16-le"),
)


class DocumentSequence(StrEnum):
    """How the rows stand in the file."""

    LINES = "one document a line"
    ELEMENTS = "the elements of one array"
    DOCUMENTS = "documents one after the other"


@dataclass(frozen=True, slots=True)
class JsonRows:
    """A way to read the rows of `source`, as often as needed."""

    source: Source
    encoding: str
    mark_bytes: int
    shape: DocumentSequence
    longest: int = LONGEST_ROW  # bytes of a row; one that has more is refused
    guess: bool = True  # the elements of an array are found fast; a piece that is no JSON tells nothing yet
    records: tuple[str, ...] = ()  # the path to the array of rows within the one document

    @property
    def lines_fd(self) -> int | None:
        """Return the descriptor of a plain file whose lines are the rows, as UTF-8; None where there is none."""
        return self.source.path_fd if self.shape is DocumentSequence.LINES and self.encoding == "utf-8" else None

    def read(self) -> Iterator[Row]:
        """Yield each row with its offset in the text. Raises NotJsonError, NotOneArrayError."""
        with self.source.open() as reader:
            chunks = self._chunks(reader)
            if self.records:
                yield from Splitter(chunks, guess=self.guess, longest=self.longest).records(self.records)
                return
            match self.shape:
                case DocumentSequence.LINES:
                    yield from lines(chunks, self.longest)
                case DocumentSequence.ELEMENTS:
                    yield from Splitter(chunks, guess=self.guess, longest=self.longest).elements()
                case DocumentSequence.DOCUMENTS:
                    yield from Splitter(chunks, longest=self.longest).documents()

    @contextmanager
    def read_joined(self, known: Sequence[bytes]) -> Iterator[Joiner | None]:
        """Give the rows of an array as lines, many at a time; None where they can not be found so.

        `known` are some of the rows. What is given may be wrong: it is right if every line is a JSON object.
        """
        is_array = fast_paths() and self.shape is DocumentSequence.ELEMENTS and self.guess and not self.records
        beginning = beginning_of(known) if is_array else None
        if beginning is None:
            yield None
            return
        with self.source.open() as reader:
            yield Joiner(self._chunks(reader), beginning, self.longest)

    def read_windows(self) -> Iterator[bytes]:
        """Yield some rows from all over a plain file of lines; none of another source."""
        fd, size = self.lines_fd, self.source.size_bytes or 0
        if fd is None or size < _WINDOWS * _WINDOW_BYTES:
            return
        for window in range(1, _WINDOWS + 1):
            text = os.pread(fd, _WINDOW_BYTES, (size - _WINDOW_BYTES) * window // _WINDOWS)
            yield from (line for line in text.split(b"\n")[1:-1] if line.strip(_BLANK))

    def count_lines(self, expected: int) -> int:
        """Return how many lines are not blank; blank ones are looked for only where all are not `expected`."""
        with self.source.open() as reader:
            newlines, last = 0, b""
            for chunk in self._chunks(reader):
                newlines += chunk.count(b"\n")
                last = chunk[-1:]
        total = newlines + (last not in (b"", b"\n"))
        return total if total == expected else sum(1 for _ in self.read())

    def may_have_blank_lines(self) -> bool:
        """Tell whether a line begins with white space, as each blank one does."""
        before = b"\n"
        with self.source.open() as reader:
            for chunk in self._chunks(reader):
                text = before[-1:] + chunk
                if any(begin in text for begin in _BLANK_BEGINS):
                    return True
                before = chunk
        return False

    def read_with_lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each row with the line, from 1, on which it begins. Raises as `read`."""
        line, passed, text = 1, 0, b""
        with self.source.open() as reader:
            chunks = self._chunks(reader)
            for offset, row in self.read():
                while passed + len(text) < offset:
                    line += text.count(b"\n")
                    passed += len(text)
                    text = next(chunks)
                line += text.count(b"\n", 0, offset - passed)
                text, passed = text[offset - passed :], offset
                yield line, row

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return where the byte at `offset` of the text stands; both count from 1, columns in characters."""
        line, before = 1, b""
        with self.source.open() as reader:
            for chunk in self._chunks(reader):
                part = chunk[:offset]
                offset -= len(part)
                line += part.count(b"\n")
                before = part.rpartition(b"\n")[2] if b"\n" in part else before + part
                if not offset:
                    break
        return line, len(before.decode("utf-8", "replace")) + 1

    def _chunks(self, reader: BinaryIO) -> Iterator[bytes]:
        reader.read(self.mark_bytes)
        chunks = iter(partial(reader.read, _CHUNK_BYTES), b"")
        return chunks if self.encoding == "utf-8" else as_utf8(chunks, self.encoding, "json.encoding")


def open_rows(source: Source, data_format: DataFormat, memory_mb: int = 0, records: str = "") -> JsonRows:
    """Return the way to read the rows that the file's first bytes suggest; `memory_mb` may allow for longer ones.

    `records` is the declared path of the rows in the one document, such as `data.items`.
    """
    with source.open() as reader:
        head = read_beginning(reader, _HEAD_BYTES)
    whole = len(head) < _HEAD_BYTES
    encoding, mark_bytes = _encoding(head)
    text = head[mark_bytes:]
    if encoding != "utf-8":
        text = text.decode(encoding, "ignore").encode()
    text = text.lstrip(_BLANK)
    longest = max(LONGEST_ROW, (memory_mb << 20) // _MEMORY_OF_A_ROW)
    if records:
        path = tuple(records.split("."))
        return JsonRows(source, encoding, mark_bytes, DocumentSequence.ELEMENTS, longest, records=path)
    return JsonRows(source, encoding, mark_bytes, _shape(text, data_format, whole=whole), longest)


def _encoding(head: bytes) -> tuple[str, int]:
    marked, mark_bytes = marked_encoding(head)
    if marked:
        return marked, mark_bytes
    return next((encoding for zeroes, encoding in _ZEROES if zeroes.match(head)), "utf-8"), 0


def _shape(text: bytes, data_format: DataFormat, *, whole: bool) -> DocumentSequence:
    first, ended, _ = text.partition(b"\n")
    is_long = not ended and not whole and text.startswith(b"{")  # a document of one line, as far as can be seen
    is_array = text.startswith(b"[")
    if is_array and data_format is DataFormat.JSON:
        return DocumentSequence.ELEMENTS
    if is_long or ((ended or whole) and _is_document(first)):
        return DocumentSequence.LINES
    return DocumentSequence.ELEMENTS if is_array else DocumentSequence.DOCUMENTS


def _is_document(text: bytes) -> bool:
    try:
        parse(text)
    except NotJsonError:
        return False
    return True
