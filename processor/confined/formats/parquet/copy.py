"""One COPY into Parquet: options, metadata, statistics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from processor.confined.formats.duckdb_session import bounded, keeps_order_unasked, run
from processor.confined.formats.sql import quoted
from processor.domain.conversion import Compression, ConversionOptions

# Row groups end at this many bytes as well, so that neither many columns nor long texts fill the memory.
_ROW_GROUP_BYTES = 32 << 20
_STRIPE_ROWS = 2048


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
    is_stripe: bool = False,
) -> Written:
    """Write the rows of the query `select` as Parquet to the descriptor `fd` and return what was written.

    Of a stripe the row groups have a fixed number of rows, the same as in all others.

    Raises duckdb.Error for all that goes wrong while reading, checking and writing, and DeliveryError
    (`conversion.memory`) when the memory limit does not suffice.
    """
    keys, values = list(zip(*key_values, strict=True)) or ((), ())
    sql = f"COPY ({select}) TO '/dev/fd/{int(fd)}' ({_options(options, keys, is_stripe=is_stripe)})"
    with bounded(options):
        (answer,) = run(sql, options, values).fetchall()
    _, rows, _, _, statistics, *_ = answer
    return Written(rows, {name: int(of["null_count"]) for name, of in (statistics or {}).items() if "null_count" in of})


def _options(options: ConversionOptions, keys: Sequence[str], *, is_stripe: bool) -> str:
    """Return the options of COPY. The values of the metadata are bound: they differ from file to file."""
    parts = [
        "FORMAT parquet",
        "USE_TMP_FILE false",
        "RETURN_STATS",
        f"COMPRESSION {options.compression.value}",
        f"ROW_GROUP_SIZE {_STRIPE_ROWS if is_stripe else int(options.row_group_rows)}",
    ]
    if keeps_order_unasked(options) and not is_stripe:
        parts.append(f"ROW_GROUP_SIZE_BYTES {_ROW_GROUP_BYTES}")
    if options.compression is Compression.ZSTD:
        parts.append(f"COMPRESSION_LEVEL {int(options.compression_level)}")
    pairs = ", ".join(f"{quoted(key)}: ${number}" for number, key in enumerate(keys, 1))
    if pairs:
        parts.append(f"KV_METADATA {{{pairs}}}")
    return ", ".join(parts)
