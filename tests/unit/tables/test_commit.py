"""A batch is committed to its table once: against a real catalog on SQLite and a real store."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.schema import Schema
from pyiceberg.types import FloatType, IntegerType, LongType, NestedField

from processor.domain.tables import BatchFile
from processor.store.s3 import S3Store
from processor.tables.inspect import data_files
from processor.tables.schema import NoDataFileError, schema_of
from tests.unit.tables.writers import Writer


@pytest.fixture
def writer(bucket: S3Store, tmp_path: Path) -> Writer:
    return Writer.beside(bucket, tmp_path)


def removed(file: BatchFile) -> BatchFile:
    return replace(file, row=file.row + 1000, remove=True)


def test_a_batch_that_comes_again_adds_nothing_even_when_its_snapshot_is_gone(writer: Writer) -> None:
    batch, files = writer.batch("b1"), [writer.stored("a", {"id": [1]}), writer.stored("b", {"id": [2]})]
    first = writer.committer.register(batch, files)
    assert first.snapshot is not None
    assert first.added_rows == 2
    again = writer.committer.register(batch, files)
    assert (again.snapshot, again.refused, again.again) == (first.snapshot, {}, frozenset())
    assert writer.ids == [1, 2]
    assert len(writer.table.snapshots()) == 1
    summary = writer.table.snapshots()[0].summary
    assert summary is not None
    assert summary["processor.sources"].splitlines() == [f"{'0' * 64}  a.csv", f"{'0' * 64}  b.csv"]

    writer.table.append(pa.table({"id": [9]}))  # another writer; and somebody expires ours
    writer.table.maintenance.expire_snapshots().by_id(first.snapshot).commit()
    assert writer.committer.register(batch, files).refused == {}
    assert writer.ids == [1, 2, 9]


def test_an_unfinished_batch_is_told_from_a_finished_one_file_by_file(writer: Writer) -> None:
    good, bad = writer.stored("a", {"id": [1]}), writer.stored("b", {"id": ["text"]})
    batch = writer.batch("b1")
    first = writer.committer.register(batch, [good, bad])
    assert list(first.refused) == [bad.row]
    assert "'id' is string in the file and long in the table" in first.refused[bad.row]
    # The answer was lost: what the commit did not add goes again, with the next batch.
    assert writer.committer.register(batch, [good, bad]).again == {bad.row}


def test_a_changed_file_replaces_its_objects_in_one_snapshot(writer: Writer) -> None:
    old = writer.stored("a1", {"id": [1, 2]}, "a.csv", file_row=7)
    writer.committer.register(writer.batch("b1"), [old, writer.stored("c", {"id": [3]})])
    new = writer.stored("a2", {"id": [2, 4]}, "a.csv", file_row=7)
    result = writer.committer.register(writer.batch("b2"), [removed(old), new])
    assert writer.ids == [2, 3, 4]
    assert len(writer.table.snapshots()) == 2
    assert result.snapshot == writer.table.metadata.current_snapshot_id
    assert writer.committer.register(writer.batch("b2"), [removed(old), new]).again == frozenset()
    writer.committer.register(writer.batch("b3"), [removed(new)])  # nothing takes its place
    assert writer.ids == [3]


def test_old_rows_that_an_engine_rewrote_are_not_doubled_by_new_ones(writer: Writer) -> None:
    old = writer.stored("a1", {"id": [1]}, "a.csv", file_row=7)
    writer.committer.register(writer.batch("b1"), [old])
    writer.table.overwrite(writer.table.scan().to_arrow())  # as a compaction does
    new = writer.stored("a2", {"id": [1, 5]}, "a.csv", file_row=7)
    result = writer.committer.register(writer.batch("b2"), [removed(old), new])
    assert "an engine rewrote or deleted them" in result.refused[new.row]
    assert writer.ids == [1]


def test_a_rebuilt_ledger_asks_the_table_and_removes_what_a_lost_one_left(writer: Writer) -> None:
    kept, old = writer.stored("k", {"id": [1]}, "k.csv"), writer.stored("a1", {"id": [2]}, "a.csv")
    writer.committer.register(writer.batch("b1"), [kept, old])
    new = writer.stored("a2", {"id": [3]}, "a.csv")
    rebuilt = [replace(kept, doubtful=True), replace(new, doubtful=True)]
    other = writer.another()
    other.committer.known = lambda _table: {"k", "a2"}
    assert other.committer.register(other.batch("b1"), rebuilt).refused == {}
    assert writer.ids == [1, 3]


def test_another_writer_that_is_quicker_is_a_conflict_that_is_solved(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.committer.register(writer.batch("b1"), [writer.stored("a", {"id": [1]})])
    other = writer.another()
    theirs = [other.stored("b", {"id": [2]})]
    commit, quicker = type(writer.committer.catalog).commit_table, iter([True])

    def late(*arguments: object) -> object:
        if next(quicker, False):
            other.committer.register(other.batch("t1"), theirs)
        return commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(writer.committer.catalog), "commit_table", late)
    result = writer.committer.register(writer.batch("b2"), [writer.stored("c", {"id": [3]})])
    assert result.conflicts == 1
    assert writer.ids == [1, 2, 3]

    # The same batch, sent by a process that was thought dead: it is in the table once.
    batch, files = writer.batch("b3"), [writer.stored("d", {"id": [4]})]
    zombie = writer.another("one")
    twice = iter([True])

    def doubled(*arguments: object) -> object:
        if next(twice, False):
            zombie.committer.register(batch, files)
        return commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(writer.committer.catalog), "commit_table", doubled)
    writer.committer.register(batch, files)
    assert writer.ids == [1, 2, 3, 4]


def test_a_commit_whose_answer_is_lost_is_found(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, files = writer.batch("b1"), [writer.stored("a", {"id": [1]})]
    commit = type(writer.committer.catalog).commit_table

    def unheard(*arguments: object) -> object:
        commit(*arguments)  # type: ignore[arg-type]
        raise CommitFailedException("so it was said, but it was done")

    monkeypatch.setattr(type(writer.committer.catalog), "commit_table", unheard)
    assert writer.committer.register(batch, files).snapshot == writer.table.metadata.current_snapshot_id
    assert writer.ids == [1]


def test_columns_are_added_and_files_of_one_partition_taken(writer: Writer) -> None:
    day, other = pa.array([0], pa.date32()), pa.array([0, 1], pa.date32())
    one = writer.stored("a", {"id": [1], "booked": day})
    two = writer.stored("b", {"id": [2, 3], "booked": other})
    null = writer.stored("c", {"id": [4, 5], "booked": pa.array([0, None], pa.date32())})
    more = writer.stored("d", {"id": [6], "booked": day, "who": pa.array([{"name": "x", "tags": ["y"]}])})
    result = writer.committer.register(writer.batch("b1", "day(booked)"), [one, two, null, more])
    assert sorted(result.refused) == [two.row, null.row]
    assert "more than one partition" in result.refused[two.row]
    assert "1 of 2 rows lie in the partition of NULL" in result.refused[null.row]
    assert writer.ids == [1, 6]
    rows: pa.Table = writer.table.scan(row_filter="id = 1").to_arrow()
    assert rows["who"].to_pylist() == [None]
    assert len(writer.table.spec().fields) == 1
    (described,) = {each["record_count"] for each in writer.table.inspect.files().to_pylist()}
    assert described == 1


def test_a_type_is_widened_where_every_reader_sees_the_same_values(writer: Writer) -> None:
    def booked(key: str, value: str, precision: int, scale: int = 2) -> BatchFile:
        amounts = pa.array([Decimal(value)], pa.decimal128(precision, scale))
        return writer.stored(key, {"id": [1], "amount": amounts, "parts": pa.array([{"of": amounts[0].as_py()}])})

    first, wider, narrower = booked("a", "1.50", 9), booked("b", "12345678901234567.25", 22), booked("c", "2.25", 12)
    other = booked("d", "0.125", 22, 3)
    result = writer.committer.register(writer.batch("b1"), [first, wider, narrower, other])
    assert list(result.refused) == [other.row]
    assert "'amount' is decimal(22, 3) in the file and decimal(22, 2) in the table" in result.refused[other.row]
    rows: pa.Table = writer.table.scan().to_arrow()
    values = [Decimal(each) for each in ("1.50", "2.25", "12345678901234567.25")]
    assert sorted(rows["amount"].to_pylist()) == values
    options = {f"aws_{name}": value for name, value in writer.way.items()}
    frame = pl.scan_iceberg(writer.table, storage_options=options).filter(pl.col("amount") > 2).collect()
    assert sorted(frame["amount"].to_list()) == values[1:]
    assert str(writer.table.schema().find_field("amount").field_type) == "decimal(22, 2)"


def test_what_another_maker_of_the_table_demands_is_kept_or_told(writer: Writer) -> None:
    catalog = writer.committer.catalog
    catalog.create_namespace("sales")
    narrow = Schema(NestedField(1, "id", IntegerType()), NestedField(2, "share", FloatType()))
    catalog.create_table("sales.orders", narrow)
    nothing = writer.stored("none", {"id": pa.array([], pa.int64())})
    writer.committer.register(writer.batch("b1"), [writer.stored("a", {"id": [1 << 40], "share": [0.1]}), nothing])
    rows: pa.Table = writer.table.scan().to_arrow()
    assert rows.to_pylist() == [{"id": 1 << 40, "share": 0.1}]
    assert [each.record_count for each in data_files(writer.table)] == [1, 0], "a file without rows is a file"

    with writer.table.update_schema(allow_incompatible_changes=True) as update:
        update.add_column("must", LongType(), required=True)
    refused = writer.stored("b", {"id": [2], "must": [3]})
    result = writer.committer.register(writer.batch("b2"), [refused])
    assert "'must' of the table may not be NULL: drop NOT NULL" in result.refused[refused.row]


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"t": pa.array([1], pa.timestamp("ns"))}, "declare TIMESTAMP"),
        ({"t": pa.array([1], pa.int32())}, "a table has no int32"),
    ],
)
def test_a_type_that_tables_lack_is_named(columns: dict[str, pa.Array], text: str) -> None:
    with pytest.raises(NoDataFileError, match=text):
        schema_of(pa.table(columns).schema)


def test_an_object_that_is_not_what_was_delivered_is_no_data_file(writer: Writer) -> None:
    def told(*files: BatchFile) -> Sequence[str]:
        result = writer.committer.register(writer.batch("b1"), files)
        assert result.snapshot is None
        return [*result.refused.values()]

    file = writer.stored("a", {"id": [1]})
    other = replace(file, rows=2)
    gone = replace(file, row=9, key="gone")
    sizes = f"{file.size_bytes} bytes"
    assert told(other, gone) == [
        f"'a' has {sizes} and 1 rows, not the {sizes} and 2 rows delivered: reprocess its file",
        "'gone' is not in the store: reprocess its file",
    ]
