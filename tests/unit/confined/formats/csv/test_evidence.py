"""Doubtful texts where the evidence decides: how they are read, and what is refused when it does not."""

import random
from pathlib import Path

import pytest

from processor.confined.formats.csv.convert import convert_csv
from processor.confined.formats.csv.layout.header import name_columns
from processor.confined.formats.csv.text import PIECE_BYTES
from processor.domain.conversion import ConversionOptions, DataFormat, MalformedRows
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.csv.csv_tables import WithRejects, convert

ROWS = b"".join(b"%d,2020-01-%02d,x %d\n" % (i, 1 + i % 28, i) for i in range(20))


def test_one_row_longer_than_a_piece_keeps_all_of_its_columns(tmp_path: Path) -> None:
    source = tmp_path / "one.csv"
    source.write_text("a,b,c\n" + "x" * PIECE_BYTES + ",2,3\n")
    found = convert(source)
    assert found.names == ["a", "b", "c"]
    assert [row[1:] for row in found.rows] == [("2", "3")]


@pytest.mark.parametrize("separator", [b";", b"\t", b"|"])
def test_a_header_written_with_another_separator_names_the_columns(separator: bytes) -> None:
    found = convert(separator.join([b"n", b"day", b"text"]) + b"\n" + ROWS)
    assert found.names == ["n", "day", "text"]
    assert len(found.rows) == 20


def test_a_header_with_fewer_names_names_the_first_columns() -> None:
    found = convert(b"a,b,c\n" + b"".join(b"%d,2,3,4,5\n" % i for i in range(9)))
    assert found.names == ["a", "b", "c", "column3", "column4"]
    assert len(found.rows) == 9


@pytest.mark.parametrize("separator", [b",", b";", b"|", b"~"])
def test_a_header_with_more_names_than_any_row_has_values_loses_none_of_them(separator: bytes) -> None:
    text = (b"n,day,text,more\n" + ROWS).replace(b",", separator)
    with pytest.raises(DeliveryError, match="do not have 4 fields"):
        convert(text)
    found = convert(text, "keep")
    assert found.names == ["n", "day", "text", "more"]
    assert found.rows[3] == ("3", "2020-01-04", "x 3", None)


def test_a_table_above_the_header_of_another_is_rows_and_never_names() -> None:
    text = b"city,zip\nRome,00100\nOslo,00200\nBern,00300\n\nn,day,text\n" + ROWS
    with pytest.raises(DeliveryError, match="lines 1, 2, 3, 4"):
        convert(text)
    found = convert(text, "keep")
    assert found.names == ["n", "day", "text"]
    assert found.rows[1] == ("Rome", "00100", None)
    assert len(found.rows) == 24


def test_comments_between_the_rows_above_a_header_are_recorded_too() -> None:
    text = b"city,zip\nRome,00100\n# half of them\nOslo,00200\nBern,00300\n\nn,day,text\n" + ROWS
    found = convert(text, "keep")
    assert (found.names, len(found.rows)) == (["n", "day", "text"], 24)
    assert found.key_values["comments"] == "# half of them"


def test_a_comment_that_the_known_width_parts_from_a_record_of_many_lines_is_recorded() -> None:
    text = (
        b'\n\x00"#1"\t\t#"1\t"\x00#1\n\n\n\n\n\t\t\n\n\x00\t\x00#\t\x00\n"#\t\x00\n\n\n\n"\t1\x00\n\t11""\t\x00\x00\x00##'
        b'\n\n#\t""""\x00##\x00\n#1\x00#""\n\t1\n\t11\x00"\x00"\t\t\x001#\t\n1"\t#1"\t"\n\x00#\t1\t1'
    )
    found = convert(text, "keep")
    assert len(found.rows) == 9
    assert "comments" in found.facts


def test_a_remark_below_a_table_is_recorded_once() -> None:
    found = convert(b"n,day,text\n" + ROWS + b"# made by hand\n")
    assert (len(found.rows), found.key_values["footer"]) == (20, "# made by hand")
    assert "comments" not in found.key_values


def test_sentences_above_a_table_are_no_table() -> None:
    notes = b"".join(b"Note %d, about the report, of 2019\n" % i for i in range(5))
    found = convert(notes + b"n,day,text,more\n" + ROWS.replace(b"\n", b",z\n"))
    assert (found.names, len(found.rows)) == (["n", "day", "text", "more"], 20)
    assert found.key_values["preamble"].startswith("Note 0, about")


def test_a_table_of_two_columns_below_a_blank_line_is_no_footer() -> None:
    text = b"n,day,text\n" + ROWS + b"\ncity,people\nRome,5\nOslo,6\n"
    with pytest.raises(DeliveryError, match="lines 23, 24, 25"):
        convert(text)
    assert convert(text, "keep").rows[-1] == ("Oslo", "6", None)


def test_pairs_below_a_table_are_a_footer() -> None:
    found = convert(b"n,day,text,more\n" + ROWS.replace(b"\n", b",z\n") + b"\nAuthor,Jane\nUnit,kg\n")
    assert len(found.rows) == 20
    assert found.key_values["footer"] == "Author,Jane\nUnit,kg"


@pytest.mark.parametrize("mark", [b"^", b"/", b"~", b"#", b"\\", b"\0"])
def test_whatever_mark_stands_before_quotes_inside_of_fields_is_the_escape(mark: bytes) -> None:
    rows = b"".join(b'%d,"the %b"best%b" of, all"\n' % (i, mark, mark) for i in range(9))
    assert convert(b"n,text\n" + rows).rows[4] == ("4", 'the "best" of, all')


def test_quotes_that_nobody_doubled_in_any_row_are_part_of_their_fields() -> None:
    rows = b"".join(b'%d,"the "best" of, all","x"\n' % i for i in range(9))
    assert convert(b"n,text,z\n" + rows).rows[4] == ("4", 'the "best" of, all', "x")


@pytest.mark.parametrize("separator", [b",", b";", b"\t"])
def test_apostrophes_stand_as_they_are_where_single_quotes_open_and_close_fields(separator: bytes) -> None:
    rows = [b"'It's no. %d%b isn't it?'" % (i, separator) if i % 2 else b"plain %d" % i for i in range(12)]
    found = convert(separator.join((b"n", b"text", b"who")) + b"\n" + b"".join(
        separator.join((b"%d" % i, row, b"'O'Brien'" if i % 3 else b"Smith")) + b"\n" for i, row in enumerate(rows)
    ))  # fmt: skip
    assert found.rows[1] == ("1", f"It's no. 1{separator.decode()} isn't it?", "O'Brien")


def test_single_quotes_may_enclose_line_endings() -> None:
    rows = b"".join(b"%d,'Chair, no. %d;\nof oak',x\n" % (i, i) for i in range(9))
    assert convert(b"n,text,z\n" + rows).rows[4] == ("4", "Chair, no. 4;\nof oak", "x")


@pytest.mark.parametrize("mode", ["refuse", "keep"])
def test_rows_with_two_separators_are_never_a_table_of_something_else(mode: str) -> None:
    lines = [f"{i},8:{i:02d},http://x.test/?a={i}&b=2,note" for i in range(40)]
    text = "\n".join(["n,time,address,note", *(x if i % 2 else x.replace(",", "|") for i, x in enumerate(lines)), ""])
    if mode == "refuse":
        with pytest.raises(DeliveryError, match=r"csv\.|fields"):
            convert(text.encode(), mode)
    else:
        found = convert(text.encode(), mode)
        assert {row[2] for row in found.rows} >= {f"http://x.test/?a={i}&b=2" for i in range(40)}


def test_a_stray_quote_after_a_field_of_several_lines_is_a_character() -> None:
    text = b"a,b,c\n" + ROWS + b'7,"two\nlines","x\n' + ROWS
    assert convert(text, "keep").rows[20] == ("7", "two\nlines", '"x')


def test_a_text_cut_off_behind_a_field_of_several_lines_is_refused() -> None:
    with pytest.raises(DeliveryError) as refusal:
        convert(b"a,b,c\n" + ROWS + b'7,"two\nlines","cut o')
    assert refusal.value.failure.code == "csv.unterminated-quote"


def test_a_row_with_a_quote_too_few_is_aligned_by_the_width() -> None:
    rows = b"a,b,c\n" + ROWS
    assert convert(rows + b'1,"x, y,z\n' + ROWS, "keep").rows[20] == ("1", '"x, y', "z")
    assert convert(rows + b'1,x, y",z\n' + ROWS, "keep").rows[20] == ("1", 'x, y"', "z")


def test_a_long_row_of_sound_quotes_is_not_made_to_fit() -> None:
    found = convert(b'a,b,c\n"1","2","3"\n"1","2","3","4"\n1,"p","q",2\n"1","2","3"\n', "keep")
    assert found.rows[1] == ("1", "2", "3", ["4"])
    assert found.rows[2] == ("1", "p", "q", ["2"])


def test_a_row_that_the_own_separator_divides_is_not_divided_at_commas_with_spaces() -> None:
    assert convert(b"n,day,text\n" + ROWS + b"1,2, x, y\n" + ROWS, "keep").rows[20] == ("1", "2", " x", [" y"])


def test_a_row_of_words_is_not_taken_apart_at_its_spaces() -> None:
    assert convert(b"n,day,text\n" + ROWS + b"no data today\n" + ROWS, "keep").rows[20] == ("no data today", None, None)


def test_a_table_with_many_malformed_rows_is_written_once() -> None:
    lines = [f"{i},2,3" if i % 3 else (f"x{i},2,3,4" if i % 2 else f"y{i}") for i in range(4000)]
    output = WithRejects()
    options = ConversionOptions(malformed_rows=MalformedRows.KEEP)
    source = BytesSource("t.csv", "\n".join(["a,b,c", *lines, ""]).encode())
    assert convert_csv(source, DataFormat.CSV, options, output, ()).rows == 4000
    assert output.begun == 1


def test_a_name_that_comes_again_and_again_is_made_unique_in_a_moment() -> None:
    names = name_columns([b"x"] * 25_000, 25_000)
    assert len({name.name for name in names}) == 25_000


def test_empty_cells_in_single_quotes_are_no_reason_to_keep_the_quotes() -> None:
    rows = b"".join(b"'%d','','x',''\n" % i for i in range(9))
    assert convert(b"'n','a','b','c'\n" + rows).rows[1] == ("1", "", "x", "")


def test_a_column_of_lines_with_as_many_words_each_is_one_column() -> None:
    found = convert(b"note\n" + b"".join(b"entry number %d\n" % i for i in range(40)))
    assert (found.names, len(found.rows)) == (["note"], 40)


@pytest.mark.parametrize("separator", [b"~", b"^", b"@@", b"\x1f"])
def test_a_separator_that_all_lines_have_goes_before_one_that_only_the_values_have(separator: bytes) -> None:
    rows = b"".join(
        separator.join([b"A%03d" % i, b"B00", b"Label %d; part %d" % (i, i % 3)]) + b"\n" for i in range(20)
    )
    found = convert(separator.join([b"code", b"parent", b"label"]) + b"\n" + rows)
    assert found.names == ["code", "parent", "label"]
    assert found.rows[1] == ("A001", "B00", "Label 1; part 1")


def test_quotes_are_known_to_be_doubled_where_spaces_stand_before_them() -> None:
    rows = b"".join(b'"%d", "the ""best"" of all", "x"\n' % i for i in range(9))
    assert convert(b'"n", "text", "z"\n' + rows).rows[4] == ("4", 'the "best" of all', "x")


def test_quotes_that_nobody_doubled_may_stand_at_the_end_of_their_field() -> None:
    rows = b"".join(b'"%d"|"one "old""|"x"\n' % i for i in range(9))
    assert convert(b'"n"|"text"|"z"\n' + rows).rows[4] == ("4", 'one "old"', "x")


def test_notes_around_a_column_of_numbers_are_recorded_and_are_no_values() -> None:
    found = convert(b"Report of May\nby hand\nvalue\n" + b"".join(b"%d\n" % i for i in range(20)) + b"end of report\n")
    assert (found.names, len(found.rows)) == (["value"], 20)
    assert found.key_values["preamble"] == "Report of May\nby hand"
    assert found.key_values["footer"] == "end of report"


def test_a_header_in_other_quotes_than_the_rows_is_read_without_them() -> None:
    assert convert(b"'n','day','text'\n" + ROWS).names == ["n", "day", "text"]


def test_a_header_with_a_separator_too_many_names_every_column() -> None:
    found = convert(b"n,,day,text\n" + ROWS)
    assert (found.names, len(found.rows)) == (["n", "day", "text"], 20)


@pytest.mark.parametrize("separator", [b" ", b":", b", "])
def test_a_header_of_single_words_between_marks_of_text_names_the_columns(separator: bytes) -> None:
    found = convert(separator.join([b"n", b"day", b"text"]) + b"\n" + ROWS.replace(b",", b"\t"))
    assert found.names == ["n", "day", "text"]


def test_one_number_among_the_names_of_a_table_of_words_is_a_name() -> None:
    found = convert(b"code,2019,label\n" + b"".join(b"A%03d,B00,Label %d\n" % (i, i) for i in range(20)))
    assert found.names == ["code", "2019", "label"]


def test_names_of_groups_above_the_names_of_columns_are_preamble() -> None:
    found = convert(b"Part 1,,Part 2,\nn,day,text,more\n" + ROWS.replace(b"\n", b",1\n"))
    assert (found.names, len(found.rows)) == (["n", "day", "text", "more"], 20)
    assert found.key_values["preamble"] == "Part 1,,Part 2,"


def test_a_sentence_with_as_many_separators_as_a_row_is_no_row() -> None:
    found = convert(b"This report, made by hand, of 2019\nn,day,text\n" + ROWS)
    assert (found.names, len(found.rows)) == (["n", "day", "text"], 20)


@pytest.mark.parametrize("footer", [b"\nThis report, made by hand, of 2019\n", b"(20 rows)\n", b"   \n"])
def test_sentences_counts_and_spaces_below_a_table_are_a_footer(footer: bytes) -> None:
    found = convert(b"text,n,day,more\n" + b"".join(b"x %d,%d,2020-01-01,y\n" % (i, i) for i in range(20)) + footer)
    assert len(found.rows) == 20
    assert found.key_values["footer"] == footer.decode().strip("\n")


@pytest.mark.parametrize(
    "row", [b'"1":"2020-01-01":"x, y"', b"'1','2020-01-01','x, y'", b"1,2020-01-01,'x, y'", b"'1';'2020-01-01';'x, y'"]
)
def test_a_row_in_other_quotes_or_with_another_mark_between_its_quotes_is_read_so(row: bytes) -> None:
    assert convert(b"n,day,text\n" + ROWS + row + b"\n" + ROWS, "keep").rows[20] == ("1", "2020-01-01", "x, y")


@pytest.mark.parametrize("row", [b'1,"the "best" of",z', b'1,"the \\"best\\" of",z', b'1,the "best" of,z'])
def test_quotes_inside_of_quotes_are_a_value_of_their_row_however_they_are_escaped(row: bytes) -> None:
    assert convert(b"n,day,text\n" + ROWS + row + b"\n" + ROWS, "keep").rows[20] == ("1", 'the "best" of', "z")


def test_marks_of_inches_in_two_of_many_rows_cost_no_row_between_them(tmp_path: Path) -> None:
    plain = "".join(f"{i},board,3\n" for i in range(20_000))
    source = tmp_path / "inches.csv"
    source.write_text("n,what,length\n" + plain + '7,5",3\n' + plain + '8,6",3\n')
    found = convert(source)
    assert len(found.rows) == 40_002
    assert [row for row in found.rows if row[1] != "board"] == [("7", '5"', "3"), ("8", '6"', "3")]


def test_a_way_of_reading_that_makes_no_sense_of_the_quotes_is_no_candidate() -> None:
    chance = random.Random(1)
    values = ('"a|b"', '""', '"plain"', '"so ""said"""')
    rows = [
        "|".join(
            (
                chance.choice(values),
                '"line 1\r\nline 2"' if chance.random() < 0.1 else "one",
                str(chance.randint(0, 10**6)),
                f"{chance.random() * 1000:.3f}",
            )
        )
        for _ in range(4700)
    ]
    found = convert("\r\n".join(("made by me", "col0|col1|col2|col3", *rows)).encode())
    assert found.names == ["col0", "col1", "col2", "col3"]
    assert len(found.rows) == 4700
