"""Decide by evidence if the first record is a header.

The answer is yes, no, or not certain. A column speaks for a header where its first cell is of another kind than the
values below it: a word above numbers, a date above numbers. It speaks for a row where both are of one kind. Where all
is text, a header is a matter of convention: each cell has to look like a name.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import cast

from processor.confined.formats.csv.cell_patterns import CellClass, classify

_ROWS_LOOKED_AT = 300
_MOSTLY = 0.8
_LONGEST_NAME = 200
_FEWEST_COUNTED, _MOST_OTHERS = 3, 2  # names that count columns, and others beside them
_MOST_WORDS = 4  # of a name that is a file's only line
_FEWEST_VALUES = 2  # of a column that is told to have a type
_YEARS = range(1500, 2201)
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_BYTES = 36
_PLAIN_NUMBER = re.compile(rb"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_DAY = rb"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = rb"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_WORD = rb"(?!(?i:true|false|yes|no|na|nan|null|none) *\n|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-)[A-Za-z][A-Za-z0-9_ -]*"
_HOST = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3}|[a-z0-9-]+(?:\.[a-z0-9-]+)+\.[a-z]{2,}")
_MARKUP = re.compile(rb"[^\w\x80-\xff]+|\[.*\]")  # as above a text that is no table
_BRACKETS = ((b"(", b")"), (b"[", b"]"), (b"{", b"}"))
_DIGITS = re.compile(rb"[0-9]+")


class CellKind(Enum):
    """The kind of a cell, as far as it matters for a header."""

    EMPTY = "nothing"
    NUMBER = "numbers"
    DATE = "dates"
    TIME = "times"
    MOMENT = "time stamps"
    TRUTH = "truth values"
    MISSING = "marks of missing values"
    ADDRESS = "addresses"
    UUID = "UUIDs"
    HOST = "hosts"
    TEXT = "texts"

    __hash__ = object.__hash__  # Enum's own is slow, and every cell looked at is counted by it

    def __init__(self, shown: str) -> None:
        """`is_typed`: values of this kind are told from texts; `is_never_a_name`: no one names a column so."""
        self.is_typed = shown not in ("nothing", "marks of missing values", "texts")
        self.is_never_a_name = shown in ("time stamps", "addresses", "UUIDs")


_BY_CLASS = {
    CellClass.EMPTY: CellKind.EMPTY,
    CellClass.NUMBER: CellKind.NUMBER,
    CellClass.DATE: CellKind.DATE,
    CellClass.TIME: CellKind.TIME,
    CellClass.MOMENT: CellKind.MOMENT,
    CellClass.TRUTH: CellKind.TRUTH,
    CellClass.MISSING: CellKind.MISSING,
    CellClass.ADDRESS: CellKind.ADDRESS,
}


# Columns of such cells are told by one match over all of them; `classify` says the same of each.
_ALIKE = {
    kind: re.compile(rb"(?:%b\n)+" % form)
    for kind, form in (
        (CellKind.NUMBER, _PLAIN_NUMBER.pattern),
        (CellKind.DATE, _DAY),
        (CellKind.MOMENT, rb"%b[T ]%bZ?" % (_DAY, _CLOCK)),
        (CellKind.TEXT, _WORD),
    )
}


@dataclass(frozen=True, slots=True)
class Header:
    """Whether there is one, None where that is not certain, and why."""

    present: bool | None
    reason: str


def weigh_header(names: Sequence[bytes | None], rows: Sequence[Sequence[bytes | None]]) -> Header:
    """Return what `names`, the first record, is by the `rows` below it, all of one width."""
    named = {name for name in names if name is not None}
    rows = [row for row in rows[:_ROWS_LOOKED_AT] if named.isdisjoint(row) or not _is_repeated(names, row)]
    kinds = [kind_of(name) for name in names]
    if not rows:
        return _only_record(names, kinds)
    if (numbered := _numbered(names, rows)) is not None:
        return numbered
    columns = [[value for value in column if value] for column in zip(*rows, strict=True)]
    above = [_Column(name, kind, values) for name, kind, values in zip(names, kinds, columns, strict=True)]
    for_header = [reason for column in above if (reason := column.speaks_for())]
    for_row = [reason for column in above if (reason := column.speaks_against())]
    if (never := [column for column in above if column.kind.is_never_a_name]) and not for_row:
        return Header(None, f"{never[0].shown} is no name, nor like the values below it")
    if for_row and (never or not for_header):
        return Header(False, for_row[0])
    if for_header and for_row:
        return Header(None, f"{for_header[0]}, but {for_row[0]}")
    if not for_header:
        return _by_convention(above)
    unnamed = sum(column.kind is CellKind.EMPTY and bool(column.values) for column in above)
    if unnamed > 1:
        return Header(None, f"{for_header[0]}, but {unnamed} columns have no name")
    if any(column.kind is CellKind.MISSING for column in above):
        return Header(None, f"{for_header[0]}, but a mark of a missing value is no name")
    return Header(True, for_header[0])


def _numbered(names: Sequence[bytes | None], rows: Sequence[Sequence[bytes | None]]) -> Header | None:
    """Return what names that count the columns are, as in 0, 1, 2; None where they do not, or rows do so as well."""
    counted = [name for name in names if name and kind_of(name) is CellKind.NUMBER]
    start = 1 if counted[:1] == [b"1"] else 0
    if (
        len(counted) < _FEWEST_COUNTED
        or counted != _run(start, len(counted))
        or len(names) - len(counted) > _MOST_OTHERS
    ):
        return None
    at = [place for place, name in enumerate(names) if name in set(counted)]
    below = [[row[place] or b"" for place in at] for row in rows]
    if any(all(map(bytes.isdigit, row)) and row == _run(int(row[0]), len(row)) for row in below):
        return None
    shown = f"{counted[0].decode()}, {counted[1].decode()}, ... count the columns"
    if any(not value.isdigit() and value for row in below for value in row):
        return Header(True, shown)
    return Header(None, f"{shown}, but stand above numbers") if start == 0 or len(counted) > _FEWEST_COUNTED else None


def _run(start: int, count: int) -> list[bytes]:
    return [str(number).encode() for number in range(start, start + count)]


@lru_cache(maxsize=20_000)
def kind_of(cell: bytes | None) -> CellKind:
    """Return the kind of a cell."""
    if not cell:
        return CellKind.EMPTY
    if _PLAIN_NUMBER.fullmatch(cell):
        return CellKind.NUMBER
    text = cell.strip()
    if text == rb"\N":
        return CellKind.MISSING
    if len(text) == _UUID_BYTES and _UUID.fullmatch(text):
        return CellKind.UUID
    kind = _BY_CLASS.get(classify(cell), CellKind.TEXT)
    return CellKind.HOST if kind is CellKind.TEXT and _HOST.fullmatch(text) else kind


def all_typed(kinds: Sequence[CellKind]) -> bool:
    """Tell whether a column's cells, but for missing ones, all have a type."""
    known = [kind for kind in kinds if kind not in (CellKind.EMPTY, CellKind.MISSING)]
    return len(known) >= _FEWEST_VALUES and all(kind.is_typed for kind in known)


def kinds_of(cells: Sequence[bytes | None]) -> list[CellKind]:
    """Return the kinds of a column's cells; of cells that are plainly alike at once."""
    first = kind_of(cells[0]) if cells else CellKind.EMPTY
    alike = _ALIKE.get(first)
    if alike is not None and None not in cells:
        joined = b"\n".join(cast("Sequence[bytes]", cells)) + b"\n"
        if joined.count(b"\n") == len(cells) and alike.fullmatch(joined):
            return [first] * len(cells)
    return list(map(kind_of, cells))


class _Column:
    """A first cell and the values below it that are not empty."""

    def __init__(self, name: bytes | None, kind: CellKind, values: Sequence[bytes]) -> None:
        self.name = name or b""
        self.kind = kind
        self.values = values
        self.below = _common(kinds_of(values))
        self.shown = repr(self.name[:40].decode("utf-8", "replace"))

    def speaks_for(self) -> str:
        """Return why this is a name, nothing where it need not be one."""
        if self.kind is CellKind.EMPTY or not self.values or self.kind.is_never_a_name or self.kind is CellKind.MISSING:
            return ""
        if self.name in self.values or len(self.name) > _LONGEST_NAME:
            return ""
        if self.below.is_typed and self.kind is not self.below:
            return f"{self.shown} stands above {self.below.value}"
        if (
            self.kind.is_typed
            and self.below is CellKind.TEXT
            and self.kind in (CellKind.DATE, CellKind.NUMBER, CellKind.TIME)
            and sum(kind_of(value) is self.kind for value in self.values) <= (1 - _MOSTLY) * len(self.values)
        ):
            return f"{self.shown} stands above texts"
        return ""

    def speaks_against(self) -> str:
        """Return why this is a value, nothing where it need not be one."""
        if self.kind.is_typed and self.kind is self.below and not self.is_period_above_others():
            return f"{self.shown} stands above {self.below.value}"
        if self._is_counted_on():
            return f"{self.shown} is counted on below"
        if self.kind is CellKind.TEXT and self.below.is_typed and self.name in self.values:
            return f"{self.shown} comes again below"
        return ""

    def is_period_above_others(self) -> bool:
        """Whether this is a year, and the values are other numbers."""
        if self.kind is not CellKind.NUMBER or not _is_year(self.name):
            return False
        return sum(map(_is_year, self.values)) < (1 - _MOSTLY) * len(self.values)

    def _is_counted_on(self) -> bool:
        """Whether the values differ from this in their numbers only: A1 above A2, A3, A4."""
        form = _DIGITS.sub(b"0", self.name)
        if self.kind is not CellKind.TEXT or form == self.name.translate(None, b"0123456789"):
            return False
        return sum(_DIGITS.sub(b"0", value) == form for value in self.values) >= _MOSTLY * max(1, len(self.values))

    @property
    def may_be_a_name(self) -> bool:
        """Whether the cell looks like a name, and not like one of the values."""
        if self.kind not in (CellKind.TEXT, CellKind.HOST, CellKind.TRUTH) and not _is_year(self.name):
            return False
        return bool(self.name.strip()) and len(self.name) <= _LONGEST_NAME and _is_balanced(self.name)


def _is_balanced(name: bytes) -> bool:
    """Whether each bracket is closed: half of an expression is no name."""
    return all(name.count(opening) == name.count(closing) for opening, closing in _BRACKETS)


def _is_year(text: bytes) -> bool:
    return text.isdigit() and len(text) < 5 and int(text) in _YEARS  # noqa: PLR2004


def _common(kinds: Sequence[CellKind]) -> CellKind:
    known = [kind for kind in kinds if kind is not CellKind.MISSING]
    if not known:
        return CellKind.MISSING if kinds else CellKind.EMPTY
    kind, count = Counter(known).most_common(1)[0]
    return kind if count >= _MOSTLY * len(known) else CellKind.TEXT


def _by_convention(columns: Sequence[_Column]) -> Header:
    """Return what texts above texts are: names, where each looks like one."""
    named = [column for column in columns if column.kind is not CellKind.EMPTY]
    if named and len(named) == len(columns) - 1 and all(column.is_period_above_others() for column in named):
        return Header(True, f"{named[0].shown} is a year above other values")
    odd = next((column for column in columns if not column.may_be_a_name), None)
    if odd is None and len(columns) == 1 and _MARKUP.fullmatch(columns[0].name.strip()):
        odd = columns[0]
    if odd is not None:
        return Header(None, f"{odd.shown} stands above {odd.below.value}: a name or a value?")
    if len({column.name.strip().lower() for column in columns}) < len(columns):
        return Header(None, "texts above texts, and one comes twice: names or values?")
    again = [column for column in columns if column.name in column.values]
    if len(again) == len(columns):
        return Header(False, f"{again[0].shown} comes again below")
    if again:
        return Header(None, f"{again[0].shown} comes again below: a name or a value?")
    return Header(True, "by convention: texts above texts, each looks like a name")


def _only_record(names: Sequence[bytes | None], kinds: Sequence[CellKind]) -> Header:
    if len(names) == 1 and len((names[0] or b"").split()) > _MOST_WORDS:
        return Header(None, "the only line is a sentence")
    if all(kind in (CellKind.TEXT, CellKind.HOST) for kind in kinds):
        return Header(True, "by convention: the only record, each field looks like a name")
    if all(kind.is_typed or kind is CellKind.EMPTY for kind in kinds):
        return Header(False, "the only record has no texts")
    value = next(
        name or b"" for name, kind in zip(names, kinds, strict=True) if kind not in (CellKind.TEXT, CellKind.HOST)
    )
    return Header(None, f"the only record, and {value.decode('utf-8', 'replace')!r} may be a value")


def _is_repeated(names: Sequence[bytes | None], row: Sequence[bytes | None]) -> bool:
    """Whether the row is the header again, at least most of it: it may come below each part of a table."""
    same = sum(name is not None and name == value for name, value in zip(names, row, strict=True))
    return 2 * same > sum(name is not None for name in names)
