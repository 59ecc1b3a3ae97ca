"""A delimited text: source, encoding, and what is declared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from processor.confined.formats.csv.declared import csv_declaration, null_tokens, takes_lines_out
from processor.confined.formats.csv.declared_text import DeclaredText
from processor.confined.formats.csv.encoding import Encoding, decide_encoding, declared_encoding, utf8_chunks
from processor.confined.formats.csv.reader.padding import without_padding
from processor.confined.formats.csv.sniffer.whole_records import behind_records
from processor.domain.conversion import ConversionOptions, CsvNotes, MalformedRows
from processor.domain.declarations import CsvDeclaration
from processor.domain.errors import DeliveryError, refused
from processor.streams.source import BytesSource, Source

PIECE_BYTES = 1 << 17
_BLANK, _MOST_BLANK_BYTES = b"\r\n", 1 << 20
_MOST_PIECE_BYTES = 4 << 20  # where one cell is longer than a piece


@dataclass(frozen=True)
class DelimitedText:
    """One source, how its bytes become UTF-8, and the options of reading it."""

    source: Source
    encoding: Encoding
    options: ConversionOptions

    @cached_property
    def csv(self) -> CsvDeclaration:
        """What the feed says of reading it."""
        return csv_declaration(self.options)

    @cached_property
    def nulls(self) -> frozenset[bytes]:
        """The texts that mean NULL."""
        return frozenset(token.encode() for token in self.options.null_tokens)

    @cached_property
    def recognises(self) -> bool:
        """Whether titles, notes and comments are to be told from rows."""
        return self.options.csv_notes is CsvNotes.RECOGNISE and not takes_lines_out(self.csv)

    @property
    def declared(self) -> DeclaredText | None:
        """The source, where the feed declares some lines to be no rows."""
        return self.source if isinstance(self.source, DeclaredText) else None

    @property
    def keeps_malformed(self) -> bool:
        """Whether malformed rows are to be kept."""
        return self.options.malformed_rows is MalformedRows.KEEP

    @property
    def rejects_malformed(self) -> bool:
        """Whether malformed rows are to be written to an object of their own."""
        return self.options.malformed_rows is MalformedRows.REJECT_OBJECT

    def chunks(self) -> Iterator[bytes]:
        """Return the text as UTF-8."""
        chunks = utf8_chunks(self.source, self.encoding)
        return chunks if self.recognises else without_padding(chunks)

    def first_piece(self) -> tuple[bytes, bool]:
        """Return the text's first piece, cut after a record, and whether it is all.

        Raises DeliveryError `csv.empty` where it holds nothing but line endings.
        """
        piece, is_whole = self._cut_piece()
        if not piece.strip(_BLANK):
            raise self.empty("" if is_whole else f" in its first {len(piece)} bytes")
        return piece, is_whole

    def _cut_piece(self) -> tuple[bytes, bool]:
        looked_at = 0
        piece, blank = b"", True  # a dialect is decided by what is behind the first blank lines
        for chunk in self.chunks():
            piece += chunk
            blank = blank and not chunk.strip(_BLANK)
            if len(piece) >= (_MOST_BLANK_BYTES if blank else max(PIECE_BYTES, 2 * looked_at)):
                looked_at = len(piece)
                cut = behind_records(piece)
                if cut >= PIECE_BYTES // 4:
                    return piece[:cut], False
                if looked_at >= _MOST_PIECE_BYTES:
                    return piece[: piece.rfind(b"\n", 0, PIECE_BYTES) + 1 or None], False  # unbalanced quotes
        return piece, True

    def empty(self, where: str = "") -> DeliveryError:
        """Return the failure that there is nothing to convert."""
        what = f"{self.source.name} has no rows and no header{where}"
        return refused("csv.empty", what, "there is nothing to convert")


def find_encoding(source: Source, options: ConversionOptions) -> Encoding:
    """Return the encoding of `source`, from all of its bytes. Raises DeliveryError `csv.encoding`."""
    csv = csv_declaration(options)
    if csv.encoding and not isinstance(source, DeclaredText):
        return declared_encoding(source, csv.encoding)
    return decide_encoding(source, options.fallback_encoding)


def open_text(
    source: Source,
    options: ConversionOptions,
    encoding_of: Callable[[Source, ConversionOptions], Encoding] = find_encoding,
) -> DelimitedText:
    """Return the text of `source`, without the lines that are declared to be no rows."""
    if source.size_bytes is not None and source.size_bytes <= PIECE_BYTES and source.path_fd is not None:
        with source.open() as reader:
            source = BytesSource(source.name, reader.read())
    csv = csv_declaration(options)
    options = replace(options, null_tokens=null_tokens(csv, options.null_tokens))
    encoding = encoding_of(source, options)
    if takes_lines_out(csv):
        source = DeclaredText(source, csv, encoding)
        encoding = encoding_of(source, options)
    return DelimitedText(source, encoding, options)


def as_one_column(text: DelimitedText) -> DelimitedText:
    """Return a text with comments as one column is read, where a blank line is a row."""
    assert text.declared is not None
    source = text.declared.for_one_column()
    return replace(text, source=source, encoding=find_encoding(source, text.options))
