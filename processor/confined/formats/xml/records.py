"""Elements to JSON values: fields and their values.

An element that is never more than a text is that text. Any other is an object: attributes as `@name`, children under
their names (a list if any parent has several), its own text as `#text`. An element with text beside children (mixed
content) has it all, in order, as XML text in `#xml`. Where children of different names alternate, `#order` lists the
names in the order of the document. Names that differ only in case get a `#2`, `#3` ..., as field names are not told
apart by case.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from processor.confined.formats.xml.parser import ATTRIBUTES, NAME, PARTS, Node
from processor.confined.formats.xml.schema import BLANK, ElementShape, is_tangled

TEXT, XML, ORDER = "#text", "#xml", "#order"
VARCHAR = "VARCHAR"


class UnexpectedShape(Exception):  # noqa: N818 - the file is not at fault
    """An element has a place for something that its record has not: the shapes are not of this document."""


@dataclass(frozen=True, slots=True)
class Child:
    """Where the children of one name go."""

    key: str
    repeats: bool
    record: "RecordSchema | None"  # None for a plain text


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """The fields of the elements of one shape; keys are the names in the table."""

    attributes: dict[str, str]
    children: dict[str, Child]
    has_text: bool
    is_mixed: bool
    is_tangled: bool

    def fields(self) -> dict[str, Any]:
        """Return each field's structure, in the words of DuckDB's json_transform."""
        found: dict[str, Any] = dict.fromkeys(self.attributes.values(), VARCHAR)
        if self.has_text:
            found[TEXT] = VARCHAR
        if self.is_mixed:
            found[XML] = VARCHAR
        for child in self.children.values():
            inner = child.record.fields() if child.record else VARCHAR
            found[child.key] = [inner] if child.repeats else inner
        if self.is_tangled:
            found[ORDER] = [VARCHAR]
        return found

    def values(self, node: Node) -> dict[str, Any]:
        """Return the values of `node`. Raises UnexpectedShape rather than leave one out."""
        try:
            return self._values(node)
        except KeyError as error:
            raise UnexpectedShape(error.args[0]) from error

    def _values(self, node: Node) -> dict[str, Any]:
        attributes = node[ATTRIBUTES]
        found: dict[str, Any] = {
            self.attributes[name]: value for name, value in zip(attributes[::2], attributes[1::2], strict=True)
        }
        if self.is_mixed:
            found[XML] = inner_xml(node)
            return found
        names = [part[NAME] for part in node[PARTS] if part.__class__ is list]
        if not self.is_tangled and is_tangled(names):
            raise UnexpectedShape(ORDER)
        if not names:
            self._add_text(found, "".join(node[PARTS]))
            return found
        for part in node[PARTS]:
            if part.__class__ is list:
                self._add_child(found, part)
            elif part.strip(BLANK):
                raise UnexpectedShape(TEXT)
        if self.is_tangled:
            found[ORDER] = names
        return found

    def _add_text(self, found: dict[str, Any], text: str) -> None:
        if self.has_text:
            if text or not self.children:
                found[TEXT] = text
        elif text if not self.children else text.strip(BLANK):
            raise UnexpectedShape(TEXT)

    def _add_child(self, found: dict[str, Any], node: Node) -> None:
        child = self.children[node[NAME]]
        value = child.record.values(node) if child.record else plain_text(node)
        if child.repeats:
            found.setdefault(child.key, []).append(value)
        elif child.key in found:
            raise UnexpectedShape(child.key)
        else:
            found[child.key] = value


def record_of(shape: ElementShape) -> RecordSchema | None:
    """Return the record of the elements of `shape`, or None if they are plain texts."""
    if shape.is_plain:
        return None
    children = {} if shape.mixed else shape.children
    keys = distinct([*(f"@{name}" for name in shape.attributes), *children])
    attributes = dict(zip(shape.attributes, keys, strict=False))
    places = {
        name: Child(key, child.repeats, record_of(child))
        for (name, child), key in zip(children.items(), keys[len(attributes) :], strict=True)
    }
    return RecordSchema(
        attributes, places, shape.has_text and not shape.mixed, shape.mixed, shape.tangled and bool(children)
    )


def plain_text(node: Node) -> str:
    """Return the text of an element that has nothing else. Raises UnexpectedShape if it has."""
    if node[ATTRIBUTES] or any(part.__class__ is list for part in node[PARTS]):
        raise UnexpectedShape(node[NAME])
    return "".join(node[PARTS])


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, those that differ from an earlier one at most in case with `#2`, `#3` ... added."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        folded = name.casefold()
        seen[folded] = seen.get(folded, 0) + 1
        found.append(name if seen[folded] == 1 else f"{name}#{seen[folded]}")
    return found


TEXT_ESCAPES = {"\r": "&#13;"}
VALUE_ESCAPES = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


def inner_xml(node: Node) -> str:
    """Return what stands between the tags of `node` as XML; comments and processing instructions are not values."""
    return "".join(escape(part, TEXT_ESCAPES) if part.__class__ is str else element_xml(part) for part in node[PARTS])


def element_xml(node: Node) -> str:
    """Return `node` as XML."""
    attributes = node[ATTRIBUTES]
    values = (quoteattr(value, VALUE_ESCAPES) for value in attributes[1::2])
    tag = node[NAME] + "".join(f" {name}={value}" for name, value in zip(attributes[::2], values, strict=True))
    return f"<{tag}>{inner_xml(node)}</{node[NAME]}>" if node[PARTS] else f"<{tag}/>"
