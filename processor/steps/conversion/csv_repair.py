"""Rows that do not have the table's width, but have it when read in another way that the row itself speaks for."""

from collections.abc import Sequence

from processor.steps.conversion.csv_cells import CellClass, classify
from processor.steps.conversion.csv_rows import Dialect, Grammar, Newline, Record, records

_OTHER_DELIMITERS = (b",", b";", b"\t", b"|")
_MOST_CLOSINGS = 12
_MOST_QUOTED_BYTES = 64 << 10

Fields = list[bytes | None]


class Repair:
    """Reads single rows anew. A reading is taken only when it has exactly the table's width."""

    def __init__(self, dialect: Dialect, width: int) -> None:
        self.dialect = dialect
        self.width = width
        self.grammar = Grammar(dialect)

    def fields(self, record: Record) -> Fields | None:
        """Return the row's fields in the one way that fits, None when there is none."""
        if self.width < 2 or not record.text:  # noqa: PLR2004
            return None
        return self._by_inner_quotes(record) or self._by_delimiter(record)

    def _by_delimiter(self, record: Record) -> Fields | None:
        """Read a row that was written with another separator than the rest."""
        found = []
        for delimiter in _OTHER_DELIMITERS:
            if delimiter != self.dialect.delimiter and record.text.count(delimiter) >= self.width - 1:
                dialect = Dialect(delimiter, self.dialect.quote, self.dialect.escape, Newline.ANY)
                other = list(records((record.text,), dialect))
                if len(other) == 1 and len(other[0].fields) == self.width and not other[0].odd:
                    found.append(other[0].fields)
        return found[0] if len(found) == 1 else None

    def _by_inner_quotes(self, record: Record) -> Fields | None:
        """Read a row whose quoted fields hold quotes that nobody doubled: they close where the width comes out."""
        quote = self.dialect.quote
        if not record.odd or len(record.fields) <= self.width or len(record.text) > _MOST_QUOTED_BYTES:
            return None
        joined = _join_between(record.fields, self.dialect, self.grammar, len(record.fields) - self.width)
        return joined if joined is not None and quote else None


def _join_between(fields: Sequence[bytes | None], dialect: Dialect, grammar: Grammar, surplus: int) -> Fields | None:
    """Join `surplus` + 1 neighbours, the first of which begins with a quote and the last of which ends with one."""
    found: list[Fields] = []
    for first in range(len(fields) - surplus):
        opening, closing = fields[first] or b"", fields[first + surplus] or b""
        if grammar.begins_quoted.match(opening) and closing.rstrip(b" \t").endswith(dialect.quote):
            text = dialect.delimiter.join(field or b"" for field in fields[first : first + surplus + 1]).strip(b" \t")
            inside = text[len(dialect.quote) : -len(dialect.quote)]
            found.append([*fields[:first], inside, *fields[first + surplus + 1 :]])
    return found[0] if len(found) == 1 else None


def looks_like_row(record: Record, dialect: Dialect, width: int) -> bool:
    """Whether the record, though of another width, can be read as a row of the table."""
    return Repair(dialect, width).fields(record) is not None and classify(record.text) is not CellClass.WORDS
