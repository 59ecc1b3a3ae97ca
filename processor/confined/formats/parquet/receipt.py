"""The receipt of a written table, counted from its Parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from processor.confined.formats.parquet.copy import Written
from processor.confined.formats.types.evidence import Evidence
from processor.confined.formats.types.infer import ColumnType, TypeKind
from processor.domain.conversion import Column, Facts, Receipt
from processor.domain.errors import refused

Sample = Sequence[Sequence[str | None]]
"""Rows of the table, from anywhere in it: a text or None (NULL) for each `TextColumn`, in their order."""


_LONGEST_METADATA = 64 << 10


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of text: its name in the relation and in the Parquet, and as it stood in the source if that differs.

    NULL and '' are different values: a reading gives NULL for what is missing and '' for an empty text, and a
    column that has an empty text is text.
    """

    source: str
    name: str
    original_name: str | None = None


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column, the type it is written as, and what its texts say."""

    column: TextColumn
    type: ColumnType
    evidence: Evidence

    def reason(self, values: int | None = None) -> str:
        """Return why the column has its type; `values` is the number of its values, where that is known."""
        if self.type.kind is TypeKind.VARCHAR:
            return f"VARCHAR: {self.evidence.against or 'no value to judge by'}"
        return f"{self.type.sql}: all {'' if values is None else f'{values:,} '}values are {_WHY[self.type.kind]}"

    def planned(self) -> Column:
        """Return the column as it would be written; its NULLs are not counted."""
        return Column(self.column.name, self.type.sql, 0, self.reason(), self.column.original_name)

    def written(self, written: Written) -> Column:
        """Return the column as it was written."""
        nulls = written.nulls(self.column.name)
        reason = self.reason(written.rows - nulls)
        return Column(self.column.name, self.type.sql, nulls, reason, self.column.original_name)


_WHY = {
    TypeKind.BIGINT: "whole numbers in their shortest form",
    TypeKind.DOUBLE: "decimal numbers that a double holds exactly",
    TypeKind.DECIMAL: "decimal numbers with more digits than a double holds",
    TypeKind.BOOLEAN: "true or false",
    TypeKind.DATE: "ISO 8601 dates",
    TypeKind.TIMESTAMP: "ISO 8601 moments without an offset",
    TypeKind.TIMESTAMPTZ: "ISO 8601 instants with an offset, kept as UTC",
}


def described(columns: Sequence[Column]) -> Facts:
    """Return, for the Parquet's metadata, the reason for each column's type, and the names that had to be changed."""
    found = [("column-types", reasons({column.name: column.reason for column in columns}))]
    originals = {column.name: column.original_name for column in columns if column.original_name is not None}
    if originals:
        found.append(("original-names", orjson.dumps(originals).decode()))
    return tuple(found)


def reasons(by_column: Mapping[str, str]) -> str:
    """Return the reason for each column's type as JSON."""
    text = orjson.dumps(by_column).decode()
    return text if len(text) <= _LONGEST_METADATA else "too many columns to list"


def receipt(columns: Sequence[TypedColumn], passthrough: Sequence[str], written: Written, facts: Facts) -> Receipt:
    """Return the receipt of what was written."""
    found = [typed.written(written) for typed in columns]
    found += [Column(name, "VARCHAR[]", written.nulls(name), "as it was read") for name in passthrough]
    return Receipt(written.rows, tuple(found), facts=facts)


def compare_rows(read: int | None, written: Written) -> None:
    """Raise DeliveryError `table.receipt` when not all rows that were read, as far as known, were written."""
    _compare("rows", read, written.rows)


def compare_whole(columns: Sequence[TextColumn], rows: Sample, written: Written) -> None:
    """Raise DeliveryError `table.receipt` when not all of `rows`, or another number of NULLs, were written."""
    compare_rows(len(rows), written)
    for column, texts in zip(columns, zip(*rows, strict=True), strict=False):
        _compare(f"NULLs of {column.name!r}", texts.count(None), written.nulls(column.name))


def _compare(what: str, read: int | None, written: int) -> None:
    if read is not None and read != written:
        raise refused("table.receipt", f"{written} {what} were written, {read} were read", "report this as a bug")
