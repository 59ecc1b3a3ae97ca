"""Read a text as its feed declares it.

Lines that are declared to be no rows are taken out before anything else looks at the text; blank lines stand for them,
so that lines keep their numbers. What is declared is checked: a text that contradicts it is refused.
"""

import io
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from processor.confined.formats.csv.accounting import Note
from processor.confined.formats.csv.encoding import declared_encoding, utf8_chunks
from processor.confined.formats.csv.layout.header_evidence import Header
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.sniffer.detect import CUSTOMARY, Reading, read
from processor.confined.formats.dialect import Dialect
from processor.confined.formats.parquet.write import Reading as RelationReading
from processor.confined.formats.sql import literal
from processor.domain.conversion import ConversionOptions, DataFormat, Facts
from processor.domain.declarations import CsvDeclaration
from processor.domain.errors import refused
from processor.streams.source import Source

_MOST_NOTES_BYTES = 64 << 10
_UTF8 = ("", "utf-8", "utf8")


def csv_declaration(options: ConversionOptions) -> CsvDeclaration:
    """Return what the feed says of reading CSV; nothing where there is no feed."""
    return options.declaration.csv if options.declaration is not None else CsvDeclaration()


def needs_care(csv: CsvDeclaration) -> bool:
    """Tell whether the text can not be read by DuckDB as it stands."""
    return bool(takes_lines_out(csv) or csv.row_names or csv.encoding.lower() not in _UTF8)


def takes_lines_out(csv: CsvDeclaration) -> bool:
    """Tell whether some lines are declared to be no rows."""
    return bool(csv.skip_lines or csv.footer_lines or csv.comment)


@dataclass(frozen=True, slots=True)
class DeclaredText:
    """A text, as UTF-8, with blank lines for those that are declared to be no rows. A Source of unknown length."""

    source: Source
    csv: CsvDeclaration
    size_bytes: None = None
    path_fd: None = None

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.source.name

    def open(self) -> BinaryIO:
        """Return a reader of the text. It raises DeliveryError `csv.encoding`."""
        return _Chunks(text for text, _ in self._kept())

    def notes(self) -> Facts:
        """Return the lines that are no rows, each with its number and what it was declared as; one reading."""
        found, size = [], 0
        for line, (_, note) in enumerate(self._kept(), 1):
            if note is not None and size < _MOST_NOTES_BYTES:
                kind, text = note
                found.append({"line": line, "text": text.decode().rstrip("\r\n"), "taken for": kind})
                size += len(text)
        return (("notes", orjson.dumps(found).decode()),) if found else ()

    def count_notes(self) -> int:
        """Return the number of lines that are no rows."""
        return sum(1 for _ in self.note_lines())

    def note_lines(self) -> Iterator[bytes]:
        """Yield the lines that are no rows as lines of JSON, verbatim."""
        for line, (_, note) in enumerate(self._kept(), 1):
            if note is not None:
                kind, text = note
                yield Note(Record(line, [], text.rstrip(b"\r\n")), kind).line()

    def _kept(self) -> Iterator[tuple[bytes, tuple[str, bytes] | None]]:
        """Yield each line as it is read, and, where it is no row, what it is declared as and its own text."""
        csv, held = self.csv, deque[bytes]()
        comment, quote = csv.comment.encode(), (csv.quote if csv.quote is not None else '"').encode()
        inside = False  # of a quoted field, where no line is a comment
        number = 0
        for line in self._lines():
            held.append(line)
            if len(held) <= csv.footer_lines:
                continue
            text, number = held.popleft(), number + 1
            if number <= csv.skip_lines:
                yield b"\n", ("skip_lines", text)
            elif comment and not inside and text.startswith(comment):
                yield b"\n", ("comment", text)
            else:
                inside ^= bool(quote) and text.count(quote) % 2 == 1
                yield text, None
        for text in held:
            yield b"\n", ("footer_lines", text)

    def _lines(self) -> Iterator[bytes]:
        encoding = declared_encoding(self.source, self.csv.encoding)
        left = b""
        for chunk in utf8_chunks(self.source, encoding):
            *lines, left = (left + chunk).split(b"\n")
            yield from (line + b"\n" for line in lines)
        if left:
            yield left


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


def declared_reading(piece: bytes, data_format: DataFormat, csv: CsvDeclaration) -> Reading:
    """Return `piece` as it is read by what is declared of separators and quotes; the rest is found."""
    quote = b'"' if csv.quote is None else csv.quote.encode()
    escape = quote if csv.escape is None else csv.escape.encode()
    own = b"\t" if data_format is DataFormat.TSV else b","
    if csv.delimiter is not None:
        return read(piece, Dialect(csv.delimiter.encode(), quote, escape), own)
    readings = [read(piece, Dialect(each, quote, escape), own) for each in dict.fromkeys((own, *CUSTOMARY))]
    uniform = [reading for reading in readings if reading.is_uniform]
    return uniform[0] if uniform else readings[0]


def declares_dialect(csv: CsvDeclaration) -> bool:
    """Tell whether separators or quotes are declared."""
    return csv.delimiter is not None or csv.quote is not None or csv.escape is not None


def declared_header(csv: CsvDeclaration, first: Record, width: int) -> tuple[Header, list[bytes | None]] | None:
    """Return the declared header and the columns' names; None where nothing is declared.

    Raises DeliveryError `feed.header` where the names are not as many as the columns.
    """
    if csv.header is None:
        return None
    if csv.header is True:
        return Header(True, "declared"), list(first.fields)
    if csv.header is False:
        return Header(False, "declared"), []
    if len(csv.header) != width:
        raise refused(
            "feed.header",
            f"line {first.line} has {width} fields, {len(csv.header)} names are declared",
            "correct header in [feed.csv]",
        )
    return Header(False, "names declared"), [name.encode() for name in csv.header]


def null_tokens(csv: CsvDeclaration, otherwise: Sequence[str]) -> tuple[str, ...]:
    """Return the texts that mean NULL; an empty field always does."""
    return tuple(otherwise) if csv.null is None else tuple(text for text in csv.null if text)


def without_quoted_nulls(reading: RelationReading, width: int, csv: CsvDeclaration) -> RelationReading:
    """Return the reading with NULL for quoted texts that mean NULL, too, where that is declared."""
    if not csv.null_quoted:
        return reading
    texts = ", ".join(map(literal, ("", *null_tokens(csv, ()))))
    columns = ", ".join(f"CASE WHEN c{i} IN ({texts}) THEN NULL ELSE c{i} END AS c{i}" for i in range(width))

    @contextmanager
    def nulled() -> Iterator[str]:
        opened: AbstractContextManager[str] = reading()
        with opened as relation:
            yield f"(SELECT * REPLACE ({columns}) FROM {relation})"  # noqa: S608

    return nulled
