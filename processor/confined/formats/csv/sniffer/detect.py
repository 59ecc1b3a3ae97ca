"""Choose the dialect by reading a large piece each way.

Each way is scored by how regular its rows are and how plausible its cells look (see cell_patterns); the best one is
taken. What is customary (the comma, or the tab in a .tsv) only decides between ways that are as good.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from processor.confined.formats.csv.cell_patterns import WHOLE, classify
from processor.confined.formats.csv.layout.one_table import declared_separator
from processor.confined.formats.csv.layout.table_area import Layout, lay_out
from processor.confined.formats.csv.reader.records import records
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.csv.sniffer.candidates import candidates, endings
from processor.confined.formats.csv.sniffer.score import LEFT_ABOVE, TEXTUAL, score, stands_close
from processor.confined.formats.csv.sniffer.whole_records import behind_records, sample_end
from processor.confined.formats.dialect import Dialect
from processor.domain.conversion import DataFormat
from processor.domain.errors import DeliveryError

_START_BYTES = 24 << 10
_FINALISTS = 3
CUSTOMARY = (b",", b";", b"\t", b"|")
_SURE_OF_TEXT = 0.4  # a mark that ordinary text is full of separates nothing in a reading worse than this


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
        return score(self.survey, self.layout, self.dialect, self.own) if self.layout else 0.0

    @property
    def is_uniform(self) -> bool:
        """Whether all records have several fields, all the same number, and sound quotes."""
        return len(self.survey.widths) == 1 and 1 not in self.survey.widths and not self.survey.odd

    @property
    def has_certain_quotes(self) -> bool:
        """Whether quotes are the usual ones, or each record is a line that others enclose wholly."""
        quote = self.dialect.quote
        if quote in (b'"', b""):
            return True
        texts = [record.text for record in self.survey.first]
        return all(text[:1] == text[-1:] == quote and b"\n" not in text and b"\r" not in text for text in texts)


def choose(piece: bytes, data_format: DataFormat) -> Reading:
    """Return the best reading of `piece`: UTF-8, whole lines (or the whole text)."""
    own = b"\t" if data_format is DataFormat.TSV else b","
    start = _start_of(piece)
    plain = read(start, Dialect(delimiter=own), own)
    best = [plain] if _is_clear(plain, start, own) else _ranked(start, plain)
    if start is piece:
        return best[0]
    whole = read(piece, best[0].dialect, own)
    if (whole.survey.odd == 0 and len(whole.survey.widths) == 1) or _is_named_above_short_rows(whole):
        return whole
    # What comes after the start does not fit: the whole piece decides between the ways that it suggests.
    others = dict.fromkeys((*(reading.dialect for reading in best[1:_FINALISTS]), *_suggested_by_misfits(piece, whole)))
    others.pop(whole.dialect, None)
    readings = [whole, *_readings(piece, others, own)]
    readings = [r for r in readings if r.layout and (r.layout.width > 1) == bool(r.dialect.delimiter)] or [whole]
    return max(readings, key=lambda reading: reading.score)


def choose_one_table(piece: bytes, data_format: DataFormat) -> Reading:
    """Return the reading of a text that is to be one table and nothing else.

    One column is what the customary separator leaves whole. That separator goes before one that is unusual, and before
    any that does not divide every record alike.
    """
    if separator := declared_separator(piece):
        return read(piece, Dialect(separator), separator)
    best = choose(piece, data_format)
    if best.is_uniform and best.dialect.delimiter in CUSTOMARY and best.has_certain_quotes:
        return best
    if not best.has_certain_quotes:
        best = read(piece, Dialect(best.dialect.delimiter or best.own), best.own)
    dialects = [Dialect(delimiter) for delimiter in dict.fromkeys((best.own, *CUSTOMARY))]
    customary = list(_readings(piece, dialects, best.own))
    own = customary[0]
    uniform = [reading for reading in customary if reading.is_uniform]
    if own in uniform or not (uniform or best.dialect.delimiter):
        return own
    return uniform[0] if len(uniform) == 1 else best


def _ranked(start: bytes, plain: Reading) -> list[Reading]:
    """Return the readings of `start` that make sense, the best first; `plain` is the customary one."""
    readings = [
        r
        for r in _readings(start, candidates(start), plain.own)
        if r.layout is None or (r.layout.width > 1) == bool(r.dialect.delimiter)
    ]
    readings = [r for r in readings if r.dialect.delimiter not in TEXTUAL or r.score > _SURE_OF_TEXT] or [plain]
    lines_left = LEFT_ABOVE if any(map(_takes_every_line, readings)) else 1.0
    best = sorted(readings, key=lambda r: r.score * (lines_left if stands_close(r.layout) else 1), reverse=True)
    if best[0].layout is None or best[0].layout.width > 1:
        return best
    if plain.layout and _is_separated(start, plain.own):
        best = [plain]  # rows of any length are ragged rows, not a column of lines
    return [r for r in best if _is_named_above_short_rows(r)] or best


def _takes_every_line(reading: Reading) -> bool:
    """Whether each line is a row of one width: then one that leaves a line above its table has to be much better."""
    survey, layout = reading.survey, reading.layout
    if not layout or survey.widths.keys() != {layout.width} or survey.odd or not reading.dialect.delimiter.strip():
        return False
    return layout.width > 1 and not (layout.preamble or layout.footer)


def _is_named_above_short_rows(reading: Reading) -> bool:
    """Whether the first line names several columns and the rows below have one field: they are short."""
    return reading.layout is not None and reading.layout.usual == 1


def _is_separated(piece: bytes, own: bytes) -> bool:
    lines = [line for line in piece.splitlines() if line]
    separator = re.compile(re.escape(own) + rb"\S")
    return sum(separator.search(line) is not None and classify(line) not in WHOLE for line in lines) > 0.6 * len(lines)


def _start_of(piece: bytes) -> bytes:
    if len(piece) <= _START_BYTES:
        return piece
    if end := sample_end(piece, _START_BYTES):
        return piece[:end]
    if behind_records(piece) > len(piece) // 2:
        return piece  # one cell is nearly all of it
    return piece[: piece.rfind(b"\n", 0, _START_BYTES) + 1 or None]  # quotes without sense


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
