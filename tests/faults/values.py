"""Is a Parquet object, value for value, what its source says? Read with other libraries than the converters'."""

import csv
import datetime as dt
import io
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.parquet as pq

csv.field_size_limit(1 << 30)


def differences(suffix: str, source: bytes, parquet: bytes) -> str:
    """Return how the object differs from its source; "" when it does not."""
    try:
        table = pq.read_table(io.BytesIO(parquet))
    except pa.ArrowInvalid as error:
        return f"can not be read: {error}"
    rows = table.to_pylist()
    match suffix:
        case ".csv":
            return _separated(source, ",", table.column_names, rows)
        case ".tsv":
            return _separated(source, "\t", table.column_names, rows)
        case ".json":
            return _records(json.loads(source, parse_float=Decimal), rows)
        case ".jsonl" | ".ndjson":
            return _records([json.loads(line, parse_float=Decimal) for line in source.splitlines() if line], rows)
        case ".xml":
            return _elements(source, rows)
    return f"nobody knows how to read {suffix}"


def _separated(source: bytes, separator: str, columns: list[str], rows: list[dict[str, Any]]) -> str:
    header, *lines = csv.reader(io.StringIO(source.decode(), newline=""), delimiter=separator)
    if header != columns:
        return f"columns {columns} instead of {header}"
    if len(lines) != len(rows):
        return f"{len(rows)} rows instead of {len(lines)}"
    for number, (cells, row) in enumerate(zip(lines, rows, strict=True), 1):
        for name, cell in zip(header, cells, strict=True):
            if not _same_text(cell, row[name]):
                return f"row {number}, {name}: {row[name]!r} instead of {cell!r}"
    return ""


def _records(expected: Any, rows: list[dict[str, Any]]) -> str:
    records = expected if isinstance(expected, list) else [expected]
    if len(records) != len(rows):
        return f"{len(rows)} rows instead of {len(records)}"
    for number, (record, row) in enumerate(zip(records, rows, strict=True), 1):
        for name in record.keys() | row.keys():
            if not _same_value(record.get(name), row.get(name)):
                return f"record {number}, {name}: {row.get(name)!r} instead of {record.get(name)!r}"
    return ""


def _elements(source: bytes, rows: list[dict[str, Any]]) -> str:
    """Compare rows of elements that hold attributes and plain children."""
    elements = list(ET.fromstring(source))  # only what our own generator made well-formed
    if len(elements) != len(rows):
        return f"{len(rows)} rows instead of {len(elements)}"
    for number, (element, row) in enumerate(zip(elements, rows, strict=True), 1):
        cells = {f"@{name}": value for name, value in element.attrib.items()}
        cells |= {child.tag: child.text or "" for child in element}
        for name in cells.keys() | row.keys():
            if not _same_text(cells.get(name, ""), row.get(name)):
                return f"element {number}, {name}: {row.get(name)!r} instead of {cells.get(name)!r}"
    return ""


def _same_text(text: str, value: Any) -> bool:
    """Tell whether `value` says what `text` says."""
    try:
        match value:
            case None:
                return text == ""
            case str():
                return value == text
            case bool():
                return text.lower() == str(value).lower()
            case int() | float() | Decimal():
                return Decimal(text) == Decimal(str(value))
            case dt.datetime():
                return dt.datetime.fromisoformat(text) == value
            case dt.date():
                return dt.date.fromisoformat(text) == value
            case dt.time():
                return dt.time.fromisoformat(text) == value
    except (ArithmeticError, ValueError, TypeError):
        return False
    return False


def _same_value(expected: Any, value: Any) -> bool:
    match expected, value:
        case None, None:
            return True
        case bool(), bool():
            return expected == value
        case str(), _:
            return _same_text(expected, value)
        case (int() | Decimal(), int() | float() | Decimal()):
            return not isinstance(value, bool) and Decimal(expected) == Decimal(str(value))
        case list(), list():
            return len(expected) == len(value) and all(map(_same_value, expected, value))
        case Mapping(), Mapping():
            return all(_same_value(expected.get(name), value.get(name)) for name in expected.keys() | value.keys())
        case _, str():  # a union became text: it must read back as what it was
            return bool(json.loads(value, parse_float=Decimal) == expected)
    return False
