"""Rows of JSON as texts of declared columns.

Each row is parsed exactly. A number is given as it stands in the file, so that its declared type is checked against all
of its digits.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from processor.confined.formats.json.documents import JsonRows
from processor.confined.formats.json.parser import NotJsonError, Number, parse, write
from processor.confined.formats.parquet.declared import DeclaredRows, DeclaredTable
from processor.confined.formats.parquet.receipt import TextColumn
from processor.confined.formats.pipe_feed import CLEAN, NULL, encode_row, piped
from processor.confined.formats.sql import read_csv
from processor.confined.formats.types.declared import structure_of
from processor.domain.column_types import is_nested
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt
from processor.domain.declarations import Declaration, OnExtra, OnMissing, OnSurprise
from processor.domain.errors import refused, transient
from processor.streams.output import Output

_Result = TypeVar("_Result")
_SHORT_ROW = 1_000_000
_FIRST_ROWS = 1_000
_MOST_READINGS = 5


class _NotSeenBeforeError(Exception):
    """A row is longer, or has other names, than there is room for in this reading; by now all rows are known."""


class _DiffersError(Exception):
    """A value has another structure than its column."""


@dataclass(slots=True)
class DeclaredJson:
    """The rows of a file whose feed declares columns; `extra` are the undeclared names that are kept or dropped.

    One reading, where the rows are no longer than usual and the first of them have all names.
    """

    rows: JsonRows
    declaration: Declaration
    options: ConversionOptions
    extra: dict[str, None] = field(default_factory=dict)
    count: int | None = field(default=None)
    _longest: int = _SHORT_ROW  # bytes of a row as it goes to DuckDB
    _seen: set[str] = field(default_factory=set)
    _differing: dict[int, tuple[int, str]] = field(default_factory=dict)  # rows that are rejected: column and value

    def write(self, output: Output, metadata: Facts) -> Receipt:
        """Write the table. Raises DeliveryError, and NotJsonError with the row for what is no JSON."""
        facts = (("json-rows", self.rows.shape.value), ("encoding", self.rows.encoding))
        rows = DeclaredRows(
            self._reading, lambda: self.count, self.rows.read_with_lines, differing=lambda: self._differing
        )
        return self._with_all_seen(lambda: self._table().write(rows, output, metadata, facts))

    def planned(self) -> tuple[Column, ...]:
        """Return the columns as they are declared, once all rows have been looked at."""

        def look() -> tuple[Column, ...]:
            for _ in self._lines():
                pass
            return self._table().planned()

        return self._with_all_seen(look)

    def _with_all_seen(self, work: Callable[[], _Result]) -> _Result:
        """Do `work`; again where a row turned out to be longer, or to have more names, than those before."""
        if self._columns.on_extra is not OnExtra.REFUSE:
            for _, row in islice(self.rows.read(), _FIRST_ROWS):
                self.extra |= dict.fromkeys(self._record(row).keys() - self._sources.keys())
        for _ in range(_MOST_READINGS):
            try:
                return work()
            except _NotSeenBeforeError:
                continue
        raise transient("table.changed", "the file changed while it was read", "it is tried again")

    @property
    def _columns(self) -> Any:
        return self.declaration.columns

    @property
    def _sources(self) -> dict[str, str]:
        """Return the types by the names that the columns have in the file."""
        return {column.source or column.name: column.type for column in self._columns.columns}

    def _table(self) -> DeclaredTable:
        names = [*self._sources, *self.extra]
        texts = [TextColumn(f"c{index}", name) for index, name in enumerate(names)]
        return DeclaredTable(self.declaration, texts, {}, self.options, json_texts=True)

    @contextmanager
    def _reading(self) -> Iterator[str]:
        width = len(self._sources) + len(self.extra)
        longest = 2 * self._longest
        buffer = longest if self._longest > _SHORT_ROW else 0
        with piped(self._lines()) as path:
            yield read_csv(path, CLEAN, width, (NULL,), newline="\n", longest=longest, buffer_bytes=buffer)

    def _lines(self) -> Iterator[bytes]:
        """Yield the rows for the pipe. Raises _NotSeenBeforeError, at the end, where there was no room for one."""
        self.count, self._seen, self._differing = None, set(), {}
        count, longest, extra = 0, self._longest, dict(self.extra)
        texts = [(name, _text_of(type_)) for name, type_ in self._sources.items()]
        for _, row in self.rows.read():
            record = self._record(row)
            values = self._values(record, texts, row, count)
            count += 1
            if values is None:
                continue
            self._refuse_extra(record, row)
            line = encode_row(values + [None if (v := record.get(name)) is None else _bytes(v) for name in extra])
            longest = max(longest, len(line))
            self.extra |= dict.fromkeys(record)
            if longest == self._longest and len(self.extra) == len(extra):
                yield line
        if longest > self._longest or len(self.extra) > len(extra):
            self._longest = longest
            raise _NotSeenBeforeError
        self._refuse_missing(count)
        self.count = count

    def _values(
        self, record: dict[str, Any], texts: Sequence[tuple[str, Callable[[Any], str]]], row: bytes, number: int
    ) -> list[bytes | None] | None:
        """Take the declared values out of `record`; None where the row is rejected for the structure of one."""
        values: list[bytes | None] = []
        for index, (name, text) in enumerate(texts):
            value = record.pop(name, None)
            try:
                values.append(None if value is None else text(value).encode("utf-8", "surrogatepass"))
            except _DiffersError as error:
                if self._columns.on_surprise is OnSurprise.REJECT_ROW:
                    self._differing[number] = (index, write(value))
                    return None
                raise refused(
                    "feed.surprise",
                    f"{self._place(row)}column {name!r}: {error} (feed {self.declaration.feed!r})",
                    'declare the type that the values have, or on_surprise = "reject-row" in [feed.columns]',
                ) from error
        return values

    def _record(self, row: bytes) -> dict[str, Any]:
        value = parse(row)
        if value is None:
            return {}
        if not isinstance(value, dict):
            error = NotJsonError("a row of a feed with columns must be an object", 0)
            error.row = row
            raise error
        self._seen |= value.keys()
        return value

    def _refuse_extra(self, left: dict[str, Any], row: bytes) -> None:
        if left and self._columns.on_extra is OnExtra.REFUSE:
            names = ", ".join(map(repr, list(left)[:20]))
            raise refused(
                "feed.extra-column",
                f"{self._place(row)}feed {self.declaration.feed!r} does not declare {names}",
                'declare them, or on_extra = "text" or "drop-to-rejects" in [feed.columns]',
            )

    def _refuse_missing(self, count: int) -> None:
        missing = [name for name in self._sources if name not in self._seen]
        if count and missing and self._columns.on_missing is OnMissing.REFUSE:
            raise refused(
                "feed.missing-column",
                f"no row has {', '.join(map(repr, missing))}, which feed {self.declaration.feed!r} declares",
                'declare on_missing = "null" in [feed.columns], or correct the name',
            )

    def _place(self, row: bytes) -> str:
        return next((f"line {line}: " for line, found in self.rows.read_with_lines() if found == row), "")


def _text_of(type_: str) -> Callable[[Any], str]:
    """Return what gives a value's text for a column of this type."""
    if not is_nested(type_):
        return _scalar
    structure = structure_of(type_)
    return lambda value: write(_leaves(value, structure))


def _scalar(value: Any) -> str:
    """Return a scalar's own text, and JSON of all else."""
    if isinstance(value, Number | str):
        return str(value)
    return write(value)


def _bytes(value: Any) -> bytes:
    return _scalar(value).encode("utf-8", "surrogatepass")


def _leaves(value: Any, structure: Any) -> Any:
    """Return `value` in the declared structure, with each leaf as a text. Raises _DiffersError."""
    if value is None:
        return None
    match structure:
        case [element]:
            if not isinstance(value, list):
                raise _differs(value, "a list")
            return [_leaves(each, element) for each in value]
        case dict():
            if not isinstance(value, dict):
                raise _differs(value, "a structure")
            if unknown := value.keys() - structure.keys():
                raise _differs(value, f"a structure without {min(unknown)!r}")
            return {name: _leaves(value.get(name), of) for name, of in structure.items()}
        case _:
            return str(_scalar(value))


def _differs(value: Any, declared: str) -> _DiffersError:
    return _DiffersError(f"{write(value)[:60]} stands where {declared} is declared")
