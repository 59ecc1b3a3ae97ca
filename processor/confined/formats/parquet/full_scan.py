"""Find every column's type in one pass over the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from processor.confined.formats.types.checks import cast, check, decimals, is_decimal, is_double, is_padded
from processor.confined.formats.types.evidence import Evidence
from processor.confined.formats.types.infer import ColumnType, TypeKind

Question = tuple[int, TypeKind]
"""Does this kind hold all values of the column with this index?"""


@dataclass(frozen=True, slots=True)
class ScanSource:
    """The SQL of the texts that are asked about: one text a row, or a list of them."""

    sql: str
    is_list: bool = False

    def all(self, condition: Callable[[str], str]) -> str:
        """Return the aggregate that tells whether the condition is true for all texts."""
        return f"coalesce(bool_and({self._each(condition, 'list_bool_and')}), true)"

    def most(self, number: Callable[[str], str]) -> str:
        """Return the aggregate that gives the largest number of a text."""
        return f"coalesce(max({self._each(number, 'list_max')}), 0)"

    def _each(self, of: Callable[[str], str], over: str) -> str:
        return f"{over}(list_transform({self.sql}, lambda t: {of('t')}))" if self.is_list else of(self.sql)


def questions(evidence: Sequence[Evidence]) -> list[Question]:
    """Return what is to be asked about the columns that are not text yet."""
    return [(column, kind) for column, known in enumerate(evidence) if known.kinds for kind in sorted(known.kinds)]


def survey(
    relation: str,
    sources: Sequence[ScanSource],
    asked: Sequence[Question],
    evidence: Sequence[Evidence],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Narrow the evidence of the columns that are `asked` about to the kinds that hold all of their values."""
    answers = ", ".join(_ask(sources[column], kind) for column, kind in asked)
    query = f"SELECT {answers} FROM {relation}"  # noqa: S608 - names are quoted
    (found,) = connection.execute(query).fetchall()
    for (column, kind), answer in zip(asked, found, strict=True):
        known = evidence[column]
        if kind not in _NUMBERS:
            known.narrow(kind, held=answer)
            continue
        if kind is TypeKind.DECIMAL:
            known.narrow_decimal(held=answer["held"], integer_digits=answer["whole"], scale=answer["most"])
        else:
            known.narrow(kind, held=answer["held"])
        known.narrow_zeros(padded=answer["padded"], fewest=answer["fewest"], most=answer["most"])


def _ask(source: ScanSource, kind: TypeKind) -> str:
    if kind not in _NUMBERS:
        return source.all(lambda c: _holds(ColumnType(kind), c))
    numbers = {
        "held": source.all(is_decimal if kind is TypeKind.DECIMAL else is_double),
        "whole": source.most(lambda c: f"strpos({c} || '.', '.') - 1"),  # a sign counts as a digit: one to spare
        "most": source.most(decimals),
        "fewest": f"-{source.most(lambda c: f'-{decimals(c)}')}",
        "padded": f"NOT {source.all(lambda c: f'NOT {is_padded(c)}')}",
    }
    return f"{{{', '.join(f'{name}: {sql}' for name, sql in numbers.items())}}}"


def _holds(column_type: ColumnType, c: str) -> str:
    return check(column_type, c, cast(column_type, c)).condition()


_NUMBERS = (TypeKind.DOUBLE, TypeKind.DECIMAL)
