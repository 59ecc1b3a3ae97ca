"""What the CSV tests share: convert bytes and read back what was written."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from processor.confined.formats.csv.convert import convert_csv
from processor.domain.conversion import ConversionOptions, CsvNotes, DataFormat, MalformedRows, Receipt, Typing
from processor.streams.source import BytesSource, Source, open_file
from tests.unit.confined.formats.tables import MemoryOutput


class WithRejects(MemoryOutput):
    """Keeps the rejects as well."""

    def __init__(self) -> None:
        super().__init__()
        self.rejected: list[dict[str, Any]] = []
        self.noted: list[dict[str, Any]] = []

    @contextmanager
    def rejects(self) -> Iterator[BinaryIO]:
        written = io.BytesIO()
        yield written
        self.rejected = [orjson.loads(line) for line in written.getvalue().splitlines()]

    @contextmanager
    def notes(self) -> Iterator[BinaryIO]:
        written = io.BytesIO()
        yield written
        self.noted = [orjson.loads(line) for line in written.getvalue().splitlines()]


@dataclass(frozen=True)
class Converted:
    names: list[str]
    rows: list[tuple[Any, ...]]
    receipt: Receipt
    rejected: list[dict[str, Any]]
    noted: list[dict[str, Any]]
    key_values: dict[str, str]

    @property
    def facts(self) -> dict[str, str]:
        return dict(self.receipt.facts)

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.receipt.columns}


def convert(
    data: bytes | Path,
    malformed: str = "refuse",
    *,
    notes: str = "recognise",
    tsv: bool = False,
    typing: Typing = Typing.TEXT,
    nulls: tuple[str, ...] = (),
    fallback: str = "",
) -> Converted:
    """Convert a text (or a file, which can be larger than a piece) and return what the Parquet holds."""
    options = ConversionOptions(
        malformed_rows=MalformedRows(malformed),
        csv_notes=CsvNotes(notes),
        typing=typing,
        null_tokens=nulls,
        fallback_encoding=fallback,
    )
    data_format = DataFormat.TSV if tsv else DataFormat.CSV
    if isinstance(data, bytes):
        return _converted(BytesSource("t.csv", data), data_format, options)
    with open_file(bytes(data.parent), data.name.encode()) as source:
        return _converted(source, data_format, options)


def _converted(source: Source, data_format: DataFormat, options: ConversionOptions) -> Converted:
    output = WithRejects()
    receipt = convert_csv(source, data_format, options, output, ())
    table = output.table()
    columns = [column.to_pylist() for column in table.columns]
    rows = list(zip(*columns, strict=True))
    assert len(rows) == receipt.rows
    return Converted(table.column_names, rows, receipt, output.rejected, output.noted, output.key_values())
