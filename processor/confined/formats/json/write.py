"""Write JSON rows as Parquet in the cheapest sure way.

A wide table is written in stripes of columns, each from a reading of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import orjson

from processor.confined.formats.duckdb_session import connection
from processor.confined.formats.json.documents import JsonRows
from processor.confined.formats.json.feed import JsonFeed
from processor.confined.formats.json.parser import NotJsonError, parse
from processor.confined.formats.json.plan import Form, RowPlan
from processor.confined.formats.json.proof.pattern import LONG_NUMBER, Pattern
from processor.confined.formats.json.rewrite import write_row
from processor.confined.formats.json.splitter import NotOneArrayError, on_one_line
from processor.confined.formats.parquet.column_batches import Pieces
from processor.confined.formats.parquet.copy import Written, rows_a_group
from processor.confined.formats.sql import literal, quoted, read_lines
from processor.domain.conversion import ConversionOptions, Facts
from processor.streams.output import Output

Values = Callable[[], Iterator[object]]
"""A new reading of the rows, parsed."""

FETCHED_ROWS = 1_000
# What DuckDB holds for each column that it reads from JSON and writes, measured with short values.
_LEAF_KB = 130

# Where rows are longer, DuckDB's filter would gather 2,048 of them in memory before it passes them on.
_LONGEST_FILTERED = 16 << 10
# A line of white space is no row (and an empty one is NULL). Trimming takes long; a look at the first byte does not.
_NOT_BLANK = "CASE WHEN prefix(j, '{') THEN true ELSE trim(j, ' \t\r') <> '' END"
# A check costs a copy of the column it stands in.
_CHEAPEST_COPIED = (Form.BOOLEAN, Form.BIGINT, Form.DOUBLE, Form.STRING, *Form)


class NotProvedError(Exception):
    """The table was not written, or not with certainty: it takes a closer look."""


class JsonParquet:
    """Writes the rows of a file by a plan; `longest_bytes` is the longest row that is known of."""

    def __init__(self, rows: JsonRows, options: ConversionOptions) -> None:
        self._rows = rows
        self._options = options
        self._pieces = Pieces(options)
        self._count: Callable[[int], int] = rows.count_lines
        self.longest_bytes = 0

    def as_they_stand(self, plan: RowPlan, output: Output, key_values: Facts) -> Written:
        """Write rows whose plan is direct, for DuckDB to read each value where it stands."""

        @contextmanager
        def query(piece: slice) -> Iterator[str]:
            part = plan.part(piece)
            with self.lines() as relation:
                yield f"SELECT unnest(r) FROM ({records(part, relation)})"  # noqa: S608

        return self._write(plan, output, key_values, query)

    def proved(
        self, plan: RowPlan, proofs: Sequence[str], output: Output, key_values: Facts, known: Sequence[bytes]
    ) -> Written:
        """Write rows, like those that are `known`, as they stand; one that no proof proves raises duckdb.Error."""

        @contextmanager
        def query(_: slice) -> Iterator[str]:
            with self._joined(known) as relation:
                yield f"SELECT {_proved_columns(plan, proofs)} FROM ({records(plan, relation)})"  # noqa: S608

        return self._write(plan, output, key_values, query, weights_kb=(1,))

    def anew(self, plan: RowPlan, values: Values, output: Output, key_values: Facts) -> Written:
        """Write `values` out for DuckDB anew."""

        @contextmanager
        def query(piece: slice) -> Iterator[str]:
            part = plan.part(piece)
            feed = JsonFeed(write_row(value, plan, part.columns).encode() for value in values())
            self._count = lambda _: feed.count
            with feed.relation(2 * self.longest_bytes) as relation:
                yield f"SELECT unnest(r) FROM ({records(part, relation)})"  # noqa: S608

        return self._write(plan, output, key_values, query)

    def mixed(self, plan: RowPlan, pattern: Pattern, output: Output, key_values: Facts) -> Written:
        """Write rows that `pattern` proves as they stand, and the others anew."""

        @contextmanager
        def query(_: slice) -> Iterator[str]:
            with self.lines() as relation:
                found = f"SELECT {proved_by(pattern)}, j FROM {relation}"  # noqa: S608
                feed = JsonFeed(self._mixed(found, plan))
                with feed.relation(2 * self.longest_bytes) as lines:
                    yield f"SELECT unnest(r) FROM ({records(plan, lines)})"  # noqa: S608
            compare("rows", feed.count, self.rows_read(feed.count))

        return self._write(plan, output, key_values, query, weights_kb=(1,))

    def rows_read(self, written: int) -> int:
        """Return how many rows the last reading had, of which `written` have been written.

        To find just as many is cheaper than to count them.
        """
        return self._count(written)

    @contextmanager
    def lines(self) -> Iterator[str]:
        """Give DuckDB the rows as they stand; yields the relation of the lines, `j`, that are not blank."""
        fd = self._rows.lines_fd
        is_filtered = self.longest_bytes <= _LONGEST_FILTERED
        if fd is not None and (is_filtered or not self._rows.may_have_blank_lines()):
            self._count = self._rows.count_lines
            relation = read_lines(f"/dev/fd/{fd}", self.longest_bytes)
            yield f"(SELECT j FROM {relation} WHERE {_NOT_BLANK})" if is_filtered else relation  # noqa: S608
            return
        feed = JsonFeed(on_one_line(row) for _, row in self._rows.read())
        self._count = lambda _: feed.count
        with feed.relation(self.longest_bytes) as relation:
            yield relation

    @contextmanager
    def _joined(self, known: Sequence[bytes]) -> Iterator[str]:
        """Give DuckDB the rows as `lines` does, or faster, but perhaps wrong, where every line is proved."""
        with self._rows.read_joined(known) as joiner:
            if joiner is None:
                with self.lines() as relation:
                    yield relation
                return
            self._count = lambda _: joiner.count
            try:
                with JsonFeed(joiner.lines()).relation(self.longest_bytes) as relation:
                    yield relation
            except (NotJsonError, NotOneArrayError) as error:
                raise NotProvedError(str(error)) from error

    def _write(
        self,
        plan: RowPlan,
        output: Output,
        key_values: Facts,
        query: Callable[[slice], AbstractContextManager[str]],
        weights_kb: Sequence[int] | None = None,
    ) -> Written:
        weights_kb = weights_kb or [_LEAF_KB * column.leaves for column in plan.columns.values()]
        return self._pieces.write(output, key_values, weights_kb, query, rows_a_group(self._options, plan.leaves))

    def _mixed(self, query: str, plan: RowPlan) -> Iterator[bytes]:
        cursor = connection(self._options).cursor()
        try:
            cursor.execute(query)
            while found := cursor.fetchmany(FETCHED_ROWS):
                for proved, row in found:
                    yield (row if proved else write_row(parse(row.encode()), plan, plan.columns)).encode()
        finally:
            cursor.close()


def proved_by(pattern: Pattern) -> str:
    """Return the condition that a row is proved.

    A double that is written back as its number stood, by one of DuckDB's two ways to write it, is the number's value.
    """
    proved = f"regexp_full_match(j, {literal(pattern.text)})"
    if pattern.proves_doubles:
        return proved
    double = "TRY_CAST(n AS DOUBLE)"
    same = f"coalesce({double}::VARCHAR = n OR to_json({double})::VARCHAR = n, false)"
    long_numbers = f"list_transform(regexp_extract_all(j, {literal(LONG_NUMBER)}), lambda n: {same})"
    return f"CASE WHEN {proved} THEN coalesce(list_bool_and({long_numbers}), true) ELSE false END"


def records(plan: RowPlan, relation: str) -> str:
    """Return the query for the lines, `j`, and their values, the struct `r`."""
    structure = literal(orjson.dumps(plan.structure).decode())
    return f"SELECT j, json_transform(j, {structure}) AS r FROM {relation}"  # noqa: S608


def compare(what: str, read: int, written: int) -> None:
    """Raise NotProvedError when not all that was read was written."""
    if read != written:
        raise NotProvedError(f"{written} {what} were written, {read} were read")


def _proved_columns(plan: RowPlan, proofs: Sequence[str]) -> str:
    """Return the columns of the record `r`; one of them evaluates the `proofs`."""
    columns = {name: f"r.{quoted(name)}" for name in plan.columns}
    checked = min(plan.columns, key=lambda name: _CHEAPEST_COPIED.index(plan.columns[name].form))
    whens = "".join(f" WHEN {proof} THEN {columns[checked]}" for proof in proofs)
    columns[checked] = f"CASE{whens} ELSE error('not proved') END"
    return ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())
