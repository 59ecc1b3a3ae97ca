"""A file without rows as a table of declared columns."""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.confined.formats.parquet.declared import DeclaredRows, DeclaredTable
from processor.confined.formats.parquet.receipt import TextColumn
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt
from processor.streams.output import Output

_ZERO_BYTES = (("empty-file", "declared"),)


def convert_empty(options: ConversionOptions, output: Output, metadata: Facts, facts: Facts = _ZERO_BYTES) -> Receipt:
    """Write a Parquet with the declared columns and no row."""

    @contextmanager
    def reading() -> Iterator[str]:
        texts = ", ".join(f"NULL::VARCHAR AS c{index}" for index in range(len(_texts(options))))
        yield f"(SELECT {texts} WHERE false)"

    return _table(options).write(DeclaredRows(reading, lambda: 0), output, metadata, facts)


def plan_empty(options: ConversionOptions) -> tuple[Column, ...]:
    """Return the columns of such a file."""
    return _table(options).planned()


def _table(options: ConversionOptions) -> DeclaredTable:
    assert options.declaration is not None, "a file without bytes is a table only where that is declared"
    return DeclaredTable(options.declaration, _texts(options), {}, options)


def _texts(options: ConversionOptions) -> list[TextColumn]:
    declaration = options.declaration
    columns = declaration.columns.columns if declaration is not None and declaration.columns is not None else ()
    return [TextColumn(f"c{index}", column.source or column.name) for index, column in enumerate(columns)]
