"""Compare the columns of objects and tables.

A column's type is the Parquet's own, which is what the feed declares. Columns that a table lacks are added to it, and
a type is widened where Iceberg lets every reader see the same values ("Schema Evolution", its specification). Whatever
else differs is refused: readers would see other values than the file has.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)

_SAY = "declare the type that the table has, or name another table in [feed.table]"
_OPTIONAL = "drop NOT NULL from it (ALTER TABLE), or name another table in [feed.table]"


class NoDataFileError(Exception):
    """The object can not be a data file of its table; says why, and what to do."""


def schema_of(columns: pa.Schema) -> Schema:
    """Return the columns of a Parquet as a table has them. Raises NoDataFileError."""
    ids = count(1)
    return Schema(*(_field(column, ids) for column in columns))


def _field(column: pa.Field, ids: Iterator[int]) -> NestedField:
    return NestedField(next(ids), column.name, _type(column.name, column.type, ids), required=False)


def _type(name: str, type_: pa.DataType, ids: Iterator[int]) -> IcebergType:
    if pa.types.is_struct(type_):
        return StructType(*(_field(type_.field(at), ids) for at in range(type_.num_fields)))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return ListType(next(ids), _type(name, type_.value_type, ids), element_required=False)
    if pa.types.is_decimal(type_):
        return DecimalType(type_.precision, type_.scale)
    if pa.types.is_timestamp(type_) and type_.unit == "us":
        return TimestampType() if type_.tz is None else TimestamptzType()
    for is_such, found in _SCALARS:
        if is_such(type_):
            return found
    hint = "; declare TIMESTAMP, or VARCHAR" if pa.types.is_timestamp(type_) else ""
    raise NoDataFileError(f"column {name!r}: a table has no {type_}{hint}")


_SCALARS: tuple[tuple[Any, IcebergType], ...] = (
    (pa.types.is_int64, LongType()),
    (pa.types.is_float64, DoubleType()),
    (pa.types.is_boolean, BooleanType()),
    (pa.types.is_date32, DateType()),
    (pa.types.is_string, StringType()),
    (pa.types.is_large_string, StringType()),
)


_WIDENED = ((IntegerType(), LongType()), (FloatType(), DoubleType()))  # tables of other makers have the narrow ones


def lacks(table: StructType, columns: StructType, path: str = "") -> bool:
    """Tell whether the table lacks any of these columns, or any of their values, at any depth.

    Raises NoDataFileError where a column has another type than the table's, or the table wants a value in each row.
    """
    for field in table.fields:
        if field.required:
            raise NoDataFileError(f"column {path + field.name!r} of the table may not be NULL: {_OPTIONAL}")
    known = {field.name: field.field_type for field in table.fields}
    found = False
    for field in columns.fields:
        name = f"{path}{field.name}"
        if field.name not in known:
            found = True
        else:
            found |= _lacks_within(known[field.name], field.field_type, name)
    return found


def _lacks_within(table: IcebergType, column: IcebergType, name: str) -> bool:
    if isinstance(table, StructType) and isinstance(column, StructType):
        return lacks(table, column, f"{name}.")
    if isinstance(table, ListType) and isinstance(column, ListType):
        return _lacks_within(table.element_type, column.element_type, f"{name}[]")
    if table == column or _holds(table, column):
        return False
    if _holds(column, table):
        return True
    raise NoDataFileError(f"column {name!r} is {column} in the file and {table} in the table: {_SAY}")


def _holds(wide: IcebergType, narrow: IcebergType) -> bool:
    """Tell whether readers may take values of one type for those of the other."""
    if isinstance(wide, DecimalType) and isinstance(narrow, DecimalType):
        return wide.scale == narrow.scale and wide.precision >= narrow.precision
    return (narrow, wide) in _WIDENED
