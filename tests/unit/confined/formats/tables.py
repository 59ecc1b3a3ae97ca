"""Tables of text for the tests: a reading made of them, an output in memory, and what "equal by value" means."""

import datetime as dt
import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from processor.confined.formats import duckdb_session
from processor.confined.formats.parquet.write import Reading, Sample, TextColumn, write_table
from processor.confined.formats.sql import quoted
from processor.domain.conversion import ConversionOptions, Receipt

_FEW_ROWS = 1000

Text = str | None
Table = dict[str, Sequence[Text]]


class MemoryOutput:
    """Keeps the last Parquet object; fed through a pipe, as in the daemon."""

    def __init__(self) -> None:
        self.parquet_bytes = b""
        self.begun = 0

    @contextmanager
    def parquet(self) -> Iterator[int]:
        self.begun += 1
        read_end, write_end = os.pipe()
        pieces: list[bytes] = []
        pump = threading.Thread(target=_pump, args=(read_end, pieces))
        pump.start()
        try:
            yield write_end
        finally:
            os.close(write_end)
            pump.join()
        self.parquet_bytes = b"".join(pieces)

    @contextmanager
    def rejects(self) -> Iterator[BinaryIO]:
        raise NotImplementedError

    @contextmanager
    def notes(self) -> Iterator[BinaryIO]:
        raise NotImplementedError

    def table(self) -> pa.Table:
        return pq.read_table(io.BytesIO(self.parquet_bytes))

    def key_values(self) -> dict[str, str]:
        found = pq.ParquetFile(io.BytesIO(self.parquet_bytes)).metadata.metadata or {}
        return {key.decode(): value.decode() for key, value in found.items()}


def _pump(read_end: int, pieces: list[bytes]) -> None:
    while data := os.read(read_end, 1 << 20):
        pieces.append(data)
    os.close(read_end)


def reading_of(table: Table) -> Reading:
    """Return a reading of `table`; every text goes through a bound parameter, none through SQL."""
    names = list(table)
    arrow = pa.table({f"s{i}": pa.array(texts, pa.string()) for i, texts in enumerate(table.values())})

    @contextmanager
    def reading() -> Iterator[str]:
        connection = duckdb_session.connection(ConversionOptions())
        connection.register("source_of_test", arrow)
        aliases = ", ".join(f"s{i} AS {quoted(name)}" for i, name in enumerate(names))
        try:
            yield f"(SELECT {aliases} FROM source_of_test)"
        finally:
            connection.unregister("source_of_test")

    return reading


def written(
    table: Table, options: ConversionOptions | None = None, sample: Sample | None = None, **more: Any
) -> tuple[Receipt, MemoryOutput]:
    """Write `table` as the converters do; from memory and, to compare, with its values checked as they are read."""
    output = MemoryOutput()
    columns = [TextColumn(name, name) for name in table]
    receipt = write_table(reading_of(table), columns, options or ConversionOptions(), output, (), sample=sample, **more)
    rows = list(zip(*table.values(), strict=True))
    if sample is None and len(rows) < _FEW_ROWS:
        checked, other = written(table, options, sample=rows, **more)
        assert [column.type for column in receipt.columns] == [column.type for column in checked.columns]
        assert other.table().equals(output.table())
    return receipt, output


def type_of(*texts: Text) -> str:
    """Return the type that a column of `texts` is written as, after comparing every value."""
    receipt, output = written({"a": texts})
    assert_same_values(texts, values_of(output.table(), "a"))
    return receipt.columns[0].type


class Nanoseconds(int):
    """A moment as nanoseconds since 1970, which Python's datetime can not hold."""


def values_of(table: pa.Table, name: str) -> list[Any]:
    """Return the column's values as Python values that hold them wholly."""
    column = table.column(name)
    if column.type == pa.timestamp("ns"):
        return [None if value is None else Nanoseconds(value) for value in column.cast(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def assert_same_values(texts: Sequence[Text], values: Sequence[Any]) -> None:
    assert len(texts) == len(values)
    for text, value in zip(texts, values, strict=True):
        assert same_value(text, value), (text, value)


def same_value(text: Text, value: Any) -> bool:
    """Tell whether `value`, read from Parquet, is the value of `text`; by means that share nothing with the code."""
    match value:
        case None | str():
            return text == value
        case Nanoseconds():
            assert text is not None
            seconds, _, fraction = text.partition(".")
            there = dt.datetime.fromisoformat(seconds).replace(tzinfo=dt.UTC)
            return int(there.timestamp()) * 10**9 + int(fraction.ljust(9, "0")) == value
        case bool():
            return text is not None and text.lower() == str(value).lower()
        case int() | Decimal():
            return text is not None and Decimal(text) == value
        case float():
            return text is not None and Decimal(text) == Decimal(repr(value))
        case dt.datetime():
            assert text is not None
            there = dt.datetime.fromisoformat(text)
            return there == value and (there.tzinfo is None) == (value.tzinfo is None)
        case dt.date() | dt.time():
            return text is not None and type(value).fromisoformat(text) == value
    raise AssertionError(type(value))
