"""The exact way: our own reader gives the rows, and DuckDB gets them over a pipe in a form without any doubt."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import orjson

from processor.steps.conversion.csv_direct import read_csv
from processor.steps.conversion.csv_form import PipeForm
from processor.steps.conversion.csv_grammar import Dialect
from processor.steps.conversion.csv_ragged import Block

Row = Sequence[bytes | None]

# What stands for NULL on a pipe of which all values are quoted, so that it can not be one.
NULL = "N"
CLEAN = Dialect()
_BLOCK_BYTES = 1 << 16
_DEFAULT_LONGEST = 2_000_000
SURPLUS = "_surplus"


@dataclass(slots=True)
class PipedRows:
    """A reading of rows that this process makes; `count` is the number of rows of its last whole reading.

    Texts that stand for NULL in a block are `nulls`; single rows have None.
    """

    rows: Callable[[], Iterator[Row | Block]]
    width: int
    dialect: Dialect
    nulls: tuple[str, ...] = ()
    longest_bytes: int = 0
    surplus: bool = False  # each row has one more value: None, or the surplus fields as JSON
    few: bool = False  # the rows lie in memory, all of them
    count: int | None = field(default=None)

    @contextmanager
    def reading(self) -> Iterator[str]:
        """Feed a pipe while DuckDB reads it; yields the relation. A failure of the rows fails the reading."""
        with filled(b"".join(self._lines())) if self.few else piped(self._lines()) as path:
            yield self._relation(path)

    def _lines(self) -> Iterator[bytes]:
        self.count = None
        count = 0
        form = self._form()
        for row in self.rows():
            if isinstance(row, Block):
                yield form.block(row)
                count += row.rows
            else:
                yield encode_row(row, form.dialect, form.null)
                count += 1
        self.count = count

    def _form(self) -> PipeForm:
        return PipeForm(self.dialect, self.width, surplus=self.surplus)

    def _relation(self, path: str) -> str:
        longest = 2 * self.longest_bytes + 4 * self.width
        width = self.width + self.surplus
        longest = longest if longest > _DEFAULT_LONGEST else 0
        form = self._form()
        nulls = (form.null.decode(), *self.nulls)
        # By itself DuckDB takes room for sixteen of the longest lines.
        table = read_csv(path, form.dialect, width, nulls, newline="\n", longest=longest, buffer_bytes=longest)
        if not self.surplus:
            return table
        extra = f"c{self.width}"
        return f"""(SELECT * EXCLUDE ({extra}), from_json_strict({extra}, '["VARCHAR"]') AS {SURPLUS} FROM {table})"""  # noqa: S608


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
    thread = threading.Thread(target=feeder.run, daemon=True)
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


def surplus_json(fields: Sequence[bytes | None]) -> bytes:
    """Return the fields beyond the table's width as a JSON array of texts and nulls."""
    return orjson.dumps([None if value is None else value.decode() for value in fields])
