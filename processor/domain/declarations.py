"""Declarations: how the files of a feed are read.

Small frozen values that travel to the workers within the conversion options. Whatever is not declared is found, or the
file is refused. A declaration that the file contradicts is refused, too, with the line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum


class OnMissing(StrEnum):
    """Treatment of a declared column that a file lacks."""

    NULL = "null"
    REFUSE = "refuse"


class OnExtra(StrEnum):
    """Treatment of a column that is not declared."""

    REFUSE = "refuse"
    TEXT = "text"  # kept as VARCHAR, behind the declared ones
    DROP_TO_REJECTS = "drop-to-rejects"


class OnSurprise(StrEnum):
    """Treatment of a value that its declared type does not hold."""

    REFUSE = "refuse"
    REJECT_ROW = "reject-row"  # the row goes verbatim to <key>.rejects.jsonl


def keys_of(section: str) -> frozenset[str]:
    """Return all keys of a section, as `Declaration.keys` names them."""
    declared = {"csv": CsvDeclaration, "json": JsonDeclaration, "xml": XmlDeclaration}[section]
    return frozenset(f"{section}.{each.name}" for each in fields(declared))


class Drift(StrEnum):
    """Ways in which a file differs from the columns that its feed declares."""

    MISSING = "missing"
    EXTRA = "extra"
    SURPRISE = "surprise"


def drift_fact(kind: Drift, columns: Iterable[str]) -> tuple[str, str]:
    """Return what a receipt says of columns that differ, in a table that is delivered all the same."""
    return f"drift-{kind}", "\n".join(columns)


def drift_of(facts: Iterable[tuple[str, str]]) -> Iterator[tuple[Drift, str]]:
    """Yield kind and column of all that `drift_fact` told."""
    names = {f"drift-{kind}": kind for kind in Drift}
    for name, value in facts:
        if name in names:
            yield from ((names[name], column) for column in value.split("\n"))


def drift_of_code(code: str) -> Drift | None:
    """Return the kind of drift that a file was refused for, by the failure's code; None of any other."""
    return _DRIFT_OF_CODE.get(code)


_DRIFT_OF_CODE = {
    "feed.missing-column": Drift.MISSING,
    "feed.extra-column": Drift.EXTRA,
    "feed.surprise": Drift.SURPRISE,
}


@dataclass(frozen=True, slots=True)
class CsvDeclaration:
    """`[feed.csv]`: None, or "" for the encoding, means: found by evidence."""

    encoding: str = ""
    delimiter: str | None = None
    quote: str | None = None  # "": quotes are text
    escape: str | None = None
    header: bool | tuple[str, ...] | None = None  # names: the text has no header
    skip_lines: int = 0  # lines above the header, delivered as notes
    footer_lines: int = 0
    comment: str = ""
    row_names: str = ""  # name of a first column that the header leaves out
    decimal: str = "."
    thousands: str = ""
    null: tuple[str, ...] | None = None
    null_quoted: bool = False


@dataclass(frozen=True, slots=True)
class JsonDeclaration:
    """`[feed.json]`: `records` is the path of the rows in a document, such as `data.items`."""

    records: str = ""


@dataclass(frozen=True, slots=True)
class XmlDeclaration:
    """`[feed.xml]`: the row's element, and the elements that are always lists."""

    row: str = ""
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDeclaration:
    """One declared column; `type` is a DuckDB type such as `DECIMAL(18,2)`.

    `source` is the column's name in the file, where it is renamed. `format` is strptime's. `true` and `false` are the
    words of a BOOLEAN.
    """

    name: str
    type: str
    format: str = ""
    source: str = ""
    required: bool = False  # no NULL
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnsDeclaration:
    """`[feed.columns]`: these columns, in this order, in every file of the feed."""

    columns: tuple[ColumnDeclaration, ...]
    on_missing: OnMissing = OnMissing.REFUSE
    on_extra: OnExtra = OnExtra.REFUSE
    on_surprise: OnSurprise = OnSurprise.REFUSE


@dataclass(frozen=True, slots=True)
class Declaration:
    """All that a feed says of reading; `digest` is the SHA-256 of it, in hex."""

    feed: str
    digest: str
    csv: CsvDeclaration = CsvDeclaration()
    json: JsonDeclaration = JsonDeclaration()
    xml: XmlDeclaration = XmlDeclaration()
    columns: ColumnsDeclaration | None = None
    empty_file: bool = False  # a file of zero bytes is a table without rows

    @property
    def keys(self) -> frozenset[str]:
        """Return all that is said of reading, such as `csv.quote`; `columns` stands for all of its own."""
        found = {name for name in ("columns", "empty_file") if getattr(self, name)}
        for section in ("csv", "json", "xml"):
            said = getattr(self, section)
            found |= {f"{section}.{each.name}" for each in fields(said) if getattr(said, each.name) != each.default}
        return frozenset(found)
