"""One Parquet, several readers: all open it and see the same values; no type in it is one that Spark does not read."""

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processor.confined.formats import convert
from processor.domain.conversion import ConversionOptions, DataFormat
from processor.streams.source import BytesSource
from tests.unit.confined.formats.tables import MemoryOutput

_CSV = (
    b'id,exact,at,instant,day,time,ok,number,large,"odd ,;{}()=\tname"\n'
    b"1,12345678901234567.25,2024-01-01 10:00:00,2024-01-01T10:00:00Z,"
    b"2024-01-01,10:00:00,true,1.5,12345678901234567890,x\n"
    b'2,1.5,2024-01-02 10:00:00.5,2024-01-01T10:00:00+02:00,2024-01-02,10:00:01,false,2.25,2,""\n'
    b"3,,,,,,,,,\n"
)
_JSON = (
    b'[{"a":1,"of":{"x y":[{"n":1.5,"s":"t"},{"n":-0.0,"s":null}],"e":[[1],[],null]},'
    b'"d":12345678901234567890,"k;=":true},'
    b'{"a":null,"of":null,"d":1,"k;=":false},{"a":3,"of":{"x y":[],"e":null},"map":{}}]'
)
_XML = (
    b'<r xmlns:p="urn:p"><row id="1"><v>1.5</v><p:q>a</p:q><p:q>b</p:q><in><n>7</n></in></row>'
    b'<row id="2"><v>2.5</v></row></r>'
)
_ROWS = {DataFormat.CSV: 3, DataFormat.JSON: 3, DataFormat.XML: 2}
# Apache Spark, ParquetSchemaConverter: neither unsigned nor 96 bits wide, of nanoseconds or a time of day.
_TYPES = {
    "BOOLEAN": {"None"},
    "INT32": {"Date"},
    "INT64": {"Int(bitWidth=64, isSigned=true)", "Timestamp"},
    "DOUBLE": {"None"},
    "BYTE_ARRAY": {"String"},
    "FIXED_LEN_BYTE_ARRAY": {"Decimal"},
}

files = pytest.mark.parametrize(
    ("data_format", "data"),
    [(DataFormat.CSV, _CSV), (DataFormat.JSON, _JSON), (DataFormat.XML, _XML)],
    ids=["csv", "json", "xml"],
)


def _parquet(data_format: DataFormat, data: bytes) -> bytes:
    output = MemoryOutput()
    convert(BytesSource("test", data), data_format, ConversionOptions(), output, ())
    return output.parquet_bytes


def _with_duckdb(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone='UTC'")
        found: pa.Table = connection.sql("FROM read_parquet($path)", params={"path": str(path)}).to_arrow_table()
    return found.to_pylist()


@files
def test_all_readers_see_the_same_values(data_format: DataFormat, data: bytes, tmp_path: Path) -> None:
    written = _parquet(data_format, data)
    path = tmp_path / "table.parquet"
    path.write_bytes(written)
    rows = pq.read_table(io.BytesIO(written)).to_pylist()
    assert _without_zones(pl.read_parquet(io.BytesIO(written)).to_dicts()) == _without_zones(rows)
    assert _without_zones(_with_duckdb(path)) == _without_zones(rows)
    assert len(rows) == _ROWS[data_format]


def test_the_values_are_those_of_the_file() -> None:
    first = pq.read_table(io.BytesIO(_parquet(DataFormat.CSV, _CSV))).to_pylist()[0]
    assert first == {
        "id": 1,
        "exact": Decimal("12345678901234567.25"),
        "at": dt.datetime(2024, 1, 1, 10),  # noqa: DTZ001 - the file names no zone
        "instant": dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC),
        "day": dt.date(2024, 1, 1),
        "time": "10:00:00",
        "ok": True,
        "number": 1.5,
        "large": 12345678901234567890,
        "odd ,;{}()=\tname": "x",
    }


@files
def test_no_type_is_one_that_spark_does_not_read(data_format: DataFormat, data: bytes) -> None:
    schema = pq.ParquetFile(io.BytesIO(_parquet(data_format, data))).schema
    for index in range(len(schema)):
        column = schema.column(index)
        logical = str(column.logical_type)
        assert any(logical.startswith(known) for known in _TYPES[column.physical_type]), column
        assert "nanoseconds" not in logical


def test_nanoseconds_stay_text() -> None:
    texts = ["2024-01-01 10:00:00.123456789", "2024-01-01 10:00:00.000000001"]
    parquet = _parquet(DataFormat.CSV, "\n".join(["at,n", *(f"{text},1" for text in texts), ""]).encode())
    assert pq.read_table(io.BytesIO(parquet))["at"].to_pylist() == texts


def _without_zones(value: Any) -> Any:
    """Return the values with instants in UTC, by whichever object a reader tells that zone."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    if isinstance(value, dict):
        return {key: _without_zones(item) for key, item in value.items()}
    return [_without_zones(item) for item in value] if isinstance(value, list) else value
