"""Read a text as one table and nothing else.

The first record is the header or a row, and every other record has its width. What does not fit is no matter of
evidence: it is refused, or, where it is a row of another length, left to MALFORMED_ROWS.
"""

import re

from processor.confined.formats.csv.cell_patterns import TYPED, CellClass, classify
from processor.confined.formats.csv.layout.doubts import (
    SEPARATORS,
    Doubt,
    other_first_line,
    second_table,
    wrong_separator,
)
from processor.confined.formats.csv.layout.table_area import Layout
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.dialect import Dialect

_SEPARATOR_LINE = re.compile(rb'"?sep=([^"\r\n]{1,2})"?')
_MOSTLY = 0.8
_FEWEST_ROWS = 2


def declared_separator(text: bytes) -> bytes:
    """Return the delimiter that Excel's first line `sep=;` declares, nothing where there is no such line."""
    line = text.splitlines()[0] if text[:5].lower() in (b"sep=;", b"sep=,", b"sep=|", b"sep=\t", b'"sep=') else b""
    match = _SEPARATOR_LINE.fullmatch(line)
    return match[1] if match else b""


def one_table(
    survey: Survey, dialect: Dialect, *, has_separator_line: bool, has_blank_lines: bool = False
) -> tuple[Layout, Doubt | None]:
    """Return the layout of the table, and what speaks against there being one table and nothing else.

    `has_blank_lines`: they are known to stand within the table, so what follows one is no other table.
    """
    above = tuple(survey.first[:has_separator_line])
    records = survey.first[has_separator_line:] or survey.first
    first, widths = records[0], survey.widths.copy()
    for record in above:
        widths[len(record.fields)] -= 1
    own = len(first.fields)
    usual = max(widths, key=lambda width: (widths[width], width == own))
    if above and usual == 1 and (separator := _alike_by_another(records)):
        return Layout(1, first.line, preamble=above, comments=False), wrong_separator(above[0], separator)
    if own == usual or (own > usual and _names_all(first)):
        layout = Layout(own, first.line, preamble=above, usual=usual if own > usual else 0, comments=False)
        return layout, None if has_blank_lines else _second_table(records, survey, own)
    layout = Layout(usual, first.line, preamble=above, comments=False)
    return layout, other_first_line(records, survey, dialect, usual)


def _alike_by_another(records: list[Record]) -> bytes:
    """Return the separator that parts all records alike; nothing where none does."""
    counts = {separator: {record.text.count(separator) for record in records} for separator in SEPARATORS}
    return next((separator for separator, found in counts.items() if len(found) == 1 and found != {0}), b"")


def _names_all(record: Record) -> bool:
    """Whether each field may be a name, so that rows of fewer fields are short."""
    return all(value and classify(value) not in TYPED for value in record.fields)


def _second_table(records: list[Record], survey: Survey, width: int) -> Doubt | None:
    """Return the doubt that a record behind a blank line is the header of another table."""
    rows = [record for record in records[1:] if len(record.fields) == width and record.line not in survey.after_blank]
    for record in {r.line: r for r in (*records[1:], *survey.last)}.values():
        is_below = record.line > records[0].line and record.line in survey.after_blank
        if is_below and len(record.fields) == width and width > 1:
            above = [row for row in rows if row.line < record.line]
            if record.fields == records[0].fields or _is_unlike(record, above):
                return second_table(record, list(survey.last))
    return None


def _is_unlike(record: Record, rows: list[Record]) -> bool:
    """Whether the record has words where the rows above have values of a type."""
    if len(rows) < _FEWEST_ROWS:
        return False
    for value, column in zip(record.fields, zip(*(row.fields for row in rows), strict=True), strict=True):
        if classify(value) in TYPED or classify(value) in (CellClass.EMPTY, CellClass.MISSING):
            continue
        known = [cell for each in column if (cell := classify(each)) is not CellClass.EMPTY]
        if known and sum(cell in TYPED for cell in known) >= _MOSTLY * len(known):
            return True
    return False
