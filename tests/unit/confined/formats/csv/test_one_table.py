"""By default a text is one table and nothing else; the refusal of any other says what would accept it."""

import pytest

from processor.domain.errors import DeliveryError, Failure
from tests.unit.confined.formats.csv.csv_tables import Converted, convert

ROWS = "".join(f"{i},name {i},{i}.5\n" for i in range(1, 13))
TABLE = f"id,name,price\n{ROWS}"


def strict(text: str | bytes, malformed: str = "refuse") -> Converted:
    return convert(text.encode() if isinstance(text, str) else text, malformed, notes="refuse")


def refusal(text: str | bytes, malformed: str = "refuse") -> Failure:
    with pytest.raises(DeliveryError) as refused:
        strict(text, malformed)
    return refused.value.failure


# text, code, what the message says, what the hint says
REFUSED = {
    "title": ("Prices of May\n" + TABLE, "csv.not-one-table", "line 1 has one field", "skip_lines = 1"),
    "title above a blank line": ("Prices of May\n\n" + TABLE, "csv.not-one-table", "a title", "skip_lines = 2"),
    "comment above": ("# made by x\n" + TABLE, "csv.not-one-table", "a comment?", 'comment = "#"'),
    "header that lacks a name": ("id,name\n" + ROWS, "csv.not-one-table", "lacks names", "header = ["),
    "header of other separators": ("id;name;price\n" + ROWS, "csv.not-one-table", "semicolons", '["id", '),
    "names padded below titles": ("Shop A,,\nMay 2024,,\n" + TABLE, "csv.header", "names or a row?", "header = true"),
    "comment below the header": (TABLE.replace("5,name", "# half\n5,name"), "csv.malformed-rows", "a comment", "#"),
    "total": (TABLE + "Total,9\n", "csv.malformed-rows", "a total below", "footer_lines = 1"),
    "note": (TABLE + "\nSource: an office\n", "csv.malformed-rows", "line 15 has one field", "footer_lines = 1"),
    "cut": (TABLE + "13,na", "csv.malformed-rows", "is the file cut off", "MALFORMED_ROWS"),
    "second table": (TABLE + "\na,b\n1,2\n3,4\n", "csv.malformed-rows", "a second table", "split"),
    "second table of the same width": (TABLE + "\na,b,c\n1,2,3\n", "csv.not-one-table", "another header", "split"),
    "header again behind a blank line": (TABLE + "\n" + TABLE, "csv.not-one-table", "another header", "split"),
    "row of other separators": (TABLE + "13;x;3.5\n" + ROWS, "csv.malformed-rows", "separated by semicolons", "repair"),
    "names above long rows": ("a,b\nx,1,5\ny,2,6\n", "csv.not-one-table", "most others have 3", "header = ["),
    "names above short rows": ("a,b\nx\ny\n", "csv.malformed-rows", "2 rows do not have 2 fields", "MALFORMED_ROWS"),
    "stray quote among quoted fields": ('a,b,c\n1,k,"x, y"\n2,m"p, q"\n', "csv.quotes", "line 3", 'quote = ""'),
    "NUL": ("a,b\n1,x\0y\n2,z\n", "csv.nul", "line 2", "CSV_NOTES=recognise"),
    "time stamp above other values": ("a,2024-01-01T00:00:00Z\nx,1\n", "csv.header", "is no name", "header = false"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_one_table_is_refused_and_the_refusal_teaches(name: str) -> None:
    text, code, says, hint = REFUSED[name]
    failure = refusal(text)
    assert (failure.code, says in failure.message, hint in failure.hint) == (code, True, True), failure


CERTAIN = {
    "mark": "\ufeff" + TABLE,
    "separator line": "sep=;\n" + TABLE.replace(",", ";"),
    "blank lines behind": TABLE + "\n\n\n",
    "blank line inside": TABLE.replace("7,name", "\n7,name"),
    "Ctrl-Z": TABLE + "\x1a",
    "Ctrl-Z on a line": TABLE + "\x1a\r\n",
    "padding": TABLE + "\0" * 5000,
    "padding without a last line end": TABLE.rstrip("\n") + "\0" * 5000,
    "CRLF": TABLE.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_what_is_certain_leaves_no_doubt(name: str) -> None:
    found = strict(CERTAIN[name])
    assert (found.names, len(found.rows), found.rows[-1]) == (["id", "name", "price"], 12, ("12", "name 12", "12.5"))


def test_a_separator_behind_every_record_is_a_column_without_a_name() -> None:
    assert strict(TABLE.replace("\n", ",\n")).names == ["id", "name", "price", "column3"]


@pytest.mark.parametrize("mode", ["keep", "reject-object"])
def test_rows_of_other_lengths_are_decided_by_malformed_rows(mode: str) -> None:
    found = strict(TABLE + "# 13\n" + "Total,9\n", mode)
    assert len(found.rows) + len(found.rejected) == 14
    if mode == "reject-object":
        assert [line["text"] for line in found.rejected] == ["# 13", "Total,9"]


@pytest.mark.parametrize("mode", ["keep", "reject-object"])
def test_a_title_is_refused_in_every_mode_since_names_would_be_a_row(mode: str) -> None:
    assert refusal("Prices of May\n" + TABLE, mode).code == "csv.not-one-table"


def test_one_column_is_what_the_customary_separator_leaves_whole() -> None:
    assert strict("1\n2\n3\nNA\n").rows == [("1",), ("2",), ("3",), ("NA",)]
    assert refusal("name\nSmith, John\nDoe, Jane\n").code == "csv.not-one-table"


def test_two_stray_quotes_swallow_no_row() -> None:
    text = TABLE.replace("3,name 3", '3,"name 3').replace("9,name 9", '9,name 9"')
    found = strict(text)
    assert len(found.rows) == 12
    assert (found.rows[2][1], found.rows[8][1]) == ('"name 3', 'name 9"')


def test_quotes_that_enclose_some_fields_and_are_text_in_others_are_refused() -> None:
    rows = "".join(f"{i}\t{title}\n" for i, title in enumerate(['"Swing 0" magistern', "plain", '"Quoted 2"'] * 4))
    assert refusal("id;title\n".replace(";", "\t") + rows).code == "csv.quotes"


def test_a_cell_of_several_lines_with_separators_is_a_cell() -> None:
    text = "name,address\n" + "".join(f'n{i},"{i} Main St\nTown, X\nUSA"\n' for i in range(9))
    assert strict(text).rows[3] == ("n3", "3 Main St\nTown, X\nUSA")


@pytest.mark.parametrize("size", [24_000, 200_000])
@pytest.mark.parametrize("line", ["2024-01-01;INFO;done\n", "a\tb\tc\td\n", "x,y,z\n"])
def test_a_cell_longer_than_any_sample_is_a_cell(size: int, line: str) -> None:
    cell = line * (size // len(line))
    found = strict(f'id,log\n0,"{cell}"\n' + "".join(f"{i},plain {i}\n" for i in range(1, 5)))
    assert (found.names, len(found.rows), found.rows[0][1]) == (["id", "log"], 5, cell)
