"""Name the columns; decide on a doubtful header by votes.

Where the evidence contradicts itself and the header is to be recognised nevertheless, each column has a vote.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

from processor.confined.formats.csv.cell_patterns import TYPED, CellClass, classify
from processor.confined.formats.csv.layout.header_evidence import Header
from processor.confined.formats.csv.reader.records import Record

_ROWS_LOOKED_AT = 300
_MOST_ALIKE = 0.8
_LONGEST_NAME = 200
_VALUES_LOOKED_AT = 100
_DIGITS = re.compile(rb"[0-9]+")
_QUOTES = (b"'", b'"', b"`")
# What `classify` says of each, told of all at once.
_ALIKE = (
    (CellClass.NUMBER, re.compile(rb"(?:-?[0-9]{1,30}(?:\.[0-9]{1,30})?\n)+")),
    (CellClass.DATE, re.compile(rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}\n)+")),
)


def decide_header(first: Record, rows: Sequence[Record]) -> Header:
    """Decide whether `first` is the header of `rows`, the records below it that have the table's width."""
    names = first.fields
    if names and all(classify(name) in TYPED for name in names):
        if _are_periods(names) and any(_column_is_other(rows, i) for i in range(len(names))):
            return Header(True, "a row of periods above values")
        return Header(False, "the first row has only numbers, dates or truth values")
    if not rows:
        return Header(not any(classify(name) in TYPED for name in names), "the only row")
    others = [row for row in rows[:_ROWS_LOOKED_AT] if row.fields != names]  # a header may come again
    votes = [_vote(names, others, index) for index in range(len(names))]
    total = sum(votes)
    if total < 0:
        return Header(False, "more columns speak for a row than for names")
    return Header(True, "more columns speak for names than for a row" if total > 0 else "by convention")


def without_quotes(names: Sequence[bytes | None], rows: Sequence[Record]) -> list[bytes | None]:
    """Return `names` without a mark that encloses all of them, and no value: quotes that only the header has."""
    for mark in _QUOTES:
        is_enclosed = all(name and len(name) > 2 and name[:1] == name[-1:] == mark for name in names)  # noqa: PLR2004
        if is_enclosed and not any(value and value[:1] == mark for row in rows for value in row.fields):
            return [name[1:-1] for name in names if name]
    return list(names)


def _vote(names: Sequence[bytes | None], rows: Sequence[Record], index: int) -> float:
    """Return more than 0 where the column speaks for a header, less where against."""
    name = names[index]
    own = classify(name)
    values = [row.fields[index] for row in rows if index < len(row.fields) and row.fields[index]]
    if not values:
        return 0.0
    common = _common_class(values)
    if common in TYPED:
        if own is common:
            return 0.0 if own is CellClass.NUMBER and _are_periods(names) else -1.0
        if own in TYPED:
            return -0.5
        return 0.0 if own in (CellClass.EMPTY, CellClass.MISSING) else 1.0
    if own is CellClass.EMPTY:
        return -0.2
    if own in TYPED:
        return -0.4 if common is None and not _are_periods(names) else 0.0
    if len(name or b"") > _LONGEST_NAME:
        return -0.5
    if _is_counted_on(name or b"", values):
        return -0.6
    return -0.6 * min(1.0, 10 * values.count(name) / len(values)) if name in values else 0.1


def _is_counted_on(name: bytes, values: Sequence[bytes | None]) -> bool:
    """Whether the name is one of a row of values that differ in their numbers only: A1 above A2, A3, A4."""
    form = _DIGITS.sub(b"0", name)
    alike = sum(_DIGITS.sub(b"0", value or b"") == form for value in values[:_VALUES_LOOKED_AT])
    return form != name.translate(None, b"0123456789") and alike >= _MOST_ALIKE * min(len(values), _VALUES_LOOKED_AT)


def _common_class(values: Sequence[bytes | None]) -> CellClass | None:
    """Return the class of most of the values; of many, those at even distances are looked at."""
    joined = b"\n".join(value or b"" for value in values) + b"\n"
    if joined.count(b"\n") == len(values):
        for common, form in _ALIKE:
            if form.fullmatch(joined):
                return common
    looked_at = values[:: -(-len(values) // _VALUES_LOOKED_AT)]
    classes = [found for value in looked_at if (found := classify(value)) is not CellClass.MISSING]
    for found in dict.fromkeys(classes):
        if classes.count(found) >= _MOST_ALIKE * len(classes):
            return found
    return None


def _are_periods(names: Sequence[bytes | None]) -> bool:
    """Whether the numbers among `names` are years or a row of whole numbers that go up by the same step."""
    numbers = [name for name in names if classify(name) is CellClass.NUMBER]
    if len(numbers) < 2 or not all(n is not None and n.isdigit() for n in numbers):  # noqa: PLR2004
        return False
    whole = [int(n) for n in numbers if n]
    steps = {after - before for before, after in pairwise(whole)}
    years = all(1500 <= n <= 2200 for n in whole)  # noqa: PLR2004
    return len(steps) == 1 and steps != {0} and (len(whole) > 2 or years)  # noqa: PLR2004


def _column_is_other(rows: Sequence[Record], index: int) -> bool:
    values = [row.fields[index] for row in rows[:_ROWS_LOOKED_AT] if index < len(row.fields) and row.fields[index]]
    return bool(values) and (_common_class(values) is not CellClass.NUMBER or any(b"." in (v or b"") for v in values))


@dataclass(frozen=True, slots=True)
class Name:
    """A column's name as it is written, and as it stood in the source where that differs."""

    name: str
    original: str | None = None


def name_columns(
    fields: Sequence[bytes | None], width: int, reserved: AbstractSet[str] = frozenset(), *, stripped: bool = True
) -> list[Name]:
    """Return `width` names that differ even when case does not count (DuckDB's rule) and are not `reserved`.

    They are `stripped` of the spaces around them, or names with these.
    """
    texts = [(field or b"").decode() for field in fields[:width]]
    given = {(text.strip() if stripped else text).lower() for text in texts}
    taken = set(reserved)
    counts: dict[str, int] = {}
    names = []
    for index in range(width):
        text = texts[index] if index < len(texts) else None
        names.append(_unique(text, index, taken, given, counts, stripped=stripped))
    return names


def _unique(
    text: str | None, index: int, taken: set[str], given: set[str], counts: dict[str, int], *, stripped: bool
) -> Name:
    wish = (text or "").replace("\0", "")
    wish = wish if wish.strip() and not stripped else wish.strip()
    base = wish or f"column{index}"
    name, count = base, counts.get(base, 0)
    while name.lower() in taken or (name != wish and name.lower() in given):
        count += 1
        name = f"{base}_{count}"
    counts[base] = count
    taken.add(name.lower())
    return Name(name, text if text != name and text is not None else None)
