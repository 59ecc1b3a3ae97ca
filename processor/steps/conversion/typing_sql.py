"""The SQL that turns a column's text into its type and checks every single value on the way."""

from processor.steps.conversion.typing import LONGEST_TYPED, ColumnType, Kind

_INTEGER = "-?(0|[1-9][0-9]*)"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_NUMBER = f"({_INTEGER}([.][0-9]+)?([eE][+-]?[0-9]{{1,4}})?|-?[.][0-9]+)"
_TIME_OF_DAY = f"({_CLOCK}([.][0-9]{{1,6}})?|([01][0-9]|2[0-3]):[0-5][0-9])"
_OFFSET = "(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def checked(column: str, column_type: ColumnType, surprise: str) -> str:
    """Return the expression for the SQL expression `column` (VARCHAR) as `column_type`.

    NULL stays NULL. A text that the type does not hold by value makes the expression evaluate the SQL expression
    `surprise`, which raises.
    """
    if column_type.kind is Kind.VARCHAR:
        return column
    typed = _typed(column, column_type)
    return f"CASE WHEN {column} IS NULL THEN NULL WHEN {holds(column, column_type)} THEN {typed} ELSE {surprise} END"


def holds(column: str, column_type: ColumnType) -> str:
    """Return the condition that `column_type` holds the SQL expression `column` (VARCHAR, not NULL) by value."""
    return " OR ".join(f"({test})" for test in _tests(column, _typed(column, column_type), column_type))


def is_decimal(column: str) -> str:
    """Return the condition that the SQL expression `column` (VARCHAR) is a number that some DECIMAL may hold."""
    form = _matches(column, f"({_INTEGER}([.][0-9]+)?|-?[.][0-9]+)")
    return f"{form} AND NOT ({column}[1] = '-' AND {_digits(column)} = '')"


def scale(column: str) -> str:
    """Return the expression for the number of digits after the point of a text that `is_decimal`."""
    return f"greatest(strlen({column}) - strpos({column} || '.', '.'), 0)"


def _typed(column: str, column_type: ColumnType) -> str:
    return f"TRY_CAST({column} AS {column_type.sql})"


def _tests(  # noqa: C901, PLR0911 - one case a type
    column: str, typed: str, column_type: ColumnType
) -> tuple[str, ...]:
    back = f"{typed}::VARCHAR"
    match column_type.kind:
        case Kind.BIGINT:
            return (f"{back} = {column}",)
        case Kind.DOUBLE:
            finite = f"isfinite({typed})"
            return (
                f"{finite} AND {back} = {column}",
                f"{finite} AND {_matches(column, _NUMBER)} AND {_digits(column)} = {_digits(back)}",
            )
        case Kind.DECIMAL:
            return (
                f"{back} = {column}",
                f"{typed} IS NOT NULL AND {is_decimal(column)} AND {scale(column)} <= {column_type.scale}",
            )
        case Kind.BOOLEAN:
            return (f"lower({column}) IN ('true', 'false')",)
        case Kind.DATE:
            return (f"strlen({column}) = 10 AND {back} = {column}",)
        case Kind.TIME:
            return (f"{typed} IS NOT NULL AND {_matches(column, _CLOCK + '([.][0-9]{1,6})?')}",)
        case Kind.TIMESTAMP:
            return (_moment(column, typed, _TIME_OF_DAY, "0001", "9999"),)
        case Kind.TIMESTAMP_NS:
            return (_moment(column, typed, _TIME_OF_DAY.replace("1,6", "1,9"), "1678", "2261"),)
        case Kind.TIMESTAMPTZ:
            return (_moment(column, typed, _TIME_OF_DAY + _OFFSET, "0002", "9998"),)
        case Kind.VARCHAR:
            return ("true",)


def _matches(column: str, pattern: str) -> str:
    return f"strlen({column}) <= {LONGEST_TYPED} AND regexp_full_match({column}, {literal(pattern)})"


def _digits(text: str) -> str:
    return f"trim(replace(replace(split_part(lower({text}), 'e', 1), '-', ''), '.', ''), '0')"


def _moment(column: str, typed: str, clock: str, first_year: str, last_year: str) -> str:
    return (
        f"{typed} IS NOT NULL AND {_matches(column, f'{_DAY}[ T]{clock}')}"
        f" AND {column}[1:4] BETWEEN '{first_year}' AND '{last_year}'"
    )
