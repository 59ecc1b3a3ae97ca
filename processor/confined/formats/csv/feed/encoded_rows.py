"""Feed rows of our own reader to DuckDB, fully quoted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from processor.confined.formats.csv.feed.canonical import PipeForm
from processor.confined.formats.csv.reader.ragged import Block
from processor.confined.formats.dialect import Dialect
from processor.confined.formats.pipe_feed import Row, encode_row, filled, piped
from processor.confined.formats.sql import read_csv

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


def surplus_json(fields: Sequence[bytes | None]) -> bytes:
    """Return the fields beyond the table's width as a JSON array of texts and nulls."""
    return orjson.dumps([None if value is None else value.decode() for value in fields])
