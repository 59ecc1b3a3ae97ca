"""Rewrite rows so that DuckDB reads exactly the planned values."""

from collections.abc import Mapping
from typing import Any

from processor.confined.formats.json.numbers import plain
from processor.confined.formats.json.parser import write, write_string
from processor.confined.formats.json.plan import Form, PlacePlan, RowPlan


def write_row(row: Any, plan: RowPlan, columns: Mapping[str, PlacePlan]) -> str:
    """Return the row as one line of JSON: an object with some `columns` of the table, or all, as keys."""
    if not plan.is_record:
        ((name, column),) = plan.columns.items()
        return f"{{{write_string(name)}:{_write(row, column)}}}"
    if row is None:
        return "{}"
    parts = [f"{write_string(key)}:{_write(value, columns[key])}" for key, value in row.items() if key in columns]
    if plan.other in columns:
        assert plan.other is not None
        others = {key: value for key, value in row.items() if key not in plan.columns}
        if others:
            parts.append(f"{write_string(plan.other)}:{write_string(write(others))}")
    return "{" + ",".join(parts) + "}"


def _write(value: Any, plan: PlacePlan) -> str:
    if value is None:
        return "null"
    match plan.form:
        case Form.STRING:
            return write_string(value)
        case Form.DOUBLE if value == "-0":
            return "-0.0"  # DuckDB's parser takes -0 for an integer
        case Form.BOOLEAN | Form.BIGINT | Form.DOUBLE:
            return write(value)
        case Form.DECIMAL:
            return f'"{plain(value)}"'
        case Form.PLAIN:
            return write_string(value) if isinstance(value, str) else write_string(write(value))
        case Form.JSON:
            return write_string(write(value))
        case Form.STRUCT:
            fields = plan.fields
            return (
                "{" + ",".join(f"{write_string(key)}:{_write(item, fields[key])}" for key, item in value.items()) + "}"
            )
        case Form.LIST:
            assert plan.element is not None
            element = plan.element
            return "[" + ",".join(_write(item, element) for item in value) + "]"
    raise AssertionError(plan.form)
