"""Convert CSV and TSV to Parquet.

Decide from the whole text how it was written, read it so, account for every byte.

    encoding -> dialect (sniffer) -> table and header (layout)
    -> DuckDB's reader where every row is alike (reader.uniformity), else our own (feed.encoded_rows) -> write_table

The dialect of a small text is decided on all of it, that of a large one on its first piece. DuckDB then reads a large
text at once while all of it is checked: in another thread (fast.concurrent_check), or on its way to DuckDB where a
second reading
is costly (fast.inline_check). If the check fails, the structure of all rows is proved first, or every record is
surveyed before the first is written.
"""

import duckdb

from processor.confined.formats.base import Format, TablePlan, fast_paths
from processor.confined.formats.csv.analysis import CsvTable
from processor.confined.formats.csv.declared import csv_declaration, is_changed
from processor.confined.formats.csv.fast.concurrent_check import ConcurrentTable, is_large_file
from processor.confined.formats.csv.fast.inline_check import InlineTable, is_costly_to_read, is_large
from processor.confined.formats.csv.fast.speculative import SpeculationFailedError, SpeculativeTable
from processor.confined.formats.parquet.write import propose
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.declarations import CsvDeclaration, keys_of
from processor.domain.errors import DeliveryError, Failure
from processor.streams.output import Output
from processor.streams.source import Source


def convert_csv(
    source: Source,
    data_format: DataFormat,
    options: ConversionOptions,
    output: Output,
    metadata: Facts,
) -> Receipt:
    """Convert `source` to Parquet. Raises DeliveryError (`csv.*`) for what can not be read with certainty."""
    promised = _promised(source, csv_declaration(options))
    if promised is not None:
        try:
            promising = promised.of(source, data_format, options)
            receipt = promising.write(promising.direct(), lambda: promising.rows_passed, output, metadata)
            return promising.finish(receipt, output)
        except (SpeculationFailedError, duckdb.Error, DeliveryError) as error:
            _expect_another_reading(error)  # the careful way decides
    table = CsvTable.of(source, data_format, options)
    table.refuse_malformed()
    if (structure := table.structure) is not None:
        try:
            receipt = table.write(table.direct(), lambda: structure.rows, output, metadata)
            return table.finish(receipt, output)
        except (duckdb.Error, DeliveryError) as error:
            _expect_another_reading(error)
            table.structure = None
            table.understand_all()  # DuckDB sees it otherwise than the check of its structure: the exact way decides
            table.refuse_malformed()
    piped = table.piped()
    receipt = table.write(piped.reading, lambda: piped.count, output, metadata)
    return table.finish(receipt, output)


def _expect_another_reading(error: Exception) -> None:
    """Raise what no other reading can help. Quotes inside of fields, two by two, make DuckDB count other rows."""
    if isinstance(error, DeliveryError) and error.failure.code != "table.receipt":
        raise error


def _promised(source: Source, csv: CsvDeclaration) -> type[SpeculativeTable] | None:
    """Return the table that reads a large `source` in one pass, if any."""
    if csv.row_names or not fast_paths():
        return None
    if is_changed(csv):
        return InlineTable if is_large(source) else None
    if is_costly_to_read(source):
        return InlineTable
    return ConcurrentTable if is_large_file(source) else None


def plan_csv(source: Source, data_format: DataFormat, options: ConversionOptions) -> TablePlan:
    """Return how `source` would be read and what its columns would be."""
    table = CsvTable.of(source, data_format, options)
    columns = propose(table.piped().reading, table.columns(), options, sample=table.sample())
    return TablePlan(_facts(table), columns, _refusal(table))


def _facts(table: CsvTable) -> Facts:
    preamble, footer = (
        ", ".join(record.text.decode() for record in records)
        for records in (table.layout.preamble, table.layout.footer)
    )
    facts = (
        ("encoding", table.encoding.name),
        ("encoding reason", table.encoding.reason),
        ("dialect", table.dialect.describe()),
        ("header", str(table.header.present)),
        ("header reason", table.header.reason),
        ("preamble", preamble),
        ("footer", footer),
        ("malformed rows", str(table.malformed or "")),
        ("malformed lines", ", ".join(map(str, table.malformed_lines))),
    )
    return tuple((name, value) for name, value in facts if value)


def _refusal(table: CsvTable) -> Failure | None:
    try:
        table.refuse_malformed()
    except DeliveryError as error:
        return error.failure
    return None


FORMAT = Format(plan_csv, convert_csv, honours=keys_of("csv") | {"columns"})
