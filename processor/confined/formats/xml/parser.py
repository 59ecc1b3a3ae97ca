"""Strict XML parsing by expat, one small tree a row.

Entities other than the five predefined ones are refused where they are declared, nothing outside the document is ever
fetched, and depth, tags and rows have bounds, so no document costs more than its own size.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from processor.confined.formats.xml.decode import read_normalised
from processor.confined.formats.xml.namespaces import Names
from processor.domain.errors import DeliveryError, refused

Node = list[Any]
"""An element: `[name, [attribute, value, ...], [text or Node, ...]]`, in document order. Lists, as there are many."""

Path = tuple[str, ...]
"""Element names from the root down."""

NAME, ATTRIBUTES, PARTS = range(3)

DEEPEST = 128
LARGEST_TAG_BYTES = 16 << 20
LARGEST_ROW_BYTES = 16 << 20
MOST_ROW_NODES = 500_000
_LONGEST_DEFAULTS = 256
_MOST_TEXTS = 16
_UNDEFINED_ENTITY = expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
_INVALID_TOKEN = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]
_LONGEST_CHARACTER = 4
_ENTITY_HINT = "only &lt; &gt; &amp; &quot; &apos; and character references are understood"
_DECLARATION = re.compile(rb"<\?xml[ \t\n][^>]*\?>")
_ONE_TAG = re.compile(rb"<[^<]*>")


class TreeParser:
    """Feeds on pieces of UTF-8; calls back with the attributes of wrappers and with whole elements below them.

    `wrappers` are the paths of elements that are not built as trees but descended into. `on_wrapper(path, attributes)`
    and `on_text(path, text)` are called for them, `on_item(path, node)` for every other element whose parent is a
    wrapper (or which is the root).
    """

    def __init__(
        self,
        wrappers: frozenset[Path],
        names: Names,
        on_item: Callable[[Path, Node], None],
        on_wrapper: Callable[[Path, list[str]], None],
        on_text: Callable[[Path, str], None],
    ) -> None:
        self._wrappers, self._names = wrappers, names
        self._on_item, self._on_wrapper, self._on_text = on_item, on_wrapper, on_text
        self.path: Path = ()  # of the innermost open wrapper
        self.doctype = ""
        self.has_defaults = False  # a DTD gives attributes that the tags do not show
        self._default_length = 0
        self._texts: list[str] = []  # since the last tag of a wrapper or an item
        self._stack: list[Node] = []
        self._nodes = 0
        self._item_start = 0
        self.item_line = 0  # on which the last item begins, in what was fed
        self._ended_at = -1
        self._fed = 0
        self._inserted = 0  # bytes that are not the document's
        self._expat = self._new_expat()
        self._outside()

    def feed(self, data: bytes) -> None:
        """Parse `data`. Raises DeliveryError, or expat.ExpatError when the document is not well-formed."""
        if not self._fed:
            data = self._begin(data)
        self._fed += len(data)
        self._expat.Parse(data, False)
        if self._stack and self._fed - self._item_start > LARGEST_ROW_BYTES:
            self._too_large(f"more than {LARGEST_ROW_BYTES >> 20} MiB")
        if len(self._texts) > _MOST_TEXTS:
            self._bound_text()
        if self._fed - self._expat.CurrentByteIndex > LARGEST_TAG_BYTES:
            raise refused("xml.tag-too-large", f"a tag or comment is larger than {LARGEST_TAG_BYTES >> 20} MiB")

    def close(self) -> None:
        """Tell that the document has ended. Raises expat.ExpatError when it is cut short."""
        self._expat.Parse(b"", True)

    def stands_after_tag(self, data: bytes) -> bool:
        """Tell whether `data`, fed last, ended with the last tag of an item, so that another element may follow."""
        if self._stack or self._ended_at < 0:
            return False
        since = (
            self._fed - self._ended_at
        )  # an empty element ends where its tag does, any other where its end tag begins
        return since == 0 or (since <= len(data) and _ONE_TAG.fullmatch(data[-since:]) is not None)

    def unfinished(self) -> Node | None:
        """Return the item that is still open, with what has come of it so far."""
        if not self._stack:
            return None
        self._names.rename(self._stack[0])
        return self._stack[0]

    def error_index(self) -> int:
        """Return how many bytes of those fed lie before the error that `feed` raised."""
        return int(self._expat.ErrorByteIndex) - self._inserted

    def _begin(self, data: bytes) -> bytes:
        """Declare the document standalone.

        Where a DTD elsewhere might declare an entity, expat would leave a reference to it out of an attribute and tell
        nobody; in a standalone document it is an error.
        """
        found = _DECLARATION.match(data)
        declaration = found[0] if found else b""
        if declaration:
            given, self._expat = self._expat, expat.ParserCreate("UTF-8")
            self._expat.Parse(declaration + b"<a/>", True)  # raises if the declaration is malformed
            self._expat = given
        own = b'<?xml version="1.0"' + b"\n" * declaration.count(b"\n") + b' standalone="yes"?>'
        self._inserted = len(own) - len(declaration)
        return own + data[len(declaration) :]

    def _new_expat(self) -> Any:
        # The encoding given here overrides the declaration, which speaks of the bytes before they were recoded.
        parser = expat.ParserCreate("UTF-8")
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = self._start_doctype
        parser.EntityDeclHandler = self._refuse_entity
        parser.SkippedEntityHandler = self._refuse_reference
        parser.AttlistDeclHandler = self._attribute_declared
        return parser

    def _outside(self) -> None:
        self._expat.StartElementHandler = self._start_outside
        self._expat.EndElementHandler = self._end_outside
        self._expat.CharacterDataHandler = self._text_outside

    def _inside(self) -> None:
        self._expat.StartElementHandler = self._start_inside
        self._expat.EndElementHandler = self._end_inside
        self._expat.CharacterDataHandler = self._text_inside

    def _start_outside(self, name: str, attributes: list[str]) -> None:
        self._end_text()
        self._names.enter(attributes)
        path = (*self.path, self._names.element(name))
        if path in self._wrappers:
            self.path = path
            self._on_wrapper(path, self._names.attributes(attributes))
            return
        self._stack.append([name, attributes, []])
        self._nodes = 1
        self._item_start = self._expat.CurrentByteIndex
        self.item_line = self._expat.CurrentLineNumber
        self._inside()

    def _end_outside(self, _name: str) -> None:
        self._end_text()
        self._names.leave()
        self.path = self.path[:-1]

    def _text_outside(self, text: str) -> None:
        self._texts.append(text)

    def _end_text(self) -> None:
        if self._texts:
            text = "".join(self._texts)
            self._texts.clear()
            if text.strip(" \t\n"):
                self._on_text(self.path, text)

    def _start_inside(self, name: str, attributes: list[str]) -> None:
        node = [name, attributes, []]
        self._stack[-1][PARTS].append(node)
        self._stack.append(node)
        self._nodes += 1
        if len(self._stack) > DEEPEST or self._nodes > MOST_ROW_NODES:
            self._out_of_bounds()

    def _text_inside(self, text: str) -> None:
        self._stack[-1][PARTS].append(text)

    def _end_inside(self, _name: str) -> None:
        node = self._stack.pop()
        if self._stack:
            return
        self._ended_at = self._expat.CurrentByteIndex
        self._outside()
        self._names.rename(node)
        self._names.leave()
        self._on_item((*self.path, node[NAME]), node)

    def _bound_text(self) -> None:
        text = "".join(self._texts)
        self._texts = [text] if text.strip(" \t\n") else []
        if self._texts and len(text) > LARGEST_ROW_BYTES:
            raise refused("xml.row-too-large", f"a text between elements has more than {LARGEST_ROW_BYTES >> 20} MiB")

    def _out_of_bounds(self) -> NoReturn:
        if self._nodes > MOST_ROW_NODES:
            self._too_large(f"more than {MOST_ROW_NODES:,} elements")
        raise refused(
            "xml.too-deep", f"elements are nested more than {DEEPEST} deep (line {self._expat.CurrentLineNumber})"
        )

    def _too_large(self, size: str) -> NoReturn:
        name = self._stack[0][NAME]
        raise refused("xml.row-too-large", f"one <{name}>, which is a row of the table, has {size}", "split the file")

    def _start_doctype(self, name: str, system: str | None, public: str | None, _has_subset: int) -> None:
        self.doctype = " ".join(filter(None, (name, public, system)))

    def _refuse_entity(self, name: str, *_definition: object) -> NoReturn:
        raise refused(
            "xml.entity",
            f"the DTD declares the entity {name!r} (line {self._expat.CurrentLineNumber})",
            "entities are not expanded; write their text into the file",
        )

    def _refuse_reference(self, name: str, _is_parameter: int) -> None:
        raise refused(
            "xml.entity",
            f"the entity {name!r} is not declared in the file (line {self._expat.CurrentLineNumber})",
            _ENTITY_HINT,
        )

    def _attribute_declared(self, _element: str, _name: str, _type: str, default: str | None, _required: int) -> None:
        # Values may also be normalised by their declared type, so tags alone no longer show what an attribute is.
        self.has_defaults = True
        self._default_length += len(default or "")
        if self._default_length > _LONGEST_DEFAULTS:
            raise refused("xml.entity", "the DTD gives long default values to attributes", "write them into the file")


def refuse_malformed(open_again: Callable[[], BinaryIO], index: int, error: expat.ExpatError) -> DeliveryError:
    """Return the error for a document that is not well-formed after `index` normalised bytes, with line and column."""
    line, column = _place(open_again, index)
    reason = expat.ErrorString(error.code)
    if error.code == _UNDEFINED_ENTITY:
        return refused("xml.entity", f"{reason} at line {line}, column {column}", _ENTITY_HINT)
    if error.code == _INVALID_TOKEN and not _is_utf8(_bytes_at(open_again, index)):
        return refused(
            "xml.encoding",
            f"the file declares UTF-8, or no encoding, but line {line}, column {column} is not UTF-8",
            "declare the encoding that it has, or store it as UTF-8",
        )
    return refused(
        "xml.not-well-formed", f"not well-formed XML: {reason} at line {line}, column {column}", "the file is broken"
    )


def _place(open_again: Callable[[], BinaryIO], index: int) -> tuple[int, int]:
    with open_again() as reader:
        before = _until(read_normalised(reader), index)
        line, column = 1, 0
        for chunk in before:
            line += chunk.count(b"\n")
            tail = chunk[chunk.rfind(b"\n") + 1 :]
            characters = len(tail.decode(errors="replace"))
            column = characters if b"\n" in chunk else column + characters
    return line, column + 1


def _bytes_at(open_again: Callable[[], BinaryIO], index: int) -> bytes:
    with open_again() as reader:
        for chunk in read_normalised(reader):
            if index < len(chunk):
                return chunk[index : index + _LONGEST_CHARACTER]
            index -= len(chunk)
    return b""


def _is_utf8(data: bytes) -> bool:
    """Tell whether `data` is empty or begins with a character of UTF-8."""
    return not data.decode(errors="replace").startswith("\ufffd")


def _until(chunks: Iterator[bytes], index: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:index]
        index -= len(chunk)
        if index <= 0:
            return
