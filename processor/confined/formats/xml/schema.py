"""Attributes and children that elements of one path share.

A shape only grows: each element that is learned can add fields, never take one away. So the shape of all elements of a
file has a place for every value in it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise

from processor.confined.formats.xml.namespaces import prefix_of
from processor.confined.formats.xml.parser import ATTRIBUTES, NAME, PARTS, Node
from processor.domain.errors import refused

BLANK = " \t\n"
MOST_SHAPES = 20_000
MOST_ATTRIBUTES = 10_000
# Of more levels DuckDB's plans take seconds and hundreds of megabytes. What lies deeper stands as XML in its row.
DEEPEST_FIELDS = 16
_MOST_ORDERED = 1_000  # children whose order is kept; more stand in the order of their appearance


@dataclass(slots=True)
class ElementShape:
    """All that is known of the elements at one path.

    `repeats`: some parent has several. `has_characters`: some element without children has more than white space;
    `has_blank`: some has white space only; `has_empty`: some has nothing. `mixed`: some element has text beside
    children. `tangled`: some element has children of one name before and after a child of another.
    """

    name: str
    count: int = 0
    attributes: dict[str, int] = field(default_factory=dict)  # with how many elements have them
    children: dict[str, "ElementShape"] = field(default_factory=dict)
    repeats: bool = False
    has_characters: bool = False
    has_blank: bool = False
    has_empty: bool = False
    mixed: bool = False
    tangled: bool = False

    @property
    def has_text(self) -> bool:
        """Tell whether the elements' own text is a value; white space around children is not."""
        return self.has_characters or (self.has_blank and not self.children)

    @property
    def is_plain(self) -> bool:
        """Tell whether an element is nothing but a text, possibly an empty one."""
        return not (self.attributes or self.children or self.mixed)

    def facts(self) -> tuple[int | bool, ...]:
        """Return what is known, children and whether it repeats left out; equal as long as nothing is added."""
        return (
            min(self.count, 2),
            len(self.attributes),
            self.has_characters,
            self.has_blank,
            self.has_empty,
            self.mixed,
            self.tangled,
        )


class Shapes:
    """The shape of a document's root, which holds all the others, and their number."""

    def __init__(self, lists: AbstractSet[str] = frozenset()) -> None:
        """Elements with these names are `lists`, however many of them come."""
        self._lists = lists
        self.root: ElementShape | None = None
        self.known = 0  # grows whenever a shape does
        self._count = 0

    def at(self, path: tuple[str, ...]) -> ElementShape:
        """Return the shape of the elements at `path`, made if there is none."""
        if self.root is None:
            self.root = self._new(path[0])
        shape = self.root
        for name in path[1:]:
            if name not in shape.children:
                shape.children[name] = self._new(name)
            shape = shape.children[name]
        return shape

    def prefixes(self) -> tuple[set[str], set[str]]:
        """Return the prefixes that names of elements have, and those of attributes; '' is none."""
        elements, attributes = set[str](), set[str]()
        waiting = [self.root] if self.root else []
        while waiting:
            shape = waiting.pop()
            elements.add(prefix_of(shape.name))
            attributes.update(prefix_of(name) for name in shape.attributes if ":" in name)
            waiting += shape.children.values()
        return elements, attributes

    def learn(self, shape: ElementShape, node: Node, depth: int = 0) -> None:
        """Take `node`, `depth` levels below a row, and all in it into account.

        Raises DeliveryError (`xml.too-many-names`).
        """
        before = shape.facts()
        shape.count += 1
        for name in node[ATTRIBUTES][::2]:
            shape.attributes[name] = shape.attributes.get(name, 0) + 1
        if len(shape.attributes) > MOST_ATTRIBUTES:
            raise refused(
                "xml.too-many-names",
                f"the elements <{shape.name}> have more than {MOST_ATTRIBUTES:,} different attributes",
                "names that carry data can not become columns",
            )
        names = [part[NAME] for part in node[PARTS] if part.__class__ is list]
        if len(names) < len(node[PARTS]):
            _learn_text(shape, "".join(part for part in node[PARTS] if part.__class__ is str), has_children=bool(names))
        if names and depth == DEEPEST_FIELDS:
            shape.mixed = True
        elif names:
            self._learn_children(shape, node, names, depth + 1)
        elif not node[PARTS]:
            shape.has_empty = True
        if shape.facts() != before:
            self.known += 1

    def _learn_children(self, shape: ElementShape, node: Node, names: list[str], depth: int) -> None:
        shape.tangled = shape.tangled or is_tangled(names)
        before: str | None = None
        seen: set[str] = set()
        for part in node[PARTS]:
            if part.__class__ is not list:
                continue
            name = part[NAME]
            child = shape.children.get(name) or self._insert(shape, name, after=before)
            if name in seen and not child.repeats:
                child.repeats = True
                self.known += 1
            seen.add(name)
            self.learn(child, part, depth)
            before = name

    def _insert(self, parent: ElementShape, name: str, after: str | None) -> ElementShape:
        """Add a child, in the order of the document as far as it has one: right after the sibling before it."""
        child = self._new(name)
        keys = list(parent.children) if len(parent.children) <= _MOST_ORDERED else []
        later = keys if after is None else keys[keys.index(after) + 1 :] if keys else []
        moved = [(key, parent.children.pop(key)) for key in later]
        parent.children[name] = child
        parent.children.update(moved)
        return child

    def _new(self, name: str) -> ElementShape:
        self._count += 1
        self.known += 1
        if self._count > MOST_SHAPES:
            raise refused(
                "xml.too-many-names",
                f"the file has elements at more than {MOST_SHAPES:,} different paths",
                "names that carry data can not become columns",
            )
        return ElementShape(name, repeats=name in self._lists)


def is_tangled(names: list[str]) -> bool:
    """Tell whether a name comes again after another one."""
    if len(set(names)) == len(names):
        return False
    runs = [names[0], *(name for before, name in pairwise(names) if name != before)]
    return len(set(runs)) < len(runs)


def _learn_text(shape: ElementShape, text: str, *, has_children: bool) -> None:
    if not text.strip(BLANK):
        shape.has_blank = shape.has_blank or (bool(text) and not has_children)
    elif has_children:
        shape.mixed = True
    else:
        shape.has_characters = True
