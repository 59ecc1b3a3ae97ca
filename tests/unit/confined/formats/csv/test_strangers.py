"""Records of the table's width that are no rows of it."""

import codecs

import pytest

from processor.confined.formats.csv.layout.strangers import line_of_again
from processor.confined.formats.csv.reader.padding import without_padding
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.uniformity import StructureCheck
from processor.confined.formats.dialect import Dialect
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_tables import convert

ROWS = b"1,a,2.5\n2,b,3.5\n3,c,4.5\n4,d,5.5\n"
TABLE = b"id,name,amt\n" + ROWS


@pytest.mark.parametrize("separator", [b",", b";", b"\t", b"|"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"id,name,amt\n-,-,EUR\n" + ROWS, 'line 2 ("-,-,EUR") has words'),
        (b"id,name,amt\nint,text,float\n" + ROWS, 'header = ["id", "name", "amt"], where line 1 has the names'),
        (b"id,name,amt\n--,----,---\n" + ROWS, "line 2"),
        (b"id,name,amt\nID,Name,EUR\n,,Avg\n" + ROWS, "lines 2 to 3"),
        (b"# made,by,x\n" + TABLE, "skip_lines = 1, where line 2 has them"),
        (b"2023,,2024\n" + TABLE, "another header?"),
        (TABLE + b"# old,rows,here\n5,e,6.5\n", 'comment = "#"'),
        (TABLE + TABLE, "line 6 is line 1"),
        (TABLE + b"Source: office,,\n", "footer_lines = 1"),
        (TABLE + b",,\n* provisional,,\n", "footer_lines = 2"),
        (TABLE + b"Total,,16.0\n", "a total? (declare in a feed: [feed.csv] footer_lines = 1"),
        (TABLE + b"Razem:,,16.0\n", "line 6"),
        (TABLE + b"reviewed by,Jo,\n", "has a word where all other rows have values"),
        (TABLE + b",,16.0\n", "the sum of all other rows"),
        (TABLE + b"Subtotal,,16.0\n5,e,6.5\n", "remove the line"),
        (TABLE + b"5,e,6.5\nkey,label,price\n6,f,7.5\nx,g,y\n", "line 7"),
        (TABLE + b"#5,e,6.5\n6,f,7.5\n", "a comment?"),
        (TABLE + b"...,...,...\n9,i,9.5\n", "line 6"),
        (TABLE + b"\xef\xbb\xbf5,e,6.5\n", "line 6 begins with a byte order mark"),
        (b"\xef\xbb\xbf\xef\xbb\xbf" + TABLE, "line 1 begins with a byte order mark"),
        (b"['a', 'b']\n['c', 'd']\n", "names or a row"),
        (b"0,1,2\n5,7,9\n4,3,8\n", "count the columns"),
        (b"---\na: 1\nb: 2\n", "line 1"),
        (b"Error: the connection was closed early\n", "the only line is a sentence"),
    ],
)
def test_what_is_no_row_is_refused_with_its_line_and_what_accepts_it(text: bytes, says: str, separator: bytes) -> None:
    with pytest.raises(DeliveryError) as refusal:
        convert(text.replace(b",", separator), notes="refuse")
    shown = separator.decode().replace("\t", "\\t")
    assert says.replace('"-,-,EUR"', f'"-{shown}-{shown}EUR"') in str(refusal.value)
    assert convert(text).receipt.rows >= 0  # recognition decides otherwise


@pytest.mark.parametrize(
    ("text", "rows", "names"),
    [
        (b"id,age,city\n1,30,Rome\n2,unknown,Oslo\n3,31,Bern\n", 3, ["id", "age", "city"]),
        (b"item,cost\n-,free\ntea,2.5\nmilk,3.5\n", 3, ["item", "cost"]),
        (b"area,jobs,share\nx,**,**\ny,10,2.5\nz,20,3.5\n", 3, ["area", "jobs", "share"]),
        (b"land,y1,y2\nFrance,1,2\nItaly,3,4\nSpain,5,6\nAtlantis,,\n", 4, ["land", "y1", "y2"]),
        (b",0,1,2\n0,0.5,0.6,0.7\n1,0.1,0.2,0.3\n", 2, None),
        (b"id,1,2,3\na,0.5,0.6,0.7\nb,0.1,0.2,0.3\n", 2, ["id", "1", "2", "3"]),
        (b"1,2,3\n4,5,6\n7,8,9\n", 3, None),
        (b"First name\n", 0, ["First name"]),
        (TABLE + b"5,Total,16.0\n", 5, ["id", "name", "amt"]),
        (TABLE + b"Total,all,16.0\n", 5, ["id", "name", "amt"]),
        (TABLE + b",,17.0\n", 5, ["id", "name", "amt"]),
        (b"sex,n,share\nTotal,5,\nf,2,1.5\nm,3,\n", 3, ["sex", "n", "share"]),
        (b"tag,n\n#a,1\n#b,2\n", 2, ["tag", "n"]),
        (b"name (text),kind [x]\na,b\nc,d\n", 2, ["name (text)", "kind [x]"]),
    ],
)
def test_what_may_be_a_row_is_one(text: bytes, rows: int, names: list[str] | None) -> None:
    found = convert(text, notes="refuse")
    assert found.receipt.rows == rows
    assert names is None or found.names == names


def test_a_first_line_that_declares_no_separator_of_the_text_is_refused() -> None:
    with pytest.raises(DeliveryError, match=r"declares a delimiter.* commas .*skip_lines = 1, delimiter = \",\""):
        convert(b"sep=;\n" + TABLE, notes="refuse")
    assert convert(b"sep=;\nname\na\nb\n", notes="refuse").receipt.rows == 2


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_the_mark_of_another_file_is_noticed_wherever_the_text_is_cut(size: int) -> None:
    text = TABLE + codecs.BOM_UTF8 + ROWS
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    with pytest.raises(DeliveryError, match="line 6 begins with a byte order mark"):
        b"".join(without_padding(iter(pieces)))
    check = StructureCheck(Dialect(b",", b'"', b'"'), 3, 0)
    assert not all(check.add(piece) for piece in pieces) or size < 3


def test_the_mark_of_another_file_is_noticed_late_in_a_large_text() -> None:
    part = b"key,text\n" + b"12,some words\n" * 20_000
    with pytest.raises(DeliveryError, match="line 20002 begins with a byte order mark"):
        convert(part + codecs.BOM_UTF8 + b"12,some words\n" * 20_000, notes="refuse")


def test_a_text_without_a_row_of_its_width_has_no_total() -> None:
    with pytest.raises(DeliveryError, match="line 2"):
        convert(b"id,name,amt\n1,\n", notes="refuse")


def test_names_that_come_again_late_in_a_large_text_are_noticed() -> None:
    part = b"key,text\n" + b"ab,some words\n" * 20_000
    with pytest.raises(DeliveryError, match="line 20002 is line 1"):
        convert(part + part, notes="refuse")
    assert convert(part + b"key,texts\n", notes="refuse").receipt.rows == 20_001


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_line_is_found_wherever_the_text_is_cut(size: int) -> None:
    names = Record(1, [b"a", b"b"], b"a,b\n")
    for text, line in ((b"a,b\n1,2\na,b", 3), (b"a,b\n1,2\na,bc\n", 0), (b"a,b\nxa,b\n\na,b\n", 4), (b"a,b\n", 0)):
        chunks = [text[at : at + size] for at in range(0, len(text), size)]
        assert line_of_again(chunks, names) == line


def test_a_number_above_texts_and_numbers_is_no_name() -> None:
    with pytest.raises(DeliveryError, match="names or a row"):
        convert(b"2,x\nc,y\n3,z\n4,u\nd,v\n", notes="refuse")
    assert convert(b"2024,x\nred,y\nblue,z\n", notes="refuse").names == ["2024", "x"]
