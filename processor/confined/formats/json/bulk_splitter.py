"""Split a large array into lines, many at a time.

What stands between two objects of an array mostly stands between all of them, so a whole run of rows becomes lines by
one replacement. Where that text stands within a row as well, the row is cut in two, and neither part is an object: no
beginning of an object is one. So if every line is an object, and there are as many as were counted, these are the rows.
"""

import re
from collections.abc import Iterator, Sequence

from processor.confined.formats.json.splitter import LONGEST_ROW, Row, Splitter, is_usual, on_one_line

_PARTING = rb"\}\s*,\s*"
_NESTED = re.compile(_PARTING + rb"\{")
_FIRST_KEY = re.compile(rb'\{\s*"[^"\\]*"\s*:')
_MARK_TO_LINE = bytes.maketrans(b"\n\r\0", b"\t\t\n")


def beginning_of(known: Sequence[bytes]) -> bytes | None:
    """Return how rows like these begin, by which they can be told from the objects within them; None where nothing can.

    That is a bracket where no two objects follow each other within a row, else a first key that all rows have.
    """
    if not any(map(_NESTED.search, known)):
        return b"{" if known else None
    first_key = _FIRST_KEY.match(known[0])
    if first_key is None or not all(row.startswith(first_key[0]) for row in known):
        return None
    nested = re.compile(_PARTING + re.escape(first_key[0]))
    return None if any(map(nested.search, known)) else first_key[0]


class Joiner(Splitter):
    """The rows of a text that comes in chunks. One use; `count` is the number of rows that have been given."""

    def __init__(self, chunks: Iterator[bytes], beginning: bytes, longest: int = LONGEST_ROW) -> None:
        """Look for rows that have this `beginning`; one that has more than `longest` bytes is refused."""
        super().__init__(chunks, guess=True, longest=longest)
        self._beginning = beginning
        self.count = 0

    def lines(self) -> Iterator[bytes]:
        """Yield lines without the last one's end. Raises NotJsonError and NotOneArrayError."""
        for _, piece in self.elements():
            self.count += 1
            yield piece

    def _piece(self) -> Row:
        offset, piece = super()._piece()
        return offset, on_one_line(piece)

    def _guessed(self, between: bytes) -> Iterator[Row]:
        """Yield all objects of the buffer that end where the text `between` the last two stands, as one piece."""
        parting = between[:-1] + self._beginning
        last = self._text.rfind(parting, self._at) if is_usual(between) else -1
        if last < 0:
            return
        self._has_guessed = True
        run = self._text[self._at : last + 1]
        offset, self._at = self._offset + self._at, last + len(between) - 1
        self.count += run.count(parting)
        yield offset, self._as_lines(run, parting)

    def _as_lines(self, run: bytes, parting: bytes) -> bytes:
        if b"\n" not in parting and b"\n" not in run and b"\r" not in run:
            return run.replace(parting, b"}\n" + self._beginning)
        marked = run.replace(parting, b"}\0" + self._beginning)
        if b"\n" in marked or b"\r" in marked:
            return marked.translate(_MARK_TO_LINE)
        return marked.replace(b"\0", b"\n")
