"""SQL that casts text to types and checks every value.

A check asks whether the typed value, as text again, is the text it came from. That is cheap for texts in the form
DuckDB itself writes, so the cheap test is made for texts like the column's example; a text that differs from it in form
only (`1.50` for `1.5`) is then looked at closely. Both are sure; only what passes one of them is written.

The cast stands in an inner query: written once there, DuckDB evaluates it once (measured: 60 ns a BIGINT in all, 100
with the cast repeated in one expression).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from processor.confined.formats.sql import literal, quoted
from processor.confined.formats.types.infer import LONGEST_TYPED, SHORTEST, ColumnType, TypeKind

_WHOLE = "(0|[1-9][0-9]*)"
_PLAIN = f"-?({_WHOLE}([.][0-9]*)?|[.][0-9]+)"
_NUMBER = f"{_PLAIN}([eE][+-]?[0-9]{{1,4}})?"
_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_OFFSET = "(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"
_UTC = ("Z", "+00:00", "+0000", "+00")

_EXAMPLE = re.compile(r"[0-9-]{10}([ T])[0-9]{2}:[0-9]{2}(:[0-9]{2})?(?:\.([0-9]+))?(.*)")
_FRACTIONS = {3: ".%g", 6: ".%f", 7: ".%f0", 8: ".%f00", 9: ".%f000"}
# What pyarrow, Python and Spark can read, too.
_TIMES = "BETWEEN TIMESTAMP '0001-01-01 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
_INSTANTS = "BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """Two tests of a text, in SQL, and the value that each of them proves. A test that is NULL proves nothing.

    `close` is for texts whose form the quick test does not know.
    """

    c: str
    quick: str
    value: str
    close: str | None = None
    close_value: str = ""

    def expression(self, surprise: str, *, thorough: bool) -> str:
        """Return the checked value, NULL for NULL; a text that is not held evaluates `surprise`, which raises.

        Without `thorough` the close test is left out, and all that it would prove are surprises, too.
        """
        close = f" WHEN {self.close} THEN {self.close_value or self.value}" if self.close and thorough else ""
        return f"CASE WHEN {self.quick} THEN {self.value} WHEN {self.c} IS NULL THEN NULL{close} ELSE {surprise} END"

    def condition(self) -> str:
        """Return the condition that the text is held; true for NULL, never NULL."""
        close = f" WHEN {self.close} THEN true" if self.close else ""
        return f"CASE WHEN {self.quick} THEN true WHEN {self.c} IS NULL THEN true{close} ELSE false END"


def select(
    relation: str,
    columns: Sequence[tuple[str, str, ColumnType]],
    passthrough: Mapping[str, str],
    surprise: str,
    *,
    thorough: bool,
    first: int = 0,
) -> str:
    """Return the query for `columns` (name in `relation`, name to give, type) with every value checked.

    `passthrough` has the names of further columns and the expressions that they are.

    A text that its type does not hold raises an error whose message is `surprise`, the column's index, counted from
    `first`, and the text. So does, unless `thorough`, a text in a rare form; a small table is planned faster so.
    """
    inner, outer = [], []
    for index, (source, name, column_type) in enumerate(columns, first):
        c, x = f"c{index}", f"x{index}"
        inner.append(f"{quoted(source)} AS {c}")
        checked = c
        if column_type.kind is not TypeKind.VARCHAR:
            inner.append(f"{cast(column_type, quoted(source))} AS {x}")
            message = f"error({literal(f'{surprise} {index} ')} || left({c}, {LONGEST_TYPED + 1}))"
            checked = check(column_type, c, x).expression(message, thorough=thorough)
        outer.append(f"{checked} AS {quoted(name)}")
    inner += [f"{expression} AS p{index}" for index, expression in enumerate(passthrough.values())]
    outer += [f"p{index} AS {quoted(name)}" for index, name in enumerate(passthrough)]
    return f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM {relation})"  # noqa: S608 - names are quoted


def weight_kb(column_type: ColumnType, *, thorough: bool) -> int:
    """Return about how much memory DuckDB takes for a column in `select`, however few its rows are.

    Measured: vectors, the plan of a check and, most of all, the compiled patterns of a close test.
    """
    if column_type.kind is TypeKind.VARCHAR:
        return _WEIGHT_KB
    has_pattern = thorough and check(column_type, "c", "x").close is not None
    return _PATTERN_WEIGHT_KB if has_pattern else _CHECK_WEIGHT_KB


_WEIGHT_KB, _CHECK_WEIGHT_KB, _PATTERN_WEIGHT_KB = 100, 200, 600


def cast(column_type: ColumnType, c: str) -> str:
    """Return the cast of the text `c` that `check` is to be given as `x`."""
    match column_type.kind:
        case TypeKind.DOUBLE if column_type.precision:
            sql = f"DECIMAL({column_type.precision},{column_type.scale})"
        case TypeKind.TIMESTAMPTZ:
            sql = "TIMESTAMP"
        case _:
            sql = column_type.sql
    return f"TRY_CAST({c} AS {sql})"


def check(column_type: ColumnType, c: str, x: str) -> ValueCheck:
    """Return how the text `c` with its `cast` `x` is checked for becoming `column_type` (not VARCHAR)."""
    match column_type.kind:
        case TypeKind.BIGINT:
            return ValueCheck(c, f"{x}::VARCHAR = {c}", x)
        case TypeKind.DOUBLE:
            return _double(column_type, c, x)
        case TypeKind.DECIMAL:
            close = f"{is_decimal(c)} AND {scale(c)} <= {column_type.scale} AND {_keeps_zeros(column_type, c)}"
            return ValueCheck(c, _is_plain(column_type, c, x), x, f"{close} AND {x} IS NOT NULL")
        case TypeKind.DATE:
            return ValueCheck(c, f"{x}::VARCHAR = {c} AND strlen({c}) = 10", x)
        case TypeKind.TIMESTAMP:
            close = f"{_is_moment(c)} AND {x} {_TIMES}"
            return ValueCheck(c, f"{_as_written(column_type.example, c, x)} AND {x} {_TIMES}", x, close)
        case TypeKind.TIMESTAMPTZ:
            return _instant(column_type.example, c, x)
        case _:
            return ValueCheck(c, f"lower({c}) IN ('true', 'false')", x)


def is_decimal(c: str) -> str:
    """Return the condition that the text `c` is a number that some DECIMAL may hold."""
    return f"{_matches(c, _PLAIN)} AND NOT ({c}[1] = '-' AND {_digits(c)} = '')"


def scale(c: str) -> str:
    """Return the expression for the number of digits after the point of a text that `is_decimal`."""
    return f"greatest(strlen({c}) - strpos({c} || '.', '.'), 0)"


def is_double(c: str) -> str:
    """Return the condition that a double holds the text `c` by value, however it is written; true for NULL."""
    x = f"TRY_CAST({c} AS DOUBLE)"
    quick = f"({x}::VARCHAR = {c} OR {x}::VARCHAR = {c} || '.0') AND isfinite({x})"
    return ValueCheck(c, quick, x, _is_same_double(c, x)).condition()


def decimals(c: str) -> str:
    """Return the expression for the number of digits behind the point of a number, whose exponent does not count."""
    return scale(_mantissa(c))


def is_padded(c: str) -> str:
    """Return the condition that a number ends in a zero that its value does not need; `3.0` is its shortest form."""
    mantissa = _mantissa(c)
    return f"(ends_with({mantissa}, '0') AND contains({mantissa}, '.') AND NOT ends_with({mantissa}, '.0'))"


def _mantissa(c: str) -> str:
    return f"split_part(lower({c}), 'e', 1)"


def _keeps_zeros(column_type: ColumnType, c: str) -> str:
    """Return the condition that a number is written like the others of its column."""
    return f"NOT {is_padded(c)}" if column_type.decimals == SHORTEST else f"{decimals(c)} = {column_type.decimals}"


def _is_plain(column_type: ColumnType, c: str, x: str) -> str:
    """Return the quick test of the text `c` by the DECIMAL `x`: DuckDB writes all digits of its scale."""
    if column_type.decimals == SHORTEST:
        return (
            f"starts_with({x}::VARCHAR, {c})"
            f" AND (NOT ends_with({c}, '0') OR NOT contains({c}, '.') OR ends_with({c}, '.0'))"
        )
    return f"{x}::VARCHAR = {c}" if column_type.decimals == column_type.scale else "false"


def _double(column_type: ColumnType, c: str, x: str) -> ValueCheck:
    zeros = _keeps_zeros(column_type, c)
    if not column_type.precision:
        quick = f"({x}::VARCHAR = {c} OR {x}::VARCHAR = {c} || '.0') AND isfinite({x})"
        if column_type.decimals != SHORTEST:
            quick = f"{quick} AND {zeros}"
        return ValueCheck(c, quick, x, f"{_is_same_double(c, x)} AND {zeros}")
    # By way of a DECIMAL of at most 15 digits it is three times as fast, and exact: the quotient of an integer below
    # 2**53 and a power of ten up to 10**22 is rounded correctly.
    double = f"TRY_CAST({c} AS DOUBLE)"
    close = f"{_is_same_double(c, double)} AND {zeros}"
    return ValueCheck(c, _is_plain(column_type, c, x), f"{x}::DOUBLE", close, double)


def _is_same_double(c: str, x: str) -> str:
    # Equal significant digits prove equal values: the nearest double can not be wrong by a power of ten.
    return f"{_matches(c, _NUMBER)} AND isfinite({x}) AND {_digits(c)} = {_digits(f'{x}::VARCHAR')}"


def _instant(example: str, c: str, x: str) -> ValueCheck:
    """Check an instant. Casting to TIMESTAMP, DuckDB reads the wall clock and leaves the offset alone."""
    match = _EXAMPLE.fullmatch(example)
    suffix = match[4] if match and match[4] in _UTC else _UTC[0]
    quick = f"{_as_written(example, c, x, suffix)} AND {x} {_TIMES}"
    instant = f"TRY_CAST({c} AS TIMESTAMPTZ)"
    close = f"{_is_moment(c, _OFFSET)} AND {instant} {_INSTANTS}"
    # A cast from TIMESTAMP to TIMESTAMPTZ looks up the zone for each value, 110 ns; this does not.
    return ValueCheck(c, quick, f"make_timestamptz(epoch_us({x}))", close, instant)


def _as_written(example: str, c: str, x: str, suffix: str = "") -> str:
    """Return the test that the timestamp `x`, written in the form of `example` and with `suffix`, is the text `c`."""
    match = _EXAMPLE.fullmatch(example)
    separator, seconds, fraction = match.groups()[:3] if match else (" ", ":00", None)
    digits = len(fraction or "")
    if separator == " " and seconds and not suffix and digits not in _FRACTIONS:
        return f"{x}::VARCHAR = {c}"
    form = f"%Y-%m-%d{separator}{'%H:%M:%S' if seconds else '%H:%M'}{_FRACTIONS.get(digits, '')}{suffix}"
    return f"strftime({x}, {literal(form)}) = {c}"


def _is_moment(c: str, offset: str = "") -> str:
    pattern = f"{_DAY}[ T]{_MINUTE}(:[0-5][0-9]([.][0-9]{{1,6}}0{{0,3}})?)?{offset}"
    return _matches(c, pattern)


def _matches(c: str, pattern: str) -> str:
    return f"strlen({c}) <= {LONGEST_TYPED} AND regexp_full_match({c}, {literal(pattern)})"


def _digits(number: str) -> str:
    return f"trim(replace(replace(split_part(lower({number}), 'e', 1), '-', ''), '.', ''), '0')"
