"""Where the table lies in a text: its width, the lines before and after it, and the rows that do not fit.

Text above the table (a title, notes) is preamble, text below it (a total, a source) is footer, lines that begin with #
and do not fit are comments. They are no rows; they are recorded, so that nothing is lost. What else does not
have the table's width is malformed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from processor.steps.conversion.csv_cells import TYPED, CellClass, classify
from processor.steps.conversion.csv_repair import Fields, Repair, looks_like_row
from processor.steps.conversion.csv_rows import Dialect, Record
from processor.steps.conversion.csv_survey import LAST_RECORDS, Survey

# Longer than this, text around a table is no preamble or footer but something that is not understood.
LONGEST_NOTE_RECORDS = 100
LONGEST_NOTE_BYTES = 16 << 10
COMMENT = b"#"
_WIDEST_NOTE = 2  # more than two lines of more than two fields are a table of their own
_FEWEST_ROWS = 3  # of a table of two columns: its header and two rows
_MOST_PAIRS = 3  # lines of two fields below a table
_FEWEST_VALUES = 3  # of a column that has nothing else, so that lines around it are notes
_BETWEEN_WORDS = (b":", b" ")
_BETWEEN_NAMES = (b",", b";", b"\t", b"|")
_NAME = re.compile(r"[^\W\d](?:[\w .()/%#-]{0,60}[\w.)%])?")
_ROWS_BELOW = 50
_MOST_LINES = 10  # of such notes


@dataclass(frozen=True, slots=True)
class Layout:
    """The table's place: the lines of its first record (header or row) and of its footer (0 when there is none).

    Rows that stand above the header are rows, too: of another table, or the rest of one that is not understood.
    """

    width: int
    first_line: int
    footer_line: int = 0
    preamble: tuple[Record, ...] = ()
    footer: tuple[Record, ...] = ()
    header: tuple[bytes | None, ...] = ()  # where the first record is a header of another width than the rows
    above_line: int = 0  # the first of the rows above the header
    usual: int = 0  # the width of most rows, where the header promises more

    def is_body(self, record: Record) -> bool:
        """Whether the record is in the table and no comment; blank lines are not asked about."""
        if record.line < (self.above_line or self.first_line) or (self.footer_line and record.line >= self.footer_line):
            return False
        return not self.is_comment(record)

    def is_comment(self, record: Record) -> bool:
        """Whether the record is a line of comment in the table."""
        return (
            self.width > 1
            and record.text.startswith(COMMENT)
            and len(record.fields) != self.width
            and record.line != self.first_line
        )


def lay_out(survey: Survey, dialect: Dialect) -> Layout | None:
    """Return where the table is; None when there is no record at all."""
    if not survey.total:
        return None
    width = table_width(survey)
    if width == 1 or survey.widths[1] == survey.total - 1:
        if names := _names_above_short_rows(survey, dialect):
            return Layout(names, survey.first[0].line, usual=1)
        if width == 1:
            return _lay_out_lines(survey)
    start, header = _start(survey.first, dialect, width)
    first_line = survey.first[start].line
    above = survey.first[:start]
    is_preamble = _is_note(above, width)
    footer = _footer(survey, dialect, width, first_line)
    usual = 0
    if header and len(header) > width and all(header):
        width, usual = len(header), width  # each row lacks values that the header promises
    return Layout(
        width,
        first_line,
        footer[0].line if footer else 0,
        tuple(above) if is_preamble else (),
        tuple(footer),
        tuple(header),
        0 if is_preamble else above[0].line,
        usual,
    )


def _names_above_short_rows(survey: Survey, dialect: Dialect) -> int:
    """Return how many columns the first record names where hardly any row has a second field; 0 where it names none.

    No row may speak against them: none is longer, none is a sentence that happens to hold the separator.
    """
    names, *rows = survey.first
    width = len(names.fields)
    if dialect.delimiter not in _BETWEEN_NAMES or not rows or width < max(survey.widths):
        return 0
    is_header = width > 1 and all(name and _NAME.fullmatch(name.decode()) for name in names.fields)
    return width if is_header and not any(is_prose(row.fields) for row in rows) else 0


def _lay_out_lines(survey: Survey) -> Layout:
    """Return where a single column is: where all values have a type, what is above its header and below is notes."""
    above = next((at for at, record in enumerate(survey.first) if _is_typed(record)), 0)
    below = next((at for at, record in enumerate(reversed(survey.last)) if _is_typed(record)), 0)
    first = survey.first[max(above - 1, 0)]
    values = survey.first[above : survey.total - below]
    if len(values) < _FEWEST_VALUES or max(above, below) > _MOST_LINES or not all(map(_is_typed, values)):
        return Layout(1, survey.first[0].line)
    footer = list(survey.last)[len(survey.last) - below :]
    return Layout(
        1, first.line, footer[0].line if footer else 0, tuple(survey.first[: max(above - 1, 0)]), tuple(footer)
    )


def _is_typed(record: Record) -> bool:
    return len(record.fields) == 1 and classify(record.fields[0]) in TYPED


def table_width(survey: Survey) -> int:
    """Return the number of fields that makes a record one of the table's."""
    wide = [(count, -_first_seen(survey, width), width) for width, count in survey.widths.items() if width > 1]
    if not wide:
        return 1
    count, _, width = max(wide)
    if survey.total <= 3 and count == 1:  # noqa: PLR2004 - so few records that each may be the only one of the table
        return _width_of_few(survey)
    if count >= survey.total / (2 if width == _WIDEST_NOTE else 3) or (count > 1 and _is_dense(survey, width)):
        return width
    # A table in which hardly two rows agree is still a table when hardly any line is a single field.
    return width if survey.widths[1] <= survey.total / 4 else 1


def _width_of_few(survey: Survey) -> int:
    first, *rest = [len(record.fields) for record in survey.first]
    if len(set(rest)) == 1 and 1 < rest[0] < first and not any(survey.first[0].fields[rest[0] :]):
        return rest[0]
    widest = max(survey.widths)
    return widest if widest > 2 or survey.total == 1 or first > 1 else 1  # noqa: PLR2004


def _first_seen(survey: Survey, width: int) -> int:
    for record in survey.first:
        if len(record.fields) == width:
            return record.line
    return 1 << 62


def _is_dense(survey: Survey, width: int) -> bool:
    """Whether the records between the first and the last of this width mostly have it."""
    at = [index for index, record in enumerate(survey.first) if len(record.fields) == width]
    return bool(at) and len(at) >= 0.6 * (at[-1] - at[0] + 1)


def _start(first: list[Record], dialect: Dialect, width: int) -> tuple[int, Fields]:
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


def is_sentence(text: bytes) -> bool:
    """Whether there are several words between separators that a space follows, as in prose."""
    pieces = re.split(rb"[,;:] ", text)
    return len(pieces) > 1 and any(b" " in piece for piece in pieces)


def _names_columns(line: Record, rows: Sequence[Record]) -> bool:
    """Whether the line stands above values of a type that it has not itself."""
    below = [row.fields for row in rows[:_ROWS_BELOW] if len(row.fields) == len(line.fields)]
    untyped = [at for at, value in enumerate(line.fields) if classify(value) not in TYPED]
    return any(sum(classify(row[at]) in TYPED for row in below) > len(below) / 2 for at in untyped)


def _is_note(records: list[Record], width: int) -> bool:
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


def is_prose(fields: Sequence[bytes | None]) -> bool:
    """Whether the separators are those of a sentence: a space follows each."""
    return len(fields) > 1 and all(value and value[:1] == b" " for value in fields[1:])


def _is_table(rows: Sequence[Sequence[bytes | None]]) -> bool:
    """Whether these are names and, below them, values of one type in a column."""
    widths = {len(row) for row in rows}
    if len(rows) < _FEWEST_ROWS or len(widths) > 1 or widths == {1}:
        return False
    classes = ([classify(row[index]) for row in rows] for index in range(len(rows[0])))
    return any(names not in TYPED and {*values} <= TYPED and len({*values}) == 1 for names, *values in classes)


def _footer(survey: Survey, dialect: Dialect, width: int, first_line: int) -> list[Record]:
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
    if not _is_note(tail, width) or any(len(r.fields) >= width for r in tail):
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
