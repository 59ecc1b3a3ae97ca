"""Find totals of the table's width, which are no rows.

A total has gaps where every row has a value, and a word where rows have their keys. One without a word is told by its
arithmetic.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from processor.confined.formats.csv.layout.doubts import Doubt, total
from processor.confined.formats.csv.layout.header_evidence import CellKind, all_typed, kind_of, kinds_of
from processor.confined.formats.csv.reader.records import Record

_ROWS_LOOKED_AT = 300
_FEWEST_ROWS = 3
_MOST_BELOW = 3
_WORD = re.compile(
    r"(?:(?:grand|sub|net|overall|running)[ -]?)?totals?|sum|summary|all|count|average|avg|mean|"
    r"(?:gesamt|zwischen|end)?summe|gesamt|insgesamt|durchschnitt|mittelwert|anzahl|"
    r"total général|sous-total|ensemble|somme|moyenne|suma(?: total| końcowa)?|promedio|media|totale|"
    r"soma|média|totaal|subtotaal|gemiddelde|summa|totalt|(?:sum )?i alt|yhteensä|"
    r"razem|ogółem|celkem|spolu|ukupno|skupaj|összesen|(?:genel )?toplam|"
    r"итого|всего|разом|σύνολο|合[计計]|总[计計]|[总總総小][计計]|共计|합계|총계|المجموع|סה[\"״]כ",
    re.IGNORECASE,
)


def summary(rows: Sequence[Record], last: Sequence[Record]) -> Doubt | None:
    """Return the doubt about a total among `rows`, or `last` of all; all have the table's width."""
    width, first = (len(rows[0].fields), rows[0].line) if rows else (0, 0)
    together = {record.line: record for record in (*rows, *last)}.values()
    known = [record for record in together if len(record.fields) == width and record.line >= first]
    return _labelled(known, last) or _below(known, last) if known else None


def _labelled(known: Sequence[Record], last: Sequence[Record]) -> Doubt | None:
    """Return the doubt about a row that begins with a word for a total and lacks what all rows without one have."""
    found = [record for record in known if not all(record.fields) and _has_label(record)]
    lines = {record.line for record in found}
    others = [record for record in known if record.line not in lines]
    if not found or len(others) < max(_FEWEST_ROWS, len(found)):
        return None
    full = _full(others)
    for record in found:
        if not all(record.fields[at] for at in full):
            below = [each for each in last if each.line >= record.line]
            is_below = all(each.line in lines for each in below)
            return total(
                record, _lines(below) if is_below else 0, "has a word for a sum, and gaps that no other row has"
            )
    return None


def _below(known: Sequence[Record], last: Sequence[Record]) -> Doubt | None:
    """Return the doubt about the last rows, where they have gaps, and words or sums, unlike all rows above."""
    tail: list[Record] = []
    for record in reversed(last):
        if len(tail) == _MOST_BELOW or all(record.fields) or len(record.fields) != len(known[-1].fields):
            break
        tail.insert(0, record)
    lines = {record.line for record in tail}
    above = [record for record in known if record.line not in lines]
    if not tail or len(above) < _FEWEST_ROWS:
        return None
    full = _full(above)
    columns = [kinds_of(column) for column in zip(*(r.fields for r in above[-_ROWS_LOOKED_AT:]), strict=True)]
    typed = [at for at, kinds in enumerate(columns) if all_typed(kinds)]
    for at, record in enumerate(tail):
        gaps = [column for column in full if not record.fields[column]]
        if gaps and any(kind_of(record.fields[column]) is CellKind.TEXT for column in typed):
            return total(record, _lines(tail[at:]), "has a word where all other rows have values, and gaps")
        if gaps and any(_is_sum(record.fields[column], [row.fields[column] for row in above]) for column in typed):
            return total(record, _lines(tail[at:]), "has gaps, and the sum of all other rows")
    return None


def _is_sum(cell: bytes | None, above: Sequence[bytes | None]) -> bool:
    if kind_of(cell) is not CellKind.NUMBER:
        return False
    try:
        return Decimal((cell or b"").decode()) == sum(Decimal(value.decode()) for value in above if value) != 0
    except ArithmeticError:
        return False  # a mark of a missing value, or a thousands separator


def _full(rows: Sequence[Record]) -> list[int]:
    """Return the columns in which every row has a value."""
    return [at for at, column in enumerate(zip(*(row.fields for row in rows), strict=True)) if all(column)]


def _has_label(record: Record) -> bool:
    first = next((cell for cell in record.fields if cell), b"")
    return _WORD.fullmatch(first.decode("utf-8", "replace").strip(" :*.-")) is not None


def _lines(below: Sequence[Record]) -> int:
    return below[-1].line - below[0].line + 1 if below else 0
