"""Convert CSV and TSV to Parquet.

Decide from the whole text how it was written, read it so, account for every byte.

    encoding (csv_encoding) -> dialect (csv_dialect) -> layout (csv_layout) -> header (csv_header)
    -> the fast way where every row is alike (csv_direct), else the exact way (csv_exact) -> write_table

A small text is decided on whole. Of a large one the dialect is decided on its first piece, and DuckDB reads it at
once while all of it is checked to be what that piece promises: beside DuckDB (csv_beside), or, where it is costly to
read twice, on its way there (csv_passing). Where it is not, either the structure of all rows is found to be alike
nevertheless, or every record is surveyed before the first is written.
"""

from dataclasses import replace

import duckdb

from processor.confined.formats.base import Format, TablePlan
from processor.confined.formats.csv.analysis import CsvTable
from processor.confined.formats.csv.fast.concurrent_check import BesideTable, is_large_file
from processor.confined.formats.csv.fast.inline_check import PassingTable, is_costly_to_read
from processor.confined.formats.csv.fast.speculative import BrokenPromiseError, PromisedTable
from processor.confined.formats.parquet.write import propose
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, MalformedRows, Receipt
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
    if (promised := _promised(source)) is not None:
        try:
            promising = promised.of(source, data_format, options)
            return promising.write(promising.direct(), lambda: promising.rows_passed, output, metadata)
        except (BrokenPromiseError, duckdb.Error, DeliveryError) as error:
            _expect_another_reading(error)  # the careful way decides
    table = CsvTable.of(source, data_format, options)
    table.refuse_malformed()
    if (structure := table.structure) is not None:
        try:
            return table.write(table.direct(), lambda: structure.rows, output, metadata)
        except (duckdb.Error, DeliveryError) as error:
            _expect_another_reading(error)
            table.structure = None
            table.understand_all()  # DuckDB sees it otherwise than the check of its structure: the exact way decides
            table.refuse_malformed()
    piped = table.piped()
    receipt = table.write(piped.reading, lambda: piped.count, output, metadata)
    if table.malformed and options.malformed_rows is MalformedRows.REJECT_OBJECT:
        table.write_rejects(output)
        receipt = replace(receipt, rejected_rows=table.malformed)
    return receipt


def _expect_another_reading(error: Exception) -> None:
    """Raise what no other reading can help. Quotes inside of fields, two by two, make DuckDB count other rows."""
    if isinstance(error, DeliveryError) and error.failure.code != "table.receipt":
        raise error


def _promised(source: Source) -> type[PromisedTable] | None:
    """Return the table that takes a large `source` at its beginning's word."""
    if is_costly_to_read(source):
        return PassingTable
    return BesideTable if is_large_file(source) else None


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


FORMAT = Format(plan_csv, convert_csv)
