"""Regular tables to break: made here, or found among files that others wrote."""

import csv
import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_DELIMITERS = {".tsv": "\t", ".tab": "\t"}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_LARGEST_BYTES = 100_000
_FEWEST_ROWS = 5


@dataclass(frozen=True, slots=True)
class Table:
    """A text of one header and rows of its width. Fields are as written: with their quotes, if they have any."""

    name: str
    header: list[str]
    rows: list[list[str]]
    delimiter: str = ","
    newline: str = "\n"
    mark: str = ""
    last_newline: bool = True

    @property
    def width(self) -> int:
        return len(self.header)

    @property
    def suffix(self) -> str:
        return ".tsv" if self.delimiter == "\t" else ".csv"

    @property
    def names(self) -> list[str]:
        return [value(field) for field in self.header]

    def line(self, fields: list[str]) -> str:
        return self.delimiter.join(fields)

    def lines(self) -> list[str]:
        """Return header and rows as written, without their ends; a row in quotes may hold line ends."""
        return [self.line(self.header), *(self.line(row) for row in self.rows)]

    def text(self, lines: list[str]) -> str:
        return self.mark + self.newline.join(lines) + self.newline * self.last_newline

    def data(self) -> bytes:
        return self.text(self.lines()).encode()


def value(field: str) -> str:
    """Return what a field as written says, by RFC 4180."""
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


# Tables made here


def made() -> list[Table]:
    """Return varied tables, the same in every run."""
    return [
        replace(_made(number, *shape), **dict(_FORMS[number % len(_FORMS)]))  # type: ignore[arg-type]
        for number, shape in enumerate(_SHAPES)
    ]


def _made(number: int, rows: int, kinds: str) -> Table:
    chance = random.Random(number)
    columns = [_KINDS[kind] for kind in kinds]
    delimiter = dict(_FORMS[number % len(_FORMS)]).get("delimiter", ",")
    always = number % 5 == 1
    header = [quoted(name) if always else name for name in (f"{columns[at][0]}_{at}" for at in range(len(columns)))]
    body = [[_written(column[1](at, chance), str(delimiter), always) for column in columns] for at in range(rows)]
    return Table(f"made-{number:02}-{kinds}", header, body)


def _written(text: str, delimiter: str, always: bool) -> str:
    special = any(character in text for character in (delimiter, '"', "\n", "\r"))
    return quoted(text) if always or special else text


_WORDS = ["north", "south", "zürich", "green tea", "o'neill", "Müller & Co", "long road", "x-ray", "東京", "fine"]


def _sentence(at: int, chance: random.Random) -> str:
    return f"{' '.join(chance.choices(_WORDS, k=6))}, item {at}; see page {at % 7}"


def _lines(at: int, chance: random.Random) -> str:
    return "\n".join(chance.choices(_WORDS, k=2)) if at % 3 == 0 else chance.choice(_WORDS)


def _quotes(at: int, chance: random.Random) -> str:
    return f'the "{chance.choice(_WORDS)}" one' if at % 4 == 0 else chance.choice(_WORDS)


_KINDS: dict[str, tuple[str, Callable[[int, random.Random], str]]] = {
    "i": ("id", lambda at, _: str(at + 1)),
    "n": ("amount", lambda _, chance: str(chance.randrange(10_000))),
    "p": ("price", lambda _, chance: f"{chance.randrange(100_000) / 100:.2f}"),
    "d": ("day", lambda at, _: f"2024-{1 + at % 12:02}-{1 + at % 28:02}"),
    "t": ("seen_at", lambda at, _: f"2024-01-{1 + at % 28:02} {at % 24:02}:30:00"),
    "b": ("active", lambda _, chance: chance.choice(["true", "false"])),
    "w": ("word", lambda _, chance: chance.choice(_WORDS)),
    "s": ("remark", _sentence),
    "l": ("address", _lines),
    "q": ("title", _quotes),
    "z": ("code", lambda at, _: f"{at * 37 % 10_000:05}"),
    "e": ("maybe", lambda at, chance: "" if at % 3 == 0 else str(chance.randrange(100))),
}
_FORMS: list[list[tuple[str, object]]] = [
    [],
    [("newline", "\r\n")],
    [("delimiter", ";")],
    [("delimiter", "\t")],
    [("last_newline", False)],
    [("delimiter", "|"), ("newline", "\r\n")],
    [("mark", "\ufeff")],
]
_SHAPES = [
    (5, "iw"),
    (12, "iwn"),
    (40, "iwpd"),
    (200, "iwnpdtb"),
    (30, "isn"),
    (30, "ilnw"),
    (60, "iqpw"),
    (25, "zwne"),
    (15, "den"),
    (80, "tnpp"),
    (400, "iwwwnnppdt"),
    (9, "wn"),
    (33, "wiiii"),
    (3000, "iwpd"),
    (50, "islqwp"),
    (20, "bnw"),
    (7, "dnnnnnnnnnnn"),
    (100, "iwe"),
    (64, "zdpb"),
    (18, "wwwn"),
    (45, "inl"),
    (1000, "isp"),
    (28, "pwq"),
    (11, "tw"),
]


# Tables of others


def found(corpora: Path, every: int = 1) -> Iterator[Table]:
    """Yield those files that can be read in one way only: RFC 4180, one width, and names above other values."""
    files = sorted(path for kind in ("csv", "tsv") for path in corpora.rglob(f"*.{kind}"))
    for path in files[::every]:
        if path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
            table = parsed(path.relative_to(corpora).as_posix(), path.read_bytes(), _DELIMITERS.get(path.suffix, ","))
            if table is not None and _certain(table):
                yield table


def parsed(name: str, data: bytes, delimiter: str) -> Table | None:
    """Return the table, if the bytes are just one."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    newline = "\r\n" if "\r\n" in text else "\n"
    body = text.removesuffix(newline)
    if newline == "\r\n" and re.search(r"(?<!\r)\n", text):
        return None
    records = _records(body, delimiter, newline)
    if len({len(record) for record in records}) != 1 or [[value(field) for field in record] for record in records] != (
        _read(body, delimiter)
    ):
        return None
    return Table(name, records[0], records[1:], delimiter, newline, mark, last_newline=body != text)


def _records(text: str, delimiter: str, newline: str) -> list[list[str]]:
    """Return the fields as written."""
    records: list[list[str]] = [[]]
    pieces = re.split(f"({re.escape(delimiter)}|{newline})", text)
    field = ""
    for at in range(0, len(pieces), 2):
        field += pieces[at]
        end = pieces[at + 1] if at + 1 < len(pieces) else ""
        if field.count('"') % 2:
            field += end  # within quotes
            continue
        records[-1].append(field)
        field = ""
        if end == newline:
            records.append([])
    return records


def _read(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _certain(table: Table) -> bool:
    """Return true if nobody could take the header for a row, nor a row for something else."""
    names, rows = table.names, [[value(field) for field in row] for row in table.rows]
    if table.width < 2 or len(rows) < _FEWEST_ROWS or any("\0" in field for row in rows for field in row):
        return False
    named = all(name.strip() == name and name and not _NUMBER.fullmatch(name) and len(name) < 60 for name in names)
    unique = len({name.casefold() for name in names}) == len(names)
    full = all(sum(1 for field in row if field) * 2 > table.width for row in rows)
    plain = not any(field.startswith("#") for row in rows for field in row[:1])
    numbers = any(
        all(_NUMBER.fullmatch(row[at]) for row in rows if row[at]) and any(row[at] for row in rows)
        for at in range(table.width)
    )
    return named and unique and full and plain and numbers
