"""Describe delivered objects as data files of a table.

Only the end of an object is read, where Parquet keeps its columns, counts and statistics. They are compared with what
the ledger says of the object: a table never names anything but what was delivered and verified.
"""

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.fileformat import DataFileStatistics
from pyiceberg.io.pyarrow import (
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.types import DecimalType

from processor.domain.tables import BatchFile
from processor.domain.uploads import SOURCE_PATH
from processor.tables.schema import NoDataFileError

_ONE_PARTITION = "deliver one file a partition, or leave `partition` out of [feed.table] for a new table"


def footer(files: FileIO, location: str, file: BatchFile) -> pq.FileMetaData:
    """Return what an object says of itself.

    Raises NoDataFileError when it is not the one that was delivered, and OSError when the store does not answer.
    """
    source = files.new_input(location)
    try:
        size = len(source)
        with source.open() as stream:
            found = pq.read_metadata(stream)
    except FileNotFoundError as error:
        raise NoDataFileError(f"{file.key!r} is not in the store: reprocess its file") from error
    except pa.ArrowInvalid as error:
        raise NoDataFileError(f"{file.key!r} is no Parquet: {error}; reprocess its file") from error
    if (size, found.num_rows) != (file.size_bytes, file.rows):
        text = f"{size} bytes and {found.num_rows} rows, not the {file.size_bytes} bytes and {file.rows} rows delivered"
        raise NoDataFileError(f"{file.key!r} has {text}: reprocess its file")
    return found


def source_of(files: FileIO, location: str) -> str | None:
    """Return the path, escaped, of the source that an object of ours was made of; None where it does not say."""
    try:
        with files.new_input(location).open() as stream:
            facts = pq.read_metadata(stream).metadata or {}
    except FileNotFoundError:
        return None
    source: bytes | None = facts.get(SOURCE_PATH.encode())
    return None if source is None else source.decode()


def data_file(table: TableMetadata, location: str, file: BatchFile, parquet: pq.FileMetaData) -> DataFile:
    """Return the entry of the table's manifest for an object. Raises NoDataFileError."""
    schema = table.schema()
    ids = parquet_path_to_id_mapping(schema)
    try:
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=parquet,
            stats_columns=_as_stored(compute_statistics_plan(schema, table.properties), ids, parquet),
            parquet_column_mapping=ids,
        )
        _see_partition(table, statistics)
        partition = statistics.partition(table.spec(), schema)
    except ValueError as error:
        raise NoDataFileError(f"{error}: {_ONE_PARTITION}") from error
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=partition,
        file_size_in_bytes=file.size_bytes,
        sort_order_id=None,
        spec_id=table.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _as_stored(
    plan: dict[int, StatisticsCollector], ids: Mapping[str, int], parquet: pq.FileMetaData
) -> dict[int, StatisticsCollector]:
    """Return the plan with decimals as precise as the file has them: that decides how Parquet stores their bounds."""
    found = dict(plan)
    for position in range(parquet.num_columns):
        column = parquet.schema.column(position)
        planned = found[ids[column.path]]
        if isinstance(planned.iceberg_type, DecimalType):
            own = DecimalType(column.precision, column.scale)
            found[planned.field_id] = replace(planned, iceberg_type=own)
    return found


def _see_partition(table: TableMetadata, statistics: DataFileStatistics) -> None:
    """Raise ValueError where the statistics do not prove that all rows lie in one partition."""
    rows = statistics.record_count
    for field in table.spec().fields:
        column, name = field.source_id, table.schema().find_column_name(field.source_id)
        if rows == 0 or column not in statistics.value_counts:  # the file lacks it: it is NULL in every row
            continue
        nulls = statistics.null_value_counts.get(column)
        if nulls is None or (nulls < rows and column not in statistics.column_aggregates):
            raise ValueError(f"column {name!r} has no statistics that tell the partition")
        if 0 < nulls < rows:
            raise ValueError(f"{nulls} of {rows} rows lie in the partition of NULL in {name!r}")
