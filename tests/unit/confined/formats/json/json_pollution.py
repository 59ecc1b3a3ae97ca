"""Random JSON files, many of them spoiled, and what a strict reading by Python's own parser makes of them.

python -m tests.unit.confined.formats.json.json_pollution FIRST LAST    tries these seeds and prints those that fail
"""

import json
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn
from unittest.mock import patch

from processor.confined.formats.json import schema, table
from processor.domain.conversion import ConversionOptions, DataFormat, Receipt
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.json.json_values import Digits, Rows, converted, same_rows

_NUMBERS = ["0", "-0", "1", "-7", "1.0", "1.50", "-0.0", "0e5", "1E+2", "1e-7", "1e400", "-1e-400", "0.1", "1e22"]
_NUMBERS += ["9223372036854775808", "123456789012345678901234567890", "0.1000000000000000055", "5e-324", "12345.678"]
_TEXTS = ["", "x", "5", "1.0", "true", "null", "NaN", "{}", "[", "},{", '","', "\0", "\x7f", "é", "😀", "\u2028"]
_TEXTS += ["\ud800", "\\", "/", '"', "\n", "2024-01-01", " ", "a b", '":', "Infinity"]
_KEYS = ["id", "a", "b", "A", "_other", "value", "x.y", "é", 'q"', "\\"]
_ODD_KEYS = ["", "\0", "\ud800", "\n"]
_PUT = [
    ",",
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    "\0",
    "\n",
    "\r",
    "\ufeff",
    "NaN",
    "1",
    "-",
    ".",
    "e",
    "null",
    "/**/",
    " ",
    ":",
]
_ENCODINGS = ["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@dataclass(frozen=True, slots=True)
class Case:
    """A file, and how it is to be read: little of it at first, so that few rows decide about the rest."""

    data: bytes
    data_format: DataFormat
    sample_bytes: int
    most_keys: int
    threads: int


def case(seed: int) -> Case:
    """Return the file of the number `seed`."""
    chance = random.Random(seed)
    data_format = chance.choice(list(_FORMATS))
    text = _Writer(chance).file(_rows(chance))
    encoding = chance.choice(_ENCODINGS)
    spoil = chance.choice(_SPOILS)
    if encoding.startswith("utf-8"):
        data = spoil(chance, text.encode(encoding, "surrogatepass"))
    else:
        data = text.encode(encoding)
    sample_bytes = chance.choice([1, 1, 60, 400, 1 << 18])
    return Case(data, data_format, sample_bytes, chance.choice([2, 500, 500]), chance.choice([1, 1, 2]))


_FORMATS = (DataFormat.JSON, DataFormat.JSON, DataFormat.JSONL)


def _rows(chance: random.Random) -> list[Any]:
    """Return records that are much alike, with some that are not, or anything."""
    if chance.random() < 0.15:
        return [_value(chance, 3) for _ in range(chance.randrange(4))]
    keys = chance.sample(_KEYS, chance.randint(1, 4))
    makers = {key: _maker(chance, 2) for key in keys}
    rows: list[Any] = [{key: make() for key, make in makers.items()} for _ in range(chance.choice([1, 3, 30]))]
    for _ in range(chance.choice([0, 0, 1, 3])):
        rows[chance.randrange(len(rows))] = _odd(chance, {key: make() for key, make in makers.items()})
    return rows


def _maker(chance: random.Random, depth: int) -> Callable[[], Any]:
    """Return what makes the values of one place, mostly of one kind."""
    kind = chance.randrange(10 if depth else 7)
    texts, numbers = chance.sample(_TEXTS, 3), chance.sample(_NUMBERS, 2)
    if kind < 2:
        return lambda: chance.choice(texts)
    if kind < 5:
        return [
            lambda: Digits(chance.randrange(10**6)),
            lambda: Digits(repr(round(chance.random() * 100, 2))),
            lambda: Digits(chance.choice(numbers)),
        ][kind - 2]
    if kind < 7:
        return lambda: chance.choice([True, False] if kind == 5 else [None, True, "x", Digits("1")])
    inner = [_maker(chance, depth - 1) for _ in range(2)]
    if kind == 7:
        return lambda: [inner[0]() for _ in range(chance.randrange(4))]
    if kind == 8:
        return lambda: {"a": inner[0](), "b": inner[1]()}
    return lambda: {f"k{chance.randrange(20)}": inner[0]() for _ in range(chance.randrange(4))}


def _odd(chance: random.Random, row: dict[str, Any]) -> Any:
    """Return a row that differs from the others."""
    key = chance.choice(list(row))
    match chance.randrange(6):
        case 0:
            return {**row, key: _value(chance, 2)}
        case 1:
            return {**row, chance.choice(_KEYS + _ODD_KEYS): _value(chance, 1)}
        case 2:
            return {**row, key: None}
        case 3:
            return dict(reversed(row.items()))
        case 4:
            return {name: item for name, item in row.items() if name != key}
    return _value(chance, 2)


def _value(chance: random.Random, depth: int) -> Any:
    match chance.randrange(7 if depth else 5):
        case 0 | 1:
            return Digits(chance.choice(_NUMBERS))
        case 2 | 3:
            return chance.choice(_TEXTS)
        case 4:
            return chance.choice([None, True, False])
        case 5:
            return [_value(chance, depth - 1) for _ in range(chance.randrange(3))]
    return {chance.choice(_KEYS + _ODD_KEYS): _value(chance, depth - 1) for _ in range(chance.randrange(3))}


class _Writer:
    """Writes values in one of the ways that RFC 8259 leaves open."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._colon, self._comma = chance.choice(
            [(":", ","), (":", ","), (": ", ", "), (" : ", " ,\t"), (":\n", "\r\n,")]
        )
        self._escapes = chance.choice([0.0, 0.0, 0.02, 1.0])

    def file(self, rows: list[Any]) -> str:
        """Return the rows as an array, as lines or as documents one after the other."""
        texts = [self._text(row) for row in rows]
        shape = self._chance.randrange(3)
        if shape == 0:
            between = self._chance.choice([",", ",\n", " , ", "\r\n,\n\n  "])
            return self._chance.choice(["", " \n"]) + "[" + between.join(texts) + "]" + self._chance.choice(["", "\n"])
        end = self._chance.choice(["\n", "\n", "\r\n", "\n\n", "\n \t\n", "\r"])
        if shape == 1 and all(isinstance(row, dict) for row in rows) and self._chance.random() < 0.2:
            end = self._chance.choice(["", " "])
        return end.join(texts) + self._chance.choice(["", end])

    def _text(self, value: Any) -> str:
        if isinstance(value, Digits):
            return str(value)
        if isinstance(value, str):
            return '"' + "".join(map(self._character, value)) + '"'
        if isinstance(value, dict):
            members = (f"{self._text(key)}{self._colon}{self._text(item)}" for key, item in value.items())
            return "{" + self._comma.join(members) + "}"
        if isinstance(value, list):
            return "[" + self._comma.join(map(self._text, value)) + "]"
        return json.dumps(value)

    def _character(self, character: str) -> str:
        must = character in '"\\' or character < " " or "\ud800" <= character <= "\udfff"
        if not must and self._chance.random() >= self._escapes:
            return character
        if character in '"\\/' and self._chance.random() < 0.5:
            return "\\" + character
        units = character.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def _leave(_: random.Random, data: bytes) -> bytes:
    return data


def _truncate(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _flip(chance: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _put(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(_PUT).encode() + data[at + chance.randrange(2) :]


def _double(chance: random.Random, data: bytes) -> bytes:
    """Repeat a member: most often a key stands twice then."""
    members = [*re.finditer(rb'"[^"\\]*"\s*:\s*[^{}\[\],"]+,', data)]
    if not members:
        return data
    member = chance.choice(members)
    return data[: member.end()] + member[0] + data[member.end() :]


_SPOILS = [_leave, _leave, _leave, _truncate, _flip, _flip, _put, _put, _double]


class TwiceError(ValueError):
    """A key stands twice in one object."""


def expected(one: Case) -> list[Any]:
    """Return the rows by a strict reading. Raises ValueError, and TwiceError for what is wrong with keys alone."""
    text = _decoded(one.data)
    documents = _documents(text)
    begin = text.lstrip(" \t\r\n")
    if one.data_format is DataFormat.JSONL and begin and _is_document(begin.partition("\n")[0]):
        return documents
    if not documents and one.data_format is DataFormat.JSON:
        raise ValueError("empty")
    return documents[0] if len(documents) == 1 and isinstance(documents[0], list) else documents


def _decoded(data: bytes) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding)
    encoding = json.detect_encoding(data[:4])
    return data.decode(encoding)


def _documents(text: str) -> list[Any]:
    found: list[Any] = []
    at, before = 0, ""
    while True:
        space = re.compile(r"[ \t\r\n]*").match(text, at)
        assert space is not None
        at = space.end()
        if at == len(text):
            return found
        on_new_line = not found or "\n" in space[0] or "\r" in space[0]
        if not on_new_line and not before == text[at] == "{":
            raise ValueError("two on one line")
        before = text[at]
        value, at = _DECODER.raw_decode(text, at)
        found.append(value)


def _is_document(text: str) -> bool:
    try:
        return len(_documents(text)) == 1
    except ValueError:
        return False


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise TwiceError
    return dict(pairs)


_DECODER = json.JSONDecoder(
    parse_float=Digits, parse_int=Digits, parse_constant=_constant, object_pairs_hook=_object, strict=True
)


def wrong(one: Case) -> str:
    """Convert the file and return what is wrong with what comes of it; nothing if nothing is."""
    options = ConversionOptions(threads=one.threads)
    try:
        rows: list[Any] | None = expected(one)
        is_free = False
    except ValueError as error:
        # A document on its own that has a key twice is kept as text.
        rows, is_free = None, isinstance(error, TwiceError) and one.data_format is DataFormat.JSON
    try:
        with (
            patch.object(table, "_SAMPLE_BYTES", one.sample_bytes),
            patch.object(schema, "MOST_KEYS", one.most_keys),
        ):
            found = converted(one.data, one.data_format, options)
    except DeliveryError as error:
        return _wrong_refusal(one, str(error), is_valid=rows is not None)
    if rows is None:
        return "" if is_free and len(found[1]) == 1 else "accepted, and is not valid"
    if not same_rows(rows, found):
        return f"other values: {found[1]}"
    return _wrong_kind(rows, *found) or _wrongly_alike(rows, found[1])


def _wrong_refusal(one: Case, message: str, *, is_valid: bool) -> str:
    if is_valid:
        return f"refused, and is valid: {message}"
    place = re.search(r"line (\d+), column (\d+)", message)
    if place is None:
        return "" if re.search(r"no JSON value|is not valid utf", message) else f"refused without a place: {message}"
    lines = one.data.count(b"\n") + 1
    return "" if int(place[1]) <= lines else f"refused at a line that there is not: {message}"


def _wrong_kind(rows: list[Any], receipt: Receipt, found: Rows) -> str:
    """Return a text that tells another kind of value than the source has, by what its column is said to hold."""
    if [column.name for column in receipt.columns] == ["value"]:
        return ""  # it may hold the rows themselves
    for column in receipt.columns:
        for row, values in zip(rows, found, strict=True):
            if not isinstance(row, dict) or row.get(column.name) is None or column.type != "VARCHAR":
                continue
            is_string = isinstance(row[column.name], str) and not isinstance(row[column.name], Digits)
            is_held = {
                "all": is_string,
                "strings": not (is_string and _is_document(values[column.name])),
                "text": not is_string or values[column.name].startswith('"'),
            }
            said = column.reason.removeprefix("VARCHAR: ").removeprefix("JSON ").partition(" ")[0].strip(":")
            if not is_held.get(said, True):
                return f"{row[column.name]!r} is {values[column.name]!r} in a column of {column.reason}"
    return ""


def _wrongly_alike(rows: list[Any], found: Rows) -> str:
    """Return two rows that differ in the source and do not in the Parquet."""
    seen: dict[str, Any] = {}
    for row, values in zip(rows, found, strict=True):
        plain = _plain(row) or {}
        if seen.setdefault(repr(values), plain) != plain:
            return f"{plain} and {seen[repr(values)]} have both become {values}"
    return ""


def _plain(value: Any) -> Any:
    """Return the value in a form that is equal for equal values; a key whose value is null is as good as none."""
    if isinstance(value, Digits):
        number = Decimal(value)
        return ("number", number, not number and number.is_signed())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return (type(value).__name__, value) if isinstance(value, bool) else value


def main() -> None:
    """Try the seeds of the command line."""
    failed = 0
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        one = case(seed)
        try:
            why = wrong(one)
        except Exception as error:  # noqa: BLE001 - each is a finding
            why = f"{type(error).__name__}: {error}"
        if why:
            failed += 1
            print(f"{seed}: {why[:400]}\n    {repr(one)[:600]}", flush=True)
    print(f"{failed} failed")


if __name__ == "__main__":
    main()
