"""Combine the evidence of a column's texts into one type."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from processor.confined.formats.types.infer import (
    CLOCK,
    SURE_DOUBLE_DIGITS,
    TEXT,
    WIDEST_DECIMAL,
    ColumnType,
    TypeKind,
    Value,
    classify,
    classify_alike,
)

_WORTH_JOINING = 16
_PREFERENCE = (
    TypeKind.BIGINT,
    TypeKind.DOUBLE,
    TypeKind.BOOLEAN,
    TypeKind.DATE,
    TypeKind.TIMESTAMP,
    TypeKind.TIMESTAMPTZ,
    TypeKind.TIMESTAMP_NS,
)


@dataclass(slots=True)
class Evidence:
    """What the texts of one column, seen so far, say about its type. More texts can only take kinds away."""

    kinds: frozenset[TypeKind] | None = None  # None until the first text
    integer_digits: int = 0
    scale: int = 0
    has_exponents: bool = False
    against: str = ""  # why the column is text
    _first: str = field(default="", repr=False)
    _last: Value | None = field(default=None, repr=False)

    def add(self, texts: Iterable[str]) -> None:
        """Take `texts` (no NULLs) into account."""
        texts = dict.fromkeys(texts)
        if len(texts) >= _WORTH_JOINING and (value := classify_alike(texts)) is not None:
            self._add(next(iter(texts)), value)
            return
        for text in texts:
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
        before = self.kinds
        kinds = value.kinds if before is None else before & value.kinds
        if TypeKind.DECIMAL in kinds and self.integer_digits + self.scale > WIDEST_DECIMAL:
            kinds -= {TypeKind.DECIMAL}
        if before is None:
            self._first = text
        self.kinds = kinds
        if not kinds:
            self.against = _why_text(text, value, self._first)

    def narrow(self, kind: TypeKind, *, held: bool) -> None:
        """Take into account that `kind` holds all the column's values, or not."""
        if not held and self.kinds:
            self.kinds -= {kind}
            self.against = "" if self.kinds else "no one type holds all of its values"

    def narrow_decimal(self, *, held: bool, integer_digits: int, scale: int) -> None:
        """Take into account how many digits the column's values need, if all are such numbers at all."""
        self.integer_digits, self.scale = integer_digits, scale
        self.narrow(TypeKind.DECIMAL, held=held and integer_digits + scale <= WIDEST_DECIMAL)

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
            case TypeKind.TIMESTAMP | TypeKind.TIMESTAMP_NS | TypeKind.TIMESTAMPTZ:
                return ColumnType(kind, example=self._first)
            case _:
                return ColumnType(kind)

    def _double(self) -> ColumnType:
        spare = SURE_DOUBLE_DIGITS - self.integer_digits - self.scale
        if self.has_exponents or spare < 0:
            return ColumnType(TypeKind.DOUBLE)
        return ColumnType(TypeKind.DOUBLE, SURE_DOUBLE_DIGITS, self.scale + spare // 2)

    def _decimal(self) -> ColumnType:
        # 18 digits are one 64-bit integer in the Parquet; wider ones all take 16 bytes, so they get all the room.
        wanted = self.integer_digits + self.scale
        narrow = 18
        return ColumnType(TypeKind.DECIMAL, narrow if wanted < narrow else WIDEST_DECIMAL, self.scale)


def _why_text(text: str, value: Value, first: str) -> str:
    shown = repr(text if len(text) <= 40 else text[:39] + "…")  # noqa: PLR2004
    if value.kinds:
        other = repr(first if len(first) <= 40 else first[:39] + "…")  # noqa: PLR2004
        return f"no type holds both {other} and {shown}"
    return f"{shown} {_fault(text)}"


_FAULTS = (
    (re.compile(r""), "is an empty text, which is not NULL"),
    (re.compile(r"\s.*|.*\s", re.DOTALL), "has space around it"),
    (re.compile(r"-?0[0-9][0-9.]*"), "has a leading zero"),
    (re.compile(r"\+[0-9.].*", re.DOTALL), "has a plus sign"),
    (re.compile(r"-?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?"), "is a number that no type holds exactly"),
    (re.compile(r"[0-9]{1,4}[/.][0-9]{1,2}[/.][0-9]{1,4}.*", re.DOTALL), "is a date in no unambiguous form"),
    (re.compile(CLOCK + r"(\.[0-9]+)?"), "is a time of day, a type that not all readers of Parquet know"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.DOTALL), "is no date or time that its type holds exactly"),
)


def _fault(text: str) -> str:
    for form, fault in _FAULTS:
        if form.fullmatch(text):
            return fault
    return "is text"
