"""Automaton for rows of any shape: each tag's meaning.

A state is a place in an element: before its first child, or behind one of them. A tag leads from it to another state
and adds something to the row's JSON. Tags are known by how they are written, the values of their attributes taken out;
each way of writing one is understood once, by a strict look. What is not understood, or does not fit the record, has no
edge, and the row is the parser's.

That a child comes once, unless it may repeat, follows from the order of the shape while the children keep to it; behind
one that does not, the object's JSON so far is searched for the child's mark, the piece that its opening tag adds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from processor.confined.formats.xml.fast.text import COMMA, NEWLINE, QUOTE
from processor.confined.formats.xml.records import ORDER, TEXT, XML, RecordSchema
from processor.confined.formats.xml.schema import ElementShape

_NAME = rb"[^ \t\n<>/=\"'!?&]+"
_ATTRIBUTE = rb"[ \t\n]+(%b)[ \t\n]*=[ \t\n]*(?:\"[^\"]*\"|'[^']*')"
_TAG = re.compile(rb"(/?)(%b)((?:%b)*)[ \t\n]*(/?)" % (_NAME, _ATTRIBUTE.replace(b"(%b)", b"%b") % _NAME))
_EACH_ATTRIBUTE = re.compile(_ATTRIBUTE % _NAME)
_QUOTED = re.compile(rb"(\"[^\"]*\"|'[^']*')")
_LINE_TO_SPACE = bytes.maketrans(b"\t\n", b"  ")
_MOST_EDGES = 50_000
_MARK = b"\x06"


class Takes(IntEnum):
    """What text may stand in a state."""

    BLANK = 0  # white space, which is no value
    VALUE = 1
    NOTHING = 2


class Does(IntEnum):
    """What else a tag does."""

    NOTHING = 0
    OPENS = 1  # an element with children
    CLOSES = 2  # such an element
    KEEPS_XML = 3  # opens an element whose content is kept as XML


class More(NamedTuple):
    """What only some edges have."""

    does: Does
    values: bytes  # JSON with a %b for the value of each attribute, after that of the edge
    known: set[bytes] | None  # marks of which the object may have none so far
    closing: bytes  # JSON for the end of what this opens
    after: "TagState | None"  # where what this opens leads in the end
    element: "Element | None"


Edge = tuple[bytes, "TagState", More | None]
"""What is added to the JSON, where it leads, and what else there is to do."""


class TagState(dict[bytes | tuple[bytes, ...], Edge]):
    """A place; its items are the tags that may follow, as far as they have been met."""

    __slots__ = ("find", "takes")

    def __init__(self, takes: Takes, find: "Callable[[Tag], Edge | None]") -> None:
        super().__init__()
        self.takes = takes
        self.find = find


class Tag(NamedTuple):
    """A tag without the values of its attributes."""

    name: str
    attributes: tuple[str, ...]
    is_end: bool
    is_empty: bool


class RowAutomaton(NamedTuple):
    """Rows of one name: `column` is where each of them stands, if it is not the row itself."""

    shape: ElementShape
    record: RecordSchema | None
    column: str | None


def understood(tag: bytes) -> Tag | None:
    """Return what `tag`, which stood between < and >, is; None if it is malformed or declares a namespace."""
    match = _TAG.fullmatch(tag)
    if match is None or (match[1] and (match[3] or match[4])):
        return None
    try:
        name = match[2].decode()
        attributes = tuple(found[1].decode() for found in _EACH_ATTRIBUTE.finditer(match[3]))
    except UnicodeDecodeError:
        return None
    if len(set(attributes)) < len(attributes) or any(name.startswith("xmlns") for name in attributes):
        return None
    return Tag(name, attributes, bool(match[1]), bool(match[4]))


def parted(tag: bytes) -> tuple[tuple[bytes, ...], list[bytes]]:
    """Return a tag without the values of its attributes, and these, white space in them as XML has it (3.3.3)."""
    parts = tag.split(b'"')
    if b"'" in tag and any(b"'" in part for part in parts[::2]):
        parts = _QUOTED.split(tag)
        parts[1::2] = [part[1:-1] for part in parts[1::2]]
    values = parts[1::2]
    if b"\n" in tag or b"\t" in tag:
        values = [value.translate(_LINE_TO_SPACE) for value in values]
    return tuple(parts[::2]), values


@dataclass(slots=True, eq=False)
class Element:
    """The elements of one shape: their record and, by name, their children, each with its place and its marks."""

    shape: ElementShape
    record: RecordSchema | None
    children: dict[str, "Element"] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    marks: dict[str, set[bytes]] = field(default_factory=dict)
    states: dict[tuple[str, bool], TagState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, child in (self.record.children if self.record else {}).items():
            self.places[name] = len(self.places)
            self.children[name] = Element(self.shape.children[name], child.record)
            self.marks[name] = set()

    @property
    def is_tangled(self) -> bool:
        """Tell whether the order of the children is a value."""
        return self.record is not None and self.record.is_tangled

    def tangled(self, json: bytes) -> bytes | None:
        """Return the fields of an element whose children, each begun by its name between two marks, are `json`.

        None if a child that may come once comes again.
        """
        assert self.record is not None
        pieces = json.split(_MARK)
        names = pieces[1::2]
        found: dict[bytes, list[bytes]] = {}
        for name, value in zip(names, pieces[2::2], strict=True):
            found.setdefault(name, []).append(value)
        fields = []
        for name, values in found.items():
            child = self.record.children.get(name.decode("utf-8", "replace"))
            if child is None or (len(values) > 1 and not child.repeats):
                return None
            fields.append(_named(child.key) + (b"[%b]" % b",".join(values) if child.repeats else values[0]))
        if names:
            order = b",".join(b"%b%b%b" % (QUOTE, name, QUOTE) for name in names)
            fields.append(b"%b[%b]" % (_named(ORDER), order))
        return b"".join(fields)


class Automaton:
    """The states for rows of certain names, all of them children of one element; `start` is the state between rows."""

    def __init__(self, rows: dict[str, RowAutomaton]) -> None:
        self._rows = rows
        self._elements = {name: Element(row.shape, row.record) for name, row in rows.items()}
        self._edges = 0
        self.start = TagState(Takes.BLANK, self._row)

    def edge(self, state: TagState, tag: bytes) -> Edge | None:
        """Return the edge for a tag that the state has not met so far, None if it has none."""
        known = understood(tag)
        self._edges += 1
        return state.find(known) if known is not None and self._edges <= _MOST_EDGES else None

    def _row(self, tag: Tag) -> Edge | None:
        if tag.is_end or tag.name not in self._rows:
            return None
        row = self._rows[tag.name]
        column = TEXT if row.column is None and row.record is None else row.column
        before, behind = (b"", NEWLINE) if column is None else (b"{" + _named(column), b"}" + NEWLINE)
        return self._opening(self._elements[tag.name], tag, before, behind, self.start)

    def _opening(
        self, element: Element, tag: Tag, before: bytes, behind: bytes, after: TagState, known: set[bytes] | None = None
    ) -> Edge | None:
        """Return the edge of an opening tag; `before` and `behind` stand around the element's JSON."""
        record = element.record
        if record is None:
            if tag.attributes:
                return None
            return self._leaf(element, tag, (before + QUOTE, b"", QUOTE + behind), after, known)
        if not record.attributes.keys() >= set(tag.attributes):
            return None
        first = before + b"{"
        values = b"".join(_named(record.attributes[name]) + b"\x02%b\x02" for name in tag.attributes)
        if record.is_mixed:
            json = values + _named(XML) + QUOTE
            return self._keeping(element, tag, (first, json, QUOTE + b"}" + behind), after, known)
        if record.children:
            return self._nested(element, tag, (first, values, b"}" + behind), after, known)
        if record.has_text:
            return self._leaf(element, tag, (first, values + _named(TEXT) + QUOTE, QUOTE + b"}" + behind), after, known)
        return self._leaf(element, tag, (first, values, b"}" + behind), after, known)

    def _leaf(
        self, element: Element, tag: Tag, json: tuple[bytes, bytes, bytes], after: TagState, known: set[bytes] | None
    ) -> Edge:
        first, values, last = json
        if tag.is_empty:
            return _edge(json, after, tag, known)
        # A shape that knows of no characters has to learn of the first ones.
        takes = Takes.VALUE if element.shape.has_characters else Takes.NOTHING
        end: Edge = (last, after, None)
        inside = TagState(takes, lambda found: end if found.is_end and found.name == tag.name else None)
        return _edge((first, values, b""), inside, tag, known)

    def _keeping(
        self, element: Element, tag: Tag, json: tuple[bytes, bytes, bytes], after: TagState, known: set[bytes] | None
    ) -> Edge:
        first, values, last = json
        if tag.is_empty:
            return _edge(json, after, tag, known)
        return first, after, More(Does.KEEPS_XML, values, known, last, after, element)

    def _nested(
        self, element: Element, tag: Tag, json: tuple[bytes, bytes, bytes], after: TagState, known: set[bytes] | None
    ) -> Edge | None:
        first, values, last = json
        assert element.record is not None
        if element.record.has_text:  # beside elements with children there are some with a text
            return None
        if tag.is_empty:
            return _edge(json, after, tag, known)
        inside = self._behind(element, "", disordered=False)
        return first, inside, More(Does.OPENS, values, known, last, after, element)

    def _behind(self, element: Element, last: str, *, disordered: bool) -> TagState:
        """Return the state behind the child `last` ('' before the first); `disordered` once one came out of order."""
        state = element.states.get((last, disordered))
        if state is None:
            state = TagState(Takes.BLANK, lambda tag: self._within(element, tag, last, disordered=disordered))
            element.states[last, disordered] = state
        return state

    def _within(self, element: Element, tag: Tag, last: str, *, disordered: bool) -> Edge | None:
        record = element.record
        assert record is not None
        before = b"]" if last and record.children[last].repeats and not record.is_tangled else b""
        if tag.is_end:
            closes = More(Does.CLOSES, b"", None, b"", None, None)
            return (
                (before, self._behind(element, "", disordered=False), closes)
                if tag.name == element.shape.name
                else None
            )
        if tag.name not in record.children:
            return None
        child = record.children[tag.name]
        if record.is_tangled:
            mark = b"%b%b%b" % (_MARK, tag.name.encode(), _MARK)
            return self._opening(
                element.children[tag.name], tag, mark, b"", self._behind(element, "", disordered=False)
            )
        if tag.name == last:
            if not child.repeats:
                return None
            after = self._behind(element, last, disordered=disordered)
            return self._opening(element.children[tag.name], tag, COMMA, b"", after)
        is_late = disordered or bool(last and element.places[tag.name] < element.places[last])
        before += _named(child.key) + (b"[" if child.repeats else b"")
        after = self._behind(element, tag.name, disordered=is_late)
        found = self._opening(
            element.children[tag.name], tag, before, b"", after, element.marks[tag.name] if is_late else None
        )
        if found is not None:
            element.marks[tag.name].add(found[0])
        return found


def _edge(json: tuple[bytes, bytes, bytes], to: TagState, tag: Tag, known: set[bytes] | None) -> Edge:
    first, values, last = json
    if tag.attributes or known is not None:
        return first, to, More(Does.NOTHING, values + last, known, b"", None, None)
    return first + values + last, to, None


def _named(name: str) -> bytes:
    return b"%b%b%b%b:" % (COMMA, QUOTE, name.encode(), QUOTE)
