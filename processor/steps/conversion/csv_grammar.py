"""What ends records, what separates and encloses fields, and the regular expressions that follow from it."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum


class Newline(StrEnum):
    """What ends a record."""

    ANY = "any"  # LF, CRLF or CR, even mixed
    LF = "\n"
    CRLF = "\r\n"
    CR = "\r"
    RECORD_SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table was written. All are UTF-8 bytes; an empty one means that there is none."""

    delimiter: bytes = b","
    quote: bytes = b'"'
    escape: bytes = (
        b'"'  # the quote itself where quotes are doubled; none where quotes stand in quoted fields as they are
    )
    newline: Newline = Newline.ANY
    spaced_quotes: bool = False  # spaces between a separator and a quote belong to neither field
    runs: bool = False  # any run of spaces and tabs is one separator, and none is one at the edges of a line

    def describe(self) -> str:
        """Return the dialect in words, for people and for the Parquet's metadata."""
        shown = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        words = [f"{name} {value.decode('utf-8', 'replace')!r}" for name, value in shown.items() if value]
        words.append(f"newline {self.newline.value!r}")
        words += ["spaces around quotes"] * self.spaced_quotes + ["runs of spaces"] * self.runs
        return ", ".join(words)


class Grammar:
    """The regular expressions of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.delimiter = dialect.delimiter
        self.quote = dialect.quote
        self.escape = dialect.escape if dialect.escape != dialect.quote else b""
        quote, escape, delimiter = (re.escape(part) for part in (self.quote, self.escape, self.delimiter))
        spaces = rb"[ \t]*" if dialect.spaced_quotes else b""
        if quote and not dialect.escape:
            inside = rb"(?:[^%b]++|%b(?!%b(?:%b|[\r\n]|\Z)))*+" % (quote, quote, spaces, delimiter or rb"\Z")
        elif self.escape:
            inside = rb"(?:[^%b%b]++|%b.|%b%b)*+" % (quote, escape, escape, quote, quote)
        else:
            inside = rb"(?:[^%b]++|%b%b)*+" % (quote, quote, quote) if quote else b""
        plain = _plain(delimiter, escape, single=len(self.delimiter) == 1)
        end = rb"(%b|\Z)" % delimiter if delimiter else rb"(\Z)"
        if dialect.runs:
            plain, end = rb"[^ \t]*+", rb"([ \t]++|\Z)"
        quoted = rb"%b(%b)(%b)%b%b" % (spaces, quote, inside, quote, spaces) if quote else rb"(\A\b\B)()"
        self.field = re.compile(rb"(?:%b|(%b))%b" % (quoted, plain, end), re.DOTALL)
        self.opens = re.compile(rb"%b%b%b(?:%b)?\Z" % (spaces, quote, inside, escape), re.DOTALL)
        self.inside = re.compile(inside, re.DOTALL)
        meant = rb"|".join(re.escape(c) for c in (self.quote, self.delimiter, b"\n", b"\r") if c)
        self.escaped = re.compile(rb"%b(%b)" % (escape, meant))
        meant += rb"|" + escape
        self.inner = re.compile(rb"%b(%b)|(%b)%b" % (escape, meant, quote, quote))
        self.begins_quoted = re.compile(spaces + quote)

    def unquote(self, inside: bytes) -> bytes:
        """Return the value of what stands between two quotes."""
        if self.escape:
            return self.inner.sub(rb"\1\2", inside)
        return inside.replace(self.quote * 2, self.quote) if self.dialect.escape else inside

    def plain(self, text: bytes) -> bytes:
        """Return the value of a field without quotes."""
        return self.escaped.sub(rb"\1", text) if self.escape and self.escape in text else text

    def fields(self, text: bytes, nulls: AbstractSet[bytes]) -> tuple[list[bytes | None], bool]:
        """Return the fields of one record, and whether one of them begins with a quote that does not enclose it.

        A field without quotes that is one of `nulls` is None.
        """
        found = self.field.findall(text)
        if len(found) > 1 and not found[-2][3]:
            found.pop()  # after the last field there is an empty match at the very end
        fields: list[bytes | None] = []
        odd = False
        for quote, inside, plain, _ in found:
            if quote:
                fields.append(self.unquote(inside))
            else:
                odd = odd or (self.begins_quoted.match(plain) is not None and bool(self.quote))
                fields.append(None if plain in nulls else self.plain(plain))
        return fields, odd


def _plain(delimiter: bytes, escape: bytes, *, single: bool) -> bytes:
    if not delimiter:
        return rb".*+"
    if escape:
        return rb"(?:%b.|(?!%b).)*+" % (escape, delimiter)
    return rb"[^%b]*+" % delimiter if single else rb"(?:(?!%b).)*+" % delimiter
