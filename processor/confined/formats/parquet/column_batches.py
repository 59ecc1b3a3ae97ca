"""Write a table in column batches that fit in memory."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from processor.confined.formats.duckdb_session import OUT_OF_MEMORY
from processor.confined.formats.parquet.copy import Written, copy_to_parquet
from processor.confined.formats.parquet.wide import Stripes, parts
from processor.domain.conversion import ConversionOptions
from processor.domain.errors import DeliveryError
from processor.streams.output import Output

Query = Callable[[slice], AbstractContextManager[str]]
"""Yields the query for these columns of the table, as they are to be written."""

KeyValues = Sequence[tuple[str, str]]


class Pieces:
    """Writes tables in pieces, each of some columns; what it finds out about the room there is, it remembers."""

    def __init__(self, options: ConversionOptions) -> None:
        self._options = options
        self.room_kb = options.memory_limit_mb * 1000 // 2  # for the columns that are written at a time

    def write(
        self,
        output: Output,
        key_values: KeyValues,
        weights_kb: Sequence[int],
        query: Query,
        row_group_rows: int,
    ) -> Written:
        """Write what `query` yields for the columns, as many at a time as there is room for by their weights.

        Where one thread still has too little room, as for long texts, it is done again with fewer columns at a time.
        Raises DeliveryError (`conversion.memory`) when one at a time is too much, and what `copy_to_parquet` raises.
        """
        while True:
            pieces = parts(weights_kb, self.room_kb)
            try:
                return self._write_pieces(output, key_values, pieces, query, row_group_rows)
            except DeliveryError as error:
                is_last = len(pieces) >= len(weights_kb) or self._options.threads > 1
                if error.failure.code != OUT_OF_MEMORY or is_last:
                    raise
                self.room_kb = min(self.room_kb, sum(weights_kb)) // 4

    def _write_pieces(
        self, output: Output, key_values: KeyValues, pieces: Sequence[slice], query: Query, row_group_rows: int
    ) -> Written:
        with output.parquet() as fd:
            if len(pieces) == 1:
                with query(pieces[0]) as select_all:
                    return copy_to_parquet(select_all, fd, self._options, key_values, row_group_rows=row_group_rows)
            stripes = Stripes(fd)
            options = replace(self._options, threads=1)  # several end row groups where they please
            nulls: dict[str, int] = {}
            for piece in pieces:
                with query(piece) as select_piece, stripes.stripe() as stripe_fd:
                    facts = () if nulls else key_values
                    written = copy_to_parquet(
                        select_piece, stripe_fd, options, facts, row_group_rows=row_group_rows, is_stripe=True
                    )
                nulls |= written.null_counts
            stripes.finish()
        return Written(written.rows, nulls)
