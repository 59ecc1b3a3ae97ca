"""Lines of a TOML file by table and key.

For error messages: tomllib does not tell them.
"""

import re
from collections import Counter
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""A path through tables, arrays and keys, such as `("feed", 0, "csv", "quote")`."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_LONG = re.compile(r'"""|' + "'''")


class TomlLines:
    """Where every table and key of a document stands."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        for place, line in _places(text):
            self._lines.setdefault(place, line)

    def of(self, place: Place) -> int:
        """Return the line, from 1, of the place, or of what holds it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self._lines:
                return self._lines[place[:length]]
        return 1


def _places(text: str) -> Iterator[tuple[Place, int]]:
    table: Place = ()
    arrays: Counter[Place] = Counter()
    in_text = False
    for number, line in enumerate(text.splitlines(), 1):
        begins_in_text = in_text
        in_text ^= len(_LONG.findall(line)) % 2 == 1
        if begins_in_text:
            continue
        if header := _HEADER.match(line):
            table = _table(header[1] == "[[", _parts(header[2]), arrays)
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_parts(key[1])), number


def _table(is_array: bool, parts: Place, arrays: Counter[Place]) -> Place:  # noqa: FBT001 - told by the brackets
    """Return the table's place: below an array of tables it is the last one's."""
    place: Place = ()
    for part in parts[:-1]:
        place = (*place, part)
        if arrays[place]:
            place = (*place, arrays[place] - 1)
    place = (*place, parts[-1])
    if is_array:
        arrays[place] += 1
        place = (*place, arrays[place] - 1)
    return place


def _parts(text: str) -> Place:
    return tuple(part.strip("\"'") for part in _PART.findall(text))
