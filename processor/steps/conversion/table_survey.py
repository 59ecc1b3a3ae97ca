"""One pass over a whole table that finds out what each of its columns can be, for tables that surprised twice."""

from collections.abc import Sequence

import duckdb

from processor.steps.conversion.typing import ColumnType, Evidence, Kind
from processor.steps.conversion.typing_sql import cast, check, is_decimal, quoted, scale


def survey(
    relation: str, names: Sequence[str], evidence: Sequence[Evidence], connection: duckdb.DuckDBPyConnection
) -> None:
    """Narrow the evidence of every column that is not text yet to the kinds that hold all of its values."""
    questions = [(column, kind) for column, known in enumerate(evidence) if known.kinds for kind in sorted(known.kinds)]
    if not questions:
        return
    asked = [_ask(quoted(names[column]), kind) for column, kind in questions]
    query = f"SELECT {', '.join(asked)} FROM {relation}"  # noqa: S608 - names are quoted
    (answers,) = connection.execute(query).fetchall()
    for (column, kind), answer in zip(questions, answers, strict=True):
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
