"""Find the record where the table starts."""

from collections.abc import Sequence

from processor.confined.formats.csv.cell_patterns import TYPED, CellClass, classify
from processor.confined.formats.csv.layout.annotations import COMMENT, LONGEST_NOTE_RECORDS, is_prose, is_sentence
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.recover import Fields, Repair
from processor.confined.formats.dialect import Dialect

_BETWEEN_WORDS = (b":", b" ")
_ROWS_BELOW = 50


def start_of_table(first: list[Record], dialect: Dialect, width: int) -> tuple[int, Fields]:
    """Return which record is the table's first, and the names in it where it is a header of another width."""
    at = next((i for i, record in enumerate(first) if len(record.fields) == width), None)
    if at is None:
        return 0, first[0].fields
    if at and (header := _header_of_other_width(first[at - 1], first[at:], dialect, width)):
        return at - 1, header
    start = _after_titles(first, at, width)
    return (start, first[start].fields if len(first[start].fields) != width else [])


def _after_titles(first: list[Record], at: int, width: int) -> int:
    """Skip titles that a spreadsheet filled up with separators, and sentences that happen to have as many as a row."""
    start = at
    while at < len(first) - 1 and len(first[at].fields) == width and _is_title(first, at, width):
        at += 1
    if at == start or len(first[at].fields) != width or at - start > LONGEST_NOTE_RECORDS:
        return start
    return at if _filled(first[at]) > width / 2 else start


def _is_title(first: list[Record], at: int, width: int) -> bool:
    fields, filled = first[at].fields, _filled(first[at])
    if filled <= 1 and (filled == 0 or (width > 2 and bool(fields[0]))):  # noqa: PLR2004
        return True
    below = next((r for r in first[at + 1 :] if len(r.fields) != width or _filled(r) > width / 2), first[at])
    if is_prose(fields) and is_sentence(first[at].text):
        return not any(is_prose(record.fields) for record in first[-3:])
    is_group = filled <= width / 2 and not any(classify(value) in TYPED for value in fields)
    is_named = _filled(below) == width or not any(classify(value) in TYPED for value in below.fields)
    return is_group and is_named and len(below.fields) == width and _names_columns(below, first[at + 2 :])


def _filled(record: Record) -> int:
    return sum(1 for value in record.fields if value)


def _header_of_other_width(above: Record, rows: Sequence[Record], dialect: Dialect, width: int) -> Fields:
    """Return the names above the first record of the table's width, where they are its header; else nothing.

    They may be fewer than the columns, more, or written with another separator.
    """
    line = rows[0]
    if line.line != above.line + 1 + above.text.count(b"\n") or above.text.startswith(COMMENT):
        return []
    has_types = any(classify(value) in TYPED for value in line.fields)
    names = fitting = _fitting_names(above, dialect, width, above_values=has_types)
    if not fitting:
        if is_prose(above.fields) and not is_prose(line.fields):
            return []
        names = above.fields[:width] if not any(above.fields[width:]) else above.fields
    if any(classify(value) in TYPED for value in names) or 2 * len(names) < width:
        return []
    if len(names) == 1:  # R names the one column beside those of its rows' names
        is_name = classify(names[0]) is CellClass.CODE and classify(line.fields[-1]) in TYPED
        return names if is_name and not _names_columns(line, rows[1:]) else []
    is_nearly = bool(fitting) or abs(len(above.fields) - width) == 1
    return names if has_types or (is_nearly and not _names_columns(line, rows[1:])) else []


def _fitting_names(above: Record, dialect: Dialect, width: int, *, above_values: bool) -> Fields:
    """Return one name for each column, where the line can be read so; else nothing."""
    named: Fields = [name for name in above.fields if name]
    if len(named) == width and not is_prose(above.fields):
        return named  # one separator more than there are names
    other = Repair(dialect, width).fields(above)
    if other and all(other) and not is_sentence(above.text):
        return other
    words = [above.text.split(mark) for mark in _BETWEEN_WORDS[: None if above_values else 1]]
    return next(
        ([*each] for each in words if len(each) == width > 1 and {*map(classify, each)} == {CellClass.CODE}), []
    )


def _names_columns(line: Record, rows: Sequence[Record]) -> bool:
    """Whether the line stands above values of a type that it has not itself."""
    below = [row.fields for row in rows[:_ROWS_BELOW] if len(row.fields) == len(line.fields)]
    untyped = [at for at, value in enumerate(line.fields) if classify(value) not in TYPED]
    return any(sum(classify(row[at]) in TYPED for row in below) > len(below) / 2 for at in untyped)
