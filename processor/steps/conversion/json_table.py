"""One JSON file on its way to Parquet, in one shape: look at some rows, propose, prove, and learn where that fails."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import duckdb
import orjson

from processor.domain.conversion import Column, ConversionOptions, Receipt
from processor.domain.errors import refused
from processor.steps.conversion.duck import connection
from processor.steps.conversion.json_echo import Echo, can_echo, style_of
from processor.steps.conversion.json_exact import parse
from processor.steps.conversion.json_feed import Feed, lines_of
from processor.steps.conversion.json_pattern import LONG_NUMBER, Pattern, can_prove
from processor.steps.conversion.json_plan import Form, RowPlan, needs_another_look, plan_rows
from processor.steps.conversion.json_rows import Rows, on_one_line
from processor.steps.conversion.json_schema import Schema
from processor.steps.conversion.json_write import write_row
from processor.steps.conversion.table_parquet import Written, copy_to_parquet
from processor.steps.conversion.typing_sql import literal, quoted
from processor.streams.output import Output

Facts = tuple[tuple[str, str], ...]

_SAMPLE_BYTES = 1 << 18
_MOST_LOOKS = 3
# A row group is held in memory, so a wide table has smaller ones.
_ROW_GROUP_VALUES = 8 << 20
_FEWEST_ROWS = 2_048
_FETCHED_ROWS = 1_000
_LONGEST_METADATA = 64 << 10


class _NotProvedError(Exception):
    """The table was not written, or not with certainty: it takes a closer look."""


class JsonTable:
    """The rows of one file and what is known about them. Methods raise NotJsonError and NotOneArrayError."""

    def __init__(self, rows: Rows, options: ConversionOptions) -> None:
        self._rows = rows
        self._options = options
        self._schema = Schema()
        self._longest_bytes = 0
        self._sample: list[bytes] = []
        self.whole: list[object] | None = None  # all rows, when there are few

    def look(self) -> None:
        """Learn from the first rows and, in a plain file of lines, from some all over it."""
        values, size = [], 0
        for _, row in self._rows.read():
            values.append(self._learn(row))
            self._sample.append(row)
            size += len(row)
            if size > _SAMPLE_BYTES:
                break
        else:
            self.whole = values
            return
        for row in self._rows.read_windows():
            self._learn(row)
            self._sample.append(row)

    def look_at_document(self) -> bool:
        """Take the whole file for one document that has a key twice somewhere; return False if it is more than one.

        A record that has a key twice has no place in a table. A document on its own can be kept as it is.
        """
        first = list(islice(self._rows.read(), 2))
        if len(first) != 1:
            return False
        self._schema.root.opaque = "a key stands twice in one object"
        self.whole = [parse(first[0][1], keys_twice=True)]
        self._longest_bytes = len(first[0][1])
        return True

    def plan(self) -> RowPlan:
        """Return the columns by what is known."""
        return plan_rows(self._schema.root, self._options.typing)

    def write(self, output: Output, metadata: Facts) -> Receipt:
        """Write the table, after a look. Raises DeliveryError and duckdb.Error beside what the class tells."""
        if self.whole is not None:
            whole = self.whole
            return _certainly(lambda: self._write_anew(lambda: iter(whole), output, metadata))
        try:
            return self._write_proved(output, metadata)
        except _NotProvedError:
            self._learn_all()
        try:
            return self._write_learned(output, metadata)
        except (_NotProvedError, duckdb.Error):
            self._learn_each()  # tells the longest row, which DuckDB needs to know
        return _certainly(lambda: self._write_learned(output, metadata))

    def _write_proved(self, output: Output, metadata: Facts) -> Receipt:
        """Read, prove and write in one pass, if the first look gives hope."""
        plan = self.plan()
        if not can_prove(plan):
            raise _NotProvedError
        try:
            return self._write_as_they_stand(plan, output, metadata, proofs=self._proofs(plan))
        except duckdb.Error as error:
            raise _NotProvedError from error

    def _proofs(self, plan: RowPlan) -> list[str]:
        """Return the conditions, the cheapest first, one of which each row of the sample meets."""
        proofs = [_proved_by(Pattern(self._schema.root, plan))]
        if can_echo(plan.columns):
            proofs.insert(0, Echo(self._schema.root, plan.columns, style_of(self._sample)).condition)
        which = "".join(f" WHEN {proof} THEN {index}" for index, proof in enumerate(proofs))
        record = _records(plan, "(SELECT unnest($rows) AS j)")
        query = f"SELECT CASE{which} END AS proof, count(*) FROM ({record}) GROUP BY proof"  # noqa: S608
        found = dict(connection(self._options).execute(query, {"rows": self._sample_lines()}).fetchall())
        if None in found:
            raise _NotProvedError
        return proofs if 2 * found.get(0, 0) > len(self._sample) else proofs[1:]

    def _write_learned(self, output: Output, metadata: Facts) -> Receipt:
        plan = self.plan()
        if plan.direct:
            return self._write_as_they_stand(plan, output, metadata)
        try:
            return self._write_proved(output, metadata)
        except _NotProvedError:
            if can_prove(plan) and self._mostly_proved(Pattern(self._schema.root, plan)):
                return self._write_mixed(plan, output, metadata)
        return self._write_anew(lambda: (parse(row) for _, row in self._rows.read()), output, metadata)

    def _learn(self, row: bytes) -> object:
        value = parse(row)
        self._schema.learn(value)
        self._longest_bytes = max(self._longest_bytes, len(row))
        return value

    def _learn_all(self) -> None:
        for _ in range(_MOST_LOOKS):
            plan = self.plan()
            if not can_prove(plan):
                break
            pattern = Pattern(self._schema.root, plan)
            if not self._mostly_proved(pattern) or not self._learn_unproved(pattern):
                break
            if not needs_another_look(self._schema.root):
                return
        self._learn_each()

    def _mostly_proved(self, pattern: Pattern) -> bool:
        """Tell whether it pays to look for the rows that `pattern` does not prove."""
        query = f"SELECT count(*) FILTER ({_proved_by(pattern)}) FROM (SELECT unnest($rows) AS j)"  # noqa: S608
        ((proved,),) = connection(self._options).execute(query, {"rows": self._sample_lines()}).fetchall()
        return bool(2 * proved > len(self._sample))

    def _sample_lines(self) -> list[str]:
        return [on_one_line(row).decode() for row in self._sample]

    def _learn_each(self) -> None:
        for _, row in self._rows.read():
            self._learn(row)

    def _learn_unproved(self, pattern: Pattern) -> bool:
        """Learn from the rows that `pattern` does not prove; return False if DuckDB can not read the rows."""
        cursor = connection(self._options).cursor()
        proved = _proved_by(pattern)
        try:
            with self._lines() as (relation, _):
                cursor.execute(f"SELECT j FROM {relation} WHERE {_NOT_BLANK} AND NOT ({proved})")  # noqa: S608
                while found := cursor.fetchmany(_FETCHED_ROWS):
                    for (row,) in found:
                        self._learn(row.encode())
        except duckdb.Error:
            return False
        finally:
            cursor.close()
        pattern.admit()
        return True

    @contextmanager
    def _lines(self) -> Iterator[tuple[str, Callable[[int], int]]]:
        """Give DuckDB the rows as they stand: the relation, and what counts its rows once it has been read.

        The count is told how many were written, since to find just as many is cheaper than to count them.
        """
        fd = self._rows.lines_fd
        if fd is not None:
            yield lines_of(f"/dev/fd/{fd}", self._longest_bytes), self._rows.count_lines
            return
        feed = Feed(on_one_line(row) for _, row in self._rows.read())
        with feed.relation(self._longest_bytes) as relation:
            yield relation, lambda _: feed.count

    def _write_as_they_stand(
        self, plan: RowPlan, output: Output, metadata: Facts, *, proofs: Sequence[str] = ()
    ) -> Receipt:
        with output.parquet() as fd:
            with self._lines() as (relation, count):
                written = self._copy(plan, relation, fd, metadata, proofs)
            return self._receipt(plan, written, count(written.rows))

    def _write_anew(self, values: Callable[[], Iterator[object]], output: Output, metadata: Facts) -> Receipt:
        plan = self.plan()
        feed = Feed(write_row(value, plan).encode() for value in values())
        with output.parquet() as fd:
            with feed.relation(2 * self._longest_bytes) as relation:
                written = self._copy(plan, relation, fd, metadata)
            return self._receipt(plan, written, feed.count)

    def _write_mixed(self, plan: RowPlan, output: Output, metadata: Facts) -> Receipt:
        """Write rows that are proved as they stand, and the others anew."""
        proved = _proved_by(Pattern(self._schema.root, plan))
        with self._lines() as (relation, count):
            feed = Feed(self._mixed(f"SELECT {proved}, j FROM {relation} WHERE {_NOT_BLANK}", plan))  # noqa: S608
            with output.parquet() as fd:
                with feed.relation(2 * self._longest_bytes) as lines:
                    written = self._copy(plan, lines, fd, metadata)
                _compare("rows", feed.count, written.rows)
                return self._receipt(plan, written, count(written.rows))

    def _mixed(self, query: str, plan: RowPlan) -> Iterator[bytes]:
        cursor = connection(self._options).cursor()
        try:
            cursor.execute(query)
            while found := cursor.fetchmany(_FETCHED_ROWS):
                for proved, row in found:
                    yield (row if proved else write_row(parse(row.encode()), plan)).encode()
        finally:
            cursor.close()

    def _copy(self, plan: RowPlan, relation: str, fd: int, metadata: Facts, proofs: Sequence[str] = ()) -> Written:
        """Write the rows; one that none of the `proofs` proves, if there are any, raises duckdb.Error."""
        key_values = (*metadata, *self._facts(), ("column-types", _reasons(plan)))
        row_group_rows = max(_FEWEST_ROWS, min(self._options.row_group_rows, _ROW_GROUP_VALUES // plan.leaves))
        options = replace(self._options, row_group_rows=row_group_rows)
        query = f"SELECT {_columns(plan, proofs)} FROM ({_records(plan, relation)})"  # noqa: S608
        return copy_to_parquet(query, fd, options, key_values)

    def _facts(self) -> Facts:
        return (("json-rows", self._rows.shape.value), ("encoding", self._rows.encoding))

    def _receipt(self, plan: RowPlan, written: Written, rows_read: int) -> Receipt:
        _compare("rows", rows_read, written.rows)
        if self.whole is not None and plan.is_record:
            for key, place in self._schema.root.fields.items():
                if quoted(key) in written.null_counts and key in plan.columns:
                    nulls = written.rows - (place.seen - place.nulls)
                    _compare(f"NULLs of {key!r}", nulls, written.null_counts[quoted(key)])
        columns = tuple(
            Column(name, column.sql, written.nulls(name), column.reason) for name, column in plan.columns.items()
        )
        return Receipt(written.rows, columns, facts=self._facts())


# A line of white space is no row (and an empty one is NULL). Trimming takes long; a look at the first byte does not.
_NOT_BLANK = "CASE WHEN prefix(j, '{') THEN true ELSE trim(j, ' \t\r') <> '' END"
# A check costs a copy of the column it stands in.
_CHEAPEST_COPIED = (Form.BOOLEAN, Form.BIGINT, Form.DOUBLE, Form.STRING, *Form)


def _proved_by(pattern: Pattern) -> str:
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


def _records(plan: RowPlan, relation: str) -> str:
    """Return the query for the lines, `j`, that are not blank, and their values, the struct `r`."""
    structure = literal(orjson.dumps(plan.structure).decode())
    return f"SELECT j, json_transform(j, {structure}) AS r FROM {relation} WHERE {_NOT_BLANK}"  # noqa: S608


def _columns(plan: RowPlan, proofs: Sequence[str]) -> str:
    """Return the columns of the record `r`; one of them evaluates the `proofs`, if there are any."""
    if not proofs:
        return "unnest(r)"  # to name each takes DuckDB the square of their number
    columns = {name: f"r.{quoted(name)}" for name in plan.columns}
    checked = min(plan.columns, key=lambda name: _CHEAPEST_COPIED.index(plan.columns[name].form))
    whens = "".join(f" WHEN {proof} THEN {columns[checked]}" for proof in proofs)
    columns[checked] = f"CASE{whens} ELSE error('not proved') END"
    return ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())


def _certainly(write: Callable[[], Receipt]) -> Receipt:
    try:
        return write()
    except _NotProvedError as error:
        raise refused("json.receipt", str(error), "report this as a bug") from error


def _compare(what: str, read: int, written: int) -> None:
    if read != written:
        raise _NotProvedError(f"{written} {what} were written, {read} were read")


def _reasons(plan: RowPlan) -> str:
    text = orjson.dumps({name: column.reason for name, column in plan.columns.items()}).decode()
    return text if len(text) <= _LONGEST_METADATA else "too many columns to list"
