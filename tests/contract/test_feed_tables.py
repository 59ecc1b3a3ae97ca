"""The files of a feed are one table: whatever drifts, any reader reads the directory with exact sums."""

from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from processor.confined.formats.base import format_of
from processor.domain.conversion import ConversionOptions, DataFormat
from processor.domain.declarations import (
    ColumnDeclaration,
    ColumnsDeclaration,
    CsvDeclaration,
    Declaration,
    OnExtra,
    OnMissing,
    XmlDeclaration,
)
from processor.streams.source import BytesSource
from tests.unit.confined.formats.csv.csv_tables import WithRejects

COLUMNS = (
    ColumnDeclaration("id", "BIGINT"),
    ColumnDeclaration("zip", "VARCHAR"),
    ColumnDeclaration("amount", "DECIMAL(18,2)"),
    ColumnDeclaration("weight", "DOUBLE"),
    ColumnDeclaration("at", "TIMESTAMP"),
    ColumnDeclaration("note", "VARCHAR"),
)
# Of each day: id, zip, amount, weight, at, note; None: empty.
DAYS: tuple[tuple[tuple[str | None, ...], ...], ...] = (
    (("1", "10115", "1.10", "2", "2024-01-01", None), ("2", "80331", "2.25", "3", "2024-01-01", None)),
    (("3", "01067", "4", "2.5", "2024-01-02 10:00:00", "x"),),  # a leading zero, a whole number, a time of day
    (("4", None, None, None, None, None),),  # nothing but an id
    (("5", "20095", "3", "7", "2024-01-04", "n/a"), ("6", "20095", "0.10", "1e3", "2024-01-04T01:02:03.5", "12")),
)
COUNT, AMOUNT, WEIGHT = 6, Decimal("10.45"), 1014.5
NAMES = [column.name for column in COLUMNS]


def as_csv(day: tuple[tuple[str | None, ...], ...]) -> str:
    return ",".join(NAMES) + "\n" + "".join(",".join(value or "" for value in row) + "\n" for row in day)


def as_json(day: tuple[tuple[str | None, ...], ...]) -> str:
    def value(name: str, text: str | None) -> str:
        return "null" if text is None else text if name in ("id", "amount", "weight") else f'"{text}"'

    rows = (", ".join(f'"{n}": {value(n, v)}' for n, v in zip(NAMES, row, strict=True)) for row in day)
    return "".join(f"{{{row}}}\n" for row in rows)


def as_xml(day: tuple[tuple[str | None, ...], ...]) -> str:
    rows = ("".join(f"<{n}>{v}</{n}>" for n, v in zip(NAMES, row, strict=True) if v is not None) for row in day)
    return "<days>" + "".join(f"<row>{row}</row>" for row in rows) + "</days>"


def deliver(directory: Path, data_format: DataFormat, texts: list[str]) -> None:
    declared = ColumnsDeclaration(COLUMNS, OnMissing.NULL, OnExtra.REFUSE)
    csv, xml = CsvDeclaration(header=True, null=("n/a",)), XmlDeclaration(row="row")
    options = ConversionOptions(declaration=Declaration("days", "0" * 64, csv, xml=xml, columns=declared))
    for number, text in enumerate(texts):
        output = WithRejects()
        format_of(data_format).convert(BytesSource("day", text.encode()), data_format, options, output, ())
        (directory / f"{number}.parquet").write_bytes(output.parquet_bytes)


@pytest.mark.parametrize(
    ("data_format", "texts"),
    [
        (DataFormat.CSV, [*map(as_csv, DAYS), ",".join(NAMES) + "\n"]),  # and one day with nothing but a header
        (DataFormat.JSONL, [*map(as_json, DAYS)]),
        (DataFormat.XML, [*map(as_xml, DAYS)]),
    ],
    ids=["csv", "jsonl", "xml"],
)
def test_all_days_are_one_table_for_every_reader(tmp_path: Path, data_format: DataFormat, texts: list[str]) -> None:
    deliver(tmp_path, data_format, texts)

    question = f"SELECT count(*), sum(amount), sum(weight), max(zip) FROM '{tmp_path}/*.parquet'"
    assert duckdb.sql(question).fetchall() == [(COUNT, AMOUNT, WEIGHT, "80331")]

    table = ds.dataset(tmp_path, format="parquet").to_table()
    assert table.num_rows == COUNT
    assert pc.sum(table["amount"]).as_py() == AMOUNT
    assert table["zip"].to_pylist()[2] == "01067"

    frame = pl.scan_parquet(tmp_path / "*.parquet").select(pl.len(), pl.col("amount").sum(), pl.col("weight").sum())
    assert frame.collect().row(0) == (COUNT, AMOUNT, WEIGHT)

    schemas = {str(ds.dataset(path).schema.remove_metadata()) for path in tmp_path.iterdir()}
    assert len(schemas) == 1
