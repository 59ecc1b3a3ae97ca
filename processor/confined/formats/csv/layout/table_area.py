"""Find the table in a text: width and extent.

Text above the table (a title, notes) is preamble, text below it (a total, a source) is footer, lines that begin with #
and do not fit are comments. They are no rows; they are recorded, so that nothing is lost. What else does not
have the table's width is malformed.
"""

import re
from dataclasses import dataclass

from processor.confined.formats.csv.cell_patterns import TYPED, classify
from processor.confined.formats.csv.layout.annotations import COMMENT, footer, is_note, is_prose
from processor.confined.formats.csv.layout.header_row import start_of_table
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.dialect import Dialect

_PAIR = 2
_FEWEST_VALUES = 3  # of a column that has nothing else, so that lines around it are notes
_MOST_LINES = 10  # of such notes
_BETWEEN_NAMES = (b",", b";", b"\t", b"|")
_NAME = re.compile(r"[^\W\d](?:[\w .()/%#-]{0,60}[\w.)%])?")


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
    comments: bool = True  # lines that begin with # and do not fit are comments

    def is_body(self, record: Record) -> bool:
        """Whether the record is in the table and no comment; blank lines are not asked about."""
        return self._is_within(record) and not self.is_comment(record)

    def is_comment(self, record: Record) -> bool:
        """Whether the record is a line of comment in the table; one above or below it is preamble or footer."""
        return (
            self.comments
            and self.width > 1
            and record.text.startswith(COMMENT)
            and len(record.fields) != self.width
            and record.line != self.first_line
            and self._is_within(record)
        )

    def _is_within(self, record: Record) -> bool:
        above = self.above_line or self.first_line
        return above <= record.line and not (self.footer_line and record.line >= self.footer_line)


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
    start, header = start_of_table(survey.first, dialect, width)
    first_line = survey.first[start].line
    above = survey.first[:start]
    is_preamble = is_note(above, width)
    below = footer(survey, dialect, width, first_line)
    usual = 0
    if header and len(header) > width and all(header):
        width, usual = len(header), width  # each row lacks values that the header promises
    return Layout(
        width,
        first_line,
        below[0].line if below else 0,
        tuple(above) if is_preamble else (),
        tuple(below),
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
    notes = list(survey.last)[len(survey.last) - below :]
    return Layout(1, first.line, notes[0].line if notes else 0, tuple(survey.first[: max(above - 1, 0)]), tuple(notes))


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
    if count >= survey.total / (2 if width == _PAIR else 3) or (count > 1 and _is_dense(survey, width)):
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
