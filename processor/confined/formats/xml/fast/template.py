"""One regular expression for regular rows, and their JSON.

A row that the expression matches, byte for byte from `<` to `>`, is well-formed and has its fields in the places that
its record gives them; a row with anything else in it (a comment, CDATA, other quotes, an unknown or misplaced element)
does not match and is left to the parser. What an expression can not see (characters that XML does not have, malformed
references) is checked for many rows at once. This is several times as fast as parser events.

Control characters, which XML does not have, stand for the punctuation of JSON until the texts are escaped:
0x01 before a value, `<` behind it, 0x02 for a quotation mark, 0x03 for a line feed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from processor.confined.formats.xml.fast.text import finished, has_characters
from processor.confined.formats.xml.records import TEXT, Child, RecordSchema
from processor.confined.formats.xml.schema import ElementShape

_MOST_SHAPES = 300
_SPACE = "[ \\t\\n]*+"
_QUOTED = """(?:"([^"<\\t\\n]*+)"|'([^'<\\t\\n]*+)')"""

Region = Callable[[bytes], bytes]


class _Irregular(Exception):  # noqa: N818 - no error: such elements are the parser's
    """No expression is made for elements of this shape."""


@dataclass(slots=True)
class _Part:
    """An element's expression, its JSON with a %b for each group, and the groups that need a look of their own."""

    pattern: str = ""
    json: str = ""
    groups: int = 0
    regions: list[tuple[int, Region]] = field(default_factory=list)

    def add(self, pattern: str, json: str = "", groups: int = 0) -> None:
        self.pattern += pattern
        self.json += json
        self.groups += groups


class Template:
    """Matches rows of one shape."""

    def __init__(self, part: _Part) -> None:
        self._row = re.compile((_SPACE + part.pattern).encode())
        self._encode = _encoder(part)

    def take(self, buffer: bytes, start: int) -> tuple[int, int, bytes | None]:
        """Return where the rows end that begin at `start`, their number, and JSON Lines of them (None: in doubt)."""
        end, rows, match = start, [], self._row.match
        # Not finditer: it would look for a row from every place of a long white space.
        while found := match(buffer, end):
            end = found.end()
            rows.append(found.groups(b""))
        if not rows:
            return end, 0, b""
        if not has_characters(buffer[start:end]):
            return end, len(rows), None
        encode = self._encode
        return end, len(rows), _without_marks(b"\x03".join([encode(row) for row in rows]) + b"\x03")


def template_of(shape: ElementShape, record: RecordSchema | None) -> Template | None:
    """Return the template of the rows of `shape`, or None if they are not of a kind that one expression can match."""
    part = _Part()
    try:
        _add_element(part, shape, record, [_MOST_SHAPES])
    except _Irregular:
        return None
    if record is None:
        part.json = f"{{\x02{TEXT}\x02:{part.json}}}"
    return Template(part)


def _add_element(
    part: _Part, shape: ElementShape, record: RecordSchema | None, budget: list[int], *, is_there: bool = True
) -> None:
    budget[0] -= 1
    if budget[0] < 0 or (shape.has_text and shape.children) or shape.mixed or shape.tangled or "{" in shape.name:
        raise _Irregular
    name = re.escape(shape.name)
    part.add(f"<{name}")
    if record is None:
        _add_text(part, shape, is_there=is_there)
        return
    part.add("", "{")
    _add_attributes(part, shape, record)
    comma = "," if record.attributes else ""
    part.add(_SPACE)
    if shape.children:
        part.add(f"(?:>{_SPACE}", comma)
        _add_children(part, shape, record, budget)
        part.add(f"</{name}>|/>)")
    elif record.has_text:
        part.add("", f"{comma}\x02{TEXT}\x02:")
        _add_text(part, shape, is_there=True)
    else:
        part.add(f"(?:></{name}>|/>)")
    part.add("", "}")


def _add_text(part: _Part, shape: ElementShape, *, is_there: bool) -> None:
    name = re.escape(shape.name)
    if is_there and not shape.has_empty:
        part.add(f">([^<]*+)</{name}>", "\x02%b\x02", 1)
    else:
        part.add(f"(?:(>[^<]*+)</{name}>| ?(/)>)", "\x01%b%b<", 2)


def _add_attributes(part: _Part, shape: ElementShape, record: RecordSchema) -> None:
    for number, (name, key) in enumerate(record.attributes.items()):
        if "{" in name:
            raise _Irregular
        part.add("", f"{',' if number else ''}\x02{_literal(key)}\x02:")
        start = f"[ \\t\\n]++{re.escape(name)}"
        if shape.attributes[name] >= shape.count:
            part.add(f"{start}={_QUOTED}", "\x02%b%b\x02", 2)
        else:
            part.add(f"(?:{start}(=){_QUOTED})?", "\x01%b%b%b<", 3)


def _add_children(part: _Part, shape: ElementShape, record: RecordSchema, budget: list[int]) -> None:
    for number, (name, child) in enumerate(shape.children.items()):
        place = record.children[name]
        part.json += f"{',' if number else ''}\x02{_literal(place.key)}\x02:"
        is_always_there = child.count >= shape.count
        if place.repeats or (place.record is not None and not is_always_there):
            _add_region(part, child, place, budget)
        elif is_always_there:
            _add_element(part, child, place.record, budget)
            part.pattern += _SPACE
        else:
            part.pattern += "(?:"
            _add_element(part, child, place.record, budget, is_there=False)
            part.pattern += f"{_SPACE})?"


def _add_region(part: _Part, shape: ElementShape, place: Child, budget: list[int]) -> None:
    """Add elements that may be several, or an object that may be missing: one group, looked into by itself."""
    inner = _Part()
    _add_element(inner, shape, place.record, budget)
    part.regions.append((part.groups, _region(inner, repeats=place.repeats)))
    part.add(f"((?:{_without_groups(inner.pattern)}{_SPACE}){'*' if place.repeats else '?'})", "%b", 1)


def _region(inner: _Part, *, repeats: bool) -> Region:
    if inner.groups < 2:  # noqa: PLR2004 - findall gives tuples from two groups on
        inner.add("()", "%b", 1)
    find = re.compile(inner.pattern.encode()).findall
    encode = _encoder(inner)

    def listed(text: bytes) -> bytes:
        return b"[%b]" % b",".join(map(encode, find(text))) if text else b"null"

    def single(text: bytes) -> bytes:
        return b"".join(map(encode, find(text))) or b"null"

    return listed if repeats else single


def _encoder(part: _Part) -> Callable[[tuple[bytes, ...]], bytes]:
    json, regions = part.json.encode(), part.regions
    if not regions:
        return json.__mod__

    def encode(groups: tuple[bytes, ...]) -> bytes:
        values = list(groups)
        for index, region in regions:
            values[index] = region(values[index])
        return json % tuple(values)

    return encode


def _without_groups(pattern: str) -> str:
    return re.sub(r"\((?!\?)", "(?:", pattern)  # names of elements have no parentheses


def _literal(key: str) -> str:
    return key.replace("%", "%%")


def _without_marks(text: bytes) -> bytes | None:
    """Turn marked values into JSON strings and null; None if a reference is not one."""
    if b"\x01" in text:
        for mark, meaning in _MARKS:
            text = text.replace(mark, meaning)
    return finished(text)


_MARKS = ((b"\x01=", b"\x02"), (b"\x01>", b"\x02"), (b"\x01/", b"\x02"), (b"\x01<", b"null"), (b"<", b"\x02"))
