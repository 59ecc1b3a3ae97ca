"""Feed rows or texts to DuckDB through a pipe."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from processor.confined.formats.dialect import Dialect
from processor.streams.feed import fed_pipe

Row = Sequence[bytes | None]
# What stands for NULL on a pipe of which all values are quoted, so that it can not be one.
NULL = "N"
CLEAN = Dialect()


@contextmanager
def filled(text: bytes) -> Iterator[str]:
    """Yield the path of a pipe that holds all of `text`: no thread is needed where it fits."""
    read_end, write_end = os.pipe()
    fits = len(text) <= fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ)
    try:
        if fits:
            os.write(write_end, text)
    finally:
        os.close(write_end)
    with (
        open(read_end, "rb", buffering=0),
        nullcontext(f"/dev/fd/{read_end}") if fits else piped(iter((text,))) as path,
    ):
        yield path


@contextmanager
def piped(blocks: Iterator[bytes]) -> Iterator[str]:
    """Yield the path of a pipe with `blocks`; see `fed_pipe`."""
    with fed_pipe(blocks) as fd:
        yield f"/dev/fd/{fd}"


def encode_row(row: Row, dialect: Dialect = CLEAN, null: bytes = NULL.encode()) -> bytes:
    """Return one line of the pipe: every value in quotes, NULL without."""
    quote, delimiter = dialect.quote, dialect.delimiter
    if None not in row:
        line = quote + (quote + delimiter + quote).join(row) + quote + b"\n"  # type: ignore[arg-type]
        if line.count(quote) == 2 * len(row):
            return line
    values = (null if value is None else quote + value.replace(quote, quote * 2) + quote for value in row)
    return delimiter.join(values) + b"\n"
