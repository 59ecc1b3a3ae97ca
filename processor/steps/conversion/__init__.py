"""Turn a data file into Parquet that holds every row and every value of it.

csv / json / xml   one module (or a few, with the format's name in front) a format
typing             which type a column of text has earned, and the SQL that checks every value of it
table              the write loop: COPY with checks, demote on a surprise, do it again; the receipt
duck               this process's one DuckDB connection
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
        from processor.steps.conversion.duck import OUT_OF_MEMORY  # noqa: PLC0415 - a worker loads what it needs

        if options.threads == 1 or error.failure.code != OUT_OF_MEMORY:
            raise
        return _convert(source, data_format, replace(options, threads=1), output, metadata)


def _convert(
    source: Source, data_format: DataFormat, options: ConversionOptions, output: Output, metadata: Metadata
) -> Receipt:
    match data_format:
        case DataFormat.CSV | DataFormat.TSV:
            from processor.steps.conversion.csv import convert_csv  # noqa: PLC0415 - a worker loads what it needs

            return convert_csv(source, data_format, options, output, metadata)
        case DataFormat.JSON | DataFormat.JSONL:
            from processor.steps.conversion.json import convert_json  # noqa: PLC0415

            return convert_json(source, data_format, options, output, metadata)
        case DataFormat.XML:
            from processor.steps.conversion.xml import convert_xml  # noqa: PLC0415

            return convert_xml(source, options, output, metadata)
