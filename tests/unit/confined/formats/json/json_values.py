"""JSON for the tests: conversion in memory, an independent reading of the source, and what "equal by value" means."""

import json
from decimal import Decimal
from typing import Any

from processor.confined.formats.json.convert import convert_json
from processor.domain.conversion import ConversionOptions, DataFormat, Receipt
from processor.streams.source import BytesSource
from tests.unit.confined.formats.tables import MemoryOutput

Rows = list[dict[str, Any]]


class Digits(str):
    """A number, by its digits."""

    __slots__ = ()


def converted(
    text: bytes | str, data_format: DataFormat = DataFormat.JSON, options: ConversionOptions | None = None
) -> tuple[Receipt, Rows]:
    data = text.encode() if isinstance(text, str) else text
    output = MemoryOutput()
    receipt = convert_json(BytesSource("test", data), data_format, options or ConversionOptions(), output, ())
    return receipt, output.table().to_pylist()


def types(receipt: Receipt) -> dict[str, str]:
    return {column.name: column.type for column in receipt.columns}


def load(text: str) -> Any:
    return json.loads(text, parse_int=Digits, parse_float=Digits)


def dump(value: Any, *, ascii_only: bool = False, space: str = "") -> str:
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        members = (
            f"{dump(k, ascii_only=ascii_only)}{space}:{space}{dump(v, ascii_only=ascii_only, space=space)}"
            for k, v in value.items()
        )
        return "{" + space + f",{space}".join(members) + space + "}"
    if isinstance(value, list):
        return "[" + space + f",{space}".join(dump(v, ascii_only=ascii_only, space=space) for v in value) + space + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def same_rows(expected: list[Any], converted_rows: tuple[Receipt, Rows]) -> bool:
    receipt, rows = converted_rows
    other = next((column.name for column in receipt.columns if "can not name a column" in column.reason), None)
    return len(expected) == len(rows) and all(
        same_row(value, row, other) for value, row in zip(expected, rows, strict=True)
    )


def same_row(expected: Any, row: dict[str, Any], other: str | None) -> bool:
    if list(row) == ["value"] and same(expected, row["value"]):
        return True
    if not (expected is None or isinstance(expected, dict)):
        return False
    others = load(row[other]) if other and row[other] else {}
    columns = {key: value for key, value in row.items() if key != other}
    expected = expected or {}
    return all(
        same(expected.get(key), others[key] if key in others else columns.get(key))
        for key in {*expected, *others, *columns}
    )


def same(expected: Any, found: Any) -> bool:
    """Tell whether `found`, as pyarrow reads it, is the value `expected`, in its type or as text."""
    if expected is None or found is None:
        return expected is found
    if isinstance(found, str) and not isinstance(found, Digits) and not isinstance(expected, str):
        try:
            return same(expected, load(found))
        except ValueError:
            return False
    if isinstance(expected, Digits):
        return _same_number(Decimal(expected), found)
    if isinstance(expected, str):
        return found == expected or (isinstance(found, str) and found[:1] == '"' and load(found) == expected)
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return False
        return all(same(expected.get(key), found.get(key)) for key in {*expected, *found})
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(same, expected, found))
    return expected is found


def _same_number(expected: Decimal, found: Any) -> bool:
    if isinstance(found, bool):
        return False
    value = Decimal(repr(found)) if isinstance(found, float) else Decimal(found)
    return value == expected and (not expected.is_zero() or value.is_signed() == expected.is_signed())
