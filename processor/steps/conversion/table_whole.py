"""A table that lies in memory, all of it, every text of it classified: read by DuckDB as the types it has earned."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from processor.steps.conversion.csv_direct import read_csv
from processor.steps.conversion.csv_exact import CLEAN, NULL, encode_row, filled
from processor.steps.conversion.table_receipt import Sample
from processor.steps.conversion.typing import ColumnType
from processor.steps.conversion.typing_sql import quoted


@contextmanager
def typed_query(rows: Sample, names: Sequence[str], types: Sequence[ColumnType], part: slice) -> Iterator[str]:
    """Yield the query for the columns `part` of `rows`. DuckDB's reader casts as it reads: half the work of a CAST."""
    lines = [encode_row([None if text is None else text.encode() for text in row[part]]) for row in rows]
    longest = max(map(len, lines), default=0)
    with filled(b"".join(lines)) as path:
        table = read_csv(
            path,
            CLEAN,
            len(types[part]),
            (NULL,),
            newline="\n",
            longest=longest,
            types=[found.sql for found in types[part]],
        )
        chosen = ", ".join(f"c{i} AS {quoted(name)}" for i, name in enumerate(names[part]))
        yield f"SELECT {chosen} FROM {table}"  # noqa: S608 - names are quoted
