"""Content kept as XML text."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from processor.confined.formats.xml.fast.automaton import parted, understood
from processor.confined.formats.xml.fast.text import AMPERSAND, without_references
from processor.confined.formats.xml.records import TEXT_ESCAPES, VALUE_ESCAPES

_DEEPEST = 64

Section = Callable[[bytes, Iterator[bytes]], tuple[bytes, bytes] | None]
"""Returns the text of a CDATA section, b"" of a comment, and the text behind; None if it is neither, or not whole."""


class OutOfReachError(Exception):
    """The content has something that only the parser takes."""


def keep(  # noqa: C901, PLR0912 - one loop over the pieces
    name: str, text: bytes, pieces: Iterator[bytes], json: list[bytes], section: Section
) -> bytes | None:
    """Add the content of the element `name`, which begins with `text`, to `json`; return the text behind its end tag.

    None if the pieces end before. Raises OutOfReachError.
    """
    names = [name]
    add = json.append
    opened = -1  # where in `json` the last tag stands while its element is empty
    if text:
        add(_as_text(text))
    for piece in pieces:
        if piece[:1] == b"!":
            found = section(piece, pieces)
            if found is None:
                return None
            if found[0]:
                add(_cdata(found[0]))
            text = found[1]
        else:
            tag, end, text = piece.partition(b">")
            if not end:
                raise OutOfReachError
            found_name, is_end, is_empty, written = _written(tag)
            if is_end:
                if names.pop() != found_name:
                    raise OutOfReachError
                if not names:
                    return text
                if opened == len(json):
                    json[-1] = json[-1][:-1] + b"/>"
                else:
                    add(written)
                opened = -1
            else:
                add(written)
                if not is_empty:
                    names.append(found_name)
                    opened = len(json)
                    if len(names) > _DEEPEST:
                        raise OutOfReachError
        if text:
            add(_as_text(text))
    return None


@lru_cache(maxsize=4096)
def _written(tag: bytes) -> tuple[str, bool, bool, bytes]:
    """Return the name, whether it is an end tag, whether an empty element's, and the tag as it is kept."""
    known = understood(tag)
    if known is None:
        raise OutOfReachError
    if known.is_end:
        return known.name, True, False, f"</{known.name}>".encode()
    values = (quoteattr(_decoded(text), VALUE_ESCAPES) for text in parted(tag)[1])
    attributes = "".join(f" {name}={value}" for name, value in zip(known.attributes, values, strict=True))
    written = f"<{known.name}{attributes}{'/' if known.is_empty else ''}>".encode().replace(b"&", AMPERSAND)
    return known.name, False, known.is_empty, written


def _as_text(text: bytes) -> bytes:
    if b"&" not in text and b">" not in text:
        return text
    return _cdata_of(_decoded(text))


def _cdata(text: bytes) -> bytes:
    try:
        return _cdata_of(text.decode())
    except UnicodeDecodeError as error:
        raise OutOfReachError from error


def _cdata_of(text: str) -> bytes:
    return escape(text, TEXT_ESCAPES).encode().replace(b"&", AMPERSAND)


def _decoded(text: bytes) -> str:
    """Return the characters that `text` stands for."""
    try:
        return without_references(text).decode()
    except ValueError as error:  # UnicodeDecodeError is one
        raise OutOfReachError from error
