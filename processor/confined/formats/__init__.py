"""Convert a data file to Parquet without changing a value.

csv/            CSV and TSV
json/           JSON and JSON Lines
parquet/        Write Parquet
types/          Types that texts have earned, and the SQL that checks them
xml/            XML
dialect         How a delimited text is written: separators, quotes, line endings
duckdb_session  This process's one DuckDB connection
pipe_feed       Feed rows or texts to DuckDB through a pipe
sql             SQL text: literals, identifiers, and reading CSV without guessing
"""

from dataclasses import replace

from processor.domain.conversion import ConversionOptions, DataFormat, Receipt
from processor.domain.errors import DeliveryError
from processor.streams.output import Output
from processor.streams.source import Source

Metadata = tuple[tuple[str, str], ...]


def convert(
    source: Source, data_format: DataFormat, options: ConversionOptions, output: Output, metadata: Metadata
) -> Receipt:
    """Convert `source` and return what was written, counted from the written Parquet.

    `metadata` goes into the Parquet's key-value metadata beside the converter's own facts. Raises DeliveryError
    (permanent) for content that can not be read with certainty; the message names line and column where there are
    any. Several threads take more memory than one: what they have no room for is done again by one.
    """
    try:
        return _convert(source, data_format, options, output, metadata)
    except DeliveryError as error:
        from processor.confined.formats.duckdb_session import OUT_OF_MEMORY  # noqa: PLC0415 - a worker loads what it needs

        if options.threads == 1 or error.failure.code != OUT_OF_MEMORY:
            raise
        return _convert(source, data_format, replace(options, threads=1), output, metadata)


def _convert(
    source: Source, data_format: DataFormat, options: ConversionOptions, output: Output, metadata: Metadata
) -> Receipt:
    match data_format:
        case DataFormat.CSV | DataFormat.TSV:
            from processor.confined.formats.csv.convert import convert_csv  # noqa: PLC0415 - a worker loads what it needs

            return convert_csv(source, data_format, options, output, metadata)
        case DataFormat.JSON | DataFormat.JSONL:
            from processor.confined.formats.json.convert import convert_json  # noqa: PLC0415

            return convert_json(source, data_format, options, output, metadata)
        case DataFormat.XML:
            from processor.confined.formats.xml.convert import convert_xml  # noqa: PLC0415

            return convert_xml(source, options, output, metadata)
