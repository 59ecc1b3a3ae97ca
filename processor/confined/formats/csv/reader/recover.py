"""Read rows of another width by the evidence they carry."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat

from processor.confined.formats.csv.cell_patterns import TYPED, CellClass, classify
from processor.confined.formats.csv.grammar import Grammar
from processor.confined.formats.csv.reader.records import Record, records
from processor.confined.formats.dialect import Dialect, Newline

_OTHER_DELIMITERS = (b",", b";", b"\t", b"|", b", ", b"; ")
# Ordinary text is full of these: a row that they separate must hold what the columns hold.
_DELIMITERS_OF_TEXT = (b" ", b":")
_OTHER_QUOTES = (b'"', b"'", b"`")
_BACKSLASH = b"\\"
_ALIKE = 0.7
_FEWEST_TYPED = 2
_MOST_QUOTED_BYTES = 64 << 10
_MOST_JOINS = 20_000
_AS_IT_IS, _ENCLOSED, _STRAY, _HALF_OPEN = 0, 0, 1, 2
_NEVER = 1 << 30

Fields = list[bytes | None]


class Repair:
    """Reads single rows anew. A reading is taken only when it has exactly the table's width."""

    def __init__(self, dialect: Dialect, width: int, rows: Sequence[Record] = ()) -> None:
        """`rows` are some of the table's, for what its columns hold."""
        self.dialect = dialect
        self.width = width
        self.grammar = Grammar(dialect)
        self.columns = [_common([classify(row.fields[index]) for row in rows]) for index in range(width * bool(rows))]
        of_text = _DELIMITERS_OF_TEXT if sum(map(TYPED.__contains__, self.columns)) >= _FEWEST_TYPED else ()
        # What no other reading could divide: no quote, and none of the marks that separate fields elsewhere.
        marks = b"".join((*_OTHER_DELIMITERS, *of_text, *_OTHER_QUOTES, dialect.quote)).translate(
            None, dialect.delimiter
        )
        self.nothing = re.compile(rb"[^%b]*+" % re.escape(marks if of_text else marks.replace(b" ", b"")))
        self.others = [mark for mark in (*_OTHER_DELIMITERS, *of_text) if mark != dialect.delimiter]

    def fields(self, record: Record) -> Fields | None:
        """Return the row's fields in the one way that fits, None when there is none."""
        if self.width < 2 or not record.text:  # noqa: PLR2004
            return None
        text = record.text
        if self.nothing.fullmatch(text):
            return None
        return (
            self._enclosed(text)
            or self._by_inner_quotes(record)
            or self._by_delimiter(record)
            or self._by_other_quotes(text)
        )

    def may_help(self, lines: Sequence[bytes]) -> list[bool]:
        """Tell of each of these rows, which have no stray quotes, whether `fields` may find another way to read it."""
        own, most = self.dialect.quote, self.width - 1
        found = [False] * len(lines)
        if own and any(map(bytes.startswith, lines, repeat(own))):
            found = [line[:1] + line[-1:] == own * 2 and self._between(line, own) is not None for line in lines]
        text = b"\n".join(lines)
        for mark in self.others:
            if text.count(mark) >= most and max(map(bytes.count, lines, repeat(mark)), default=0) >= most:
                found = [known or line.count(mark) >= most for known, line in zip(found, lines, strict=True)]
        for mark in _OTHER_QUOTES:
            if mark != own and mark in text:
                found = [known or mark in line for known, line in zip(found, lines, strict=True)]
        return found

    def sensible(self, record: Record) -> Fields:
        """Return the fields of a row of the right width, those without the quotes around them that have more inside."""
        found = self.grammar.field.findall(record.text)
        if self.dialect.runs or len(found) < len(record.fields):
            return record.fields
        is_plain = [not quote for quote, *_ in found]
        return [
            self._value(field) if plain and field and _cost(field, self.dialect) == _STRAY else field
            for field, plain in zip(record.fields, is_plain, strict=False)
        ]

    def _enclosed(self, text: bytes) -> Fields | None:
        """Read a row of which all fields are in quotes, with whatever stands between them."""
        for quote in dict.fromkeys((self.dialect.quote, *_OTHER_QUOTES)):
            if not quote or text[:1] + text[-1:] != quote * 2:
                continue
            if separator := self._between(text, quote):
                return self._separated_by(separator, text, quote)
        return None

    def _between(self, text: bytes, quote: bytes) -> bytes | None:
        """Return what stands between quotes as often as a separator has to."""
        found = re.search(rb"%b([^\w%b]{1,3})%b" % ((re.escape(quote),) * 3), text)
        return found[1] if found and text.count(found[0]) == self.width - 1 else None

    def _by_other_quotes(self, text: bytes) -> Fields | None:
        others = [mark for mark in _OTHER_QUOTES if mark != self.dialect.quote and mark in text]
        found = [self._separated_by(self.dialect.delimiter, text, mark) for mark in others]
        return next(filter(None, found), None)

    def _by_delimiter(self, record: Record) -> Fields | None:
        """Read a row that was written with another separator than the rest."""
        found: list[tuple[float, Fields]] = []
        for delimiter in self.others:
            count = record.text.count(delimiter)
            if count < self.width - 1 or (delimiter in b",;" and record.text.count(delimiter + b" ") == count):
                continue
            if (fields := self._separated_by(delimiter, record.text)) is None:
                continue
            alike = self._alikeness(fields)
            if delimiter not in _DELIMITERS_OF_TEXT or alike >= _ALIKE:
                found.append((alike, fields))
        most = max((alike for alike, _ in found), default=0.0)
        best = [fields for alike, fields in found if alike == most]
        return best[0] if len(best) == 1 else None

    def _separated_by(self, delimiter: bytes, text: bytes, quote: bytes = b"") -> Fields | None:
        own = self.dialect.delimiter
        dialect = replace(self.dialect, delimiter=delimiter, newline=Newline.ANY, runs=False)
        if quote not in (b"", dialect.quote):
            dialect = replace(dialect, quote=quote, escape=quote)
        found = list(records((text,), dialect))
        if len(found) != 1 or len(found[0].fields) != self.width or found[0].odd:
            return None
        if delimiter != own and delimiter.startswith(own) and text.count(own) > text.count(delimiter):
            outside = self.dialect.quote.join(text.split(self.dialect.quote)[::2]) if self.dialect.quote else text
            if outside.count(own) > outside.count(delimiter):
                return None  # the table's own separator separates, too
        return found[0].fields

    def _alikeness(self, fields: Sequence[bytes | None]) -> float:
        """Return the share of the fields that are what their columns hold."""
        pairs = [(classify(value), column) for value, column in zip(fields, self.columns, strict=False)]
        return sum(cell in (column, CellClass.EMPTY) for cell, column in pairs) / self.width

    def _by_inner_quotes(self, record: Record) -> Fields | None:
        """Read a row with quotes that nobody doubled, or that lack their other one: the width says where fields end."""
        text, quote = record.text, self.dialect.quote
        if not (quote and quote in text and self.dialect.delimiter) or self.dialect.runs:
            return None
        if self.dialect.escape not in (quote, b"") and self.dialect.escape + self.dialect.delimiter in text:
            return None
        if len(record.fields) <= self.width or len(text) > _MOST_QUOTED_BYTES or not self._has_stray_quote(text):
            return None
        groups = _joined(text.split(self.dialect.delimiter), self.width, self.dialect)
        return None if groups is None else [self._value(group) for group in groups]

    def _has_stray_quote(self, text: bytes) -> bool:
        return any(self.dialect.quote in plain for _, _, plain, _ in self.grammar.field.findall(text))

    def _value(self, group: bytes) -> bytes | None:
        stripped = group.strip(b" \t") if self.dialect.spaced_quotes else group
        quote = self.dialect.quote
        if _cost(group, self.dialect) == _HALF_OPEN or not (len(stripped) > 1 and stripped.startswith(quote)):
            return group or None
        inside = stripped[len(quote) : -len(quote)]
        if inside.count(_BACKSLASH + quote) == inside.count(quote) > 0:
            return inside.replace(_BACKSLASH + quote, quote)  # another way to escape them than the table's
        return self.grammar.unquote(inside)


def _joined(pieces: Sequence[bytes], width: int, dialect: Dialect) -> list[bytes] | None:
    """Join neighbours until there are `width` fields, in the way that leaves the fewest quotes without sense.

    Only what begins or ends with a quote is joined. Returns None where two ways are as good.
    """
    surplus = len(pieces) - width
    if surplus < 1 or len(pieces) * (surplus + 1) ** 2 > _MOST_JOINS:
        return None
    # best[used]: least cost, in how many ways, and the fields, of the pieces so far with so many joins used
    held: list[list[tuple[int, int, list[bytes]]]] = [[(0, 1, [])]]
    for end in range(1, len(pieces) + 1):
        best: list[tuple[int, int, list[bytes]]] = [(_NEVER, 0, [])] * (surplus + 1)
        for size in range(1, min(end, surplus + 1) + 1):
            group = dialect.delimiter.join(pieces[end - size : end])
            cost = _cost(group, dialect, many=size > 1)
            for used, (so_far, ways, fields) in enumerate(held[end - size]):
                now = used + size - 1
                if now > surplus or cost + so_far > best[now][0]:
                    continue
                if cost + so_far == best[now][0]:
                    best[now] = (best[now][0], best[now][1] + ways, best[now][2])
                elif cost < _NEVER:
                    best[now] = (cost + so_far, ways, [*fields, group])
        held.append(best)
    cost, ways, fields = held[-1][surplus]
    return fields if cost < _NEVER and ways == 1 else None


def _cost(group: bytes, dialect: Dialect, *, many: bool = False) -> int:
    """Return how little sense the quotes of what may be a field make."""
    quote = dialect.quote
    text = group.strip(b" \t") if dialect.spaced_quotes else group
    opens, closes = text.startswith(quote), text.endswith(quote) and len(text) > 1
    if opens and closes:
        inside = text[len(quote) : -len(quote)].replace(quote * 2, b"")
        if dialect.escape not in (quote, b""):
            inside = inside.replace(dialect.escape + quote, b"")
        return _STRAY if quote in inside else _ENCLOSED
    if opens or closes:
        return _HALF_OPEN
    if many:
        return _NEVER
    return _STRAY if quote in text else _AS_IT_IS


def _common(cells: Sequence[CellClass]) -> CellClass:
    known = [cell for cell in cells if cell is not CellClass.EMPTY]
    return max(known, key=known.count, default=CellClass.EMPTY)


def looks_like_row(record: Record, dialect: Dialect, width: int) -> bool:
    """Whether the record, though of another width, can be read as a row of the table."""
    return Repair(dialect, width).fields(record) is not None and classify(record.text) is not CellClass.WORDS
