"""Feed rows or texts to DuckDB through a pipe."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from processor.confined.formats.dialect import Dialect
from processor.streams.threads import BoundedThread

Row = Sequence[bytes | None]
# What stands for NULL on a pipe of which all values are quoted, so that it can not be one.
NULL = "N"
CLEAN = Dialect()
_BLOCK_BYTES = 1 << 16


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
    """Write `blocks` to a pipe from a thread; yields the path of its other end. Their failure is raised on leaving."""
    read_end, write_end = os.pipe()
    feeder = _Feeder(blocks, write_end)
    thread = BoundedThread(target=feeder.run, daemon=True)
    thread.start()
    try:
        yield f"/dev/fd/{read_end}"
    except Exception as error:
        if feeder.error is not None:
            raise feeder.error from error
        raise
    finally:
        os.close(read_end)
        thread.join()
    if feeder.error is not None:
        raise feeder.error


class _Feeder:
    def __init__(self, blocks: Iterator[bytes], write_end: int) -> None:
        self.blocks = blocks
        self.write_end = write_end
        self.error: Exception | None = None

    def run(self) -> None:
        """Write all blocks; a failure leaves an open quote, so that no reader takes the rows so far for all."""
        try:
            with open(self.write_end, "wb", buffering=_BLOCK_BYTES) as pipe:
                try:
                    pipe.writelines(self.blocks)
                except BrokenPipeError:
                    raise
                except Exception as error:  # noqa: BLE001 - handed to the reading's thread
                    self.error = error
                    pipe.write(b'"')
        except BrokenPipeError:
            pass  # the reader has had enough


def encode_row(row: Row, dialect: Dialect = CLEAN, null: bytes = NULL.encode()) -> bytes:
    """Return one line of the pipe: every value in quotes, NULL without."""
    quote, delimiter = dialect.quote, dialect.delimiter
    if None not in row:
        line = quote + (quote + delimiter + quote).join(row) + quote + b"\n"  # type: ignore[arg-type]
        if line.count(quote) == 2 * len(row):
            return line
    values = (null if value is None else quote + value.replace(quote, quote * 2) + quote for value in row)
    return delimiter.join(values) + b"\n"
