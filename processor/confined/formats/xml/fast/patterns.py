"""Reuse the pattern of earlier rows for rows alike.

What remains of a row when its values are taken out is its pattern. The automaton is shown a row of the pattern with
marks for values; where the marks stand in its JSON, the values of all other rows of the pattern have their places.
Values are texts that are not blank, and attributes in double quotes; tags with plain single quotes are given those.
"""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from processor.confined.formats.xml.fast.automaton import Automaton
from processor.confined.formats.xml.fast.run import AutomatonRun

_LONGEST_ROW = 16 << 10
_MOST_BYTES = 4 << 20  # of patterns that are remembered
_VALUE = re.compile(rb'([=>](?:"|[ \t\n]*+(?=[^ \t\n<"])))((?<=")[^"<\t\n]*+|(?<!")[^<]++)')
_BLANK = b" \t\n"
_SECTION = re.compile(rb"<!\[CDATA\[(.*?)\]\]>|<!--(?:[^-]|-[^-])*+-->", re.DOTALL)
# A tag that has another `<` in it, as a quoted one or because it does not end.
_OPEN_TAG = re.compile(rb"""<[^!<>"']++(?:(?:"[^"<]*+"|'[^'<]*+')[^<>"']*+)*+(?:["'][^<]*+)?<""")
# A tag whose attributes are all in single quotes, and have no other marks in them.
_SINGLE_QUOTED = re.compile(rb"""<[^<>"'!?]++(?:'[^<>"']*+'[^<>"']*+)++>""")
_MARK = b"\x07&amp;%d\x07"
_MARKS = re.compile(rb"\x07([&\x05])amp;([0-9]+)\x07")

Encoder = Callable[[list[bytes]], bytes | None]
"""Returns a row's JSON for its values, None if the automaton has to look at them."""


class Patterns:
    """The patterns that were met so far. One is understood when it comes a second time."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._encoders: dict[bytes, Encoder | None] = {}
        self._bytes = 0

    def written(self, row: bytes) -> bytes | None:
        """Return the JSON of `row`, None if there is no pattern for it."""
        if len(row) > _LONGEST_ROW:
            return None
        parts = _VALUE.split(row)
        values = parts[2::3]
        del parts[2::3]
        pattern = b"\0".join(parts)
        encode = self._encoders.get(pattern, _look_out)
        if encode is _look_out:
            self._remember(pattern, None)
            return None
        if encode is None:
            encode = self._understood(parts)
            self._encoders[pattern] = encode
        return encode(values)

    def _remember(self, pattern: bytes, encode: Encoder | None) -> None:
        self._bytes += len(pattern)
        if self._bytes > _MOST_BYTES:
            self._encoders.clear()
            self._bytes = len(pattern)
        self._encoders[pattern] = encode

    def _understood(self, parts: Sequence[bytes]) -> Encoder:
        """Return the encoder of a pattern: what stands before a value, what introduces it, and so on in turn."""
        count = len(parts) // 2
        pairs = zip(parts[::2], parts[1::2], strict=False)
        marked = b"".join(before + begin + _MARK % number for number, (before, begin) in enumerate(pairs)) + parts[-1]
        run = AutomatonRun(self._automaton, marked)
        run.run()
        if b"<!" in marked or run.rows != 1 or run.is_irregular or marked[run.taken :].strip(_BLANK):
            return _look_out
        pieces = _MARKS.split(b"".join(run.json).replace(b"%", b"%%"))
        numbers = [int(number) for number in pieces[2::3]]
        if sorted(numbers) != list(range(count)):
            return _look_out
        kept = [number for number, mark in zip(numbers, pieces[1::3], strict=True) if mark != b"&"]
        return _encoder(b"%b".join(pieces[::3]), numbers, kept)


def _look_out(_values: list[bytes]) -> None:
    """Leave the row to the automaton."""


def _encoder(json: bytes, numbers: list[int], kept: list[int]) -> Encoder:
    """Return the encoder that puts the values of these numbers into `json`; `kept` are those that are kept as XML."""
    order = _getter(numbers) if numbers != sorted(numbers) else tuple
    if not kept:
        return lambda values: json % order(values)
    some = _getter([*kept, kept[0]])

    def encode(values: list[bytes]) -> bytes | None:
        text = b"".join(some(values))
        # What is written in another way where XML is kept.
        return None if b"&" in text or b">" in text else json % order(values)

    return encode


def _getter(numbers: list[int]) -> Callable[[list[bytes]], tuple[bytes, ...]]:
    """Return what takes the values of two or more numbers from a list, in this order."""
    return itemgetter(*numbers)


def double_quoted(row: bytes) -> bytes:
    """Return `row`, which has no comments and no CDATA sections, with `"` for `'` around attributes."""
    return _SINGLE_QUOTED.sub(lambda tag: tag[0].replace(b"'", b'"'), row)


def plain(row: bytes) -> tuple[bytes, int]:
    """Return `row` without comments and with its CDATA sections as plain text, and how many times it has `]]>`.

    Where something else may only look like them, as it stands in a tag, the row is returned as it is.
    """
    if _OPEN_TAG.search(row):
        return row, 0
    found = _SECTION.sub(_as_text, row)
    return (row, 0) if b"]]>" in found else (found, row.count(b"]]>"))


def _as_text(section: re.Match[bytes]) -> bytes:
    return (section[1] or b"").replace(b"&", b"&amp;").replace(b"<", b"&lt;")
