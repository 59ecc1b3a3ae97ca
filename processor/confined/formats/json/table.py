"""Convert one JSON file: propose, prove, learn, repeat."""

from collections.abc import Callable
from itertools import islice

from processor.confined.formats.base import fast_paths
from processor.confined.formats.duckdb_session import FAILURES, OUT_OF_MEMORY, connection
from processor.confined.formats.json.documents import JsonRows
from processor.confined.formats.json.parser import parse
from processor.confined.formats.json.plan import RowPlan, needs_another_look, plan_rows
from processor.confined.formats.json.proof.pattern import Pattern, can_prove
from processor.confined.formats.json.proof.roundtrip import Echo, can_echo, style_of
from processor.confined.formats.json.schema import Schema
from processor.confined.formats.json.splitter import on_one_line
from processor.confined.formats.json.write import (
    FETCHED_ROWS,
    JsonParquet,
    NotProvedError,
    compare,
    proved_by,
    records,
)
from processor.confined.formats.parquet.copy import Written
from processor.confined.formats.parquet.receipt import reasons
from processor.confined.formats.sql import quoted
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt
from processor.domain.errors import DeliveryError, refused
from processor.streams.output import Output

_SAMPLE_BYTES = 1 << 18
_MOST_LOOKS = 3
# To prove a row in SQL takes several times its length in memory.
_LONGEST_PROVED = 4 << 20
# Rows that are not proved are gathered 2,048 at a time.
_LONGEST_GATHERED = 64 << 10


class JsonTable:
    """The rows of one file and what is known about them. Methods raise NotJsonError and NotOneArrayError."""

    def __init__(self, rows: JsonRows, options: ConversionOptions) -> None:
        self._rows = rows
        self._options = options
        self._schema = Schema()
        self._parquet = JsonParquet(rows, options)
        self._sample: list[bytes] = []
        self.all_seen = False
        self.whole: list[object] | None = None  # all rows, when they are few and small

    def look(self) -> None:
        """Learn from the first rows and, in a plain file of lines, from some all over it."""
        values: list[object] = []
        size = 0
        for _, row in self._rows.read():
            if size > _SAMPLE_BYTES:
                break
            size += len(row)
            self._sample.append(row)
            value = self._learn(row)
            if size <= _SAMPLE_BYTES:
                values.append(value)
        else:
            self.all_seen = True
            self.whole = values if size <= _SAMPLE_BYTES else None
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
        self.all_seen = True
        self._parquet.longest_bytes = len(first[0][1])
        return True

    def plan(self) -> RowPlan:
        """Return the columns by what is known."""
        return plan_rows(self._schema.root, self._options.typing)

    def write(self, output: Output, metadata: Facts) -> Receipt:
        """Write the table, after a look. Raises DeliveryError and duckdb.Error beside what the class tells."""
        if self.all_seen:
            return _certainly(lambda: self._write_learned(output, metadata))
        try:
            return self._write_proved(output, metadata)
        except NotProvedError:
            self._learn_all()
        try:
            return self._write_learned(output, metadata)
        except (NotProvedError, *FAILURES):
            self._learn_each()  # tells the longest row, which DuckDB needs to know
        return _certainly(lambda: self._write_learned(output, metadata))

    def _write_proved(self, output: Output, metadata: Facts) -> Receipt:
        """Read, prove and write in one pass, if the first look gives hope."""
        plan = self.plan()
        if not self._may_prove(plan):
            raise NotProvedError
        try:
            key_values = self._key_values(plan, metadata)
            written = self._parquet.proved(plan, self._proofs(plan), output, key_values, self._sample)
        except FAILURES as error:
            raise NotProvedError from error
        except DeliveryError as error:
            if error.failure.code != OUT_OF_MEMORY:
                raise
            raise NotProvedError from error
        return self._receipt(plan, written)

    def _may_prove(self, plan: RowPlan) -> bool:
        return fast_paths() and not self.all_seen and can_prove(plan) and self._parquet.longest_bytes <= _LONGEST_PROVED

    def _may_gather(self, plan: RowPlan) -> bool:
        return self._may_prove(plan) and self._parquet.longest_bytes <= _LONGEST_GATHERED

    def _proofs(self, plan: RowPlan) -> list[str]:
        """Return the conditions, the cheapest first, one of which each row of the sample meets."""
        proofs = [proved_by(Pattern(self._schema.root, plan))]
        if can_echo(plan.columns):
            proofs.insert(0, Echo(self._schema.root, plan.columns, style_of(self._sample)).condition)
        which = "".join(f" WHEN {proof} THEN {index}" for index, proof in enumerate(proofs))
        record = records(plan, "(SELECT unnest($rows) AS j)")
        query = f"SELECT CASE{which} END AS proof, count(*) FROM ({record}) GROUP BY proof"  # noqa: S608
        found = dict(connection(self._options).execute(query, {"rows": self._sample_lines()}).fetchall())
        if None in found:
            raise NotProvedError
        return proofs if 2 * found.get(0, 0) > len(self._sample) else proofs[1:]

    def _write_learned(self, output: Output, metadata: Facts) -> Receipt:
        plan = self.plan()
        key_values = self._key_values(plan, metadata)
        if self.whole is not None:
            whole = self.whole
            return self._receipt(plan, self._parquet.anew(plan, lambda: iter(whole), output, key_values))
        if plan.direct:
            return self._receipt(plan, self._parquet.as_they_stand(plan, output, key_values))
        try:
            return self._write_proved(output, metadata)
        except NotProvedError:
            if self._may_gather(plan) and self._mostly_proved(pattern := Pattern(self._schema.root, plan)):
                return self._receipt(plan, self._parquet.mixed(plan, pattern, output, key_values))
        written = self._parquet.anew(plan, lambda: (parse(row) for _, row in self._rows.read()), output, key_values)
        return self._receipt(plan, written)

    def _learn(self, row: bytes) -> object:
        value = parse(row)
        self._schema.learn(value)
        self._parquet.longest_bytes = max(self._parquet.longest_bytes, len(row))
        return value

    def _learn_all(self) -> None:
        for _ in range(_MOST_LOOKS):
            plan = self.plan()
            if not self._may_gather(plan):
                break
            pattern = Pattern(self._schema.root, plan)
            if not self._mostly_proved(pattern) or not self._learn_unproved(pattern):
                break
            if not needs_another_look(self._schema.root):
                return
        self._learn_each()

    def _mostly_proved(self, pattern: Pattern) -> bool:
        """Tell whether it pays to look for the rows that `pattern` does not prove."""
        query = f"SELECT count(*) FILTER ({proved_by(pattern)}) FROM (SELECT unnest($rows) AS j)"  # noqa: S608
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
        proved = proved_by(pattern)
        try:
            with self._parquet.lines() as relation:
                cursor.execute(f"SELECT j FROM {relation} WHERE NOT ({proved})")  # noqa: S608
                while found := cursor.fetchmany(FETCHED_ROWS):
                    for (row,) in found:
                        self._learn(row.encode())
        except FAILURES:
            return False
        finally:
            cursor.close()
        pattern.admit()
        return True

    def _key_values(self, plan: RowPlan, metadata: Facts) -> Facts:
        why = reasons({name: column.reason for name, column in plan.columns.items()})
        return (*metadata, *self._facts(), ("column-types", why))

    def _facts(self) -> Facts:
        return (("json-rows", self._rows.shape.value), ("encoding", self._rows.encoding))

    def _receipt(self, plan: RowPlan, written: Written) -> Receipt:
        compare("rows", self._parquet.rows_read(written.rows), written.rows)
        if self.all_seen and plan.is_record:
            for key, place in self._schema.root.fields.items():
                if quoted(key) in written.null_counts and key in plan.columns:
                    nulls = written.rows - (place.seen - place.nulls)
                    compare(f"NULLs of {key!r}", nulls, written.null_counts[quoted(key)])
        columns = tuple(
            Column(name, column.sql, written.nulls(name), column.reason) for name, column in plan.columns.items()
        )
        return Receipt(written.rows, columns, facts=self._facts())


def _certainly(write: Callable[[], Receipt]) -> Receipt:
    try:
        return write()
    except NotProvedError as error:
        raise refused("json.unaccounted", str(error), "report this as a bug") from error
