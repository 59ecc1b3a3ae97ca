"""Read a whole document: rows in bulk, the rest parsed.

Between two rows the parser has nothing open but the wrappers, so rows that were taken in bulk, being well-formed
elements, need not be shown to it: what it sees without them is well-formed if and only if the document is.
"""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol
from xml.parsers import expat

from processor.confined.formats.xml.decode import CHUNK_BYTES, read_normalised
from processor.confined.formats.xml.fast.bulk import Bulk
from processor.confined.formats.xml.namespaces import Names
from processor.confined.formats.xml.parser import Node, Path, TreeParser, refuse_malformed
from processor.confined.formats.xml.row_path import RowLayout

_MOST_PATIENCE = 64
_FEW_ROWS_BYTES = 4096


class Visitor(Protocol):
    """Who is told what a reading finds, in the order of the document."""

    bulk: Bulk | None

    def item(self, path: Path, node: Node) -> None:
        """Take a child of a wrapper, or the root."""
        ...

    def wrapper(self, path: Path, attributes: list[str]) -> None:
        """Take the start of a wrapper."""
        ...

    def text(self, path: Path, text: str) -> None:
        """Take text that stands in a wrapper, between its children."""
        ...

    def regular(self, path: Path, buffer: bytes, start: int) -> tuple[int, bool]:
        """Take the children of `path` at `start` in bulk; return their end, and False to have them parsed."""
        ...

    def next_piece(self, text: bytes) -> None:
        """Take note of another piece of the document, before it is read."""
        ...


class Scan:
    """A reading of the document that `open_again` opens."""

    def __init__(self, open_again: Callable[[], BinaryIO], layout: RowLayout, names: Names, visitor: Visitor) -> None:
        self._open, self._visitor = open_again, visitor
        self.parser = TreeParser(layout.wrappers, names, visitor.item, visitor.wrapper, visitor.text)
        self._between_rows = False
        self._patience = 1
        self._skipped = 0  # bytes that the parser was not shown

    def run(self, limit: int | None = None) -> None:
        """Read to the end, or the first `limit` bytes and no further.

        Raises DeliveryError for what is refused, and for a document that is not well-formed.
        """
        for _ in self.steps(limit):
            pass

    def steps(self, limit: int | None = None) -> Iterator[None]:
        """Read as `run` does, and yield after each piece of the document."""
        try:
            with self._open() as reader:
                yield from self._run(reader, limit)
        except expat.ExpatError as error:
            raise refuse_malformed(self._open, self.parser.error_index() + self._skipped, error) from error

    def _run(self, reader: BinaryIO, limit: int | None) -> Iterator[None]:
        held = b""
        taken = 0
        for chunk in read_normalised(reader):
            self._visitor.next_piece(chunk)
            buffer = held + chunk if held else chunk
            held = buffer[self._take(buffer) :]
            taken += len(chunk)
            if limit is not None and taken >= limit:
                return
            yield
        self._feed(held)
        self.parser.close()
        yield

    def _take(self, buffer: bytes) -> int:
        """Take what `buffer` has and return how much of it that was; the start of a row may be left for later."""
        bulk = self._visitor.bulk
        if bulk is None or self.parser.has_defaults:
            self._feed(buffer)
            self._between_rows = False
            return len(buffer)
        position = 0
        while position < len(buffer):
            if self._between_rows:
                position = self._regular(buffer, position)
            end = self._end_of_rows(buffer, position, bulk.end)
            if end < 0:
                if self._between_rows and len(buffer) - position < CHUNK_BYTES:
                    return position
                end = len(buffer)
            piece = buffer[position:end]
            self._feed(piece)
            self._between_rows = bulk.has(self.parser.path) and self.parser.stands_after_tag(piece)
            position = end
        return position

    def _regular(self, buffer: bytes, start: int) -> int:
        """Take what can be taken in bulk from `start` on; return where that ends."""
        begin = start
        while True:
            end, is_certain = self._visitor.regular(self.parser.path, buffer, start)
            if end == start:
                break
            if is_certain:
                self._skipped += end - start
            else:
                self._feed(buffer[start:end])
            start = end
        # Where irregular rows abound, several are parsed before the next is tried.
        self._patience = 1 if end - begin > _FEW_ROWS_BYTES else min(2 * self._patience, _MOST_PATIENCE)
        return end

    def _end_of_rows(self, buffer: bytes, start: int, ends: re.Pattern[bytes]) -> int:
        end = -1
        for _ in range(self._patience):
            found = ends.search(buffer, start)
            if found is None:
                break
            start = end = found.end()
        return end

    def _feed(self, data: bytes) -> None:
        if data:
            self.parser.feed(data)
