"""Types that hold the value of a JSON number."""

import math
from decimal import Decimal, InvalidOperation

from processor.confined.formats.json.parser import Number

# Every decimal of at most 15 significant digits survives text -> double -> shortest text (IEEE 754, DBL_DIG).
_SURE_DIGITS = 15
_SURE_EXPONENT = 280
_INT64 = range(-(1 << 63), 1 << 63)
# int() of more digits than this is refused by Python itself; no number column has them.
_MOST_DIGITS = 4000


def is_integer(number: Number) -> bool:
    """Tell whether the number is written as an integer; -0 is not one, since integers have no negative zero."""
    return number.lstrip("-").isdigit() and number != "-0"


def is_int64(number: Number) -> bool:
    """Tell whether the integer `number` fits 64 bits with a sign."""
    return len(number) <= _SURE_DIGITS or (len(number) <= 20 and int(number) in _INT64)  # noqa: PLR2004


def is_double(number: Number) -> bool:
    """Tell whether a double holds the value: its shortest text is the same decimal number."""
    if len(number) > _MOST_DIGITS:
        return False
    if len(number) <= _SURE_DIGITS and "e" not in number and "E" not in number:
        return True
    double = float(number)
    return math.isfinite(double) and Decimal(repr(double)) == _exact(number)


def decimal_digits(number: Number) -> tuple[int, int] | None:
    """Return how many digits the value has before and after the decimal point; None for absurdly many."""
    if len(number) > _MOST_DIGITS:
        return None
    value = _exact(number)
    if value is None:
        return None
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if abs(exponent) > _SURE_EXPONENT or (value.is_zero() and value.is_signed()):
        return None  # a DECIMAL has no negative zero
    return max(1, len(digits) + exponent), max(0, -exponent)


def _exact(number: Number) -> Decimal | None:
    """Return the value; None for an exponent beyond what `decimal` knows (about 10**18)."""
    try:
        return Decimal(number)
    except InvalidOperation:
        return None


def plain(number: Number) -> str:
    """Return the value without exponent, as DuckDB reads it into a DECIMAL."""
    return format(Decimal(number), "f")
