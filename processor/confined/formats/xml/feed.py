"""Feed a document's rows to DuckDB as JSON Lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import orjson

from processor.confined.formats.pipe_feed import piped
from processor.confined.formats.sql import read_lines
from processor.confined.formats.xml.accounting import Tags, check
from processor.confined.formats.xml.fast.bulk import Bulk
from processor.confined.formats.xml.namespaces import Names
from processor.confined.formats.xml.parser import Node, Path
from processor.confined.formats.xml.records import UnexpectedShape, element_xml
from processor.confined.formats.xml.scan import Scan
from processor.confined.formats.xml.table import Table
from processor.domain.errors import refused

_USUAL_LINE = 2 << 20
_LARGEST_LINE = 48 << 20
_FLUSH_ROWS = 1_000


class LineTooLong(Exception):  # noqa: N818 - a signal to make room
    """A row is longer than DuckDB has room for."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


class XmlFeed:
    """Readings of one surveyed document for `write_table`; `rows` counts those of the last reading, if whole."""

    def __init__(self, open_again: Callable[[], BinaryIO], table: Table) -> None:
        self._open, self._table = open_again, table
        self._longest = _USUAL_LINE
        self.rows: int | None = None
        self._tags = Tags(())  # of rows, in the last reading

    def check(self, rows: int) -> None:
        """Raise DeliveryError `xml.unaccounted` where the document has not just so many rows."""
        check(self._open, self._table.survey, self._table.kinds.keys(), self._tags, rows)

    def make_room(self, length: int) -> None:
        """Let the next readings have lines of `length` bytes. Raises DeliveryError when that is too much."""
        if length > _LARGEST_LINE:
            raise refused(
                "xml.row-too-large", f"one row takes more than {_LARGEST_LINE >> 20} MiB as JSON", "split the file"
            )
        self._longest = length + _USUAL_LINE

    def raw_rows(self) -> Iterator[tuple[int, bytes]]:
        """Yield the line of each row, in their order, and the row as XML; see `RawRows` in declared."""
        visitor = _RowTexts(self._open, self._table)
        for _ in visitor.scan.steps():
            rows, visitor.rows = visitor.rows, []
            yield from rows

    @contextmanager
    def reading(self) -> Iterator[str]:
        """Yield the relation of a new reading; see `Reading` in table."""
        self.rows = None
        made = RowLines(self._open, self._table, self._longest)
        with piped(made.lines()) as path:
            yield self._table.relation(read_lines(path, self._longest))
        self.rows, self._tags = made.rows, made.tags


class _RowTexts:
    """Collects the rows of a reading as they stand in the document, but for the quotes of attributes."""

    bulk: Bulk | None = None

    def __init__(self, open_again: Callable[[], BinaryIO], table: Table) -> None:
        self.rows: list[tuple[int, bytes]] = []
        self._table = table
        self.scan = Scan(open_again, table.survey.layout, Names(table.survey.ambiguous), self)

    def item(self, path: Path, node: Node) -> None:
        if path in self._table.kinds:
            self.rows.append((self.scan.parser.item_line, element_xml(node).encode()))

    def wrapper(self, path: Path, attributes: list[str]) -> None:
        """Pass: no row begins here."""

    def text(self, path: Path, text: str) -> None:
        if path in self._table.texts:
            self.rows.append((self.scan.parser.item_line, text.encode()))

    def regular(self, path: Path, buffer: bytes, start: int) -> tuple[int, bool]:  # noqa: ARG002 - the protocol's
        return start, True

    def next_piece(self, text: bytes) -> None:
        """Pass: the rows are taken after each piece."""


class RowLines:
    """Visits all of a document and makes JSON Lines of its rows.

    All that the survey does not know of is an UnexpectedShape, so what is made to the end is the whole document.
    """

    def __init__(self, open_again: Callable[[], BinaryIO], table: Table, longest: int) -> None:
        self._survey = survey = table.survey
        self._names = Names(survey.ambiguous)
        self.bulk = table.bulk()
        self.rows: int | None = None  # once all are made
        self._table = table
        self._scan = Scan(open_again, survey.layout, self._names, self)
        self._longest = longest
        self._lines: list[bytes] = []
        self._made: list[bytes] = []
        self._count = 0
        self.tags = Tags(path[-1] for path in table.kinds)
        self._enveloped = 0  # how much of the envelope has been met again
        self._wrapped: set[Path] = set()

    def lines(self) -> Iterator[bytes]:
        """Yield the rows, many at a time. Raises UnexpectedShape, LineTooLong and what `Scan` raises."""
        for _ in self._scan.steps():
            self._flush()
            made, self._made = self._made, []
            yield from made
        self._check_end()
        self.rows = self._count

    def item(self, path: Path, node: Node) -> None:
        """Make a row, or meet the next of the envelope."""
        kind = self._table.kinds.get(path)
        if kind is not None:
            self._add(kind.row(node))
        elif self._is_next_of_envelope(path, node):
            self._enveloped += 1
        else:
            raise UnexpectedShape("/".join(path))

    def wrapper(self, path: Path, attributes: list[str]) -> None:
        """Meet the start of a wrapper, once."""
        if self._survey.attributes.get(path) != attributes or path in self._wrapped:
            raise UnexpectedShape("/".join(path))
        self._wrapped.add(path)

    def text(self, path: Path, text: str) -> None:
        """Make a row of text between others."""
        column = self._table.texts.get(path)
        if column is None:
            raise UnexpectedShape("/".join(path))
        self._add({column: text})

    def regular(self, path: Path, buffer: bytes, start: int) -> tuple[int, bool]:
        """Make rows in bulk; see `Visitor`."""
        assert self.bulk is not None
        end, rows, lines = self.bulk.take(path, buffer, start)
        if lines is None:
            return end, False
        if rows:
            self._flush()
            self._make(lines)
            self._count += rows
        return end, True

    def next_piece(self, text: bytes) -> None:
        """Count the ends of rows; what was made goes out after each piece."""
        self.tags.add(text)

    def _is_next_of_envelope(self, path: Path, node: Node) -> bool:
        envelope = self._survey.envelope
        if self._enveloped == len(envelope):
            return False
        known_path, known = envelope[self._enveloped]
        return path == known_path and element_xml(node) == element_xml(known)

    def _check_end(self) -> None:
        if self._enveloped < len(self._survey.envelope) or self._names.declared != self._survey.namespaces:
            raise UnexpectedShape("/")

    def _add(self, row: dict[str, Any]) -> None:
        self._lines.append(orjson.dumps(row))
        self._count += 1
        if len(self._lines) >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self._make(b"\n".join(lines) + b"\n")

    def _make(self, lines: bytes) -> None:
        if len(lines) > self._longest:
            longest = max(map(len, lines.split(b"\n")))
            if longest > self._longest:
                raise LineTooLong(longest)
        self._made.append(lines)
