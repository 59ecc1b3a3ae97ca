"""Score a reading: regular rows, text covered, plausible cells.

`cell_patterns` judges the cells. Custom (the comma, or what the file's name promises) only decides between readings
that are equally good.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

from processor.confined.formats.csv.cell_patterns import TYPED, WHOLE, CellClass, classify
from processor.confined.formats.csv.layout.annotations import is_prose, is_sentence
from processor.confined.formats.csv.layout.table_area import Layout
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.dialect import Dialect, Newline

_CUSTOMARY = {b",": 1.0, b"\t": 1.0, b";": 1.0, b"|": 1.0, b"": 1.0}
_CONTROL, _DOUBLED, _UNUSUAL, _IN_TEXT = 1.0, 0.97, 0.85, 0.7
_OWN = 1.02  # what the file's name promises
TEXTUAL = frozenset((b" ", b":", b"=", b"&", b"*", b"+", b"!", b"?", b"%", b"@", b"$"))
_ONE_COLUMN, _TYPED = 0.55, 0.4
_LONGEST_SCORED = 300
_SPACE = 0.2
LEFT_ABOVE, _LEFT_ABOVE_TEXT = 0.88, 0.75  # a line directly above the table that would be a row in another reading
_BETWEEN_QUOTES = re.compile(rb"([\"'])[,;|\t]\1")
_ENDING_INSIDE = re.compile(rb"\A[^\"\r\n]*[\r\n]")
_NAMED_ABOVE = 0.5  # a single word above sentences is their name
_MOST_OF_ALL = 0.67
_EMPTY_COLUMN = 0.3  # not even a name: a separator too many


def score(survey: Survey, layout: Layout, dialect: Dialect, own: bytes) -> float:
    """Return how good a reading is, 0 to about 1; `own` is the delimiter that the file's name promises."""
    body = [record for record in survey.first if layout.is_body(record)][:_LONGEST_SCORED]
    width = layout.usual or layout.width
    rows = [record for record in body if len(record.fields) == width]
    if not rows:
        return 0.0
    regular = sum(_nearness(len(record.fields), width) for record in body) / len(body)
    covered = min(1.0, (len(body) + 1) / (min(len(survey.first), _LONGEST_SCORED) + 1))
    sound = (1 - sum(record.odd for record in body) / len(body)) * (1 - _torn_share(survey, rows, dialect))
    types = _plausibility(rows, width, dialect.quote) * (1 - _SPACE * _spaced_share(rows))
    shape = width / (width + 0.5) if dialect.delimiter else _one_column(rows, own)
    whole = _wholeness(survey, layout, dialect, rows)
    return regular * regular * math.sqrt(covered) * (0.3 + 0.7 * sound) * types * shape * whole * _prior(dialect, own)


def _torn_share(survey: Survey, rows: Sequence[Record], dialect: Dialect) -> float:
    """Return the share of records that such a reading tears apart: quoted fields, or lines in the middle of a value."""
    torn = 0.0
    if dialect.delimiter in TEXTUAL:
        first = survey.first[:_LONGEST_SCORED]
        torn = sum(_BETWEEN_QUOTES.search(record.text) is not None for record in first) / len(first)
    if dialect.newline is not Newline.ANY:
        lines_inside = sum(_ENDING_INSIDE.search(row.text) is not None for row in rows) / len(rows)
        torn = max(torn, lines_inside * (lines_inside > 0.5))  # noqa: PLR2004 - in a few values they may stand
    return torn


def _wholeness(survey: Survey, layout: Layout, dialect: Dialect, rows: Sequence[Record]) -> float:
    """Return less than 1 where lines are left that another reading takes: above the table, or any beside mere text."""
    are_sentences = len(rows) > 1 and all(map(_is_of_sentences, rows))
    is_text = are_sentences or dialect.delimiter in TEXTUAL
    has_typed_values = 2 * sum(classify(value) in TYPED for value in rows[-1].fields) >= len(rows[-1].fields)
    if stands_close(layout):
        if are_sentences and not has_typed_values and classify(layout.preamble[-1].text) is CellClass.CODE:
            return _NAMED_ABOVE
        return _LEFT_ABOVE_TEXT if is_text else LEFT_ABOVE
    is_words = dialect.delimiter == b" " and not any(dialect.quote in row.text for row in rows)
    is_doubtful = is_words or (is_text and len(rows) < _MOST_OF_ALL * len(survey.first[:_LONGEST_SCORED]))
    return _LEFT_ABOVE_TEXT if is_doubtful and not has_typed_values else 1.0


def _is_of_sentences(row: Record) -> bool:
    return is_prose(row.fields) or is_sentence(row.text)


def stands_close(layout: Layout | None) -> bool:
    """Whether a line that is no row stands directly above the table."""
    if not (layout and layout.preamble):
        return False
    above = layout.preamble[-1]
    return above.line + above.text.count(b"\n") + 1 == layout.first_line and len(above.fields) < layout.width


def _nearness(width: int, usual: int) -> float:
    """Return 1 for a row of the usual width, up to a half for one of nearly that width."""
    return 1.0 if width == usual else 0.5 * min(width, usual) / max(width, usual)


def _prior(dialect: Dialect, own: bytes) -> float:
    delimiter = dialect.delimiter
    if len(delimiter) == 2 and delimiter.endswith(b" "):  # noqa: PLR2004 - a comma and a space is a comma, nearly
        delimiter = delimiter[:1]
    if delimiter in _CUSTOMARY:
        weight = _CUSTOMARY[delimiter]
    elif len(delimiter.decode()) > 1:
        weight = _DOUBLED
    elif delimiter < b" ":
        weight = _CONTROL
    else:
        weight = _IN_TEXT if delimiter in TEXTUAL else _UNUSUAL
    if delimiter == own:
        weight *= _OWN
    if dialect.quote != b'"':
        weight *= 0.995
    if dialect.escape != dialect.quote:
        weight *= 0.998
    if dialect.newline is not Newline.ANY:
        weight *= 0.99
    return weight * (0.999 if dialect.spaced_quotes else 1)


def _one_column(rows: Sequence[Record], own: bytes) -> float:
    """Return how plausible one column is: more when it has a type, less when lines hold what separates values.

    A separator says little where the first line, the name, has none and all other lines are values as they are.
    """
    name, *values = rows
    is_one_name = own not in name.text and _BETWEEN_QUOTES.search(name.text) is None
    if is_one_name and values and all(classify(row.fields[0]) in WHOLE for row in values):
        return _ONE_COLUMN + _TYPED
    separated = sum((not is_one_name and own in row.text) or _is_divided(row.text, own) for row in rows) / len(rows)
    return (_ONE_COLUMN + _TYPED * _typed_share(rows)) * (1 - 0.8 * separated * (separated > 0.5))  # noqa: PLR2004


def _is_divided(text: bytes, own: bytes) -> bool:
    """Whether what separates values elsewhere does so here, too: a comma of a sentence has a space behind it."""
    if _BETWEEN_QUOTES.search(text) or re.search(re.escape(own) + rb"\S", text):
        return True
    return _is_values(text) or (own in text and any(classify(piece) in TYPED for piece in text.split(own)))


def _is_values(text: bytes) -> bool:
    """Whether the text is several values of a type with spaces between them."""
    words = text.split()
    return len(words) > 2 and all(classify(word) in TYPED for word in words)  # noqa: PLR2004


def _spaced_share(rows: Sequence[Record]) -> float:
    """Return the share of cells that begin with a space, which is more likely part of the separator."""
    cells = sum(len(row.fields) for row in rows)
    return sum(value is not None and value[:1] == b" " for row in rows for value in row.fields) / cells


def _typed_share(rows: Sequence[Record]) -> float:
    return sum(classify(row.fields[0]) in TYPED for row in rows) / len(rows)


def _plausibility(rows: Sequence[Record], width: int, quote: bytes) -> float:
    """Return how much the cells look like values, and how much those of a column look alike."""
    rows = rows[: max(20, 20_000 // width)]
    plausible = alike = 0.0
    columns = list(zip(*(_classes(row, quote) for row in rows), strict=True))
    for column in columns:
        if set(column) == {CellClass.EMPTY}:
            plausible += _EMPTY_COLUMN
            continue
        plausible += sum(cell.plausibility for cell in column) / len(column)
        counts = Counter(cell for cell in column[1:] if cell is not CellClass.EMPTY)
        alike += counts.most_common(1)[0][1] / counts.total() if counts else 1.0
    return plausible / len(columns) * (0.8 + 0.2 * alike / len(columns))


def _classes(row: Record, quote: bytes) -> list[CellClass]:
    cells = [classify(value) for value in row.fields]
    if quote and quote in row.text:
        for index, cell in enumerate(cells):
            value = row.fields[index]
            if value and cell.plausibility < CellClass.WORDS.plausibility and quote + value[:20] in row.text:
                cells[index] = CellClass.WORDS
    return cells
