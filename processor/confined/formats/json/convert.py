"""Convert JSON and JSON Lines to Parquet.

A first look at some rows proposes a schema. If DuckDB can read such rows as they stand, one pass reads, proves and
writes them. A row that is not proved ends that pass: then every row that no pattern proves is parsed exactly, the
schema learns from it, and the table is written again, from the rows as they stand or, where DuckDB's reader would
change a value (long numbers, mixed kinds, keys it can not tell apart), from rows that are written out for it anew.

A missing key is NULL, as null is; a row that is null or {} is a row of NULLs. A record that has a key twice is refused;
a .json file that is one such document, and so no table, is kept whole as JSON text.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from processor.confined.formats.base import Format, TablePlan
from processor.confined.formats.duckdb_session import FAILURES
from processor.confined.formats.json.declared import DeclaredJson
from processor.confined.formats.json.documents import DocumentSequence, JsonRows, open_rows
from processor.confined.formats.json.parser import KeyTwiceError, NotJsonError
from processor.confined.formats.json.splitter import NotOneArrayError, RecordsPathError, RowTooLongError, on_one_line
from processor.confined.formats.json.table import JsonTable
from processor.domain.conversion import Column, ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.declarations import keys_of
from processor.domain.errors import DeliveryError, refused
from processor.streams.output import Output
from processor.streams.source import Source

_Result = TypeVar("_Result")


def convert_json(
    source: Source, data_format: DataFormat, options: ConversionOptions, output: Output, metadata: Facts
) -> Receipt:
    """Write the rows as Parquet and return what was written.

    Raises DeliveryError: `json.syntax` for what RFC 8259 forbids and for a key twice in one object, with line and
    column; `json.row-too-large`; `json.empty`; `json.encoding`; `json.unreadable`.
    """
    declaration = options.declaration
    if declaration is not None and declaration.columns is not None:
        return _in_its_shape(
            source, data_format, options, lambda rows: DeclaredJson(rows, declaration, options).write(output, metadata)
        )
    return _in_its_shape(
        source,
        data_format,
        options,
        lambda rows: _with_table(rows, data_format, options, lambda table: table.write(output, metadata)),
    )


def plan_json(source: Source, data_format: DataFormat, options: ConversionOptions) -> TablePlan:
    """Return what `convert_json` would first try; nothing is written. Raises DeliveryError as it does."""
    return _in_its_shape(source, data_format, options, lambda rows: _plan(rows, data_format, options))


def _plan(rows: JsonRows, data_format: DataFormat, options: ConversionOptions) -> TablePlan:
    facts = (("shape", rows.shape.value), ("encoding", rows.encoding))
    declaration = options.declaration
    if declaration is not None and declaration.columns is not None:
        return TablePlan(facts, DeclaredJson(rows, declaration, options).planned())

    def look(table: JsonTable) -> TablePlan:
        columns = tuple(Column(name, plan.sql, 0, plan.reason) for name, plan in table.plan().columns.items())
        return TablePlan((*facts, ("whole", str(table.all_seen))), columns)

    return _with_table(rows, data_format, options, look)


def _in_its_shape(
    source: Source,
    data_format: DataFormat,
    options: ConversionOptions,
    work: Callable[[JsonRows], _Result],
) -> _Result:
    """Do `work` with the rows in the shape that the file's beginning suggests, or else as documents in a row."""
    records = options.declaration.json.records if options.declaration is not None else ""
    rows = open_rows(source, data_format, options.memory_limit_mb, records)
    try:
        return work(rows)
    except NotOneArrayError:
        retry, first = replace(rows, shape=DocumentSequence.DOCUMENTS, records=()), None
    except NotJsonError as error:
        if rows.shape is DocumentSequence.DOCUMENTS:
            raise _refusal(rows, error) from error
        if rows.shape is DocumentSequence.LINES:
            # The first document was a line of its own, so if all else fails, the line that is none is the place.
            retry, first = replace(rows, shape=DocumentSequence.DOCUMENTS), error
        else:
            retry, first = replace(rows, guess=False), None
    return _again(rows, retry, first, work)


def _again(
    rows: JsonRows,
    retry: JsonRows,
    first: NotJsonError | None,
    work: Callable[[JsonRows], _Result],
) -> _Result:
    try:
        return work(retry)
    except NotOneArrayError:
        return _again(rows, replace(rows, shape=DocumentSequence.DOCUMENTS), None, work)
    except NotJsonError as error:
        raise (_refusal(rows, first) if first else _refusal(retry, error)) from error


def _with_table(
    rows: JsonRows, data_format: DataFormat, options: ConversionOptions, work: Callable[[JsonTable], _Result]
) -> _Result:
    table = JsonTable(rows, options)
    try:
        table.look()
    except KeyTwiceError:
        if (
            data_format is not DataFormat.JSON
            or rows.shape is DocumentSequence.ELEMENTS
            or not table.look_at_document()
        ):
            raise
    if table.whole == [] and data_format is DataFormat.JSON and rows.shape is not DocumentSequence.ELEMENTS:
        raise refused("json.empty", "there is no JSON value in the file", "an empty table is written []")
    try:
        return work(table)
    except FAILURES as error:
        first_line = str(error).partition("\n")[0]
        raise refused("json.unreadable", f"the rows can not be converted: {first_line}") from error


def _refusal(rows: JsonRows, error: NotJsonError) -> DeliveryError:
    place = _place(rows, error)
    where = f"line {place[0]}, column {place[1]}: " if place else ""
    if isinstance(error, RecordsPathError):
        return refused("feed.records", f"{where}{error.why}", "correct records in [feed.json]")
    if isinstance(error, RowTooLongError):
        return refused("json.row-too-large", f"{where}{error.why}", "raise WORKER_MEMORY, or split the file")
    return refused("json.syntax", f"{where}{error.why}", "only what RFC 8259 allows is read, and no key twice")


def _place(rows: JsonRows, error: NotJsonError) -> tuple[int, int] | None:
    if error.offset is not None:
        return rows.line_and_column(error.offset)
    if error.row is None:
        return None
    for offset, row in rows.read():
        if row == error.row or on_one_line(row) == error.row:
            characters = row.decode("utf-8", "replace")[: error.position or 0]
            return rows.line_and_column(offset + len(characters.encode("utf-8", "replace")))
    return None


FORMAT = Format(plan_json, convert_json, honours=keys_of("json") | {"columns"})
