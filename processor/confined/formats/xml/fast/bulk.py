"""Read rows in bulk wherever they stand in a document."""

import re
from collections.abc import Mapping

from processor.confined.formats.xml.fast.automaton import RowAutomaton
from processor.confined.formats.xml.fast.rows import BulkRows
from processor.confined.formats.xml.fast.template import Template
from processor.confined.formats.xml.parser import Path

_MOST_MISSES = 8


class Bulk:
    """Takes rows without the parser. `end` is what may be the end of a row, in which case another may follow."""

    def __init__(self, rows: Mapping[Path, RowAutomaton], template: Template | None = None) -> None:
        self._template = template
        self._misses = 0
        parents: dict[Path, dict[str, RowAutomaton]] = {}
        for path, row in rows.items():
            parents.setdefault(path[:-1], {})[path[-1]] = row
        self._rows = {path: BulkRows(children) for path, children in parents.items()}
        names = b"|".join(sorted({re.escape(path[-1].encode()) for path in rows}))
        may_be_empty = any(not (row.shape.children or row.shape.has_text) for row in rows.values())
        self.end = re.compile(b"</(?:%b)>%b" % (names, b"|/>" if may_be_empty else b""))

    def has(self, path: Path) -> bool:
        """Tell whether there are rows among the children of the element at `path`."""
        return path in self._rows

    def take(self, path: Path, buffer: bytes, start: int) -> tuple[int, int, bytes | None]:
        """Return where the rows end that begin at `start`, their number, and JSON Lines of them (None: in doubt)."""
        if self._template is not None:
            taken = self._template.take(buffer, start)
            if taken[1]:
                return taken
        taken = self._rows[path].take(buffer, start)
        if taken[1]:
            self._misses += 1
            if self._misses > _MOST_MISSES:
                self._template = None
        return taken

    def skip(self, path: Path, buffer: bytes, start: int) -> tuple[int, int, bool]:
        """Return where the rows end that begin at `start`, their number, and whether they are XML in all they say."""
        return self._rows[path].skip(buffer, start)
