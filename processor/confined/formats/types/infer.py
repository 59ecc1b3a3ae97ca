"""Types that one text could have.

A type is earned when every value of the column survives text -> type -> text by value. `classify` says which types
hold one text so; what a column's texts say together is in evidence. What no type holds stays text, unchanged.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from math import isfinite


class TypeKind(StrEnum):
    """The types a column of text can earn, in DuckDB's words.

    TIME is none of them: Spark before 4.1 can open no file that has such a column. Times of day stay text.
    """

    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_NS = "TIMESTAMP_NS"
    TIMESTAMPTZ = "TIMESTAMPTZ"
    VARCHAR = "VARCHAR"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type proposed for a column.

    Precision and scale are those of a DECIMAL; a DOUBLE has them when its texts fit a DECIMAL that proves them exact.
    `example` is a text of the column, of the form that the check is to be quick for.
    """

    kind: TypeKind
    precision: int = 0
    scale: int = 0
    example: str = ""

    @property
    def sql(self) -> str:
        """The type's name in SQL."""
        if self.kind is TypeKind.DECIMAL:
            return f"DECIMAL({self.precision},{self.scale})"
        return self.kind.value


TEXT = ColumnType(TypeKind.VARCHAR)

WIDEST_DECIMAL = 38
# A number of so many digits survives decimal -> double -> decimal (IEEE 754, binary64).
SURE_DOUBLE_DIGITS = 15
# A longer text is no number, date or truth value that anyone meant as such; it also bounds what a check looks at.
LONGEST_TYPED = 350

_INTEGER = r"-?(?:0|[1-9][0-9]*)"
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_FORM = re.compile(
    rf"(?P<integer>{_INTEGER})"
    rf"|(?P<decimal>{_INTEGER}\.[0-9]*|-?\.[0-9]+)"
    rf"|(?P<exponent>(?:{_INTEGER}(?:\.[0-9]*)?|-?\.[0-9]+)[eE][+-]?[0-9]{{1,4}})"
    rf"|(?P<truth>[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])"
    rf"|(?P<day>{_DAY})"
    rf"|(?P<moment>{_DAY}[ T](?:{CLOCK}(?:\.(?P<fraction>[0-9]{{1,9}}))?|(?:[01][0-9]|2[0-3]):[0-5][0-9])"
    rf"(?P<offset>Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)?)"
)

_MICROSECOND_DIGITS = 6
# TIMESTAMP_NS holds 1677-09-21 to 2262-04-11; whole years keep the rule simple.
_NANOSECOND_YEARS = ("1678", "2261")


@dataclass(frozen=True, slots=True)
class Value:
    """What one text could be: the kinds that hold it exactly, and the digits a DECIMAL needs for it."""

    kinds: frozenset[TypeKind]
    integer_digits: int = 0
    scale: int = 0
    has_exponent: bool = False


_NOTHING = Value(frozenset())
_EXACT_EXPONENT = Value(frozenset((TypeKind.DOUBLE,)), has_exponent=True)
_INEXACT_EXPONENT = Value(frozenset(), has_exponent=True)
_ONE = {kind: Value(frozenset((kind,))) for kind in TypeKind}
_MOMENT = Value(frozenset((TypeKind.TIMESTAMP, TypeKind.TIMESTAMP_NS)))


def classify(text: str) -> Value:
    """Return the kinds that hold `text` so that it can be had back by value."""
    if len(text) > LONGEST_TYPED or (match := _FORM.fullmatch(text)) is None:
        return _NOTHING
    match match.lastgroup:
        case "integer" | "decimal" | "exponent" as form:
            return _number(text, form)
        case "truth":
            return _ONE[TypeKind.BOOLEAN]
        case "day":
            return _ONE[TypeKind.DATE] if _is_day(text) else _NOTHING
        case _:
            return _moment(text, match["fraction"] or "", match["offset"])


def digits(text: str) -> str:
    """Return the significant digits of a number: no sign, point, exponent, leading or trailing zeros."""
    mantissa = text.lower().partition("e")[0]
    return mantissa.replace("-", "").replace(".", "").strip("0")


def double_is_exact(text: str) -> bool:
    """Tell whether the double nearest to `text` has, in its shortest form, exactly the decimal value of `text`.

    Equal significant digits suffice: the nearest double can not be wrong by a power of ten.
    """
    double = float(text)
    return isfinite(double) and digits(repr(double)) == digits(text)


def _number(text: str, form: str) -> Value:
    if form == "exponent":
        return _EXACT_EXPONENT if double_is_exact(text) else _INEXACT_EXPONENT
    whole, _, fraction = text.lstrip("-").partition(".")
    zero = text[0] == "-" and not digits(text)
    if len(whole) + len(fraction) <= SURE_DOUBLE_DIGITS:
        return _plain_number(form, len(whole), len(fraction), exact=True, small=True, negative_zero=zero)
    small = form == "integer" and len(whole) <= _BIGINT_DIGITS and -(2**63) <= int(text) < 2**63
    exact = double_is_exact(text)
    return _plain_number(form, len(whole), len(fraction), exact=exact, small=small, negative_zero=zero)


@cache
def _plain_number(
    form: str, integer_digits: int, scale: int, *, exact: bool, small: bool, negative_zero: bool
) -> Value:
    kinds = {TypeKind.DOUBLE} if exact else set()
    if not negative_zero and integer_digits + scale <= WIDEST_DECIMAL:
        kinds.add(TypeKind.DECIMAL)
        if form == "integer" and small:
            kinds.add(TypeKind.BIGINT)
    return Value(frozenset(kinds), integer_digits, scale)


_BIGINT_DIGITS = 19
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _is_day(text: str) -> bool:
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if year == 0 or not 1 <= month <= len(_DAYS) or not 1 <= day <= _DAYS[month - 1]:
        return False
    return text[5:10] != "02-29" or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def _moment(text: str, fraction: str, offset: str | None) -> Value:
    if not _is_day(text):
        return _NOTHING
    if len(fraction) <= _MICROSECOND_DIGITS:
        if offset:
            # An offset may carry the instant out of the years 1 to 9999.
            return _ONE[TypeKind.TIMESTAMPTZ] if "0002" <= text[:4] <= "9998" else _NOTHING
        return _MOMENT if _in_nanoseconds(text) else _ONE[TypeKind.TIMESTAMP]
    return _ONE[TypeKind.TIMESTAMP_NS] if not offset and _in_nanoseconds(text) else _NOTHING


def _in_nanoseconds(text: str) -> bool:
    first, last = _NANOSECOND_YEARS
    return first <= text[:4] <= last


# Columns of keys, counts, prices, measurements, days and moments are told at once, by one match over all their texts.
_SHORT_NUMBERS = re.compile(
    rf"(?:(?:-?[1-9][0-9]{{0,{SURE_DOUBLE_DIGITS - 1}}}|-?[1-9][0-9]*\.[0-9]*|0(?:\.[0-9]*)?|-0\.0*[1-9][0-9]*)\n)+"
)
_SURE_DAY = r"(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31"
_SURE_DAYS = re.compile(rf"(?:(?:1[0-9]|2[0-9])[0-9]{{2}}-(?:{_SURE_DAY})\n)+")
_SURE_MOMENTS = re.compile(rf"(?:(?:1[7-9]|2[01])[0-9]{{2}}-(?:{_SURE_DAY})[ T]{CLOCK}\n)+")
_LONGEST_SURE = 19
_WHOLE_DIGITS = re.compile(r"^-?([0-9]+)", re.MULTILINE)


def classify_alike(texts: Collection[str]) -> Value | None:
    """Return what all of `texts` are if they are plainly days, moments or short numbers without a negative zero."""
    longest = max(map(len, texts))
    joined = "\n".join(texts) + "\n"
    if longest > _LONGEST_SURE or joined.count("\n") != len(texts):
        return None
    if _SURE_DAYS.fullmatch(joined):
        return _ONE[TypeKind.DATE]
    if _SURE_MOMENTS.fullmatch(joined):
        return _MOMENT
    if longest > SURE_DOUBLE_DIGITS + 1 or _SHORT_NUMBERS.fullmatch(joined) is None:
        return None
    integer_digits = max(map(len, _WHOLE_DIGITS.findall(joined)))
    if "." not in joined:
        return _plain_number("integer", integer_digits, 0, exact=True, small=True, negative_zero=False)
    scale = max(len(text.partition(".")[2]) for text in texts)
    return _plain_number("decimal", integer_digits, scale, exact=True, small=True, negative_zero=False)
