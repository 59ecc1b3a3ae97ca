"""Read a text as its feed declares it.

What is declared is checked: a text that contradicts it is refused.
"""

import codecs
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from processor.confined.formats.csv.layout.header_evidence import Header
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.sniffer.detect import CUSTOMARY, Reading, read
from processor.confined.formats.dialect import Dialect
from processor.confined.formats.parquet.write import Reading as RelationReading
from processor.confined.formats.sql import literal
from processor.domain.conversion import ConversionOptions, DataFormat
from processor.domain.declarations import CsvDeclaration
from processor.domain.errors import refused

_UTF8 = ("utf-8", "utf-8-sig")


def csv_declaration(options: ConversionOptions) -> CsvDeclaration:
    """Return what the feed says of reading CSV; nothing where there is no feed."""
    return options.declaration.csv if options.declaration is not None else CsvDeclaration()


def is_of_utf8(csv: CsvDeclaration) -> bool:
    """Tell whether the text is UTF-8 as far as is declared."""
    return not csv.encoding or codecs.lookup(csv.encoding).name in _UTF8


def is_changed(csv: CsvDeclaration) -> bool:
    """Tell whether DuckDB can not read the file as it stands, only the text that is made of it."""
    return takes_lines_out(csv) or not is_of_utf8(csv)


def takes_lines_out(csv: CsvDeclaration) -> bool:
    """Tell whether some lines are declared to be no rows."""
    return bool(csv.skip_lines or csv.footer_lines or csv.comment)


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
