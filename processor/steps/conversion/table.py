"""The write loop of a table of text: propose types, COPY with every value checked, demote on a surprise, do it again.

The optimistic way is one pass. A value that the proposed type of its column does not hold stops the COPY; the column
is given the best type that holds it too, and the table is read again. After two surprises one more pass finds out what
every column can be, so the number of readings is bounded (see `_MOST_SURPRISES`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import duckdb
import orjson

from processor.domain.conversion import Column, ConversionOptions, Receipt, Typing
from processor.domain.errors import refused, transient
from processor.steps.conversion.duck import connection
from processor.steps.conversion.table_parquet import Written, copy_to_parquet
from processor.steps.conversion.table_stripes import STRIPE_COLUMNS, Stripes
from processor.steps.conversion.table_survey import survey
from processor.steps.conversion.typing import ColumnType, Evidence, Kind
from processor.steps.conversion.typing_sql import quoted, select
from processor.streams.output import Output

Reading = Callable[[], AbstractContextManager[str]]
"""Each entering prepares one reading of the source (feeds a pipe again where there is one) and yields a relation: SQL
that can stand after FROM, with a VARCHAR column for each `TextColumn`. It may be left before its end is read."""

Sample = Sequence[Sequence[str | None]]
"""Rows of the table, from anywhere in it: a text or None (NULL) for each `TextColumn`, in their order."""

Facts = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of text: its name in the relation and in the Parquet, and as it stood in the source if that differs.

    NULL and '' are different values: a reading gives NULL for what is missing and '' for an empty text, and a
    column that has an empty text is text.
    """

    source: str
    name: str
    original_name: str | None = None


_SAMPLE_CELLS = 20_000
_SAMPLE_ROWS = 2_000
_WIDE_ROWS = 20
_MOST_SURPRISES = 2
_FEW_ROWS = 500  # planning the close tests of so few takes longer than reading them again, should one be needed
_LONGEST_METADATA = 64 << 10
_SURPRISE = "processor.surprise"
_SURPRISED = re.compile(rf"{re.escape(_SURPRISE)} (\d+) (.*)", re.DOTALL)


def write_table(
    reading: Reading,
    columns: Sequence[TextColumn],
    options: ConversionOptions,
    output: Output,
    metadata: Facts,
    *,
    sample: Sample | None = None,
    passthrough: Sequence[str] = (),
    facts: Facts = (),
    rows_read: Callable[[], int | None] | None = None,
) -> Receipt:
    """Write the table as Parquet, each column as the best type that holds all of its values, and return the receipt.

    `sample` saves a reading; without it the first rows are read. `passthrough` names columns of the relation that
    are written as they are, after the others. `facts` go into the Parquet beside `metadata` and into the receipt.
    `rows_read` returns the reading's own count of rows: after the writing of those read, before it of those to be
    read, or None or 0 where that is not known. Raises DeliveryError, and duckdb.Error for what the relation raises.
    """
    facts = tuple(facts)
    table = _Table(reading, columns, passthrough, options)
    table.learn(sample)
    table.thorough = not table.is_small(rows_read)
    for surprises in range(_MOST_SURPRISES + 1):
        if surprises == _MOST_SURPRISES:
            table.survey()
        types = table.types()
        key_values = (*metadata, *facts, ("column-types", _reasons(table, types)))
        try:
            written = table.write(types, output, key_values)
        except duckdb.InvalidInputException as error:
            if not table.demoted_by(error, types):
                raise
        else:
            return _receipt(table, types, written, facts, rows_read)
    raise transient("table.changed", "the file changed while it was read", "it is tried again")


def propose(
    reading: Reading, columns: Sequence[TextColumn], options: ConversionOptions, *, sample: Sample | None = None
) -> tuple[Column, ...]:
    """Return the columns as `write_table` would first try them, for a plan; NULLs are not counted."""
    table = _Table(reading, columns, (), options)
    table.learn(sample)
    return tuple(
        Column(column.name, found.sql, 0, _reason(evidence, found, None), column.original_name)
        for column, evidence, found in zip(columns, table.evidence, table.types(), strict=True)
    )


class _Table:
    """What is known about the columns of one table while it is being written."""

    def __init__(
        self, reading: Reading, columns: Sequence[TextColumn], passthrough: Sequence[str], options: ConversionOptions
    ) -> None:
        self.reading = reading
        self.columns = columns
        self.passthrough = passthrough
        self.options = options
        self.evidence = [Evidence() for _ in columns]
        self.whole: Sample | None = None  # all rows, when the sample is known to have them all
        self.thorough = True

    def learn(self, sample: Sample | None) -> None:
        """Gather evidence from `sample`, or from the table's first rows."""
        if self.options.typing is Typing.TEXT:
            for evidence in self.evidence:
                evidence.refuse("as configured")
            return
        rows = self._first_rows() if sample is None else sample
        for evidence, texts in zip(self.evidence, zip(*rows, strict=True), strict=False):
            evidence.add(text for text in texts if text is not None)

    def is_small(self, rows_read: Callable[[], int | None] | None) -> bool:
        """Tell whether the table is known to have few rows."""
        rows = len(self.whole) if self.whole is not None else (rows_read() if rows_read is not None else None)
        return rows is not None and 0 < rows <= _FEW_ROWS

    def _first_rows(self) -> Sample:
        count = max(_WIDE_ROWS, min(_SAMPLE_ROWS, _SAMPLE_CELLS // max(1, len(self.columns))))
        parts = [self._first_rows_of(part, count) for part in self.stripes()]
        rows = [[text for part in row for text in part] for row in zip(*parts, strict=True)]
        if len(rows) < count:
            self.whole = rows
        return rows

    def _first_rows_of(self, part: slice, count: int) -> Sample:
        names = ", ".join(quoted(column.source) for column in self.columns[part])
        with self.reading() as relation:
            query = f"SELECT {names} FROM {relation} LIMIT {count}"  # noqa: S608 - names are quoted
            rows: Sample = connection(self.options).execute(query).fetchall()
        return rows

    def survey(self) -> None:
        """Read the whole table once to learn what every column can be; a very wide one becomes text."""
        self.thorough = True
        if len(self.columns) > STRIPE_COLUMNS:
            for evidence in self.evidence:
                evidence.refuse("too many columns to survey after two surprises")
            return
        names = [column.source for column in self.columns]
        with self.reading() as relation:
            survey(relation, names, self.evidence, connection(self.options))

    def types(self) -> tuple[ColumnType, ...]:
        """Return the best type of each column by what is known."""
        return tuple(evidence.proposal() for evidence in self.evidence)

    def write(self, types: Sequence[ColumnType], output: Output, key_values: Facts) -> Written:
        """Write the table once, every value checked; in stripes of columns when it is very wide."""
        if len(self.columns) <= STRIPE_COLUMNS:
            with self.reading() as relation, output.parquet() as fd:
                return copy_to_parquet(self.select(relation, types), fd, self.options, key_values)
        with output.parquet() as fd:
            stripes = Stripes(fd)
            nulls: dict[str, int] = {}
            for part in self.stripes():
                with self.reading() as relation, stripes.stripe() as stripe_fd:
                    selected = self.select(relation, types, part)
                    written = copy_to_parquet(selected, stripe_fd, self.options, () if nulls else key_values)
                nulls |= written.null_counts
            stripes.finish()
        return Written(written.rows, nulls)

    def stripes(self) -> list[slice]:
        """Return the parts of the columns that are read and written at a time."""
        return [slice(at, at + STRIPE_COLUMNS) for at in range(0, len(self.columns), STRIPE_COLUMNS)]

    def select(self, relation: str, types: Sequence[ColumnType], part: slice | None = None) -> str:
        """Return the query that reads `relation` and checks every value; `passthrough` goes with the last columns."""
        first, end, _ = (part or slice(None)).indices(len(self.columns))
        columns = [
            (column.source, column.name, found)
            for column, found in zip(self.columns[first:end], types[first:end], strict=True)
        ]
        passthrough = self.passthrough if end == len(self.columns) else ()
        return select(relation, columns, passthrough, _SURPRISE, thorough=self.thorough, first=first)

    def demoted_by(self, error: duckdb.Error, types: Sequence[ColumnType]) -> bool:
        """Take the value that a check refused into account; return False if `error` is another one."""
        match = _SURPRISED.search(str(error))
        if match is None:
            return False
        index, text = int(match[1]), match[2]
        evidence = self.evidence[index]
        evidence.add((text,))
        if evidence.proposal() == types[index]:
            if not self.thorough:
                self.thorough = True
                return True
            evidence.refuse(f"{text[:40]!r} is not held by {types[index].sql}")
        return True


def _receipt(
    table: _Table,
    types: Sequence[ColumnType],
    written: Written,
    facts: tuple[tuple[str, str], ...],
    rows_read: Callable[[], int | None] | None,
) -> Receipt:
    read = rows_read() if rows_read is not None else None
    _compare("rows", read, written.rows)
    if table.whole is not None:
        _compare("rows", len(table.whole), written.rows)
        for column, texts in zip(table.columns, zip(*table.whole, strict=True), strict=False):
            _compare(f"NULLs of {column.name!r}", texts.count(None), written.nulls(column.name))
    columns = [
        _column(column, found, evidence, written)
        for column, evidence, found in zip(table.columns, table.evidence, types, strict=True)
    ]
    columns += [Column(name, "VARCHAR[]", written.nulls(name), "as it was read") for name in table.passthrough]
    return Receipt(written.rows, tuple(columns), facts=facts)


def _column(column: TextColumn, found: ColumnType, evidence: Evidence, written: Written) -> Column:
    nulls = written.nulls(column.name)
    reason = _reason(evidence, found, written.rows - nulls)
    return Column(column.name, found.sql, nulls, reason, column.original_name)


def _compare(what: str, read: int | None, written: int) -> None:
    if read is not None and read != written:
        raise refused("table.receipt", f"{written} {what} were written, {read} were read", "report this as a bug")


def _reasons(table: _Table, types: Sequence[ColumnType]) -> str:
    reasons = {
        column.name: _reason(evidence, found, None)
        for column, evidence, found in zip(table.columns, table.evidence, types, strict=True)
    }
    text = orjson.dumps(reasons).decode()
    return text if len(text) <= _LONGEST_METADATA else "too many columns to list"


_WHY = {
    Kind.BIGINT: "whole numbers in their shortest form",
    Kind.DOUBLE: "decimal numbers that a double holds exactly",
    Kind.DECIMAL: "decimal numbers with more digits than a double holds",
    Kind.BOOLEAN: "true or false",
    Kind.DATE: "ISO 8601 dates",
    Kind.TIME: "ISO 8601 times of day",
    Kind.TIMESTAMP: "ISO 8601 moments without an offset",
    Kind.TIMESTAMP_NS: "ISO 8601 moments without an offset, some with nanoseconds",
    Kind.TIMESTAMPTZ: "ISO 8601 instants with an offset, kept as UTC",
}


def _reason(evidence: Evidence, found: ColumnType, values: int | None) -> str:
    if found.kind is Kind.VARCHAR:
        return f"VARCHAR: {evidence.against or 'no value to judge by'}"
    return f"{found.sql}: all {'' if values is None else f'{values:,} '}values are {_WHY[found.kind]}"
