"""Write a text table: propose types, check values, demote, repeat.

The optimistic way is one pass. A value that the proposed type of its column does not hold stops the COPY; the column
is given the best type that holds it too, and the table is read again. After two surprises one more pass finds out what
every column can be, so the number of readings is bounded (see `_MOST_SURPRISES`).

Of a table that is known whole beforehand nothing is left to be surprised by: every single text of it was classified. It
is written from memory, without checks, whose planning would take longer than all else.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import islice

import duckdb

from processor.confined.formats.duckdb_session import bounded, connection
from processor.confined.formats.parquet.column_batches import Pieces, Query
from processor.confined.formats.parquet.copy import Written, rows_a_group
from processor.confined.formats.parquet.declared import DeclaredRows, DeclaredTable, RawRows
from processor.confined.formats.parquet.full_scan import ScanSource, questions, survey
from processor.confined.formats.parquet.in_memory import typed_query
from processor.confined.formats.parquet.nested import NestedColumn, Structure, nested_columns
from processor.confined.formats.parquet.receipt import (
    Sample,
    TextColumn,
    TypedColumn,
    compare_rows,
    compare_whole,
    described,
    receipt,
)
from processor.confined.formats.parquet.wide import parts
from processor.confined.formats.sql import Steps, quoted
from processor.confined.formats.types.checks import select, weight_kb
from processor.confined.formats.types.evidence import Evidence
from processor.confined.formats.types.infer import TEXT, ColumnType
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt, Typing
from processor.domain.errors import transient
from processor.streams.output import Output

__all__ = ["Reading", "Sample", "TextColumn", "propose", "write_table"]

Reading = Callable[[], AbstractContextManager[str]]
"""Each entering prepares one reading of the source (feeds a pipe again where there is one) and yields a relation: SQL
that can stand after FROM, with a VARCHAR column for each `TextColumn`. It may be left before its end is read."""

_SAMPLE_CELLS = 20_000
_SAMPLE_ROWS = 2_000
_FETCHED_ROWS = 100
_WIDE_ROWS = 20
_MOST_SURPRISES = 2
_MOST_SURVEYS = 12
_QUESTION_KB = 500
_WHOLE_KB = 100
_FEW_ROWS = 500  # planning the close tests of so few takes longer than reading them again, should one be needed
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
    is_whole: bool = False,
    passthrough: Sequence[str] = (),
    nested: Mapping[str, Structure] | None = None,
    facts: Facts = (),
    rows_read: Callable[[], int | None] | None = None,
    raw_rows: RawRows | None = None,
    more_rejects: Callable[[], Iterator[bytes]] | None = None,
) -> Receipt:
    """Write the table as Parquet, each column as the best type that holds all of its values, and return the receipt.

    `sample` saves a reading; without it the first rows are read. When it `is_whole`, the whole table, nothing else is
    read. `passthrough` names columns of the relation that are written as they are, after the others; `nested` names
    those behind them that are structures and lists of texts, which earn types as well, by the first rows that are
    read. `facts` go into the Parquet beside `metadata` and into the receipt. `rows_read` returns the reading's own
    count of rows: after the writing of those read, before it of those to be read, or None or 0 where that is not
    known. Where a feed declares columns, the table has these instead; `raw_rows` yields the rows as they stand, for
    rejects and places, and `more_rejects` what else goes into the rejects. Raises DeliveryError, and duckdb.Error for
    what the relation raises.
    """
    if (declared := _declared(options, columns, nested or {}, passthrough)) is not None:
        rows = DeclaredRows(reading, rows_read, raw_rows, more_rejects)
        return declared.write(rows, output, metadata, tuple(facts))
    table = _Table(reading, columns, passthrough, options, nested or {})
    with bounded(options):
        table.learn(sample, is_whole=is_whole)
        if table.whole is not None and not passthrough and not nested:
            written = table.write_whole(table.whole, output, (*metadata, *facts))
        else:
            table.choose_tests(rows_read)
            written = table.write_checked(output, (*metadata, *facts))
    compare_rows(rows_read() if rows_read is not None else None, written)
    if table.whole is not None:
        compare_whole(columns, table.whole, written)
    found = receipt(table.typed(), passthrough, written, facts)
    more = (column.written(types, written) for column, types in table.typed_nested())
    return replace(found, columns=(*found.columns, *more))


def propose(
    reading: Reading,
    columns: Sequence[TextColumn],
    options: ConversionOptions,
    *,
    sample: Sample | None = None,
    nested: Mapping[str, Structure] | None = None,
) -> tuple[Column, ...]:
    """Return the columns as `write_table` would first try them, for a plan; NULLs are not counted."""
    if (declared := _declared(options, columns, nested or {}, ())) is not None:
        return declared.planned()
    table = _Table(reading, columns, (), options, nested or {})
    with bounded(options):
        table.learn(sample)
    return tuple(table.planned())


def _declared(
    options: ConversionOptions,
    columns: Sequence[TextColumn],
    nested: Mapping[str, Structure],
    passthrough: Sequence[str],
) -> DeclaredTable | None:
    declaration = options.declaration
    if declaration is None or declaration.columns is None:
        return None
    return DeclaredTable(declaration, columns, nested, options, passthrough)


class _Table:
    """What is known about the columns of one table while it is being written."""

    def __init__(
        self,
        reading: Reading,
        columns: Sequence[TextColumn],
        passthrough: Sequence[str],
        options: ConversionOptions,
        nested: Mapping[str, Structure],
    ) -> None:
        self.reading = reading
        self.columns = columns
        self.passthrough = passthrough
        self.options = options
        self.nested = nested_columns(nested)
        leaves = [leaf for column in self.nested for leaf in column.leaves]
        self.evidence = [*(Evidence() for _ in columns), *leaves]
        self.whole: Sample | None = None  # all rows, when they are known
        self.thorough = True
        self.row_bytes = 0  # of a given sample, on the average
        self.pieces = Pieces(options)

    def learn(self, sample: Sample | None, *, is_whole: bool = False) -> None:
        """Gather evidence from `sample`, or from the table's first rows."""
        if is_whole:
            self.whole = sample
        if sample:
            self.row_bytes = sum(len(text) for row in sample for text in row if text) // len(sample)
        if self.options.typing is Typing.TEXT:
            for evidence in self.evidence:
                evidence.refuse("as configured")
            return
        rows = self._first_rows() if sample is None else sample
        for evidence, texts in zip(self.evidence, zip(*rows, strict=True), strict=False):
            evidence.add(text for text in texts if text is not None)

    def _first_rows(self) -> Sample:
        """Return the first rows of the columns of text; the nested columns learn from theirs."""
        count = max(_WIDE_ROWS, min(_SAMPLE_ROWS, _SAMPLE_CELLS // max(1, len(self.columns))))
        read = [self._first_rows_of(part, count) for part in self._parts([TEXT] * len(self.columns))]
        rows = [[text for part in row for text in part] for row in zip(*(rows for rows, _ in read), strict=False)]
        if len(rows) < count and all(is_end for _, is_end in read):
            self.whole = rows
        return rows

    def _first_rows_of(self, part: slice, count: int) -> tuple[list[Sequence[str | None]], bool]:
        """Return some first rows, and whether they are all that there are up to `count`; many nested texts suffice."""
        columns = self.columns[part]
        nested = self.nested if part.stop >= len(self.columns) else []
        names = ", ".join(map(quoted, (*(column.source for column in columns), *(column.name for column in nested))))
        with self.reading() as relation:
            found = connection(self.options).execute(f"SELECT {names} FROM {relation} LIMIT {count}")  # noqa: S608
            return _split(found, columns, nested) if nested else ([*found.fetchall()], True)

    def choose_tests(self, rows_read: Callable[[], int | None] | None) -> None:
        """Leave out the close tests of a table that has few rows, or too many columns for them to be planned at once.

        Should one of them be needed, there is another reading, with all of them.
        """
        rows = len(self.whole) if self.whole is not None else (rows_read() if rows_read is not None else None)
        is_small = rows is not None and 0 < rows <= _FEW_ROWS
        self.thorough = not is_small and len(self._parts(self.types())) == 1

    def survey(self) -> None:
        """Read the whole table to learn what every column can be; where that takes too many readings it is text."""
        self.thorough = True
        asked = questions(self.evidence)
        readings = parts([_QUESTION_KB for _ in asked], self.pieces.room_kb) if asked else []
        if len(readings) > _MOST_SURVEYS:
            for evidence in self.evidence:
                evidence.refuse("too many columns to survey after two surprises")
            return
        sources = [ScanSource(quoted(column.source)) for column in self.columns]
        sources += [
            ScanSource(column.texts(leaf), is_list=True) for column in self.nested for leaf in column.each_leaf()
        ]
        for part in readings:
            with self.reading() as relation:
                survey(relation, sources, asked[part], self.evidence, connection(self.options))

    def types(self) -> tuple[ColumnType, ...]:
        """Return the best type of each column by what is known."""
        return tuple(evidence.proposal() for evidence in self.evidence)

    def typed(self) -> list[TypedColumn]:
        """Return the columns with their best types."""
        return [TypedColumn(*each) for each in zip(self.columns, self.types(), self.evidence, strict=False)]

    def typed_nested(self) -> list[tuple[NestedColumn, tuple[ColumnType, ...]]]:
        """Return the nested columns with the best types of their leaves."""
        return [(column, column.types()) for column in self.nested]

    def planned(self) -> list[Column]:
        """Return the columns as they would be written."""
        nested = [column.planned(types) for column, types in self.typed_nested()]
        return [*(typed.planned() for typed in self.typed()), *nested]

    def write_whole(self, rows: Sample, output: Output, metadata: Facts) -> Written:
        """Write `rows`, which are the table, as the types that all of their texts have been found to have."""
        names, types = [column.name for column in self.columns], self.types()
        weights = [_WHOLE_KB for _ in types]
        return self._write(output, metadata, weights, lambda piece: typed_query(rows, names, types, piece))

    def write_checked(self, output: Output, metadata: Facts) -> Written:
        """Write the table, read anew, every value checked; again and again while there are surprises."""
        for surprises in range(_MOST_SURPRISES + 1):
            if surprises == _MOST_SURPRISES:
                self.survey()
            types = self.types()
            try:
                return self._write_once(output, metadata, types)
            except duckdb.InvalidInputException as error:
                if not self.demoted_by(error, types):
                    raise
        raise transient("table.changed", "the file changed while it was read", "it is tried again")

    def _write_once(self, output: Output, metadata: Facts, types: Sequence[ColumnType]) -> Written:
        return self._write(output, metadata, self._weights(types), lambda piece: self._checked_query(types, piece))

    def _write(self, output: Output, metadata: Facts, weights: Sequence[int], query: Query) -> Written:
        key_values = (*metadata, *described(tuple(self.planned())))
        return self.pieces.write(output, key_values, weights, query, self.rows_a_group())

    def rows_a_group(self) -> int:
        """Return how many rows a row group has."""
        return rows_a_group(self.options, len(self.evidence) + len(self.passthrough), self.row_bytes)

    def _weights(self, types: Sequence[ColumnType]) -> list[int]:
        """Return the weight of each column, nested ones included."""
        weights = [weight_kb(found, thorough=self.thorough) for found in types]
        leaves = iter(weights[len(self.columns) :])
        return [*weights[: len(self.columns)], *(sum(islice(leaves, len(column.leaves))) for column in self.nested)]

    def _parts(self, types: Sequence[ColumnType]) -> list[slice]:
        """Return the parts of the columns that there is room for at a time."""
        return parts(self._weights(types), self.pieces.room_kb)

    @contextmanager
    def _checked_query(self, types: Sequence[ColumnType], piece: slice) -> Iterator[str]:
        """Yield the query that reads the table and checks every value; `passthrough` goes with the last columns."""
        texts = slice(piece.start, min(piece.stop, len(self.columns)))
        columns = [
            (column.source, column.name, found) for column, found in zip(self.columns[texts], types[texts], strict=True)
        ]
        passthrough = self.passthrough if piece.stop >= len(self.columns) else ()
        steps = Steps()
        more = {name: quoted(name) for name in passthrough} | self._nested_sql(types, piece, steps)
        with self.reading() as relation:
            yield select(steps.of(relation), columns, more, _SURPRISE, thorough=self.thorough, first=piece.start)

    def _nested_sql(self, types: Sequence[ColumnType], piece: slice, steps: Steps) -> dict[str, str]:
        """Return the names and expressions, after `steps`, of the nested columns in this piece of the table."""
        found, first = {}, len(self.columns)
        for place, column in enumerate(self.nested, len(self.columns)):
            own = types[first : first + len(column.leaves)]
            if piece.start <= place < piece.stop:
                found[column.name] = column.checked(own, first, _SURPRISE, steps, thorough=self.thorough)
            first += len(column.leaves)
        return found

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


def _split(
    found: duckdb.DuckDBPyConnection, columns: Sequence[TextColumn], nested: Sequence[NestedColumn]
) -> tuple[list[Sequence[str | None]], bool]:
    """Return the rows of the text columns, and whether they are all; let the nested ones learn from theirs."""
    rows: list[Sequence[str | None]] = []
    texts = 0
    while fetched := found.fetchmany(_FETCHED_ROWS):
        for row in fetched:
            rows.append(row[: len(columns)])
            texts += sum(column.learn(value) for column, value in zip(nested, row[len(columns) :], strict=True))
        if texts >= _SAMPLE_CELLS:
            # Another statement ends this one: as long as it has a pipe open, the pipe's writer waits.
            found.execute("SELECT NULL")
            return rows, False
    return rows, True
