"""Survey a document: row layout, shapes, text around the rows.

The first piece of the document proposes a layout; a reading of all of it proves the layout or proposes another one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from processor.confined.formats.base import fast_paths
from processor.confined.formats.xml.decode import CHUNK_BYTES, FIRST_BYTES
from processor.confined.formats.xml.fast.automaton import RowAutomaton
from processor.confined.formats.xml.fast.bulk import Bulk
from processor.confined.formats.xml.namespaces import Names
from processor.confined.formats.xml.parser import ATTRIBUTES, PARTS, Node, Path
from processor.confined.formats.xml.records import record_of
from processor.confined.formats.xml.row_path import NoDeclaredRowError, RowLayout, decide, declared_layout
from processor.confined.formats.xml.scan import Scan
from processor.confined.formats.xml.schema import ElementShape, Shapes
from processor.domain.declarations import XmlDeclaration
from processor.domain.errors import refused

_MOST_READINGS = 5
NOTHING_DECLARED = XmlDeclaration()
_LARGEST_ENVELOPE = 64 << 10
_MANY_PARSED = 100


@dataclass(frozen=True, slots=True)
class DocumentSurvey:
    """The findings: `envelope` has the children of wrappers that are not rows, `attributes` those of the wrappers."""

    layout: RowLayout
    root: ElementShape
    envelope: tuple[tuple[Path, Node], ...]
    attributes: dict[Path, list[str]]
    texts: tuple[Path, ...]  # wrappers that have text between their children
    namespaces: dict[str, set[str]]
    ambiguous: frozenset[str]
    doctype: str
    has_many_rows: bool  # so many that taking them in bulk pays

    def shape(self, path: Path) -> ElementShape:
        """Return the shape of the elements at `path`."""
        shape = self.root
        for name in path[1:]:
            shape = shape.children[name]
        return shape


def survey(open_again: Callable[[], BinaryIO], rules: XmlDeclaration = NOTHING_DECLARED) -> DocumentSurvey:
    """Read the document that `open_again` opens until its layout is certain; once for most documents.

    Raises DeliveryError for what is refused, and for a document that is not well-formed; NoDeclaredRowError.
    """
    layout, ambiguous = _first_guess(open_again, rules)
    for readings in range(1, _MOST_READINGS + 1):
        surveyor = _Surveyor(open_again, layout, Names(ambiguous), rules)
        surveyor.scan.run()
        found, now_ambiguous = surveyor.layout(), ambiguous | surveyor.ambiguous()
        if found == layout and now_ambiguous == ambiguous:
            break
        layout = found if readings < _MOST_READINGS - 1 else surveyor.root_only()
        ambiguous = now_ambiguous
    return surveyor.findings()


def glimpse(open_again: Callable[[], BinaryIO], rules: XmlDeclaration = NOTHING_DECLARED) -> DocumentSurvey | None:
    """Return what the first mebibyte shows, if that is likely to hold for the rest: regular rows and nothing else.

    It holds for the whole document if a reading by it meets nothing unexpected.
    """
    layout, ambiguous = _first_guess(open_again, rules)
    if ambiguous:
        return None
    surveyor = _Surveyor(open_again, layout, Names(), rules)
    surveyor.scan.run(limit=CHUNK_BYTES)
    is_likely = surveyor.is_regular() and surveyor.layout() == layout and not surveyor.ambiguous()
    return surveyor.findings() if is_likely else None


def _first_guess(open_again: Callable[[], BinaryIO], rules: XmlDeclaration) -> tuple[RowLayout, frozenset[str]]:
    surveyor = _Surveyor(open_again, RowLayout(frozenset(), None), Names(), rules)
    surveyor.scan.run(limit=FIRST_BYTES)
    node = surveyor.scan.parser.unfinished()
    if node is not None:
        surveyor.item((node[0],), node)
    if surveyor.shapes.root is None:  # nothing but a long prolog so far
        return RowLayout(frozenset(), None), frozenset()
    if rules.row:
        found = declared_layout(surveyor.shapes.root, rules.row)
        return found or RowLayout(frozenset(), None), surveyor.ambiguous()
    return decide(surveyor.shapes.root, None, by_kind=False), surveyor.ambiguous()


class _Surveyor:
    """Visits all of a document and learns its shapes."""

    def __init__(
        self, open_again: Callable[[], BinaryIO], layout: RowLayout, names: Names, rules: XmlDeclaration
    ) -> None:
        self.names = names
        self.shapes = Shapes(frozenset(rules.lists))
        self._rules = rules
        self.bulk: Bulk | None = None
        self.scan = Scan(open_again, layout, names, self)
        self._layout = layout
        self._row: ElementShape | None = None
        self._envelope: list[tuple[Path, Node]] = []
        self._envelope_size = 0
        self._attributes_size = 0
        self._attributes: dict[Path, list[str]] = {}
        self._texts: dict[Path, None] = {}
        self._after_rows = False  # something followed a row
        self._is_interrupted = False  # and then another row came
        self._known = 0  # how much the shapes knew when `bulk` was made
        self._parsed = 0  # items since then

    def item(self, path: Path, node: Node) -> None:
        if path == self._layout.row:
            if self._row is None:
                self._row = self.shapes.at(path)
            self.shapes.learn(self._row, node)
            self._parsed += 1
            self._is_interrupted = self._is_interrupted or self._after_rows
            return
        self.shapes.learn(self.shapes.at(path), node)
        self._parsed += 1
        if self._layout.row is not None:
            self._after_rows = self._row is not None
            self._keep(path, node)

    def wrapper(self, path: Path, attributes: list[str]) -> None:
        shape = self.shapes.at(path)
        shape.count += 1
        shape.attributes.update(dict.fromkeys(attributes[::2], shape.count))
        self._attributes[path] = attributes
        self._attributes_size += sum(map(len, attributes))
        if self._attributes_size > _LARGEST_ENVELOPE:
            raise refused(
                "xml.row-too-large",
                f"the attributes around the rows have more than {_LARGEST_ENVELOPE >> 10} KiB",
                "they would stand in every row",
            )

    def text(self, path: Path, _text: str) -> None:
        self._texts[path] = None

    def regular(self, path: Path, buffer: bytes, start: int) -> tuple[int, bool]:
        if self._parsed >= _MANY_PARSED:
            self._renew()
            if self.bulk is None or not self.bulk.has(path):
                return start, True
        assert self.bulk is not None
        end, rows, is_certain = self.bulk.skip(path, buffer, start)
        if rows and is_certain:
            self._is_interrupted = self._is_interrupted or self._after_rows
        return end, is_certain

    def next_piece(self, text: bytes) -> None:  # noqa: ARG002 - the protocol's
        if self._parsed:
            self._renew()

    def _renew(self) -> None:
        """See to it that rows are taken in bulk as soon as there are several, by all that is known of them."""
        self._parsed = 0
        if self._known == self.shapes.known or self.names.ambiguous or not fast_paths():
            return
        self._known = self.shapes.known
        # One that came once is parsed when it comes again, for its shape is to know that it repeats.
        rows = {path: shape for path, shape in self._rows() if shape.count > 1}
        self.bulk = (
            Bulk({path: RowAutomaton(shape, record_of(shape), None) for path, shape in rows.items()}) if rows else None
        )

    def _rows(self) -> Iterator[tuple[Path, ElementShape]]:
        if self._layout.row is not None:
            if self._row is not None:
                yield self._layout.row, self._row
            return
        for wrapper in self._layout.wrappers:
            for name, shape in self.shapes.at(wrapper).children.items():
                if (*wrapper, name) not in self._layout.wrappers:
                    yield (*wrapper, name), shape

    def layout(self) -> RowLayout:
        """Return the layout that all of the document calls for."""
        assert self.shapes.root is not None
        if self._rules.row:
            return self._declared_layout(self.shapes.root)
        by_kind = self._is_interrupted or bool(self._texts) or self._envelope_size > _LARGEST_ENVELOPE
        return decide(self.shapes.root, self._layout, by_kind=by_kind)

    def _declared_layout(self, root: ElementShape) -> RowLayout:
        row = self._rules.row
        found = declared_layout(root, row)
        if found is None:
            raise NoDeclaredRowError(root, row)
        if self._envelope_size > _LARGEST_ENVELOPE:
            raise refused(
                "feed.row",
                f"more than {_LARGEST_ENVELOPE >> 10} KiB stand outside of the elements called {row!r}",
                "declare another row in [feed.xml]",
            )
        return found

    def ambiguous(self) -> frozenset[str]:
        """Return the prefixes that must be written as URIs."""
        return self.names.found_ambiguous(self.shapes.prefixes())

    def is_regular(self) -> bool:
        """Tell whether there are rows, nothing else after the first one, and nothing new in the last ones."""
        return self.bulk is not None and not self._after_rows and self._known == self.shapes.known

    def root_only(self) -> RowLayout:
        """Return the layout in which the root is the one row."""
        assert self.shapes.root is not None
        return RowLayout(frozenset(), (self.shapes.root.name,))

    def findings(self) -> DocumentSurvey:
        assert self.shapes.root is not None
        return DocumentSurvey(
            self._layout,
            self.shapes.root,
            tuple(self._envelope),
            self._attributes,
            tuple(self._texts),
            self.names.declared,
            self.names.ambiguous,
            self.scan.parser.doctype,
            self.bulk is not None,
        )

    def _keep(self, path: Path, node: Node) -> None:
        self._envelope_size += _size(node)
        if self._envelope_size <= _LARGEST_ENVELOPE:
            self._envelope.append((path, node))


def _size(node: Node) -> int:
    parts = sum(len(part) if part.__class__ is str else _size(part) for part in node[PARTS])
    return len(node[0]) + sum(map(len, node[ATTRIBUTES])) + parts
