"""The write loop: surprises, bounded readings, the receipt, and what stands in the Parquet."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import duckdb
import pyarrow.parquet as pq
import pytest

from processor.confined.formats import duckdb_session
from processor.confined.formats.parquet import copy
from processor.confined.formats.parquet.write import Reading, TextColumn, propose, write_table
from processor.domain.conversion import Compression, ConversionOptions
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.tables import MemoryOutput, Table, assert_same_values, reading_of, values_of, written


class CountedReading:
    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.count = 0

    @contextmanager
    def __call__(self) -> Iterator[str]:
        self.count += 1
        with self.reading() as relation:
            yield relation


def write(table: Table, output: MemoryOutput) -> tuple[CountedReading, list[str]]:
    """Write `table` after a sample of its first row only, and compare every value."""
    reading = CountedReading(reading_of(table))
    sample = [[texts[0] for texts in table.values()]]
    columns = [TextColumn(name, name) for name in table]
    receipt = write_table(reading, columns, ConversionOptions(), output, (), sample=sample)
    for name, texts in table.items():
        assert_same_values(texts, values_of(output.table(), name))
    return reading, [column.type for column in receipt.columns]


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ("3.7", "DOUBLE"),
        ("00042", "VARCHAR"),
        ("9223372036854775808", "DECIMAL(38,0)"),
        ("12345678901234567.5", "DECIMAL(38,1)"),
        ("", "VARCHAR"),
        ("nan", "VARCHAR"),
        ("-0", "DOUBLE"),
        (" 5", "VARCHAR"),
        ("x" * 5000, "VARCHAR"),
        ("a\nb 1 'c' \\ {c}", "VARCHAR"),
        ("processor.surprise 0 5", "VARCHAR"),
    ],
)
def test_a_late_surprise_demotes_the_column_as_far_as_needed(late: str, expected: str) -> None:
    output = MemoryOutput()
    reading, types = write({"a": [*map(str, range(40_000)), late], "b": ["1"] * 40_001}, output)
    assert types == [expected, "BIGINT"]
    assert reading.count == output.begun == 2


def test_many_surprises_cost_no_more_than_four_readings() -> None:
    table = {f"c{i}": ["1"] * 10 + [late] * 2 for i, late in enumerate(["2.5", "x", "2024-01-01", "1e9", "", "1" * 25])}
    output = MemoryOutput()
    reading, types = write(table, output)
    assert types == ["DOUBLE", "VARCHAR", "VARCHAR", "DOUBLE", "VARCHAR", "DECIMAL(38,0)"]
    assert reading.count <= 4


def test_a_table_of_which_nothing_is_left_to_survey_is_written_as_text() -> None:
    _, types = write({"a": ["0", "0.0", ""]}, MemoryOutput())
    assert types == ["VARCHAR"]


def test_the_survey_finds_the_digits_that_decimals_need() -> None:
    table = {
        "a": ["1", "x"],
        "b": ["1", "y"],
        "c": ["1", "12345678901234567.25"],
        "d": ["1.5", "12345678901234567.875"],
    }
    _, types = write(table, MemoryOutput())
    assert types == ["VARCHAR", "VARCHAR", "DECIMAL(38,2)", "DECIMAL(38,3)"]


def test_the_receipt_counts_rows_columns_and_nulls() -> None:
    receipt, output = written({"a": ["1", None, "3"], "b": [None, None, None], "c": ["x", "", None]})
    assert receipt.rows == output.table().num_rows == 3
    assert [(column.name, column.null_count) for column in receipt.columns] == [("a", 1), ("b", 3), ("c", 1)]
    assert receipt.columns[0].reason == "BIGINT: all 2 values are whole numbers in their shortest form"


def test_rows_that_were_read_but_not_written_fail_the_conversion() -> None:
    with pytest.raises(DeliveryError, match="3 rows were written, 4 were read"):
        written({"a": ["1", "2", "3"]}, rows_read=lambda: 4)


def test_rows_that_vanish_between_two_readings_fail_the_conversion() -> None:
    tables = iter([{"a": ["1", "2"], "b": ["x", "y"]}, {"a": ["1"], "b": ["x"]}])

    def reading() -> AbstractContextManager[str]:
        return reading_of(next(tables))()

    with pytest.raises(DeliveryError, match="1 rows were written, 2 were read"):
        write_table(reading, [TextColumn("a", "a")], ConversionOptions(), MemoryOutput(), (), passthrough=["b"])


def test_a_small_table_is_read_once_and_written_as_it_was_classified() -> None:
    texts = ["1.5", None, "2"]
    reading, output = CountedReading(reading_of({"a": texts})), MemoryOutput()
    receipt = write_table(reading, [TextColumn("a", "a")], ConversionOptions(), output, ())
    assert reading.count == 1
    assert receipt.columns[0].type == "DOUBLE"
    assert_same_values(texts, values_of(output.table(), "a"))


def test_long_texts_end_row_groups_early_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "_ROW_GROUP_BYTES", 32 << 20)
    texts = [f"{i} {'long' * 800}" for i in range(20_000)]
    _, output = written({"a": texts}, ConversionOptions(), sample=[texts[:1]])
    metadata = pq.ParquetFile(io.BytesIO(output.parquet_bytes)).metadata
    assert metadata.num_row_groups > 1
    assert_same_values(texts, values_of(output.table(), "a"))


def test_a_table_beyond_the_memory_names_the_setting() -> None:
    texts = ["x" * 500_000] * 300
    with pytest.raises(DeliveryError, match="WORKER_MEMORY"):
        written({"a": texts, "b": texts}, ConversionOptions(memory_limit_mb=20), sample=[["x", "x"]])


def test_a_table_without_rows_keeps_its_columns() -> None:
    receipt, output = written({"a": [], "b": []})
    assert receipt.rows == 0
    assert output.table().schema.names == ["a", "b"]


def test_columns_may_be_renamed_and_may_be_named_anything() -> None:
    names = ["we\"ird 'n' {x}", "x.y", "ü €", "select", "c0", "x0", " ", "$1", "%s"]
    table = {name: [str(i)] for i, name in enumerate(names)}
    receipt, output = written(table)
    assert output.table().schema.names == names == [column.name for column in receipt.columns]
    assert output.table().to_pylist() == [{name: i for i, name in enumerate(names)}]
    renamed = MemoryOutput()
    columns = [TextColumn("x.y", "b_1", "b")]
    receipt = write_table(reading_of(table), columns, ConversionOptions(), renamed, ())
    assert renamed.table().schema.names == ["b_1"]
    assert receipt.columns[0].original_name == "b"


def test_the_parquet_carries_metadata_facts_and_the_reason_for_each_type() -> None:
    output = MemoryOutput()
    reading, columns = reading_of({"a": ["007"], "b": ["1"]}), [TextColumn("a", "a"), TextColumn("b", "b")]
    metadata = (("source-sha256", 'it\'s {a} "digest"'),)
    receipt = write_table(reading, columns, ConversionOptions(), output, metadata, facts=(("delimiter", ";"),))
    found = output.key_values()
    assert found["source-sha256"] == 'it\'s {a} "digest"'
    assert found["delimiter"] == ";"
    assert "'007' has a leading zero" in found["column-types"]
    assert receipt.facts == (("delimiter", ";"),)


def test_tables_alike_in_all_but_values_and_metadata_have_each_its_own() -> None:
    for number in range(3):
        table: Table = {"a": [str(number), None], "b": ['say "x"', f"plain {number}"]}
        output = MemoryOutput()
        reading, columns = reading_of(table), [TextColumn("a", "a"), TextColumn("b", "b")]
        rows = list(zip(*table.values(), strict=True))
        metadata = [("source-sha256", f"$1 '{number}'"), ("source-path", "?")]
        write_table(reading, columns, ConversionOptions(), output, metadata, sample=rows, is_whole=True)
        assert output.table().to_pydict() == {"a": [number, None], "b": ['say "x"', f"plain {number}"]}
        assert output.key_values()["source-sha256"] == f"$1 '{number}'"
    assert len(duckdb_session._kept) <= duckdb_session._MOST_KEPT


def test_a_statement_outlives_neither_its_connection_nor_many_others() -> None:
    options = ConversionOptions()
    for number in range(duckdb_session._MOST_KEPT + 5):
        assert duckdb_session.run(f"SELECT {number}, $1", options, ("x",)).fetchall() == [(number, "x")]
    assert len(duckdb_session._kept) == duckdb_session._MOST_KEPT
    assert "SELECT 0, $1" not in duckdb_session._kept
    duckdb_session.close()
    assert duckdb_session.run("SELECT 68, $1", options, ("y",)).fetchall() == [(68, "y")]


@pytest.mark.parametrize("compression", list(Compression))
def test_pages_are_compressed_and_grouped_as_configured(compression: Compression) -> None:
    options = ConversionOptions(compression=compression, row_group_values=2048)
    _, output = written({"a": [str(i) for i in range(5000)]}, options)
    metadata = pq.ParquetFile(io.BytesIO(output.parquet_bytes)).metadata
    assert metadata.row_group(0).column(0).compression == compression.value
    assert metadata.num_row_groups == 3


def test_passthrough_lists_are_written_as_they_are() -> None:
    output = MemoryOutput()

    @contextmanager
    def reading() -> Iterator[str]:
        yield "(VALUES ('1', ['x', NULL]), ('2', NULL)) t(a, _surplus)"

    receipt = write_table(reading, [TextColumn("a", "a")], ConversionOptions(), output, (), passthrough=["_surplus"])
    assert output.table().to_pylist() == [{"a": 1, "_surplus": ["x", None]}, {"a": 2, "_surplus": None}]
    assert [column.name for column in receipt.columns] == ["a", "_surplus"]


def test_errors_of_the_relation_itself_are_not_taken_for_surprises() -> None:
    @contextmanager
    def reading() -> Iterator[str]:
        yield "(SELECT CASE WHEN i < 5000 THEN '1' ELSE error('broken input') END AS a FROM range(10000) t(i))"

    with pytest.raises(duckdb.Error, match="broken input"):
        write_table(reading, [TextColumn("a", "a")], ConversionOptions(), MemoryOutput(), ())


def test_a_plan_proposes_the_types_without_writing() -> None:
    columns = propose(
        reading_of({"a": ["1"], "b": ["x"]}), [TextColumn("a", "a"), TextColumn("b", "b")], ConversionOptions()
    )
    assert [(column.name, column.type) for column in columns] == [("a", "BIGINT"), ("b", "VARCHAR")]


def test_the_connection_keeps_utc_and_can_be_opened_anew() -> None:
    duckdb_session.close()
    found = (
        duckdb_session.connection(ConversionOptions(threads=2)).execute("SELECT current_setting('TimeZone')").fetchall()
    )
    assert found == [("UTC",)]
    threads = duckdb_session.connection(ConversionOptions()).execute("SELECT current_setting('threads')").fetchall()
    assert threads == [(1,)]
