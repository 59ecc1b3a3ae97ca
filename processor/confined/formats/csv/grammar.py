"""Regular expressions for the records and fields of a dialect."""

import re
from collections.abc import Set as AbstractSet

from processor.confined.formats.dialect import Dialect, Newline


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


def normal_endings(text: bytes, dialect: Dialect) -> bytes:
    """Return `text`, which stands outside of quotes, with LF for what ends records."""
    if dialect.newline is not Newline.ANY:
        return text.replace(dialect.newline.encode(), b"\n")
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def inner_escape(dialect: Dialect) -> bytes:
    """Return what escapes quotes inside of quotes, if that is not another quote."""
    return dialect.escape if dialect.escape != dialect.quote else b""


def may_strip(dialect: Dialect) -> bool:
    """Whether spaces between quotes and separators belong to neither field and are no separators."""
    return dialect.spaced_quotes and not set(dialect.delimiter) & set(b" \t")
