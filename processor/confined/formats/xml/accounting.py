"""Count rows where the text is read, by other means.

The tags of rows are counted in the bytes, which costs next to nothing. Where these are not as many as the rows, as
with empty elements among others, comments or elements of one name at several places, a plain parser counts.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import BinaryIO
from xml.parsers import expat

from processor.confined.formats.xml.decode import read_normalised
from processor.confined.formats.xml.namespaces import Names
from processor.confined.formats.xml.parser import Path
from processor.confined.formats.xml.schema import BLANK
from processor.confined.formats.xml.survey import DocumentSurvey
from processor.domain.errors import refused


class Tags:
    """Counts the tags of some names in a text that comes in pieces."""

    def __init__(self, names: Iterable[str]) -> None:
        names = set(names)
        self._ends = [f"</{name}>".encode() for name in names]
        self._starts = [f"<{name}{behind}".encode() for name in names for behind in (" ", ">", "/", "\n", "\t")]
        self._longest = max(map(len, self._ends), default=2) - 1
        self._before = b""
        self.ends = self.starts = 0

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        text = self._before + piece
        self.ends += sum(text.count(tag) - self._before.count(tag) for tag in self._ends)
        if not self.ends or self.starts:  # rows without content have no end tags
            self.starts += sum(text.count(tag) - self._before.count(tag) for tag in self._starts)
        self._before = text[-self._longest :]


def check(
    open_again: Callable[[], BinaryIO], survey: DocumentSurvey, paths: AbstractSet[Path], tags: Tags, rows: int
) -> None:
    """Raise DeliveryError `xml.unaccounted` where the document has not just `rows`, written or rejected.

    `paths` are those of rows, and `tags` are those of their names.
    """
    if rows in (tags.ends, tags.starts):
        return
    counted = count_rows(open_again, paths, survey.layout.wrappers, survey.ambiguous)
    if counted != rows:
        raise refused("xml.unaccounted", f"{counted} rows were read, {rows} have an owner", "report this as a bug")


def count_rows(
    open_again: Callable[[], BinaryIO],
    paths: AbstractSet[Path],
    wrappers: AbstractSet[Path],
    ambiguous: frozenset[str] = frozenset(),
) -> int:
    """Return the number of elements at `paths`, and of texts between the children of `wrappers`."""
    counter = _Counter(paths, wrappers, Names(ambiguous))
    with open_again() as reader:
        for piece in read_normalised(reader):
            counter.parser.Parse(piece)
        counter.parser.Parse(b"", True)
    return counter.rows


class _Counter:
    """Follows the tags of a document, and knows nothing of rows but their paths."""

    def __init__(self, paths: AbstractSet[Path], wrappers: AbstractSet[Path], names: Names) -> None:
        self._paths, self._wrappers, self._names = paths, wrappers, names
        self._path: list[str] = []
        self._has_text = False  # since the last tag, other than white space
        self.rows = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def _start(self, name: str, attributes: list[str]) -> None:
        self._end_text()
        self._names.enter(attributes)
        self._path.append(self._names.element(name))
        self.rows += tuple(self._path) in self._paths

    def _end(self, _name: str) -> None:
        self._end_text()
        self._names.leave()
        self._path.pop()

    def _characters(self, text: str) -> None:
        self._has_text = self._has_text or bool(text.strip(BLANK))

    def _end_text(self) -> None:
        self.rows += self._has_text and tuple(self._path) in self._wrappers
        self._has_text = False
