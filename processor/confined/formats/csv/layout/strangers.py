"""Find records of the table's width that are no rows.

Such a record has words where every row has values of a type: units or a second header below the names, a comment, the
names once more, or a note that a spreadsheet has padded with separators.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, takewhile

from processor.confined.formats.csv.layout.doubts import (
    Doubt,
    commented_out,
    padded_note,
    repeated_names,
    words_among_values,
)
from processor.confined.formats.csv.layout.header_evidence import CellKind, all_typed, kind_of, kinds_of
from processor.confined.formats.csv.layout.summaries import summary
from processor.confined.formats.csv.reader.records import Record

_MOST_ABOVE = 3  # lines of units, types and the like
_MOST_OF_WORDS = 10
_ROWS_LOOKED_AT = 300
_FEWEST_ROWS = 3
_MOST_BELOW = 10
_NARROWEST = 3  # a note below a table of two columns could be a row without a value
_UNIT = re.compile(
    rb"[(\[{].*[)\]}]|[%\xb0]|\xc2\xb0[CF]?|-{2,}|[kcm\xc2\xb5]?[mgsVAWhlJNK]|k?Hz|k?Pa|k?Wh|kg|km|min|h|sec|"
    rb"[a-zA-Z]{1,3}/[a-zA-Z]{1,3}\d?|m[23]|EUR|USD|GBP|CHF|JPY|string|text|int|integer|float|double|date|varchar"
)
_CUT_SHORT = (b"...", b"..")  # what a program prints for rows that it leaves out
_COMMENT = b"#"
_TYPED = frozenset(kind for kind in CellKind if kind.is_typed)
_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")
_NOTE = re.compile(
    rb"\W*(?:source|sources|note|notes|quelle|stand|footnote|generated|exported|created|printed|copyright)\b|[*(\xc2]",
    re.IGNORECASE,
)


def stranger(names: Record | None, rows: Sequence[Record], last: Sequence[Record]) -> Doubt | None:
    """Return the doubt about a record that is no row of a table of several columns.

    `names` is its header, `rows` have the table's width, `last` are the text's last records, where they are known.
    """
    if names is not None and (doubt := _repeated(names, (*rows, *last)) or _words(names, rows)):
        return doubt
    return _commented_out(rows) or _note_below(rows, last) or summary(rows, last)


def _repeated(names: Record, rows: Sequence[Record]) -> Doubt | None:
    again = next((row for row in rows if row.fields == names.fields and row.line != names.line), None)
    return repeated_names(again.line, names) if again is not None else None


def line_of_again(chunks: Iterable[bytes], names: Record) -> int:
    """Return the first line below the header that is the same as the header, 0 where there is none."""
    line, left, passed = names.text.rstrip(b"\r\n"), b"", 1
    again = re.compile(rb"[\r\n]%b(?=[\r\n])" % re.escape(line))
    for chunk in chain(chunks, (b"\n",)):
        text = left + chunk
        if (match := again.search(text)) is not None:
            return passed + text.count(b"\n", 0, match.start() + 1)
        left = text[-len(line) - 1 :]
        passed += text.count(b"\n") - left.count(b"\n")
    return 0


def _words(names: Record, rows: Sequence[Record]) -> Doubt | None:
    """Return the doubt about a few rows that have words in the columns in which all others have values of a type."""
    columns = list(map(kinds_of, zip(*(row.fields for row in rows[:_ROWS_LOOKED_AT]), strict=True)))
    if any(_TYPED.issuperset(column) for column in columns):
        return None
    kinds = list(zip(*columns, strict=True))
    plain = [at for at, row in enumerate(kinds) if CellKind.TEXT in row and _TYPED.isdisjoint(row)]
    if not plain or len(plain) > min(_MOST_OF_WORDS, len(kinds) // 2):
        return None
    at = next((at for at in plain if _has_words(rows[at], kinds[at], _typed(kinds, plain, at), at)), None)
    if at is None:
        return None
    above = sum(1 for place, row in enumerate(plain) if place == row) if at == 0 else 0
    return words_among_values(rows[at], above, names)


def _typed(kinds: Sequence[Sequence[CellKind]], plain: Sequence[int], at: int) -> list[int]:
    """Return the columns with values of a type in the rows above, or, at the beginning, in all other rows."""
    end = at if at >= _MOST_ABOVE else len(kinds)
    others = [kinds[place] for place in range(end) if place not in plain]
    return [column for column, found in enumerate(zip(*others, strict=True)) if all_typed(found)]


def _has_words(row: Record, kinds: Sequence[CellKind], typed: Sequence[int], place: int) -> bool:
    cells = [(row.fields[at] or b"").strip() for at in typed if kinds[at] is CellKind.TEXT]
    units = [cell for cell in cells if _UNIT.fullmatch(cell)]
    if len(cells) > 1:
        return any(
            _LETTER.search(cell) or cell in (*units, *_CUT_SHORT) for cell in cells
        )  # else marks of missing values, as **
    return place < _MOST_ABOVE and bool(units)


def _commented_out(rows: Sequence[Record]) -> Doubt | None:
    """Return the doubt about a row behind a # where all others begin with a value of a type."""
    marked = [row for row in rows if (row.fields[0] or b"").startswith(_COMMENT)]
    if not marked or len(marked) > min(_MOST_OF_WORDS, len(rows) // 2):
        return None
    lines = {row.line for row in marked}
    others = kinds_of([row.fields[0] for row in rows[:_ROWS_LOOKED_AT] if row.line not in lines])
    return commented_out(marked[0]) if all_typed(others) else None


def _note_below(rows: Sequence[Record], last: Sequence[Record]) -> Doubt | None:
    """Return the doubt about the last records where they are one text and nothing else, unlike any row."""
    tail = list(takewhile(_is_padded, reversed(last)))[::-1]
    width, above = len(rows[0].fields) if rows else 0, [row for row in rows if not _is_padded(row)]
    if not 0 < len(tail) <= _MOST_BELOW or width < _NARROWEST or len(above) < _FEWEST_ROWS:
        return None
    known = {record.line for record in tail}
    if any(_is_padded(row) for row in rows if row.line not in known):
        return None  # rows may be so
    text = next((record.fields[0] or b"" for record in tail if record.fields[0]), b"")
    is_unlike = all_typed(kinds_of([row.fields[0] for row in above])) and kind_of(text) is CellKind.TEXT
    return padded_note(tail[0], len(tail)) if text and (is_unlike or _NOTE.match(text)) else None


def _is_padded(record: Record) -> bool:
    return len(record.fields) > 1 and not any(record.fields[1:])
