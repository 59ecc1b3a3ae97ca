"""Rows of JSON as texts of declared columns.

Each row is parsed exactly. A number is given as it stands in the file, so that its declared type is checked against all
of its digits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from processor.confined.formats.json.documents import JsonRows
from processor.confined.formats.json.parser import NotJsonError, Number, parse, write
from processor.confined.formats.parquet.declared import DeclaredRows, DeclaredTable
from processor.confined.formats.parquet.receipt import TextColumn
from processor.confined.formats.pipe_feed import CLEAN, NULL, encode_row, piped
from processor.confined.formats.sql import read_csv
from processor.confined.formats.types.declared import structure_of
from processor.domain.column_types import is_nested
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt
from processor.domain.declarations import Declaration, OnExtra, OnMissing
from processor.domain.errors import DeliveryError, refused
from processor.streams.output import Output

_SMALLEST_BUFFER = 2_000_000


@dataclass(slots=True)
class DeclaredJson:
    """The rows of a file whose feed declares columns; `extra` are the undeclared names that are kept or dropped."""

    rows: JsonRows
    declaration: Declaration
    options: ConversionOptions
    extra: tuple[str, ...] = ()
    longest: int = 0
    count: int | None = field(default=None)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Find the names of undeclared columns, where they are not refused: one reading."""
        names: dict[str, None] = {}
        for _, row in self.rows.read():
            self.longest = max(self.longest, len(row))
            if self._columns.on_extra is not OnExtra.REFUSE:
                names |= dict.fromkeys(key for key in self._record(row) if key not in self._sources)
        self.extra = tuple(names)

    def write(self, output: Output, metadata: Facts) -> Receipt:
        """Write the table. Raises DeliveryError, and NotJsonError with the row for what is no JSON."""
        facts = (("json-rows", self.rows.shape.value), ("encoding", self.rows.encoding))
        rows = DeclaredRows(self._reading, lambda: self.count, self.rows.read_with_lines)
        return self._table().write(rows, output, metadata, facts)

    def planned(self) -> tuple[Column, ...]:
        """Return the columns as they are declared, once all rows have been looked at."""
        for _ in self._lines():
            pass
        return self._table().planned()

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
        return DeclaredTable(self.declaration, texts, {}, self.options)

    @contextmanager
    def _reading(self) -> Iterator[str]:
        width = len(self._sources) + len(self.extra)
        longest = max(2 * self.longest + 4 * width, _SMALLEST_BUFFER)
        buffer = longest if longest > _SMALLEST_BUFFER else 0
        with piped(self._lines()) as path:
            yield read_csv(path, CLEAN, width, (NULL,), newline="\n", longest=longest, buffer_bytes=buffer)

    def _lines(self) -> Iterator[bytes]:
        self.count, self._seen = None, set()
        count = 0
        texts = [_text_of(type_) for type_ in self._sources.values()]
        for _, row in self.rows.read():
            record = self._record(row)
            count += 1
            values = [
                None if (value := record.pop(name, None)) is None else text(value).encode("utf-8", "surrogatepass")
                for name, text in zip(self._sources, texts, strict=True)
            ]
            self._refuse_extra(record, row)
            values += [None if (v := record.get(name)) is None else _scalar(v).encode() for name in self.extra]
            yield encode_row(values)
        self._refuse_missing(count)
        self.count = count

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


def _leaves(value: Any, structure: Any) -> Any:
    """Return `value` in the declared structure, with each leaf as a text. Raises DeliveryError where it differs."""
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


def _differs(value: Any, declared: str) -> DeliveryError:
    text = f"{write(value)[:60]} stands where {declared} is declared"
    return refused("feed.surprise", text, "declare the type that the values have in [feed.columns]")
