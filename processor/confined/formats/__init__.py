"""Convert a data file to Parquet without changing a value.

csv/            CSV and TSV
json/           JSON and JSON Lines
parquet/        Write Parquet
types/          Types that texts earn, and the SQL checking them
xml/            XML
base            The seam between formats and everything that calls them
dialect         How a delimited text is written: separators, quotes, line endings
duckdb_session  This process's one DuckDB connection
empty           A file without rows as a table of declared columns
pipe_feed       Feed rows or texts to DuckDB through a pipe
sql             SQL text: literals, identifiers, and reading CSV without guessing
unicode         Byte order marks, and decoding to UTF-8
"""

from dataclasses import replace

from processor.confined.formats.base import TablePlan, format_of
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.errors import DeliveryError
from processor.streams.output import Output
from processor.streams.source import Source


def convert(
    source: Source, data_format: DataFormat, options: ConversionOptions, output: Output, metadata: Facts
) -> Receipt:
    """Convert `source` and return what was written, counted from the written Parquet.

    `metadata` goes into the Parquet's key-value metadata beside the converter's own facts. Raises DeliveryError
    (permanent) for content that can not be read with certainty; the message names line and column where there are
    any. Several threads take more memory than one: what they have no room for is done again by one.
    """
    found = format_of(data_format)
    found.check(options)
    if _is_empty_table(source, options):
        from processor.confined.formats.empty import convert_empty  # noqa: PLC0415 - it loads DuckDB, which main must not

        return convert_empty(options, output, metadata)
    converter = found.convert
    try:
        return converter(source, data_format, options, output, metadata)
    except DeliveryError as error:
        from processor.confined.formats.duckdb_session import OUT_OF_MEMORY  # noqa: PLC0415 - a worker loads what it needs

        if options.threads == 1 or error.failure.code != OUT_OF_MEMORY:
            raise
        return converter(source, data_format, replace(options, threads=1), output, metadata)


def plan(source: Source, data_format: DataFormat, options: ConversionOptions) -> TablePlan:
    """Return how `source` would be converted, or why it would be refused; nothing is written."""
    found = format_of(data_format)
    found.check(options)
    if _is_empty_table(source, options):
        from processor.confined.formats.empty import plan_empty  # noqa: PLC0415 - it loads DuckDB, which main must not

        return TablePlan((("empty-file", "declared"),), plan_empty(options))
    return found.plan(source, data_format, options)


def _is_empty_table(source: Source, options: ConversionOptions) -> bool:
    """Tell whether `source` has no byte and its feed says that it is a table nevertheless."""
    declaration = options.declaration
    if declaration is None or not declaration.empty_file or declaration.columns is None:
        return False
    with source.open() as reader:
        return not reader.read(1)
