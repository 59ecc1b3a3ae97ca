"""How a delimited text is written: separators, quotes, line endings."""

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
