"""One column or several: what the lines of a text say of it, and what of it is doubtful."""

from pathlib import Path

import pytest

from processor.confined.formats.csv.text import PIECE_BYTES
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_tables import convert


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("rows", [1, 2, 3, 20, 3000])
def test_rows_of_one_field_below_several_names_are_short_and_never_one_column(separator: str, rows: int) -> None:
    text = (f"a{separator}b\n" + "".join(f"{i}\n" for i in range(rows))).encode()
    with pytest.raises(DeliveryError, match=rf"{rows} rows? do(es)? not have 2 fields: lines? 2\b"):
        convert(text)
    kept = convert(text, "keep")
    assert kept.names == ["a", "b"]
    assert kept.rows == [(str(i), None) for i in range(rows)]
    rejected = convert(text, "reject-object")
    assert (rejected.rows, rejected.receipt.rejected_rows) == ([], rows)
    assert rejected.rejected[-1] == {"line": rows + 1, "text": str(rows - 1)}


def test_short_rows_of_a_large_file_are_all_counted(tmp_path: Path) -> None:
    source = tmp_path / "large.csv"
    source.write_text("a,b,c\n" + "1234567\n" * 20_000)
    assert source.stat().st_size > PIECE_BYTES
    with pytest.raises(DeliveryError, match=r"20000 rows do not have 3 fields: lines 2, 3,"):
        convert(source)
    assert convert(source, "reject-object").receipt.rejected_rows == 20_000


def test_rows_that_lack_what_the_header_promises_are_all_counted() -> None:
    text = b"a,b,c,d\n" + b"".join(b"%d,x,y\n" % i for i in range(3000))
    with pytest.raises(DeliveryError, match="3000 rows do not have 4 fields"):
        convert(text)


@pytest.mark.parametrize(
    ("text", "name", "last"),
    [
        (b"name\nSmith, John\nDoe, Jane\nRay, Bo\n", "name", "Ray, Bo"),
        (b"last, first\nSmith\nDoe\nRay\n", "last, first", "Ray"),
        (b"Yes,no\nand the whole story\nwas told, in the end\nto me\n", "Yes,no", "to me"),
        (b"n\n0,5\n1,25\n2,5\n", "n", "2,5"),
        (b"url\nhttps://x.test/a,1?b=1;c=2\nhttps://x.test/a,2?b=1;c=2\n", "url", "https://x.test/a,2?b=1;c=2"),
        (b"Note 1 of the report\nnote\n" + b"entry number 1\n" * 20, "Note 1 of the report", "entry number 1"),
        (b"comment\n" + b"This is good, really, number 7\n" * 12, "comment", "This is good, really, number 7"),
        (b"where\n" + b"7 Main St, Springfield, IL\n" * 12, "where", "7 Main St, Springfield, IL"),
        (b"what\n" + b"DELIVER IN PERSON\n" * 9, "what", "DELIVER IN PERSON"),
    ],
)
def test_lines_that_only_happen_to_hold_a_separator_are_one_column(text: bytes, name: str, last: str) -> None:
    found = convert(text)
    assert (found.names, found.rows[-1]) == ([name], (last,))


NOTES = b"".join(b"Note %d, which tells of the report, of %d\n" % (i, 2010 + i) for i in range(6))
FEW = [[b"id", b"name", b"score"], [b"1", b"Anna", b"3.5"], [b"2", b"Bo", b"4.25"], [b"3", b"Cleo", b"1.0"]]


@pytest.mark.parametrize("separator", [b",", b";", b"\t", b"|"])
@pytest.mark.parametrize("quote", [b"", b'"'])
@pytest.mark.parametrize("notes", [NOTES, NOTES.replace(b",", b"") + b"\n"])
def test_a_few_rows_are_the_table_and_more_lines_of_notes_are_not(separator: bytes, quote: bytes, notes: bytes) -> None:
    rows = b"".join(separator.join(quote + value + quote for value in row) + b"\n" for row in FEW)
    found = convert(notes + rows)
    assert (found.names, found.rows[0]) == (["id", "name", "score"], ("1", "Anna", "3.5"))


@pytest.mark.parametrize("separator", ["-|-", "#|#", "~|~", "@@", "|;|"])
def test_separators_of_several_marks_are_found_whole(separator: str) -> None:
    rows = [[f"k{i}", "" if i % 4 == 1 else f"{i}", f"2020-01-{i + 1:02d}"] for i in range(12)]
    text = "".join(separator.join(row) + "\n" for row in [["key", "value", "day"], *rows])
    found = convert(text.encode())
    assert found.names == ["key", "value", "day"]
    assert [[value or "" for value in row] for row in found.rows] == rows


def test_marks_on_both_sides_of_every_field_are_quotes_and_no_part_of_the_separator() -> None:
    found = convert(b"%a%;%b%;%c%\n" + b"".join(b"%%%d%%;%%%%;%%x%%\n" % i for i in range(9)))
    assert (found.names, found.rows[1]) == (["a", "b", "c"], ("1", "", "x"))


def test_a_space_belongs_to_the_separator_where_commas_without_it_stand_in_numbers_only() -> None:
    found = convert(b"item, price, tax\n" + b"".join(b"Item %d, $%d,123.50, 20%%\n" % (i, i) for i in range(9)))
    assert (found.names, found.rows[2]) == (["item", "price", "tax"], ("Item 2", "$2,123.50", "20%"))


@pytest.mark.parametrize("separator", [b":", b"&"])
def test_a_separator_of_every_line_goes_before_one_that_leaves_the_header_out(separator: bytes) -> None:
    rows = [[b"code", b"parent", b"label"], *([b"A%03d" % i, b"B00", b"Part %d; of 3" % i] for i in range(20))]
    found = convert(b"".join(separator.join(row) + b"\n" for row in rows))
    assert (found.names, found.rows[1]) == (["code", "parent", "label"], ("A001", "B00", "Part 1; of 3"))


@pytest.mark.parametrize("endings", [("\n", "\r\n"), ("\r", "\n", "\r\n")])
def test_endings_that_take_turns_all_end_rows(endings: tuple[str, ...]) -> None:
    lines = ["code,parent,label", *(f"A{i:03d},B00,Label {i}" for i in range(20))]
    found = convert("".join(line + endings[i % len(endings)] for i, line in enumerate(lines)).encode())
    assert (found.names, len(found.rows)) == (["code", "parent", "label"], 20)


def test_tables_side_by_side_have_the_names_below_their_titles() -> None:
    rows = "".join(f"{i},{i + 1},x,,{i},y\n" for i in range(12))
    found = convert(f"Table 1,,,,Table 2,\nA,B,C,,D,E\n{rows}".encode())
    assert (found.names, len(found.rows)) == (["A", "B", "C", "column3", "D", "E"], 12)
    assert found.key_values["preamble"] == "Table 1,,,,Table 2,"


@pytest.mark.parametrize("name", [b"value", b'"value"'])
def test_one_name_above_two_columns_is_that_of_the_values_beside_the_names_of_rows(name: bytes) -> None:
    found = convert(name + b"\n" + b"".join(b"r%d,%d.5\n" % (i, i) for i in range(9)))
    assert (found.names, found.rows[0]) == (["column0", "value"], ("r0", "0.5"))


def test_a_title_above_names_is_no_name() -> None:
    found = convert(b"Sales\nname,qty\n" + b"".join(b"r%d,%d\n" % (i, i) for i in range(9)))
    assert (found.names, found.key_values["preamble"]) == (["name", "qty"], "Sales")


@pytest.mark.parametrize("text", [b"key0=value 0\nkey1=value 1\nkey2=value 2\n", b"line1\nline2\nline3\n"])
def test_a_first_row_that_is_counted_on_in_the_next_ones_is_a_row(text: bytes) -> None:
    found = convert(text)
    assert len(found.rows) == 3
    assert found.facts["header"].startswith("no")
