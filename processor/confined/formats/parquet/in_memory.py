"""Write a table that lies in memory, already classified."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from processor.confined.formats.parquet.receipt import Sample
from processor.confined.formats.pipe_feed import CLEAN, NULL, encode_row, filled
from processor.confined.formats.sql import quoted, read_csv
from processor.confined.formats.types.infer import ColumnType

_LEAST_LONGEST = 1024


@contextmanager
def typed_query(rows: Sample, names: Sequence[str], types: Sequence[ColumnType], part: slice) -> Iterator[str]:
    """Yield the query for the columns `part` of `rows`. DuckDB's reader casts as it reads: half the work of a CAST."""
    text, longest = _clean_text(rows, part)
    with filled(text) as path:
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


def _clean_text(rows: Sample, part: slice) -> tuple[bytes, int]:
    """Return the rows as the pipe has them, and a length in bytes that no line exceeds, the same for many tables."""
    lines = [_line(row[part]) for row in rows]
    longest = 4 * max(map(len, lines), default=0)
    return "".join(lines).encode(), max(_LEAST_LONGEST, 1 << longest.bit_length())


def _line(row: Sequence[str | None]) -> str:
    """Return one line: every value in quotes, NULL without."""
    if None not in row:
        line = '"' + '","'.join(row) + '"\n'  # type: ignore[arg-type]
        if line.count('"') == 2 * len(row):
            return line
    return encode_row([None if text is None else text.encode() for text in row]).decode()
