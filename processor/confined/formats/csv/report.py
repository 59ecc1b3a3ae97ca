"""Facts and refusals about an analysed table."""

from collections.abc import Sequence

import orjson

from processor.confined.formats.csv.encoding import Encoding
from processor.confined.formats.csv.layout.doubts import describe_misfits
from processor.confined.formats.csv.layout.header_evidence import Header
from processor.confined.formats.csv.layout.table_area import Layout
from processor.confined.formats.csv.malformed.collect import Misfits
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.dialect import Dialect
from processor.domain.conversion import ConversionOptions, Facts
from processor.domain.errors import refused

# Where more records than these have quotes that enclose nothing, quotes are ordinary characters.
_FEW_ODD, _ODD_SHARE = 2, 0.01


def facts(
    encoding: Encoding,
    dialect: Dialect,
    header: Header,
    layout: Layout,
    misfits: Misfits | None,
    options: ConversionOptions,
) -> Facts:
    """Return what was decided, and the text that is no row, for the Parquet and the receipt."""
    found = [
        ("encoding", f"{encoding.name}: {encoding.reason}"),
        ("dialect", dialect.describe()),
        ("header", f"{'yes' if header.present else 'no'}: {header.reason}"),
    ]
    if layout.preamble:
        found.append(("preamble", _texts(layout.preamble)))
    if misfits and misfits.comments:
        found.append(("comments", _texts(misfits.comments)))
    if layout.footer:
        found.append(("footer", _texts(layout.footer)))
    if misfits and misfits.count:
        found.append(("malformed-rows", f"{misfits.count}: {options.malformed_rows.value}"))
    if options.null_tokens:
        found.append(("null-tokens", orjson.dumps(options.null_tokens).decode()))
    return tuple(found)


def refuse_malformed(survey: Survey, dialect: Dialect, width: int, misfits: Misfits | None) -> None:
    """Raise DeliveryError `csv.malformed-rows`, `csv.unterminated-quote` where rows are wrong."""
    if survey.unclosed and survey.odd <= max(_FEW_ODD, _ODD_SHARE * survey.total):
        raise refused(
            "csv.unterminated-quote",
            f"line {survey.unclosed[0]}: a quote that opens a field is not closed by the end of the file",
            "the file may be cut off; repair it, or set MALFORMED_ROWS=reject-object or keep",
        )
    if misfits and misfits.count:
        lines = ", ".join(map(str, misfits.lines))
        how_many = "1 row does not have" if misfits.count == 1 else f"{misfits.count} rows do not have"
        more = ", ..." if misfits.count > len(misfits.lines) else ""
        seems, remedy = describe_misfits(survey, dialect, width, misfits.count, misfits.first)
        raise refused(
            "csv.malformed-rows",
            f"{how_many} {width} fields: line{'s' * (misfits.count > 1)} {lines}{more}{seems}",
            remedy,
        )


def _texts(found: Sequence[Record]) -> str:
    return "\n".join(record.text.decode() for record in found)
