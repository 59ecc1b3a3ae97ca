"""One pass over a whole table that finds out what each of its columns can be, for tables that surprised twice."""

from collections.abc import Sequence

import duckdb

from processor.steps.conversion.typing import ColumnType, Evidence, Kind
from processor.steps.conversion.typing_sql import cast, check, is_decimal, quoted, scale

Question = tuple[int, Kind]
"""Does this kind hold all values of the column with this index?"""


def questions(evidence: Sequence[Evidence]) -> list[Question]:
    """Return what is to be asked about the columns that are not text yet."""
    return [(column, kind) for column, known in enumerate(evidence) if known.kinds for kind in sorted(known.kinds)]


def survey(
    relation: str,
    names: Sequence[str],
    asked: Sequence[Question],
    evidence: Sequence[Evidence],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Narrow the evidence of the columns that are `asked` about to the kinds that hold all of their values."""
    answers = ", ".join(_ask(quoted(names[column]), kind) for column, kind in asked)
    query = f"SELECT {answers} FROM {relation}"  # noqa: S608 - names are quoted
    (found,) = connection.execute(query).fetchall()
    for (column, kind), answer in zip(asked, found, strict=True):
        known = evidence[column]
        if kind is Kind.DECIMAL:
            known.narrow_decimal(held=answer["fits"], integer_digits=answer["whole"], scale=answer["scale"])
        else:
            known.narrow(kind, held=answer)


def _ask(column: str, kind: Kind) -> str:
    if kind is not Kind.DECIMAL:
        column_type = ColumnType(kind)
        condition = check(column_type, column, cast(column_type, column)).condition()
        return f"coalesce(bool_and({condition}), true)"
    whole = f"strpos({column} || '.', '.') - 1"  # a sign counts as a digit: one to spare
    return (
        f"{{fits: coalesce(bool_and({is_decimal(column)}), true),"
        f" whole: coalesce(max({whole}), 0), scale: coalesce(max({scale(column)}), 0)}}"
    )
