"""Write a text table with exactly the declared columns.

One pass: each text is cast and checked within the COPY. The first one that its type does not hold refuses the file,
with its line, or, where the feed says so, rejects its row.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import duckdb
import orjson

from processor.confined.formats.duckdb_session import bounded, connection
from processor.confined.formats.parquet.column_batches import Pieces
from processor.confined.formats.parquet.copy import Written, rows_a_group
from processor.confined.formats.parquet.receipt import TextColumn, compare_rows, described
from processor.confined.formats.sql import Steps, literal, quoted
from processor.confined.formats.types.declared import (
    Marks,
    StructureDiffersError,
    declared_check,
    declared_value,
    holds_declared,
    restructured,
    structure_of,
)
from processor.domain.column_types import is_nested
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt
from processor.domain.declarations import (
    ColumnDeclaration,
    ColumnsDeclaration,
    Declaration,
    Drift,
    OnExtra,
    OnMissing,
    OnSurprise,
    drift_fact,
)
from processor.domain.errors import DeliveryError, refused
from processor.streams.output import Output

_SURPRISE = "processor.undeclared"
_SURPRISED = re.compile(rf"{re.escape(_SURPRISE)} (\d+) (.*)", re.DOTALL)
_LONGEST_SHOWN = 60
_CHECK_KB = 300
_FETCHED_ROWS = 1000

Reading = Callable[[], AbstractContextManager[str]]
RawRows = Callable[[], Iterator[tuple[int, bytes]]]
"""The rows in their order: the line (from 1) where each begins, and its text as it stands in the file."""


@dataclass(frozen=True, slots=True)
class DeclaredRows:
    """The rows of a table: a reading of their texts, how many were read, their text as it stands, and other rejects."""

    reading: Reading
    read: Callable[[], int | None] | None = None
    raw: RawRows | None = None
    more_rejects: Callable[[], Iterator[bytes]] | None = None
    differing: Callable[[], Mapping[int, tuple[int, str]]] | None = None
    """Rows, by their number in `raw`, that the reading leaves out: a value's column, and its text."""


@dataclass(frozen=True, slots=True)
class _DeclaredColumn:
    """One column of the result: its declaration, and its column of texts in the relation; None where it is missing."""

    declaration: ColumnDeclaration
    source: str | None
    structure: object = "VARCHAR"  # of the column in the relation: structures and lists of texts


class DeclaredTable:
    """One table, its relation's columns matched with the declared ones.

    `texts` are the relation's columns of text; `nested` names those that are structures and lists of texts;
    `passthrough` those that are written as they are, behind all others.
    Raises DeliveryError `feed.missing-column`, `feed.extra-column`.
    """

    def __init__(
        self,
        declaration: Declaration,
        texts: Sequence[TextColumn],
        nested: Mapping[str, object],
        options: ConversionOptions,
        passthrough: Sequence[str] = (),
        *,
        json_texts: bool = False,
    ) -> None:
        """Where they are `json_texts`, texts of nested columns are JSON in the declared structure."""
        assert declaration.columns is not None, "columns are declared"
        self._feed = declaration.feed
        self._columns_said: ColumnsDeclaration = declaration.columns
        self._marks = Marks(declaration.csv.decimal, declaration.csv.thousands)
        self._options = options
        self._passthrough = tuple(passthrough)
        self._json_texts = json_texts
        self._columns, self._extra = self._matched(texts, nested)

    def write(self, rows: DeclaredRows, output: Output, metadata: Facts, facts: Facts) -> Receipt:
        """Write the table as Parquet, and the rejected rows, and return the receipt.

        Raises DeliveryError `feed.surprise` for a value that its declared type does not hold.
        """
        pieces = Pieces(self._options)
        rejects_rows = self._columns_said.on_surprise is OnSurprise.REJECT_ROW
        facts = (*facts, *self._drift())
        key_values = (*metadata, *facts, *described(self._described(None)))

        @contextmanager
        def query(piece: slice) -> Iterator[str]:
            with rows.reading() as relation:
                yield self._select(relation, piece, filtered=rejects_rows)

        try:
            with bounded(self._options):
                group_rows = rows_a_group(self._options, len(self._all()) + len(self._passthrough))
                written = pieces.write(output, key_values, [_CHECK_KB] * len(self._all()), query, group_rows)
        except duckdb.InvalidInputException as error:
            match = _SURPRISED.search(str(error))
            if match is None:
                raise
            raise self._surprise(int(match[1]), match[2], rows) from error
        wrong = self._write_rejects(rows, output) if rejects_rows or self._drops or rows.more_rejects else []
        read = rows.read() if rows.read is not None else None
        compare_rows(None if read is None else read - len(wrong), written)
        columns = self._all()
        surprises = dict.fromkeys(
            columns[index].declaration.source or columns[index].declaration.name for index in wrong
        )
        facts = (*facts, drift_fact(Drift.SURPRISE, surprises)) if surprises else facts
        return Receipt(written.rows, self._described(written), len(wrong), facts)

    def _drift(self) -> Iterator[tuple[str, str]]:
        """Yield what of the table is not as declared and is delivered all the same."""
        missing = [each.declaration.source or each.declaration.name for each in self._columns if each.source is None]
        if missing:
            yield drift_fact(Drift.MISSING, missing)
        if self._extra:
            yield drift_fact(Drift.EXTRA, (column.original_name or column.name for column in self._extra))

    @property
    def _drops(self) -> bool:
        return bool(self._extra) and self._columns_said.on_extra is OnExtra.DROP_TO_REJECTS

    def planned(self) -> tuple[Column, ...]:
        """Return the columns as they are declared."""
        return self._described(None)

    def _matched(
        self, texts: Sequence[TextColumn], nested: Mapping[str, object]
    ) -> tuple[list[_DeclaredColumn], list[TextColumn]]:
        by_name = {column.original_name or column.name: column for column in texts}
        said, found = self._columns_said, []
        for column in said.columns:
            name = column.source or column.name
            if name in nested:
                found.append(_DeclaredColumn(column, name, nested[name]))
            elif name in by_name:
                found.append(_DeclaredColumn(column, by_name.pop(name).source))
            elif said.on_missing is OnMissing.REFUSE:
                there = ", ".join([*by_name, *nested][:20])
                raise refused(
                    "feed.missing-column",
                    f"feed {self._feed!r} declares the column {name!r}, which the file does not have (it has: {there})",
                    'declare on_missing = "null" in [feed.columns], or correct the name',
                )
            else:
                found.append(_DeclaredColumn(column, None))
        declared = {column.source or column.name for column in said.columns}
        extra = [*by_name.values(), *(TextColumn(name, name) for name in nested if name not in declared)]
        if extra and said.on_extra is OnExtra.REFUSE:
            names = ", ".join(repr(column.original_name or column.name) for column in extra[:20])
            raise refused(
                "feed.extra-column",
                f"the file has columns that feed {self._feed!r} does not declare: {names}",
                'declare them, or on_extra = "text" or "drop-to-rejects" in [feed.columns]',
            )
        return found, extra

    def _all(self) -> list[_DeclaredColumn]:
        """Return the columns that are written: the declared ones, and those kept as texts."""
        kept = self._extra if self._columns_said.on_extra is OnExtra.TEXT else []
        return [*self._columns, *(_DeclaredColumn(ColumnDeclaration(c.name, "VARCHAR"), c.source) for c in kept)]

    def _described(self, written: Written | None) -> tuple[Column, ...]:
        columns = []
        for each in self._all():
            said = each.declaration
            declared = each in self._columns
            reason = (
                f"{said.type}: declared by feed {self._feed!r}" if declared else "VARCHAR: not declared, kept as text"
            )
            if each.source is None:
                reason += ", missing in the file"
            columns.append(
                Column(said.name, said.type, written.nulls(said.name) if written else 0, reason, said.source or None)
            )
        columns += [
            Column(name, "VARCHAR[]", written.nulls(name) if written else 0, "as it was read")
            for name in self._passthrough
        ]
        return tuple(columns)

    def _select(self, relation: str, piece: slice, *, filtered: bool) -> str:
        columns = self._all()
        checked = range(len(columns)) if filtered else range(*piece.indices(len(columns)))
        inner, outer, right, steps = [], [], [], Steps()
        for index in checked:
            parts = self._expressions(index, columns[index], steps, filtered=filtered)
            inner += parts.inner
            right += parts.right
            if piece.start <= index < piece.stop:
                outer.append(f"{parts.value} AS {quoted(columns[index].declaration.name)}")
        for name in self._passthrough if piece.stop >= len(columns) else ():
            inner.append(quoted(name))
            outer.append(quoted(name))
        where = f" WHERE {' AND '.join(right)}" if filtered and right else ""
        texts = f"(SELECT {', '.join(inner) or '1'} FROM {relation})"  # noqa: S608
        return f"SELECT {', '.join(outer)} FROM {steps.of(texts)}{where}"  # noqa: S608

    def _expressions(self, index: int, column: _DeclaredColumn, steps: Steps, *, filtered: bool) -> "_Expressions":
        said = column.declaration
        if column.source is None:
            missing = f"NULL::{said.type}"
            return _Expressions([], ["false"] if said.required else [], missing)
        c, x = f"c{index}", f"x{index}"
        surprise = _surprise_of(index, c)
        null = surprise if said.required else "NULL"
        if is_nested(said.type):
            text = self._structured(index, column)
            value = declared_value(said, said.type, c, surprise, steps)
            value = f"CASE WHEN {c} IS NULL THEN {null} ELSE {value} END"
            right = [f"{c} IS NOT NULL"] if said.required else []
            right += [holds_declared(said, said.type, c, steps)] if filtered else []
            return _Expressions([f"{text} AS {c}"], right, value)
        if column.structure != "VARCHAR":
            self._structured(index, column)
        check = declared_check(said, c, x, self._marks)
        inner = [f"{quoted(column.source)} AS {c}"]
        if check.cast != "NULL":
            inner.append(f"{declared_check(said, quoted(column.source), x, self._marks).cast} AS {x}")
        if filtered:
            holds = f"({c} IS NULL OR {check.holds})" if not said.required else f"({c} IS NOT NULL AND {check.holds})"
            value = f"CASE WHEN {c} IS NULL THEN NULL ELSE {check.value} END"
            return _Expressions(inner, [holds] if check.holds != "true" or said.required else [], value)
        if check.holds == "true":
            value = f"coalesce({c}, {null})" if said.required else c
        else:
            value = f"CASE WHEN {check.holds} THEN {check.value} WHEN {c} IS NULL THEN {null} ELSE {surprise} END"
        return _Expressions(inner, [], value)

    def _structured(self, index: int, column: _DeclaredColumn) -> str:
        """Return the column in its declared structure. Raises DeliveryError where it has another one."""
        assert column.source is not None
        said, text = column.declaration, quoted(column.source)
        wanted = structure_of(said.type)
        if self._json_texts:
            return f"json_transform_strict({text}, {literal(orjson.dumps(wanted).decode())})"
        try:
            return restructured(text, column.structure, wanted, lambda value: _surprise_of(index, value))
        except StructureDiffersError as error:
            raise refused(
                "feed.surprise",
                f"column {said.source or said.name!r} {error}, declared as {said.type} (feed {self._feed!r})",
                "declare the type that the values have in [feed.columns]",
            ) from error

    def _surprise(self, index: int, text: str, rows: DeclaredRows) -> DeliveryError:
        said = self._all()[index].declaration
        row = next((row for row, at, _ in self._wrong_rows(rows.reading) if at == index), None)
        where = "" if row is None else _place(row, rows.raw)
        held = "which is required" if text == "NULL" else f"which is no {said.type}"
        form = f" by the format {said.format!r}" if said.format else ""
        return refused(
            "feed.surprise",
            f"{where}column {said.source or said.name!r} has {text!r}, {held}{form} (feed {self._feed!r})",
            'declare another type or format, null = [...], or on_surprise = "reject-row" in [feed.columns]',
        )

    def _wrong_rows(self, reading: Reading) -> Iterator[tuple[int, int, str]]:
        """Yield the number (from 0) of each row with a surprise, the index of its column, and the text."""
        columns = self._all()
        steps = Steps()
        parts = [self._expressions(index, column, steps, filtered=True) for index, column in enumerate(columns)]
        inner = [expression for part in parts for expression in part.inner]
        cases = "".join(
            f" WHEN NOT ({condition}) THEN {index}" for index, part in enumerate(parts) for condition in part.right
        )
        if not cases:
            return
        texts = "".join(
            f" WHEN {index} THEN c{index}::VARCHAR" for index, part in enumerate(parts) if part.right and part.inner
        )
        with reading() as relation:
            numbered = f"SELECT row_number() OVER () - 1 AS n, {', '.join(inner)} FROM {relation}"  # noqa: S608
            wrong = f"SELECT *, CASE{cases} END AS w FROM {steps.of(f'({numbered})')}"  # noqa: S608
            value = f"CASE w{texts} END" if texts else "NULL"
            cursor = connection(self._options).cursor()
            try:
                cursor.execute(f"SELECT n, w, {value} FROM ({wrong}) WHERE w IS NOT NULL")  # noqa: S608
                while found := cursor.fetchmany(_FETCHED_ROWS):
                    yield from found
            finally:
                cursor.close()

    def _write_rejects(self, rows: DeclaredRows, output: Output) -> list[int]:
        """Write the rejected rows, verbatim, each with its line and the reason; return the wrong column of each."""
        found = {row: (index, text) for row, index, text in self._wrong_rows(rows.reading)}
        differing = rows.differing() if rows.differing is not None else {}
        if not (found or differing or self._drops or rows.more_rejects):
            return []
        dropped = ", ".join(column.original_name or column.name for column in self._extra) if self._drops else ""
        with output.rejects() as rejects:
            left_out = 0
            for number, (line, raw) in enumerate(rows.raw() if rows.raw is not None else ()):
                wrong = differing.get(number)
                left_out += wrong is not None
                wrong = wrong or found.get(number - left_out)
                if wrong or dropped:
                    reason = self._why(*wrong) if wrong else f"not declared: {dropped}"
                    rejects.write(rejected_line(line, raw, reason))
            for lines in rows.more_rejects() if rows.more_rejects is not None else ():
                rejects.write(lines)
        return [index for index, _ in (*found.values(), *differing.values())]

    def _why(self, index: int, text: str | None) -> str:
        said = self._all()[index].declaration
        shown = "NULL" if text is None else repr(text[:_LONGEST_SHOWN])
        return f"column {said.source or said.name!r} has {shown}, declared as {said.type}"


@dataclass(frozen=True, slots=True)
class _Expressions:
    """SQL of one column: what the inner query has, the conditions that the row is right, and the value."""

    inner: list[str]
    right: list[str]
    value: str


def _surprise_of(index: int, value: str) -> str:
    """Return the expression that ends the reading for a `value` that the column at `index` does not hold."""
    return f"error({literal(f'{_SURPRISE} {index} ')} || coalesce(left({value}::VARCHAR, {_LONGEST_SHOWN}), 'NULL'))"


def rejected_line(line: int, text: bytes, reason: str) -> bytes:
    """Return one line of the rejects object."""
    return orjson.dumps({"line": line, "text": text.decode("utf-8", "replace"), "reason": reason}) + b"\n"


def _place(row: int, raw_rows: RawRows | None) -> str:
    if raw_rows is None:
        return f"row {row + 1}: "
    for number, (line, _) in enumerate(raw_rows()):
        if number == row:
            return f"line {line}: "
    return f"row {row + 1}: "
