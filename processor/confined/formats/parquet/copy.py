"""One COPY into Parquet: options, metadata, statistics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from processor.confined.formats.duckdb_session import bounded, keeps_order_unasked, run
from processor.confined.formats.sql import quoted
from processor.domain.conversion import Compression, ConversionOptions

# Readers like few and large row groups. They end at this many bytes as well, so that long texts do not fill the memory.
_ROW_GROUP_BYTES = 128 << 20
_STRIPE_ROWS = 2048
_FEWEST_ROWS, _UNKNOWN_ROWS, _MOST_ROWS = 2048, 30_720, 500_000


@dataclass(frozen=True, slots=True)
class Written:
    """What the footer of a written Parquet says: rows, and NULLs by leaf column (`name` or `name.field...`)."""

    rows: int
    null_counts: Mapping[str, int]

    def nulls(self, column: str) -> int:
        """Return the number of NULLs of the top-level column `column`; for a nested one, of its first leaf."""
        own = quoted(column)
        if own in self.null_counts:
            return self.null_counts[own]
        return next((count for name, count in self.null_counts.items() if name.startswith(f"{own}.")), 0)


def copy_to_parquet(
    select: str,
    fd: int,
    options: ConversionOptions,
    key_values: Iterable[tuple[str, str]] = (),
    *,
    row_group_rows: int,
    is_stripe: bool = False,
) -> Written:
    """Write the rows of the query `select` as Parquet to the descriptor `fd` and return what was written.

    Of a stripe the row groups have a fixed number of rows, the same as in all others.

    Raises duckdb.Error for all that goes wrong while reading, checking and writing, and DeliveryError
    (`conversion.memory`) when the memory limit does not suffice.
    """
    keys, values = list(zip(*key_values, strict=True)) or ((), ())
    sql = f"COPY ({select}) TO '/dev/fd/{int(fd)}' ({_options(options, keys, row_group_rows, is_stripe=is_stripe)})"
    with bounded(options):
        (answer,) = run(sql, options, values).fetchall()
    _, rows, _, _, statistics, *_ = answer
    return Written(rows, {name: int(of["null_count"]) for name, of in (statistics or {}).items() if "null_count" in of})


def _options(options: ConversionOptions, keys: Sequence[str], row_group_rows: int, *, is_stripe: bool) -> str:
    """Return the options of COPY. The values of the metadata are bound: they differ from file to file."""
    parts = [
        "FORMAT parquet",
        "USE_TMP_FILE false",
        "RETURN_STATS",
        f"COMPRESSION {options.compression.value}",
        f"ROW_GROUP_SIZE {_STRIPE_ROWS if is_stripe else row_group_rows}",
    ]
    if keeps_order_unasked(options) and not is_stripe:
        parts.append(f"ROW_GROUP_SIZE_BYTES {_ROW_GROUP_BYTES}")
    if options.compression is Compression.ZSTD:
        parts.append(f"COMPRESSION_LEVEL {int(options.compression_level)}")
    pairs = ", ".join(f"{quoted(key)}: ${number}" for number, key in enumerate(keys, 1))
    if pairs:
        parts.append(f"KV_METADATA {{{pairs}}}")
    return ", ".join(parts)


def rows_a_group(options: ConversionOptions, values: int, row_bytes: int = 0) -> int:
    """Return how many rows a row group may have when a row has so many values, those of nested columns included.

    `row_bytes` is about how long a row is, 0 where that is not known: several threads end no row group by its size.
    """
    rows = min(max(_FEWEST_ROWS, options.row_group_values // max(values, 1)), _MOST_ROWS)
    if options.threads == 1:
        return rows
    return min(
        rows, max(_FEWEST_ROWS, _ROW_GROUP_BYTES // options.threads // row_bytes) if row_bytes else _UNKNOWN_ROWS
    )
