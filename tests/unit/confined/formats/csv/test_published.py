"""Tables as offices, statistics programs and spreadsheets publish them, with all that stands around the rows."""

from collections.abc import Callable

import pytest

from tests.unit.confined.formats.csv.csv_tables import convert

Cells = tuple[str | None, ...]


def lines(row: Callable[[int], str], count: int = 12) -> str:
    return "".join(row(i) + "\n" for i in range(count))


# name: text, names, rows, the first row; "" stands for a column without a name
PUBLISHED: dict[str, tuple[str, list[str], int, Cells]] = {
    "a title, and units below the names": (
        "Population of towns\n\nTown,Area,People\n,km2,1000s\n" + lines(lambda i: f"Town {i},{i}.5,{i}0"),
        ["Town", "Area", "People"], 13, (None, "km2", "1000s"),
    ),
    "notes on both sides": (
        'Department of Things\n"Table 1. Things, by state: 2010"\n[In thousands. See notes]\n\nState,Total,Rate\n'
        + lines(lambda i: f"State {i},{i}00,{i}.1")
        + '\n"Note: excludes Guam, Samoa."\nSource: D.o.T., unpublished data\n',
        ["State", "Total", "Rate"], 12, ("State 0", "000", "0.1"),
    ),
    "thousands in quotes": (
        "Region,Pop,Share\n" + lines(lambda i: f'R{i},"1,{100 + i},000",{i}%'),
        ["Region", "Pop", "Share"], 12, ("R0", "1,100,000", "0%"),
    ),
    "thousands and decimal commas between semicolons": (
        "Region;Pop;Share\n" + lines(lambda i: f"R{i};1,{100 + i},000;{i},5%"),
        ["Region", "Pop", "Share"], 12, ("R0", "1,100,000", "0,5%"),
    ),
    "money": (
        "Item,Cost\n" + lines(lambda i: f'I{i},"$1,{100 + i}.50"'), ["Item", "Cost"], 12, ("I0", "$1,100.50"),
    ),
    "marks of footnotes": (
        "Year,Value\n" + lines(lambda i: f"{2000 + i}{'*' * (i == 3)},{i}.5{' (p)' * (i > 8)}")
        + "\n* provisional\n(p) preliminary\n",
        ["Year", "Value"], 12, ("2000", "0.5"),
    ),
    "columns between columns": (
        "A,,B,,C\n" + lines(lambda i: f"{i},,{i},,{i}"), ["A", "", "B", "", "C"], 12, ("0", None, "0", None, "0"),
    ),
    "rows between rows": (
        "A,B,C\n" + lines(lambda i: f"{i},{i},x") + ",,\n" + lines(lambda i: f"{i},{i},y"),
        ["A", "B", "C"], 25, ("0", "0", "x"),
    ),
    "the names again": (
        "A,B,C\n" + lines(lambda i: f"{i},{i},x") + "A,B,C\n" + lines(lambda i: f"{i},{i},y"),
        ["A", "B", "C"], 25, ("0", "0", "x"),
    ),
    "a separator behind everything": (
        "A,B,C,\n" + lines(lambda i: f"{i},{i},x,"), ["A", "B", "C", ""], 12, ("0", "0", "x", None),
    ),
    "a separator behind the names": (
        "A,B,C,\n" + lines(lambda i: f"{i},{i},x"), ["A", "B", "C"], 12, ("0", "0", "x"),
    ),
    "a separator behind the rows": (
        "A,B,C\n" + lines(lambda i: f"{i},{i},x,"), ["A", "B", "C", "column3"], 12, ("0", "0", "x", None),
    ),
    "R's names of rows": (
        '"mpg" "cyl" "disp"\n' + lines(lambda i: f'"Car {i}" {i}.5 {i} {i}'),
        ["", "mpg", "cyl", "disp"], 12, ("Car 0", "0.5", "0", "0"),
    ),
    "sep=": ("sep=;\nA;B;C\n" + lines(lambda i: f"{i};{i},5;x"), ["A", "B", "C"], 12, ("0", "0,5", "x")),
    "sep= in quotes": ('"sep=;"\nA;B;C\n' + lines(lambda i: f"{i};{i},5;x"), ["A", "B", "C"], 12, ("0", "0,5", "x")),
    "remarks": (
        "# made by x\n# on 2020-01-01, by hand, twice\nA,B,C\n" + lines(lambda i: f"{i},{i}5,x"),
        ["A", "B", "C"], 12, ("0", "05", "x"),
    ),
    "remarks of other kinds": (
        "% made by x\n// on 2020-01-01\nA,B,C\n" + lines(lambda i: f"{i},{i}5,x"),
        ["A", "B", "C"], 12, ("0", "05", "x"),
    ),
    "names behind a mark": (
        "# from x\n#A\tB\tC\n" + lines(lambda i: f"{i}\t{i}5\tx"), ["#A", "B", "C"], 12, ("0", "05", "x"),
    ),
    "aligned with spaces": (
        "name        city      rain\n" + lines(lambda i: f"st{i:<8d}  {'Oslo' if i % 2 else 'Rome'}   {i:6d}"),
        ["name", "city", "rain"], 12, ("st0", "Rome", "0"),
    ),
    "names of groups above the names": (
        "Q1,,Q2,\nqty,amt,qty,amt\n" + lines(lambda i: f"{i},{i}.5,{i},{i}.5"),
        ["qty", "amt", "qty", "amt"], 12, ("0", "0.5", "0", "0.5"),
    ),
    "titles filled up with separators": (
        "Table 3: Trade by partner,,,\n,,,\nPartner,2010,2011,2012\n" + lines(lambda i: f"P{i},{i}.5,{i}.6,{i}.7"),
        ["Partner", "2010", "2011", "2012"], 12, ("P0", "0.5", "0.6", "0.7"),
    ),
    "names of several lines": (
        '"Name\n(full)","Age\n(years)",City\n' + lines(lambda i: f'"N{i}",{i},C'),
        ["Name\n(full)", "Age\n(years)", "City"], 12, ("N0", "0", "C"),
    ),
    "documents in a column": (
        "id\tdoc\n" + lines(lambda i: f'{i}\t{{"a": {i}, "b": [1,2]}}'),
        ["id", "doc"], 12, ("0", '{"a": 0, "b": [1,2]}'),
    ),
    "sections": (
        "Name,Q1,Q2\nNorth,,\n" + lines(lambda i: f"N{i},{i},{i}") + "South,,\n" + lines(lambda i: f"S{i},{i},{i}"),
        ["Name", "Q1", "Q2"], 26, ("North", None, None),
    ),
    "the day of printing above": (
        ",,,Printed: 2020-01-01\nName,Qty,Price,Note\n" + lines(lambda i: f"N{i},{i},{i}.5,ok"),
        ["Name", "Qty", "Price", "Note"], 12, ("N0", "0", "0.5", "ok"),
    ),
    "inches and apostrophes": (
        "what\tmaker\n" + lines(lambda i: f"5\" pipe {i}\tO'Neil"), ["what", "maker"], 12, ('5" pipe 0', "O'Neil"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_table_is_read_as_it_is_meant(name: str) -> None:
    text, names, rows, first = PUBLISHED[name]
    found = convert(text.encode())
    shown = [
        column.original_name if column.original_name is not None else column.name for column in found.receipt.columns
    ]
    assert [each.strip() for each in shown] == names
    assert len(found.rows) == rows
    assert found.rows[0] == first


@pytest.mark.parametrize("end", ["\x0c", "\x0c\n", "\x0b", "\x1a", "\0\0\0", "   \n", "\n\n"])
def test_what_old_programs_put_at_the_end_is_no_row(end: str) -> None:
    found = convert(("A,B,C\n" + lines(lambda i: f"{i},{i},x") + end).encode())
    assert (found.names, len(found.rows)) == (["A", "B", "C"], 12)


def test_text_as_spreadsheets_save_it_is_read() -> None:
    text = "A\tB\tC\r\n" + lines(lambda i: f'{i}\t"x, {i}"\tÖl\r')
    assert convert(text.encode("utf-16")).rows[0] == ("0", "x, 0", "Öl")


def test_a_mark_of_the_byte_order_in_the_middle_is_a_character() -> None:
    text = "A,B\n" + lines(lambda i: f"{i},x") + "\ufeffA,B\n" + lines(lambda i: f"{i},y")
    found = convert(text.encode())
    assert (len(found.rows), found.rows[12]) == (25, ("\ufeffA", "B"))
