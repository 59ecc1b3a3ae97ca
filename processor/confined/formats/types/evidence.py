"""Combine the evidence of a column's texts into one type."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from processor.confined.formats.types.infer import (
    CLOCK,
    SHORTEST,
    SURE_DOUBLE_DIGITS,
    TEXT,
    WIDEST_DECIMAL,
    ColumnType,
    TypeKind,
    Value,
    classify,
    is_day,
    telling,
)

_PREFERENCE = (
    TypeKind.BIGINT,
    TypeKind.DOUBLE,
    TypeKind.BOOLEAN,
    TypeKind.DATE,
    TypeKind.TIMESTAMP,
    TypeKind.TIMESTAMPTZ,
)


@dataclass(slots=True)
class Evidence:
    """What the texts of one column, seen so far, say about its type. More texts can only take kinds away."""

    kinds: frozenset[TypeKind] | None = None  # None until the first text
    integer_digits: int = 0
    scale: int = 0
    has_exponents: bool = False
    decimals: tuple[int, int] | None = None  # fewest and most digits behind the point, as written
    padded: str = ""  # shows a number that ends in a zero which its value does not need
    against: str = ""  # why the column is text
    _first: str = field(default="", repr=False)
    _last: Value | None = field(default=None, repr=False)

    def add(self, texts: Iterable[str]) -> None:
        """Take `texts` (no NULLs) into account."""
        for text in telling(dict.fromkeys(texts)):
            if self.kinds is not None and not self.kinds:
                return
            value = classify(text)
            if value is not self._last:  # the values of a column are much alike, and their Values shared
                self._last = value
                self._add(text, value)

    def _add(self, text: str, value: Value) -> None:
        self.integer_digits = max(self.integer_digits, value.integer_digits)
        self.scale = max(self.scale, value.scale)
        self.has_exponents |= value.has_exponent
        fewest, most = self.decimals or (value.decimals, value.decimals)
        self.decimals = min(fewest, value.decimals), max(most, value.decimals)
        if value.padded and not self.padded:
            self.padded = _shown(text)
        before = self.kinds
        kinds = value.kinds if before is None else before & value.kinds
        if TypeKind.DECIMAL in kinds and self.integer_digits + self.scale > WIDEST_DECIMAL:
            kinds -= {TypeKind.DECIMAL}
        if before is None:
            self._first = text
        self.kinds = kinds
        if not kinds:
            self.against = _why_text(text, value, self._first)
        self._compare_zeros()

    def _compare_zeros(self) -> None:
        """Make a column text whose numbers would lose zeros that only some of them have."""
        if self.kinds and self.padded and self.decimals and self.decimals[0] != self.decimals[1]:
            self.refuse(f"{self.padded} ends in a zero that a number does not keep, and decimals are of unlike length")

    def narrow(self, kind: TypeKind, *, held: bool) -> None:
        """Take into account that `kind` holds all the column's values, or not."""
        if not held and self.kinds:
            self.kinds -= {kind}
            self.against = "" if self.kinds else "no one type holds all of its values"

    def narrow_decimal(self, *, held: bool, integer_digits: int, scale: int) -> None:
        """Take into account how many digits the column's values need, if all are such numbers at all."""
        self.integer_digits, self.scale = integer_digits, scale
        self.narrow(TypeKind.DECIMAL, held=held and integer_digits + scale <= WIDEST_DECIMAL)

    def narrow_zeros(self, *, padded: bool, fewest: int, most: int) -> None:
        """Take into account how all of the column's numbers are written; `padded`: one ends in a zero without need."""
        self.decimals, self.padded = (fewest, most), self.padded or "a number" * padded
        self._compare_zeros()

    def refuse(self, reason: str) -> None:
        """Make the column text for good."""
        self.kinds = frozenset()
        self.against = reason

    def proposal(self) -> ColumnType:
        """Return the best type that holds every text seen so far; text when none was seen."""
        if not self.kinds:
            return TEXT
        if TypeKind.DECIMAL in self.kinds and self.scale == 0 and TypeKind.BIGINT not in self.kinds:
            return self._decimal()
        kind = next((kind for kind in _PREFERENCE if kind in self.kinds), TypeKind.DECIMAL)
        match kind:
            case TypeKind.DECIMAL:
                return self._decimal()
            case TypeKind.DOUBLE:
                return self._double()
            case TypeKind.TIMESTAMP | TypeKind.TIMESTAMPTZ:
                return ColumnType(kind, example=self._first)
            case _:
                return ColumnType(kind)

    def _written_decimals(self) -> int:
        return self.decimals[0] if self.padded and self.decimals else SHORTEST

    def _double(self) -> ColumnType:
        decimals = self._written_decimals()
        spare = SURE_DOUBLE_DIGITS - self.integer_digits - self.scale
        if self.has_exponents or spare < 0:
            return ColumnType(TypeKind.DOUBLE, decimals=decimals)
        scale = self.scale + spare // 2 if decimals == SHORTEST else decimals
        return ColumnType(TypeKind.DOUBLE, SURE_DOUBLE_DIGITS, scale, decimals=decimals)

    def _decimal(self) -> ColumnType:
        # 18 digits are one 64-bit integer in the Parquet; wider ones all take 16 bytes, so they get all the room.
        wanted = self.integer_digits + self.scale
        narrow = 18
        precision = narrow if wanted < narrow else WIDEST_DECIMAL
        return ColumnType(TypeKind.DECIMAL, precision, self.scale, decimals=self._written_decimals())


def _why_text(text: str, value: Value, first: str) -> str:
    return f"no type holds both {_shown(first)} and {_shown(text)}" if value.kinds else f"{_shown(text)} {_fault(text)}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")  # noqa: PLR2004


_MOMENT = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{CLOCK}"
_OFFSET = r"(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"
_FAULTS = (
    (re.compile(r""), "is an empty text, which is not NULL"),
    (re.compile(r"\s.*|.*\s", re.DOTALL), "has space around it"),
    (re.compile(r"-?0[0-9][0-9.]*"), "has a leading zero"),
    (re.compile(r"\+[0-9.].*", re.DOTALL), "has a plus sign"),
    (re.compile(r"-?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?"), "is a number that no type holds exactly"),
    (re.compile(r"[0-9]{1,4}[/.][0-9]{1,2}[/.][0-9]{1,4}.*", re.DOTALL), "is a date in no unambiguous form"),
    (re.compile(CLOCK + r"(\.[0-9]+)?"), "is a time of day, a type that not all readers of Parquet know"),
    (re.compile(rf"{_MOMENT}\.[0-9]{{7,}}{_OFFSET}?"), "has nanoseconds, which not all readers of Parquet know"),
    (re.compile(rf"{_MOMENT}(\.[0-9]+)?{_OFFSET}"), "is an instant outside of the years 1 to 9999"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.+", re.DOTALL), "is a date or time in no form that is known"),
)


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")


def _fault(text: str) -> str:
    if _DAY.match(text) and not is_day(text):
        return "names a day that does not exist"
    for form, fault in _FAULTS:
        if form.fullmatch(text):
            return fault
    return "is text"
