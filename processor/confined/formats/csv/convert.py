"""Convert CSV and TSV to Parquet.

Decide from the text how it was written, read it so, account for every byte.

    encoding -> dialect (sniffer) -> table and header (layout) -> rows (strategies) -> write

The strategies are tried in order. `concurrent` and `inline` trust the first piece of a large text and check the rest
while DuckDB reads it; `verified` checks it before. Where a check fails, or DuckDB sees other rows than the check,
every record is surveyed and our own reader reads the rows: into memory where they are few (`in_memory`), else one after
another (`exact`).
"""

from collections.abc import Sequence

import duckdb

from processor.confined.formats.base import Format, TablePlan
from processor.confined.formats.csv.analysis import Analysis
from processor.confined.formats.csv.fast.concurrent_check import concurrent
from processor.confined.formats.csv.fast.inline_check import inline
from processor.confined.formats.csv.fast.speculative import SpeculationFailedError
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.readings import by_our_reader
from processor.confined.formats.csv.strategies import CsvInput, Strategy, exact, in_memory, verified
from processor.confined.formats.csv.write import write
from processor.confined.formats.parquet.write import propose
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.declarations import keys_of
from processor.domain.errors import DeliveryError, Failure
from processor.streams.output import Output
from processor.streams.source import Source

_BY_DUCKDB: tuple[Strategy, ...] = (concurrent, inline, verified)  # their readings may turn out wrong


def convert_csv(
    source: Source,
    data_format: DataFormat,
    options: ConversionOptions,
    output: Output,
    metadata: Facts,
) -> Receipt:
    """Convert `source` to Parquet. Raises DeliveryError (`csv.*`) for what can not be read with certainty."""
    csv = CsvInput(source, data_format, options)
    for strategy in _BY_DUCKDB:
        try:
            if (rows := strategy(csv)) is not None:
                return write(rows, output, metadata)
        except (SpeculationFailedError, duckdb.Error, DeliveryError) as error:
            _expect_another_reading(error)
    csv.analysis.refuse_malformed()
    return write(in_memory(csv) or exact(csv), output, metadata)


def _expect_another_reading(error: Exception) -> None:
    """Raise what no other reading can help. Quotes inside of fields, two by two, make DuckDB count other rows."""
    if isinstance(error, DeliveryError) and error.failure.code != "table.receipt":
        raise error


def plan_csv(source: Source, data_format: DataFormat, options: ConversionOptions) -> TablePlan:
    """Return how `source` would be read and what its columns would be."""
    csv = CsvInput(source, data_format, options)
    rows = by_our_reader(csv.proved[0]) if csv.proved is not None else in_memory(csv) or exact(csv)
    analysis = rows.analysis
    columns = propose(rows.opened, analysis.columns(), options, sample=rows.sample)
    return TablePlan(_facts(analysis), columns, _refusal(analysis))


def _facts(table: Analysis) -> Facts:
    facts = (
        ("encoding", table.encoding.name),
        ("encoding reason", table.encoding.reason),
        ("dialect", table.dialect.describe()),
        ("header", str(table.header.present)),
        ("header reason", table.header.reason),
        ("preamble", _texts(table.layout.preamble)),
        ("footer", _texts(table.layout.footer)),
        ("malformed rows", str(table.malformed or "")),
        ("malformed lines", ", ".join(map(str, table.misfits.lines if table.misfits else ()))),
    )
    return tuple((name, value) for name, value in facts if value)


def _texts(records: Sequence[Record]) -> str:
    return ", ".join(record.text.decode() for record in records)


def _refusal(table: Analysis) -> Failure | None:
    try:
        table.refuse_malformed()
    except DeliveryError as error:
        return error.failure
    return None


FORMAT = Format(plan_csv, convert_csv, honours=keys_of("csv") | {"columns"})
