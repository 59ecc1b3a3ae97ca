"""Types that one text could have.

A type is earned when every value of the column survives text -> type -> text by value. `classify` says which types
hold one text so; what a column's texts say together is in evidence. What no type holds stays text, unchanged.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from math import isfinite


class TypeKind(StrEnum):
    """The types a column of text can earn, in DuckDB's words.

    TIME and TIMESTAMP_NS are none of them: Spark opens no file that has such a column (TIME before 4.1). Times of day
    and moments with nanoseconds stay text.
    """

    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMPTZ = "TIMESTAMPTZ"
    VARCHAR = "VARCHAR"


SHORTEST = -1


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type proposed for a column.

    Precision and scale are those of a DECIMAL; a DOUBLE has them when its texts fit a DECIMAL that proves them exact.
    `decimals` tells how texts are written: all numbers with so many digits behind the point; `SHORTEST`: none ends in a
    zero that its value does not need. `example` is a text of the column, of the form that the check is to be quick for.
    """

    kind: TypeKind
    precision: int = 0
    scale: int = 0
    example: str = ""
    decimals: int = SHORTEST

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


@dataclass(frozen=True, slots=True)
class Value:
    """What one text could be: the kinds that hold it exactly, and the digits a DECIMAL needs for it.

    Of a number `decimals` are the digits behind the point as written; `padded`: it ends in a zero that its value does
    not need. `1.10` and `1.1` are two texts (versions, chapters) and one value.
    """

    kinds: frozenset[TypeKind]
    integer_digits: int = 0
    scale: int = 0
    has_exponent: bool = False
    decimals: int = 0
    padded: bool = False


_NOTHING = Value(frozenset())
_ONE = {kind: Value(frozenset((kind,))) for kind in TypeKind}


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
            return _ONE[TypeKind.DATE] if is_day(text) else _NOTHING
        case _:
            return _moment(text, match["fraction"] or "", match["offset"])


# Keys, counts, prices, measurements, days and moments are told at once, by one match over all texts of a column.
_PLAIN_NUMBERS = re.compile(
    r"(?:(?:[1-9][0-9]{0,14}|-[1-9][0-9]{0,14}|0|(?!-0\.0*\n)-?(?:0|[1-9][0-9]{0,7})\.[0-9]{1,7})\n)+"
)
_SURE_DAY = (
    r"[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_ALIKE = tuple(
    re.compile(rf"(?:{_SURE_DAY}{clock}\n)+") for clock in ("", rf"[ T]{CLOCK}(?:\.[0-9]{{1,6}})?", rf"[ T]{CLOCK}Z")
)


def telling(texts: Collection[str]) -> Collection[str]:
    """Return those of different texts that tell what all of them could be: of plain ones the first of each form."""
    joined = "\n".join(texts) + "\n"
    if not "-" <= joined[0] <= "9" or joined.count("\n") != len(texts):
        return texts
    if _PLAIN_NUMBERS.fullmatch(joined):
        forms: dict[tuple[int, int, bool, bool], str] = {}
        for text in texts:
            forms.setdefault((text.find("."), len(text), text[0] == "-", text[-1] == "0"), text)
        return forms.values()
    return [next(iter(texts))] if any(form.fullmatch(joined) for form in _ALIKE) else texts


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
    whole, _, fraction = text.lstrip("-").partition(".")
    if form == "exponent":
        fraction = fraction.lower().partition("e")[0]
        kinds = {TypeKind.DOUBLE} if double_is_exact(text) else ()
        return Value(
            frozenset(kinds),
            has_exponent=True,
            decimals=len(fraction),
            padded=len(fraction) > 1 and fraction[-1] == "0",
        )
    zero = text[0] == "-" and not digits(text)
    padded = len(fraction) > 1 and fraction[-1] == "0"
    if len(whole) + len(fraction) <= SURE_DOUBLE_DIGITS:
        exact = small = True
    else:
        small = form == "integer" and len(whole) <= _BIGINT_DIGITS and -(2**63) <= int(text) < 2**63
        exact = double_is_exact(text)
    return _plain_number(form, len(whole), len(fraction), exact=exact, small=small, negative_zero=zero, padded=padded)


@cache
def _plain_number(
    form: str, integer_digits: int, scale: int, *, exact: bool, small: bool, negative_zero: bool, padded: bool
) -> Value:
    kinds = {TypeKind.DOUBLE} if exact else set()
    if not negative_zero and integer_digits + scale <= WIDEST_DECIMAL:
        kinds.add(TypeKind.DECIMAL)
        if form == "integer" and small:
            kinds.add(TypeKind.BIGINT)
    return Value(frozenset(kinds), integer_digits, scale, decimals=scale, padded=padded)


_BIGINT_DIGITS = 19
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_day(text: str) -> bool:
    """Tell whether an ISO 8601 date, which the text begins with, is a day of the calendar, in the years 1 to 9999."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if year == 0 or not 1 <= month <= len(_DAYS) or not 1 <= day <= _DAYS[month - 1]:
        return False
    return text[5:10] != "02-29" or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


def _moment(text: str, fraction: str, offset: str | None) -> Value:
    if not is_day(text) or fraction[_MICROSECOND_DIGITS:].strip("0"):
        return _NOTHING
    if not offset:
        return _ONE[TypeKind.TIMESTAMP]
    is_far = text[:4] in _EDGES and not _is_instant(text)
    return _NOTHING if is_far else _ONE[TypeKind.TIMESTAMPTZ]


_EDGES = ("0001", "9999")


def _is_instant(text: str) -> bool:
    """Tell whether a moment lies, in UTC, in the years 1 to 9999, out of which its offset may carry it."""
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        return False
    return True
