"""Titles, notes, totals and remarks around a table."""

import re
from collections import Counter
from collections.abc import Sequence

from processor.confined.formats.csv.cell_patterns import TYPED, CellClass, classify
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.recover import looks_like_row
from processor.confined.formats.csv.reader.survey import LAST_RECORDS, Survey
from processor.confined.formats.dialect import Dialect

# Longer than this, text around a table is no preamble or footer but something that is not understood.
LONGEST_NOTE_RECORDS = 100
LONGEST_NOTE_BYTES = 16 << 10
COMMENT = b"#"
_WIDEST_NOTE = 2  # more than two lines of more than two fields are a table of their own
_FEWEST_ROWS = 3  # of a table of two columns: its header and two rows
_MOST_PAIRS = 3  # lines of two fields below a table


def is_note(records: list[Record], width: int) -> bool:
    """Whether these records may stand above a table without being one."""
    if not records:
        return True
    if len(records) > LONGEST_NOTE_RECORDS or sum(len(r.text) for r in records) > LONGEST_NOTE_BYTES:
        return False
    kept = [record.fields for record in records if not record.text.startswith(COMMENT)]
    if any(len(fields) > width for fields in kept):
        return False
    counts = Counter(len(fields) for fields in kept if not is_prose(fields))
    if any(w > _WIDEST_NOTE and count > _WIDEST_NOTE for w, count in counts.items()):
        return False
    return not _is_table(kept)


def _is_table(rows: Sequence[Sequence[bytes | None]]) -> bool:
    """Whether these are names and, below them, values of one type in a column."""
    widths = {len(row) for row in rows}
    if len(rows) < _FEWEST_ROWS or len(widths) > 1 or widths == {1}:
        return False
    classes = ([classify(row[index]) for row in rows] for index in range(len(rows[0])))
    return any(names not in TYPED and {*values} <= TYPED and len({*values}) == 1 for names, *values in classes)


def is_prose(fields: Sequence[bytes | None]) -> bool:
    """Whether the separators are those of a sentence: a space follows each."""
    return len(fields) > 1 and all(value and value[:1] == b" " for value in fields[1:])


def is_sentence(text: bytes) -> bool:
    """Whether there are several words between separators that a space follows, as in prose."""
    pieces = re.split(rb"[,;:] ", text)
    return len(pieces) > 1 and any(b" " in piece for piece in pieces)


def footer(survey: Survey, dialect: Dialect, width: int, first_line: int) -> list[Record]:
    """Return the records below the table that are none of its rows."""
    tail: list[Record] = []
    for record in reversed(survey.last):
        if len(record.fields) == width or record.line <= first_line:
            break
        tail.insert(0, record)
    else:
        if survey.total > LAST_RECORDS:
            return []
    while tail and (looks_like_row(tail[0], dialect, width) or not _begins_footer(tail, survey, width)):
        tail.pop(0)
    if len(tail) > LONGEST_NOTE_RECORDS or sum(len(r.text) for r in tail) > LONGEST_NOTE_BYTES:
        return []
    if not is_note(tail, width) or any(len(r.fields) >= width for r in tail):
        return []
    return tail if sum(len(r.fields) > 1 and not is_prose(r.fields) for r in tail) <= _MOST_PAIRS else []


def _begins_footer(tail: list[Record], survey: Survey, width: int) -> bool:
    """Whether a footer begins at the first of `tail`: set off by a blank line, or words where the rows have none."""
    record = tail[0]
    if record.text.startswith(COMMENT) or not record.text.strip():
        return True
    if record.line in survey.after_blank:
        return len(record.fields) <= max(1, width // 2) or is_prose(record.fields)
    if len(record.fields) > 1 and not all(value is None for value in record.fields[1:]):
        return False
    looks, text = classify(record.fields[0]), (record.fields[0] or b"").rstrip()
    if text[:1] + text[-1:] == b"()":
        return True
    if looks in TYPED or looks is CellClass.EMPTY:
        return False
    above = [classify(r.fields[0]) for r in survey.last if len(r.fields) == width][1:] or [CellClass.EMPTY]
    return (
        sum(c in TYPED for c in above) > 0.8 * len(above) or looks in (CellClass.TEXT, CellClass.PIECES) or b":" in text
    )
