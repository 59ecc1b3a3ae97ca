"""Ways of breaking a regular table that a careful person would refuse to read."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.certainty.tables import Table, quoted, value


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken text. `rows` is set where a reading that keeps every row, with its text, is right as well."""

    data: bytes
    rows: int | None = None


_Lines = list[str]
_Edit = Callable[[Table, random.Random], _Lines | None]
_Mutation = Callable[[Table, random.Random], Broken | None]
MUTATIONS: dict[str, _Mutation] = {}
EVEN: set[str] = set()


def mutation(function: _Mutation) -> _Mutation:
    MUTATIONS[function.__name__.strip("_").replace("_", "-")] = function
    return function


def edit(function: _Edit) -> _Edit:
    """Register a way that changes records: their lines become the text."""

    def broken(table: Table, chance: random.Random) -> Broken | None:
        lines = function(table, chance)
        return Broken(table.text(lines).encode()) if lines is not None else None

    MUTATIONS[function.__name__.strip("_").replace("_", "-")] = broken
    return function


def even(function: _Edit) -> _Edit:
    """Register a way that changes records and leaves one width, so that only the values tell."""
    EVEN.add(function.__name__.strip("_").replace("_", "-"))
    return edit(function)


def _row(table: Table, chance: random.Random) -> int:
    """Return the place of a row among the lines; the header is 0."""
    return chance.randrange(1, len(table.rows) + 1)


def _with(table: Table, at: int, *lines: str) -> _Lines:
    """Return all lines with others instead of the one at `at`."""
    all_lines = table.lines()
    return [*all_lines[:at], *lines, *all_lines[at + 1 :]]


# The header


@edit
def _header_lacks_a_separator(table: Table, chance: random.Random) -> _Lines:
    at = chance.randrange(table.width - 1)
    joined = f"{value(table.header[at])} {value(table.header[at + 1])}"
    return _with(table, 0, table.line([*table.header[:at], joined, *table.header[at + 2 :]]))


@edit
def _header_lacks_its_last_name(table: Table, _: random.Random) -> _Lines:
    return _with(table, 0, table.line(table.header[:-1]))


@edit
def _header_lacks_its_first_name(table: Table, _: random.Random) -> _Lines:
    return _with(table, 0, table.line(table.header[1:]))


@edit
def _header_has_a_name_too_many(table: Table, _: random.Random) -> _Lines:
    return _with(table, 0, table.line([*table.header, "another_name"]))


@edit
def _rows_are_wider_than_the_header(table: Table, _: random.Random) -> _Lines:
    return [table.line(table.header), *(table.line([*row, "more"]) for row in table.rows)]


@edit
def _header_repeated_with_another_width(table: Table, chance: random.Random) -> _Lines:
    at = _row(table, chance)
    return _with(table, at, table.line([*table.header, "added_later"]), table.lines()[at])


# Rows


@edit
def _column_added_after_the_first_row(table: Table, _: random.Random) -> _Lines:
    lines = table.lines()
    return [*lines[:2], *(f"{line}{table.delimiter}more" for line in lines[2:])]


@edit
def _column_added_half_way(table: Table, _: random.Random) -> _Lines:
    lines, half = table.lines(), 1 + len(table.rows) // 2
    return [*lines[:half], *(f"{line}{table.delimiter}7" for line in lines[half:])]


@edit
def _extra_fields_in_one_row(table: Table, chance: random.Random) -> _Lines:
    at = _row(table, chance)
    return _with(table, at, table.line([*table.rows[at - 1], "", "more"]))


@edit
def _extra_separators_in_one_row(table: Table, chance: random.Random) -> _Lines:
    at = _row(table, chance)
    return _with(table, at, table.line([*table.rows[at - 1], "", ""]))


@edit
def _row_lacks_a_field(table: Table, chance: random.Random) -> _Lines:
    at, field = _row(table, chance), chance.randrange(table.width)
    row = table.rows[at - 1]
    return _with(table, at, table.line([*row[:field], *row[field + 1 :]]))


@edit
def _separator_within_an_unquoted_text(table: Table, chance: random.Random) -> _Lines:
    at, field = _row(table, chance), chance.randrange(table.width)
    row = list(table.rows[at - 1])
    row[field] = f"well{table.delimiter} nearly"
    return _with(table, at, table.line(row))


@edit
def _line_end_within_an_unquoted_text(table: Table, chance: random.Random) -> _Lines:
    at, field = _row(table, chance), chance.randrange(table.width)
    row = list(table.rows[at - 1])
    row[field] = f"first{table.newline}second"
    return _with(table, at, table.line(row))


@edit
def _two_rows_on_one_line(table: Table, chance: random.Random) -> _Lines:
    at = chance.randrange(1, len(table.rows))
    row, following = table.rows[at - 1], table.rows[at]
    joined = value(row[-1]) + value(following[0])
    if any(character in joined for character in (table.delimiter, '"', "\n", "\r")):
        joined = quoted(joined)
    lines = table.lines()
    return [*lines[:at], table.line([*row[:-1], joined, *following[1:]]), *lines[at + 2 :]]


@edit
def _one_row_with_other_separators(table: Table, chance: random.Random) -> _Lines | None:
    at = _row(table, chance)
    line = _other(table).join(table.rows[at - 1])
    return None if table.delimiter in line or '"' in line else _with(table, at, line)


@edit
def _other_separators_from_half_way(table: Table, _: random.Random) -> _Lines | None:
    lines, half = table.lines(), 1 + len(table.rows) // 2
    others = [_other(table).join(row) for row in table.rows[half - 1 :]]
    return None if any(table.delimiter in line or '"' in line for line in others) else [*lines[:half], *others]


def _other(table: Table) -> str:
    return "," if table.delimiter == ";" else ";"


@edit
def _last_row_is_cut(table: Table, chance: random.Random) -> _Lines:
    fields = table.rows[-1][: chance.randrange(1, table.width)]
    return _with(table, len(table.rows), table.line(fields))


# What is not of the table


@edit
def _title_above(table: Table, _: random.Random) -> _Lines:
    return ["Sales by region", *table.lines()]


@edit
def _title_and_a_blank_line_above(table: Table, _: random.Random) -> _Lines:
    return ["Annual report 2024", "", *table.lines()]


@edit
def _title_with_a_separator_above(table: Table, _: random.Random) -> _Lines | None:
    return [f"Report of 2024{table.delimiter} all regions", *table.lines()] if table.width != 2 else None


@edit
def _comment_above(table: Table, _: random.Random) -> _Lines:
    return ["# made by export 4.2", *table.lines()]


@edit
def _comment_among_the_rows(table: Table, chance: random.Random) -> _Lines:
    at = _row(table, chance)
    return _with(table, at, "# checked until here", table.lines()[at])


@edit
def _short_row_that_begins_with_a_hash(table: Table, chance: random.Random) -> _Lines:
    at = _row(table, chance)
    row = [f"#{value(table.rows[at - 1][0])[:5]}", *table.rows[at - 1][1:-1]]
    return _with(table, at, table.line([_safe(table, row[0]), *row[1:]]))


def _safe(table: Table, text: str) -> str:
    return "".join(character for character in text if character not in f'"\r\n{table.delimiter}')


@edit
def _unit_line_of_another_width(table: Table, _: random.Random) -> _Lines | None:
    return _with(table, 0, table.lines()[0], table.line(["kg", "EUR"])) if table.width > 2 else None


@edit
def _note_below(table: Table, _: random.Random) -> _Lines:
    return [*table.lines(), "Source: national office of statistics"]


@edit
def _note_below_a_blank_line(table: Table, _: random.Random) -> _Lines:
    return [*table.lines(), "", "* provisional"]


@edit
def _sentence_whose_half_is_a_field_below(table: Table, _: random.Random) -> _Lines | None:
    line = f"Figures are provisional{table.delimiter} and may be revised."
    return [*table.lines(), line] if table.width != 2 else None


@edit
def _total_of_another_width_below(table: Table, _: random.Random) -> _Lines | None:
    return [*table.lines(), table.line(["Total", "12345"])] if table.width > 2 else None


_TOTALS = ["Total", "Summe", "Total général", "Suma", "Razem", "Итого", "合计", "Yhteensä"]


@even
def _total_of_its_width_below(table: Table, chance: random.Random) -> _Lines | None:
    gaps = [at for at in range(1, table.width) if all(row[at] for row in table.rows)]
    if not gaps:
        return None
    last = list(table.rows[-1])
    last[chance.choice(gaps)], last[0] = "", chance.choice(_TOTALS)
    return [*table.lines(), table.line(last)]


@edit
def _number_of_rows_below(table: Table, _: random.Random) -> _Lines:
    return [*table.lines(), f"({len(table.rows)} rows)"]


@edit
def _second_table_below(table: Table, _: random.Random) -> _Lines:
    return [*table.lines(), "", *_second_table(table)]


@edit
def _second_table_right_below(table: Table, _: random.Random) -> _Lines:
    return [*table.lines(), *_second_table(table)]


@edit
def _second_table_above(table: Table, _: random.Random) -> _Lines:
    return [*_second_table(table), "", *table.lines()]


@even
def _second_table_of_its_width_right_below(table: Table, _: random.Random) -> _Lines | None:
    """Join another table whose names are words where this one has values of a type."""
    if len(_typed(table)) < 2 or len(table.rows) > 250:
        return None
    names = table.line([f"other name {at}" for at in range(table.width)])
    return [*table.lines(), names, *(table.line([f"{at}.5"] * table.width) for at in range(4))]


@even
def _row_commented_out(table: Table, chance: random.Random) -> _Lines | None:
    at = chance.randrange(1, min(len(table.rows), 250) + 1)
    return _with(table, at, f"#{table.lines()[at]}") if 0 in _typed(table) else None


@even
def _units_below_the_names(table: Table, chance: random.Random) -> _Lines | None:
    units = [chance.choice(["kg", "(EUR)", "[m]", "%"]) if at in _typed(table) else "" for at in range(table.width)]
    return _with(table, 0, table.lines()[0], table.line(units)) if any(units) else None


@even
def _rows_left_out(table: Table, chance: random.Random) -> _Lines | None:
    at = chance.randrange(1, min(len(table.rows), 250) + 1)
    return _with(table, at, table.line(["..."] * table.width)) if len(_typed(table)) > 1 else None


def _typed(table: Table) -> list[int]:
    """Return the columns in which every row has a number."""
    columns = enumerate(zip(*table.rows, strict=True))
    return [at for at, column in columns if all(re.fullmatch(r"-?\d+(\.\d+)?", field) for field in column)]


def _second_table(table: Table) -> _Lines:
    """Return another table, one field narrower or wider."""
    width = table.width + 1 if table.width < 4 else table.width - 1
    names = [f"other_{at}" for at in range(width)]
    return [table.line(names), *(table.line([str(at * 10 + row) for at in range(width)]) for row in range(4))]


# Quotes


@edit
def _no_separator_before_a_quote(table: Table, chance: random.Random) -> _Lines | None:
    at, field = _row(table, chance), chance.randrange(1, table.width)
    row, text = table.rows[at - 1], value(table.rows[at - 1][field])
    if _safe(table, text) != text:
        return None  # a separator within could stand for the one that is missing
    return _with(table, at, table.line([*row[: field - 1], row[field - 1] + quoted(text), *row[field + 1 :]]))


@mutation
def _file_cut_within_quotes(table: Table, chance: random.Random) -> Broken:
    """The cut is before the last field: however the quote is taken, the row is short."""
    row = table.rows[-1]
    field = chance.randrange(table.width - 1)
    cut = table.line([*row[:field], f'"{_safe(table, value(row[field]))} and mo'])
    text = table.text(_with(table, len(table.rows), cut))
    return Broken(text.removesuffix(table.newline).encode())


@mutation
def _quote_that_is_never_closed(table: Table, chance: random.Random) -> Broken:
    at, field = _row(table, chance), chance.randrange(table.width)
    row = list(table.rows[at - 1])
    row[field] = f'"{_safe(table, value(row[field]))}x'
    return Broken(table.text(_with(table, at, table.line(row))).encode(), rows=len(table.rows))


@mutation
def _two_quotes_that_swallow_rows(table: Table, chance: random.Random) -> Broken:
    """One field of a row begins with a quote, the same field some rows later ends with one."""
    first, field = chance.randrange(1, len(table.rows) - 2), chance.randrange(table.width)
    second = first + chance.randrange(2, min(len(table.rows) - first, 40) + 1)
    rows = [list(row) for row in table.rows]
    rows[first - 1][field] = f'"{_safe(table, value(rows[first - 1][field]))}x'
    rows[second - 1][field] = f'{_safe(table, value(rows[second - 1][field]))}x"'
    lines = [table.line(table.header), *(table.line(row) for row in rows)]
    return Broken(table.text(lines).encode(), rows=len(table.rows))


# Bytes


@mutation
def _bad_byte_late(table: Table, chance: random.Random) -> Broken:
    return _late(table, chance.choice([b"\xff", b"\xe9 ", b"\xc3"]))


@mutation
def _two_files_with_marks(table: Table, _: random.Random) -> Broken:
    """Join two files; the second has lost its header, but not its mark."""
    return Broken(
        ("\ufeff" + table.text(table.lines()).removeprefix("\ufeff").removesuffix(table.newline)).encode()
        + (table.newline + "\ufeff" + table.text(table.lines()[1:]).removeprefix("\ufeff")).encode()
    )


@mutation
def _line_that_declares_another_separator(table: Table, _: random.Random) -> Broken | None:
    other = "|" if table.delimiter != "|" else ";"
    text = table.text([f"sep={other}", *table.lines()])
    return Broken(text.encode()) if other not in text[6:] and '"' not in text else None


@mutation
def _nul_inside(table: Table, _: random.Random) -> Broken:
    return _late(table, b"\0")


def _late(table: Table, bad: bytes) -> Broken:
    row = list(table.rows[-1])
    row[0] = f"{_safe(table, value(row[0]))}@@"
    return Broken(table.text(_with(table, len(table.rows), table.line(row))).encode().replace(b"@@", bad + b"x"))


@mutation
def _file_cut_within_its_last_character(table: Table, _: random.Random) -> Broken:
    row = [*table.rows[-1][:-1], "Zürichü"]
    text = table.text(_with(table, len(table.rows), table.line(row)))
    return Broken(text.removesuffix(table.newline).encode()[:-1])
