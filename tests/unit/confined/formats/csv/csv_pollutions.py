# ruff: noqa: E501, RUF001 - tables and their texts
"""Tables written in every polluted way, each with the records that a careful reader takes from it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

Row = list[str | None]


@dataclass(frozen=True)
class Table:
    name: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Style:
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    newline: str = "\n"
    quote_all: bool = False

    def field(self, value: str) -> str:
        risky = (self.delimiter, self.quote, "\n", "\r")
        if not (self.quote_all or any(mark and mark in value for mark in risky)):
            return value
        if self.escape != self.quote:
            value = value.replace(self.escape, self.escape * 2)
        return self.quote + value.replace(self.quote, self.escape + self.quote) + self.quote

    def row(self, values: list[str]) -> str:
        return self.delimiter.join(map(self.field, values))

    def text(self, rows: list[list[str]]) -> str:
        return "".join(self.row(row) + self.newline for row in rows)


@dataclass(frozen=True)
class Polluted:
    name: str
    data: bytes
    header: list[str] | None
    records: list[Row]  # what the table has; None for a missing value
    surplus: dict[int, Row] | None = None  # record -> the fields beyond the header


def tables() -> list[Table]:
    random.seed(7)
    kinds = ["Wine, red", "Bread", 'Cheese "old"', "Oil; virgin", "Tea"]
    sales = [
        [f"{1 + i % 12}/{1 + i % 28}/2018", f"{8 + i % 12:02d}:{i * 7 % 60:02d}", str(1 + i * 3 % 9), f"P{i * 37 % 997:03d}",
         f"{(i * 731 % 9000) / 100:.2f}", kinds[i % 5], f"Bottle no. {i}, gift" if i % 4 == 0 else "plain one",
         f"https://shop.example/p?id={i}&x=1", "" if i % 6 == 0 else f"comment {i}"]
        for i in range(84)
    ]  # fmt: skip
    people = [
        [str(1000 + i), f"{random.choice(['Anna', 'Bo', 'Chloé', 'Dirk'])} {random.choice(['Ray', 'Øst', 'Kim'])}",
         f"user{i}@mail.example", f"20{i % 24:02d}-0{1 + i % 9}-{10 + i % 18}", random.choice(["Lyon", "New York", "Köln"])]
        for i in range(40)
    ]  # fmt: skip
    words = [
        [random.choice(["red", "green", "blue"]), random.choice(["small", "large"]), random.choice(["wood", "steel", "glass"]),
         f"item {chr(97 + i % 26)}{i}"]
        for i in range(30)
    ]  # fmt: skip
    sensors = [
        [str(i), f"{random.uniform(-5, 35):.3f}", f"{random.uniform(0, 1):.4f}", str(random.randint(900, 1100))]
        for i in range(60)
    ]
    gaps = [
        [str(i), "" if i % 2 else "x y", "" if i % 3 else f"{i}.5", "" if i % 5 else "2020-01-01", "z" if i % 4 else ""]
        for i in range(40)
    ]
    return [
        Table("gaps", ["n", "word", "amount", "day", "last"], gaps),
        Table(
            "sales",
            ["DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "Description", "URL", "Comments"],
            sales,
        ),
        Table("people", ["id", "name", "mail", "joined", "city"], people),
        Table("words", ["colour", "size", "material", "label"], words),
        Table("sensors", ["n", "temperature", "humidity", "pressure"], sensors),
    ]


def _records(rows: list[list[str]]) -> list[Row]:
    return [[value or None for value in row] for row in rows]


def pollutions() -> Iterator[Polluted]:
    for table in tables():
        for found in (
            *_dialects(table),
            *_files(table),
            *_headers(table),
            *_rows(table),
            *_encodings(table),
        ):
            yield replace(found, name=f"{table.name}-{found.name}")


def _plain(table: Table, style: Style, name: str) -> Polluted:
    return Polluted(name, style.text([table.header, *table.rows]).encode(), table.header, _records(table.rows))


def _dialects(table: Table) -> Iterator[Polluted]:
    for delimiter in (",", ";", "\t", "|", " ", ":", "~", "^", "#", "\x1f", "\x01", "||", "::", ";;", "~|~", "§"):
        yield _plain(table, Style(delimiter), f"delimiter-{delimiter!r}")
        yield _plain(table, Style(delimiter, quote_all=True), f"delimiter-{delimiter!r}-quoted")
    spaced = replace(table, rows=[[*row[:-1], f"{row[-1]}, or so"] for row in table.rows])
    yield _plain(spaced, Style(", "), "delimiter-comma-space")
    for quote in ("'", "`", "|", "$", "~", "%"):
        yield _plain(table, Style(quote=quote, escape=quote), f"quote-{quote}")
        yield _plain(table, Style(quote=quote, escape=quote, quote_all=True), f"quote-{quote}-all")
        yield _plain(table, Style(";", quote, quote, quote_all=True), f"quote-{quote}-semicolon")
    for escape in ("\\", "/", "^", "'", "~", "#"):
        yield _plain(table, Style(escape=escape), f"escape-{escape}")
        yield _plain(table, Style(escape=escape, quote_all=True), f"escape-{escape}-all")
    for name, newline in (("cr", "\r"), ("crlf", "\r\n"), ("lf", "\n"), ("lfcr", "\n\r")):
        yield _plain(table, Style(newline=newline), f"newline-{name}")
    yield _plain(table, Style(newline="\x1e", delimiter="\x1f"), "ascii-separators")


def _files(table: Table) -> Iterator[Polluted]:
    style, header, rows = Style(), table.header, table.rows
    text, records = style.text([header, *rows]), _records(rows)
    width = len(header)

    def polluted(name: str, content: str, head: list[str] | None = header, got: list[Row] | None = None) -> Polluted:
        return Polluted(name, content.encode(), head, records if got is None else got)

    yield polluted("no-final-newline", text[:-1])
    yield polluted("two-final-newlines", text + "\n")
    yield polluted("five-final-newlines", text + "\n" * 5)
    if table.name != "words":
        yield polluted("no-header", style.text(rows), None)
    yield polluted("header-only", style.text([header]), header, [])
    yield polluted("one-row", style.text([header, rows[0]]), header, records[:1])
    yield polluted("two-rows", style.text([header, *rows[:2]]), header, records[:2])
    yield polluted("blank-lines-first", "\n\n" + text)
    yield polluted("blank-line-inside", style.text([header, *rows[:5]]) + "\n\n" + style.text(rows[5:]))
    for lines in (1, 2, 3, 5):
        notes = "".join(f"Note {i} about the report of {2010 + i}\n" for i in range(lines))
        yield polluted(f"preamble-{lines}", notes + text)
        yield polluted(f"preamble-{lines}-blank", notes + "\n" + text)
        yield polluted(f"footer-{lines}", text + "".join(f"Source: bureau number {i}\n" for i in range(lines)))
        yield polluted(f"footer-{lines}-blank", text + "\n" + notes)
    yield polluted("preamble-comma", "Report, made by hand\n" + text)
    yield polluted("preamble-padded", "Report" + "," * (width - 1) + "\n" + "," * (width - 1) + "\n" + text)
    yield polluted("preamble-pairs", "Author,Jane\nDate,2020-01-01\nUnit,kg\n\n" + text)
    yield polluted("footer-total", text + "Total: 84 rows\n")
    yield polluted("both-notes", "My title\n\n" + text + "\nend of report\n")
    yield polluted("comments", "# made by x\n" + style.text([header, *rows[:3]]) + "# half\n" + style.text(rows[3:]))
    yield polluted(
        "trailing-delimiter",
        "".join(line + ",\n" for line in text.splitlines()),
        [*header, ""],
        [[*r, None] for r in records],
    )
    yield polluted("trailing-delimiter-rows", style.text([header]) + "".join(line + ",\n" for line in style.text(rows).splitlines()),
                   [*header, ""], [[*r, None] for r in records])  # fmt: skip
    yield polluted("row-names", style.text([header]) + style.text([[f"r{i}", *r] for i, r in enumerate(rows)]),
                   ["", *header], [[f"r{i}", *r] for i, r in enumerate(records)])  # fmt: skip
    same = [*records, list(header), *records[:10]]
    yield polluted("two-tables-same", text + "\n" + style.text([header, *rows[:10]]), header, same)
    less = [*records, [*header[:-1], None], *([*r[:-1], None] for r in records[:10])]
    yield polluted("two-tables-less", text + "\n" + style.text([r[:-1] for r in [header, *rows[:10]]]), header, less)
    more_rows = [[*header, "extra"], *([*r, "e"] for r in rows[:10])]
    surplus = {len(rows): ["extra"]} | {len(rows) + 1 + i: ["e"] for i in range(10)}
    yield Polluted("two-tables-more", (text + "\n" + style.text(more_rows)).encode(), header, same, surplus)
    for lines, name in ((["", *header[1:]], "empty-name"), ([header[0], header[0], *header[2:]], "double-name")):
        yield polluted(f"header-{name}", style.text([lines, *rows]), lines)
    mixed = "".join(line + ("\r\n" if i % 2 else "\n") for i, line in enumerate(text.splitlines()))
    yield polluted("newline-mixed", mixed)
    yield polluted(
        "newline-mixed-cr", "".join(line + ("\r", "\n", "\r\n")[i % 3] for i, line in enumerate(text.splitlines()))
    )


def _headers(table: Table) -> Iterator[Polluted]:
    """Yield the table with a header that is written otherwise than the rows, or stands below other lines."""
    style, header, rows = Style(), table.header, table.rows
    body, records = style.text(rows), _records(rows)

    def polluted(name: str, lines: str, head: list[str] = header) -> Polluted:
        return Polluted(f"head-{name}", (lines + "\n" + body).encode(), head, records)

    for delimiter in (";", "\t", "|", ", ", ":"):
        yield polluted(f"separator-{delimiter!r}", delimiter.join(header))
        yield polluted(f"separator-{delimiter!r}-quoted", Style(delimiter, quote_all=True).row(header))
    yield polluted("other-quotes", Style(quote="'", escape="'", quote_all=True).row(header))
    yield polluted("quoted", Style(quote_all=True).row(header))
    for at in range(len(header)):
        yield polluted(f"more-{at}", style.row([*header[:at], "", *header[at:]]))
        name = header[at]
        spoiled = [*header[:at], f'"{name[:1]}"{name[1:]}"', *header[at + 1 :]]
        yield polluted(
            f"unescaped-{at}", ",".join(spoiled), [*header[:at], f'{name[:1]}"{name[1:]}', *header[at + 1 :]]
        )
    for at in range(1, len(header)):
        merged = [*header[: at - 1], header[at - 1] + header[at], *header[at + 1 :]]
        yield polluted(f"less-{at}", style.row(merged), merged)
    yield polluted("below-a-sentence", "This table, made by hand, is of 2019\n" + style.row(header))
    yield polluted("below-empty-cells", "," * (len(header) - 1) + "\n" + style.row(header))


def _rows(table: Table) -> Iterator[Polluted]:
    style, header, rows = Style(), table.header, table.rows
    width = len(header)
    for at in (0, 1, len(rows) // 2, len(rows) - 1):
        for column in range(width):
            yield from _one_row(table, style, at, column)
        line = rows[at]
        other = Style(";").row(line)
        yield _with_line(table, at, other, f"row-{at}-semicolon", _records(rows))
        yield _with_line(table, at, Style("\t").row(line), f"row-{at}-tab", _records(rows))
        yield _with_line(table, at, Style(quote_all=True).row(line), f"row-{at}-all-quoted", _records(rows))
        if not any('"' in value or "'" in value or "," in value for value in line):
            single = Style(quote="'", escape="'", quote_all=True).row(line)
            values = [f"'{v}'" for v in line]  # a single row is no evidence that ' is a quote
            yield _with_line(table, at, single, f"row-{at}-other-quotes", [
                *_records(rows[:at]), values, *_records(rows[at + 1 :])])  # fmt: skip
        crlf = style.row(line) + "\r"
        yield _with_line(table, at, crlf, f"row-{at}-crlf", _records(rows))
        yield _with_line(table, at, "," * (width - 1), f"row-{at}-empty", [
            *_records(rows[:at]), [None] * width, *_records(rows[at + 1 :])])  # fmt: skip


def _one_row(table: Table, style: Style, at: int, column: int) -> Iterator[Polluted]:
    rows = table.rows
    line = rows[at]
    if column:
        merged = style.row(line[:column]) + style.row(line[column:])
        if '"' not in merged:
            short: Row = [
                v or None for v in [*line[: column - 1], line[column - 1] + line[column], *line[column + 1 :]]
            ]
            records = [*_records(rows[:at]), [*short, None], *_records(rows[at + 1 :])]
            yield _with_line(table, at, merged, f"row-{at}-less-{column}", records)
        more = style.row(line[:column]) + ",," + style.row(line[column:])
        wide: Row = [v or None for v in [*line[:column], "", *line[column:]]]
        records = [*_records(rows[:at]), wide[:-1], *_records(rows[at + 1 :])]
        polluted = _with_line(table, at, more, f"row-{at}-more-{column}", records)
        yield replace(polluted, surplus={at: [line[-1] or None]})
    if '"' not in style.field(line[column]):
        stray = style.row(line[:column]) + ("," if column else "") + '"' + style.row(line[column:])
        values: Row = [v or None for v in line]
        values[column] = '"' + line[column]
        records = [*_records(rows[:at]), values, *_records(rows[at + 1 :])]
        yield _with_line(table, at, stray, f"row-{at}-stray-quote-{column}", records)
        inner = [*line[:column], line[column] + '"', *line[column + 1 :]]
        text = ",".join(style.field(v) if i != column else v for i, v in enumerate(inner))
        values = [v or None for v in inner]
        yield _with_line(table, at, text, f"row-{at}-stray-end-{column}", [
            *_records(rows[:at]), values, *_records(rows[at + 1 :])])  # fmt: skip


def _with_line(table: Table, at: int, line: str, name: str, records: list[Row]) -> Polluted:
    style = Style()
    text = style.text([table.header, *table.rows[:at]]) + line + "\n" + style.text(table.rows[at + 1 :])
    return Polluted(name, text.encode(), table.header, records)


def _encodings(table: Table) -> Iterator[Polluted]:
    text = Style().text([table.header, *table.rows])
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield Polluted(f"encoding-{encoding}", text.encode(encoding), table.header, _records(table.rows))
    swapped = [[value.replace("comment", "comment – ‘quoted’ €") for value in row] for row in table.rows]
    yield Polluted(
        "encoding-utf-16-marks",
        Style().text([table.header, *swapped]).encode("utf-16"),
        table.header,
        _records(swapped),
    )
