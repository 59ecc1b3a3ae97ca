"""Strict JSON reader and writer that keeps numbers as written.

The scanner is the standard library's, told to keep each number's digits, to refuse NaN and Infinity (which RFC 8259
does not have) and to refuse an object that has a key twice (RFC 8259, 4, leaves open which one counts).
"""

import json
from collections.abc import Iterable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, NoReturn

# Deeper documents are refused: a bound that all parsers on the way can take, and no table has.
DEEPEST = 256


class Number(str):
    """A number as it stands in the source, digit by digit."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object that has a key twice, with all it has, in order."""


class NotJsonError(Exception):
    """A text is not JSON: what is wrong, and where.

    `position` counts characters of the row that was parsed; `offset` counts bytes of the whole text, where the text
    itself could not be split into rows. None: unknown.
    """

    def __init__(self, why: str, position: int | None = None, *, offset: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.position = position
        self.offset = offset
        self.row: bytes | None = None


class KeyTwiceError(NotJsonError):
    """An object has a key twice."""


def parse(row: bytes, *, keys_twice: bool = False) -> Any:
    """Return the document in `row`: None, bool, Number, str, list or dict. Raises NotJsonError, with the row.

    An object that has a key twice raises KeyTwiceError, or is given as Pairs if `keys_twice`.
    """
    try:
        return _parse(row, _KEEPING if keys_twice else _DECODER)
    except NotJsonError as error:
        error.row = row
        raise


def _parse(row: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        text = row.decode()
    except UnicodeDecodeError as error:
        why = f"byte 0x{row[error.start]:02x} is not UTF-8"
        raise NotJsonError(why, len(row[: error.start].decode())) from error
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise NotJsonError(error.msg, error.pos) from error
    except RecursionError as error:
        raise NotJsonError(f"nested deeper than {DEEPEST} levels") from error
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise NotJsonError(f"nested deeper than {DEEPEST} levels")
    return value


def write(value: Any) -> str:
    """Return the JSON text of `value`: numbers as they stood, no spaces, each key and string equal by value."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return write_string(value)
    if isinstance(value, dict):
        return _write_members(value.items())
    if isinstance(value, Pairs):
        return _write_members(value)
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value]


def _write_members(members: Iterable[tuple[str, Any]]) -> str:
    return "{" + ",".join(f"{write_string(key)}:{write(item)}" for key, item in members) + "}"


def write_string(text: str) -> str:
    """Return `text` as a JSON string; a lone surrogate, which UTF-8 can not write, becomes an escape."""
    return encode_basestring(text) if is_writable(text) else encode_basestring_ascii(text)


def is_writable(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8: whether it is free of lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise KeyTwiceError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _object_or_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Pairs:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Pairs(pairs)


def _constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is not a JSON value")


def _depth(value: Any) -> int:
    """Return how deeply containers are nested in `value`, without recursion."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [item for each in level for item in _items(each)]
    return depth


def _items(container: Any) -> Iterable[Any]:
    if isinstance(container, dict):
        return container.values()
    return (item for _, item in container) if isinstance(container, Pairs) else container


_DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_constant, object_pairs_hook=_object, strict=True
)
_KEEPING = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_constant, object_pairs_hook=_object_or_pairs, strict=True
)
