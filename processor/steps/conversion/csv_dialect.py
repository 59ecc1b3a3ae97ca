"""Decide how a table was written, by reading a large piece of it in every way that the piece gives a reason for.

Each way is scored by how regular its rows are and how plausible its cells look (see csv_cells); the best one is
taken. What is customary (the comma, or the tab in a .tsv) only decides between ways that are as good.
"""

import contextlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from processor.domain.conversion import DataFormat
from processor.domain.errors import DeliveryError
from processor.steps.conversion.csv_candidates import candidates, endings
from processor.steps.conversion.csv_cells import TYPED, CellClass, classify
from processor.steps.conversion.csv_layout import Layout, lay_out
from processor.steps.conversion.csv_rows import Dialect, Newline, Record, records
from processor.steps.conversion.csv_survey import Survey

_CUSTOMARY = {b",": 1.0, b"\t": 1.0, b";": 1.0, b"|": 1.0, b"": 1.0}
_CONTROL, _DOUBLED, _UNUSUAL, _IN_TEXT = 1.0, 0.97, 0.85, 0.7
_OWN = 1.02  # what the file's name promises
_TEXTUAL = frozenset((b" ", b":", b"=", b"&", b"*", b"+", b"!", b"?", b"%", b"@", b"$"))
_ONE_COLUMN = 0.55
_LONGEST_SCORED = 300
_START_BYTES = 24 << 10
_FINALISTS = 3
_SPACE = 0.1
_LEFT_ABOVE, _LEFT_ABOVE_TEXT = 0.88, 0.75  # a line directly above the table that would be a row in another reading
_SURE_OF_TEXT = 0.4  # a mark that ordinary text is full of separates nothing in a reading worse than this
_EMPTY_COLUMN = 0.3  # not even a name: a separator too many


@dataclass(frozen=True)
class Reading:
    """A way to read a piece of text, what it gave, and how good that is (0 to about 1)."""

    dialect: Dialect
    survey: Survey
    layout: Layout | None
    own: bytes  # the delimiter that the file's name promises

    @cached_property
    def score(self) -> float:
        """How regular the rows are, how much of the text they are, and how plausible their cells."""
        return _score(self.survey, self.layout, self.dialect, self.own) if self.layout else 0.0


def choose(piece: bytes, data_format: DataFormat) -> Reading:
    """Return the best reading of `piece`: UTF-8, whole lines (or the whole text)."""
    own = b"\t" if data_format is DataFormat.TSV else b","
    start = _start_of(piece)
    plain = read(start, Dialect(delimiter=own), own)
    if _is_clear(plain, start, own):
        best = [plain]
    else:
        readings = [
            r
            for r in _readings(start, candidates(start), own)
            if r.layout is None or (r.layout.width > 1) == bool(r.dialect.delimiter)
        ]
        readings = [r for r in readings if r.dialect.delimiter not in _TEXTUAL or r.score > _SURE_OF_TEXT] or [plain]
        best = sorted(readings, key=lambda reading: reading.score, reverse=True)
        if best[0].layout and best[0].layout.width == 1 and plain.layout and _is_separated(start, own):
            best = [plain]  # rows of any length are ragged rows, not a column of lines
    if start is piece:
        return best[0]
    whole = read(piece, best[0].dialect, own)
    if whole.survey.odd == 0 and len(whole.survey.widths) == 1:
        return whole
    # What comes after the start does not fit: the whole piece decides between the ways that it suggests.
    others = dict.fromkeys((*(reading.dialect for reading in best[1:_FINALISTS]), *_suggested_by_misfits(piece, whole)))
    others.pop(whole.dialect, None)
    readings = [whole, *_readings(piece, others, own)]
    readings = [r for r in readings if r.layout and (r.layout.width > 1) == bool(r.dialect.delimiter)] or [whole]
    return max(readings, key=lambda reading: reading.score)


def _is_separated(piece: bytes, own: bytes) -> bool:
    lines = [line for line in piece.splitlines() if line]
    return sum(re.search(re.escape(own) + rb"\S", line) is not None for line in lines) > 0.6 * len(lines)


def _start_of(piece: bytes) -> bytes:
    if len(piece) <= _START_BYTES:
        return piece
    cut = max(piece.rfind(b"\n", 0, _START_BYTES), piece.rfind(b"\r", 0, _START_BYTES - 1)) + 1
    return piece[:cut] if cut else piece


def _suggested_by_misfits(piece: bytes, reading: Reading) -> list[Dialect]:
    """Return the best dialects for the lines around the first record that does not fit."""
    assert reading.layout is not None
    misfit = next((r for r in reading.survey.first if len(r.fields) != reading.layout.width or r.odd), None)
    at = piece.find(misfit.text) if misfit else -1
    if at < 0:
        return []
    around = piece[piece.rfind(b"\n", 0, at) + 1 :][: _START_BYTES // 2]
    found = _readings(around, candidates(around), reading.dialect.delimiter)
    return [r.dialect for r in sorted(found, key=lambda r: r.score, reverse=True)[:_FINALISTS]]


def _readings(piece: bytes, dialects: Iterable[Dialect], own: bytes) -> Iterator[Reading]:
    """Yield what each of the dialects makes of `piece`, but for those whose quotes make no sense there."""
    for dialect in dialects:
        with contextlib.suppress(DeliveryError):
            yield read(piece, dialect, own)


def read(piece: bytes, dialect: Dialect, own: bytes) -> Reading:
    """Return `piece` as `dialect` reads it."""
    survey = Survey.of_plain(piece, dialect) or Survey().add_all(records((piece,), dialect))
    layout = lay_out(survey, dialect)
    return Reading(dialect, survey, layout, own)


def _is_clear(reading: Reading, piece: bytes, own: bytes) -> bool:
    """Whether the customary reading is so regular, and any other so far-fetched, that none needs to be tried."""
    survey, layout = reading.survey, reading.layout
    if layout is None:
        return True
    if len(survey.widths) != 1 or layout.width == 1 or survey.odd or survey.total < 2:  # noqa: PLR2004
        return False
    if (
        layout.preamble
        or layout.footer
        or b"\\" in piece
        or b"'" in piece
        or (b"\r" in piece and len(endings(piece)) > 1)
    ):
        return False
    if re.search(rb"[ \t]\"|\"[ \t]", piece) and b'"' in piece:
        return False
    head = [record.text for record in survey.first[:20]]
    if all(text[:1] == text[-1:] and text[:1] != b'"' and not text[:1].isalnum() for text in head):
        return False
    others = [d for d in (b",", b";", b"\t", b"|") if d != own]
    return not any(all(d in text for text in head) for d in others)


def _score(survey: Survey, layout: Layout, dialect: Dialect, own: bytes) -> float:
    body = [record for record in survey.first if layout.is_body(record)][:_LONGEST_SCORED]
    width = layout.usual or layout.width
    rows = [record for record in body if len(record.fields) == width]
    if not rows:
        return 0.0
    regular = sum(_nearness(len(record.fields), width) for record in body) / len(body)
    covered = min(1.0, (len(body) + 1) / (min(len(survey.first), _LONGEST_SCORED) + 1))
    sound = 1 - sum(record.odd for record in body) / len(body)
    types = _plausibility(rows, width, dialect.quote) * (1 - _SPACE * _spaced_share(rows))
    shape = width / (width + 0.5) if dialect.delimiter else _one_column(rows, own)
    whole = _LEFT_ABOVE if _stands_close(layout) else 1.0
    if whole < 1 and dialect.delimiter in _TEXTUAL:
        whole = _LEFT_ABOVE_TEXT
    return regular * regular * math.sqrt(covered) * (0.3 + 0.7 * sound) * types * shape * whole * _prior(dialect, own)


def _stands_close(layout: Layout) -> bool:
    """Whether a line that is no row stands directly above the table."""
    if not layout.preamble:
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
        weight = _IN_TEXT if delimiter in _TEXTUAL else _UNUSUAL
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
    """Return how plausible one column is: more when it has a type, less when lines hold the customary separator."""
    separated = sum(own in row.text for row in rows) / len(rows)
    return (_ONE_COLUMN + 0.4 * _typed_share(rows)) * (1 - 0.8 * separated * (separated > 0.5))  # noqa: PLR2004


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
