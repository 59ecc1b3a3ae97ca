"""One reading of a whole document: regular rows in bulk by the template, all else by the parser.

Between two rows the parser has nothing open but the wrappers, so rows that the template has matched, being well-formed
elements, need not be shown to it: what it sees without them is well-formed if and only if the document is.
"""

from collections.abc import Callable
from typing import BinaryIO, Protocol
from xml.parsers import expat

from processor.steps.conversion.xml_input import CHUNK_BYTES, read_normalised
from processor.steps.conversion.xml_layout import Layout
from processor.steps.conversion.xml_names import Names
from processor.steps.conversion.xml_template import Template
from processor.steps.conversion.xml_tree import Node, Path, TreeParser, refuse_malformed

_MOST_PATIENCE = 64
_FEW_ROWS_BYTES = 4096


class Visitor(Protocol):
    """Who is told what a reading finds, in the order of the document."""

    template: Template | None

    def item(self, path: Path, node: Node) -> None:
        """Take a child of a wrapper, or the root."""
        ...

    def wrapper(self, path: Path, attributes: list[str]) -> None:
        """Take the start of a wrapper."""
        ...

    def text(self, path: Path, text: str) -> None:
        """Take text that stands in a wrapper, between its children."""
        ...

    def regular(self, buffer: bytes, start: int) -> tuple[int, bool]:
        """Take the rows that the template matches at `start`; return their end, and False to have them parsed."""
        ...

    def next_piece(self) -> None:
        """Note that another piece of the document begins."""
        ...


class Scan:
    """A reading of the document that `open_again` opens."""

    def __init__(self, open_again: Callable[[], BinaryIO], layout: Layout, names: Names, visitor: Visitor) -> None:
        self._open, self._visitor = open_again, visitor
        self._container = layout.row[:-1] if layout.row else None
        self.parser = TreeParser(layout.wrappers, names, visitor.item, visitor.wrapper, visitor.text)
        self._between_rows = False
        self._patience = 1
        self._skipped = 0  # bytes that the parser was not shown

    def run(self, limit: int | None = None) -> None:
        """Read to the end, or the first `limit` bytes and no further.

        Raises DeliveryError for what is refused, and for a document that is not well-formed.
        """
        try:
            with self._open() as reader:
                self._run(reader, limit)
        except expat.ExpatError as error:
            raise refuse_malformed(self._open, self.parser.error_index() + self._skipped, error) from error

    def _run(self, reader: BinaryIO, limit: int | None) -> None:
        held = b""
        taken = 0
        for chunk in read_normalised(reader):
            self._visitor.next_piece()
            buffer = held + chunk if held else chunk
            held = buffer[self._take(buffer) :]
            taken += len(chunk)
            if limit is not None and taken >= limit:
                return
        self._feed(held)
        self.parser.close()

    def _take(self, buffer: bytes) -> int:
        """Take what `buffer` has and return how much of it that was; the start of a row may be left for later."""
        template = self._visitor.template
        if template is None or self.parser.has_defaults:
            self._feed(buffer)
            self._between_rows = False
            return len(buffer)
        position = 0
        while position < len(buffer):
            if self._between_rows:
                position = self._regular(buffer, position)
            end = self._end_of_rows(buffer, position, template.end_tag)
            if end < 0:
                if self._between_rows and len(buffer) - position < CHUNK_BYTES:
                    return position
                end = len(buffer)
            piece = buffer[position:end]
            self._feed(piece)
            self._between_rows = self.parser.path == self._container and self.parser.stands_after_tag(piece)
            position = end
        return position

    def _regular(self, buffer: bytes, start: int) -> int:
        end, is_certain = self._visitor.regular(buffer, start)
        # Where irregular rows abound, several are parsed before the template is tried again.
        self._patience = 1 if end - start > _FEW_ROWS_BYTES else min(2 * self._patience, _MOST_PATIENCE)
        if is_certain:
            self._skipped += end - start
        else:
            self._feed(buffer[start:end])
        return end

    def _end_of_rows(self, buffer: bytes, start: int, end_tag: bytes) -> int:
        end = -1
        for _ in range(self._patience):
            found = buffer.find(end_tag, start)
            if found < 0:
                break
            start = end = found + len(end_tag)
        return end

    def _feed(self, data: bytes) -> None:
        if data:
            self.parser.feed(data)
