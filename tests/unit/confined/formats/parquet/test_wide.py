"""Very wide tables: written in stripes of columns, read as one Parquet by everybody."""

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from processor.confined.formats import duckdb_session
from processor.confined.formats.parquet import column_batches, write
from processor.confined.formats.parquet.thrift import ThriftReader, encode
from processor.confined.formats.parquet.wide import parts
from processor.domain.conversion import ConversionOptions
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.tables import MemoryOutput, Table, assert_same_values, reading_of, values_of, written


@pytest.fixture
def narrow_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (write, column_batches):
        monkeypatch.setattr(module, "parts", lambda weights, _room: parts([1] * len(weights), 3))


def some_table(columns: int, rows: int) -> Table:
    makers = [str, lambda row: f"{row}.25", lambda row: f"text {row}", lambda row: None if row % 3 else "true"]
    return {f"column {i}": [makers[i % 4](row) for row in range(rows)] for i in range(columns)}


@pytest.mark.usefixtures("narrow_stripes")
@pytest.mark.parametrize(("columns", "rows"), [(4, 1), (11, 70_000), (12, 5), (5, 0)])
def test_a_table_in_stripes_is_one_parquet_to_every_reader(columns: int, rows: int, tmp_path: Path) -> None:
    source = some_table(columns, rows)
    receipt, output = written(source)
    assert receipt.rows == rows
    found = output.table()
    assert found.schema.names == list(source) == [column.name for column in receipt.columns]
    for column in receipt.columns:
        assert_same_values(source[column.name], values_of(found, column.name))
        assert column.null_count == list(source[column.name]).count(None)
    assert pl.read_parquet(io.BytesIO(output.parquet_bytes)).equals(pl.from_arrow(found))
    path = tmp_path / "wide.parquet"
    path.write_bytes(output.parquet_bytes)
    connection = duckdb_session.connection(ConversionOptions())
    assert connection.execute("SELECT * FROM read_parquet($1)", [str(path)]).fetchall() == [
        tuple(row.values()) for row in found.to_pylist()
    ]
    assert "column-types" in output.key_values()


@pytest.mark.usefixtures("narrow_stripes")
def test_surprises_in_stripes_end_as_text() -> None:
    source: Table = {f"c{i}": ["1"] * 5 + ["1.5", "x"] for i in range(7)}
    receipt, output = written(source, sample=[["1"] * 7])
    assert {column.type for column in receipt.columns} == {"VARCHAR"}
    for name, texts in source.items():
        assert_same_values(texts, values_of(output.table(), name))


@pytest.mark.usefixtures("narrow_stripes")
def test_a_table_that_changes_between_two_stripes_is_not_stitched() -> None:
    tables = iter([{f"c{i}": ["1"] * rows for i in range(4)} for rows in (2, 3)])

    def reading() -> AbstractContextManager[str]:
        return reading_of(next(tables))()

    columns = [write.TextColumn(f"c{i}", f"c{i}") for i in range(4)]
    with pytest.raises(DeliveryError, match="changed while it was read"):
        write.write_table(reading, columns, ConversionOptions(), MemoryOutput(), (), sample=[["1"] * 4])


def test_a_footer_is_decoded_and_encoded_to_the_same_bytes() -> None:
    _, output = written(some_table(40, 100))
    data = output.parquet_bytes
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    assert encode(ThriftReader(footer).struct()) == footer


@pytest.mark.slow
def test_very_many_columns_are_written_within_little_memory(tmp_path: Path) -> None:
    count, memory_mb = (20_000, 400) if os.environ.get("TORTURE") else (5000, 100)
    names = [f"c{i}" for i in range(count)]
    rows = [["1" if i % 3 else "x" for i in range(count)], ["22" if i % 3 else "" for i in range(count)]]
    path = tmp_path / "wide.csv"
    path.write_text("".join(",".join(value or '""' for value in row) + "\n" for row in rows))
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)

    @contextmanager
    def reading() -> Iterator[str]:
        dialect = "delim=',', quote='\"', escape='\"', header=false, auto_detect=false, allow_quoted_nulls=false"
        yield f"read_csv('{path}', {dialect}, columns={{{types}}})"

    output = MemoryOutput()
    columns = [write.TextColumn(name, name) for name in names]
    options = ConversionOptions(memory_limit_mb=memory_mb)
    receipt = write.write_table(reading, columns, options, output, (), sample=rows, rows_read=lambda: len(rows))
    assert receipt.rows == 2
    parquet = pq.read_table(io.BytesIO(output.parquet_bytes))
    assert parquet.schema.names == names
    assert parquet.column(names[-1]).to_pylist() == [1, 22]
    assert parquet.column(names[-2]).to_pylist() == ["x", ""]
    assert parquet.column(names[-3]).to_pylist() == [1, 22]
