"""What CSV files mean, case by case; most of these are read wrongly by a sniffer that looks at a sample only."""

import json
from pathlib import Path

import pytest

from processor.confined.formats.csv.convert import plan_csv
from processor.confined.formats.csv.text import PIECE_BYTES
from processor.domain.conversion import ConversionOptions, CsvNotes, DataFormat, Typing
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.csv.csv_tables import convert

MANY = 30_000


def test_an_empty_field_is_null_and_an_empty_text_is_a_text() -> None:
    assert convert(b'a,b,c\n1,"",\n2,x,y\n').rows == [("1", "", None), ("2", "x", "y")]


def test_quoted_fields_hold_separators_quotes_and_line_endings() -> None:
    found = convert(b'a,b\n"x, ""y""\nz",1\n"p\r\nq",2\n')
    assert found.rows == [('x, "y"\nz', "1"), ("p\r\nq", "2")]


def test_a_table_of_words_has_its_header_by_custom() -> None:
    assert convert(b"name,city\nAnna,Berlin\nBob,Paris\n").names == ["name", "city"]


def test_a_first_row_like_all_others_is_a_row() -> None:
    found = convert(b"1,2020-01-01,x\n2,2020-01-02,y\n3,2020-01-03,z\n")
    assert found.names == ["column0", "column1", "column2"]
    assert len(found.rows) == 3
    assert found.facts["header"].startswith("no")


def test_years_can_be_names() -> None:
    found = convert(b"country,1990,1991,1992\nFrance,1.5,2.5,3.5\nPeru,0.5,0.25,0.125\n")
    assert found.names == ["country", "1990", "1991", "1992"]


def test_a_comma_in_one_line_does_not_make_two_columns() -> None:
    found = convert(b"note\nhello\nworld, foo\n")
    assert (found.names, found.rows) == (["note"], [("hello",), ("world, foo",)])


@pytest.mark.parametrize("odd", [b"1,2\n", b"1,2,3,4\n", b"1\n"])
def test_one_odd_row_is_refused_with_its_line_and_never_collapses_the_table(odd: bytes) -> None:
    rows = b"".join(b"%d,x,y\n" % i for i in range(20))
    with pytest.raises(DeliveryError, match=r"csv.malformed-rows|lines? 22\b"):
        convert(b"a,b,c\n" + rows + odd + rows)


def test_a_total_below_the_table_is_a_footer_and_is_recorded() -> None:
    found = convert(b"a,b,c\n1,2,3\n4,5,6\nTotal: 2 rows\n")
    assert len(found.rows) == 2
    assert found.key_values["footer"] == "Total: 2 rows"


def test_a_title_above_the_table_is_a_preamble_and_is_recorded() -> None:
    found = convert(b"Report of May\n\nid,name\n1,Anna\n2,Bo\n")
    assert (found.names, len(found.rows)) == (["id", "name"], 2)
    assert found.key_values["preamble"] == "Report of May"


def test_comments_are_recorded_and_are_no_rows() -> None:
    found = convert(b"a,b\n1,2\n# half time\n3,4\n")
    assert (len(found.rows), found.key_values["comments"]) == (2, "# half time")


def test_a_late_fraction_and_a_late_leading_zero_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "late.csv"
    source.write_text("n,code\n" + "".join(f"{i},{i}\n" for i in range(MANY)) + "3.7,00042\n")
    found = convert(source, typing=Typing.LOSSLESS)
    assert float(found.rows[-1][0]) == 3.7
    assert found.rows[-1][1] == "00042"
    assert len(found.rows) == MANY + 1


def test_quotes_may_begin_after_many_rows_without(tmp_path: Path) -> None:
    source = tmp_path / "late.csv"
    source.write_text("n,text\n" + "".join(f"{i},plain\n" for i in range(MANY)) + '1,"a ""b"", c"\n2,"x\ny"\n')
    assert convert(source).rows[-2:] == [("1", 'a "b", c'), ("2", "x\ny")]


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_a_large_file_is_the_same_with_every_line_ending(tmp_path: Path, ending: str) -> None:
    source = tmp_path / "large.csv"
    rows = [f'{i},"a\nb {i}",x' if i % 7 == 0 else f"{i},plain,y" for i in range(20_000)]
    source.write_bytes(ending.join(["n,text,z", *rows, ""]).encode())
    assert source.stat().st_size > PIECE_BYTES
    found = convert(source)
    assert found.rows[7] == ("7", "a\nb 7", "x")
    assert len(found.rows) == 20_000


def test_a_large_text_that_is_no_plain_file_is_read_alike() -> None:
    text = "name,n\n" + "Zoë,1\nÅsa,2\n" * 20_000
    for data in (text.encode(), text.encode("utf-16"), text.encode("latin-1")):
        found = convert(data, fallback="latin-1")
        assert found.rows[:2] == [("Zoë", "1"), ("Åsa", "2")]
        assert len(found.rows) == 40_000


def test_a_very_long_value_late_in_the_file_is_kept() -> None:
    text = b"a,b\n" + b"1,2\n5,6\n3,4\n7\n" * 3000 + b'4,"' + b"x" * 5_000_000 + b'"\n'
    assert len(convert(text, "keep").rows[-1][1]) == 5_000_000


def test_a_late_odd_row_in_a_large_file_is_found(tmp_path: Path) -> None:
    source = tmp_path / "large.csv"
    source.write_text("a,b,c\n" + "1,2,3\n" * 50_000 + "1,2,3,\n" + "1,2,3\n")
    with pytest.raises(DeliveryError, match=r"lines? 50002\b"):
        convert(source)
    assert convert(source, "keep").rows[50_000] == ("1", "2", "3", [None])


@pytest.mark.parametrize("ending", [b"\r", b"\r\n", b"\n"])
def test_every_line_ending_is_one(ending: bytes) -> None:
    assert convert(ending.join([b"a,b", b"1,2", b"3,4", b""])).rows == [("1", "2"), ("3", "4")]


def test_mixed_line_endings_are_line_endings() -> None:
    assert convert(b"a,b\r\n1,2\n3,4\r5,6\n").rows == [("1", "2"), ("3", "4"), ("5", "6")]


def test_a_nul_byte_is_kept() -> None:
    assert convert(b"a,b\n1,x\0y\n2,z\n").rows == [("1", "x\0y"), ("2", "z")]


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_text_without_any_record_is_refused(text: bytes) -> None:
    with pytest.raises(DeliveryError) as refusal:
        convert(text)
    assert refusal.value.failure.code == "csv.empty"


def test_a_header_alone_is_a_table_without_rows() -> None:
    found = convert(b"id,name,city\n")
    assert (found.names, found.rows) == (["id", "name", "city"], [])


def test_a_blank_line_in_a_single_column_is_a_missing_value() -> None:
    assert convert(b'n\n1\n\n""\n2\n\n\n').rows == [("1",), (None,), ("",), ("2",)]


def test_names_are_made_unique_and_their_originals_recorded() -> None:
    found = convert(b"a,A,,a,a_1\n1,2,3,4,5\n2,3,4,5,6\n")
    assert len({name.lower() for name in found.names}) == 5
    assert found.names[0] == "a"
    assert found.names[4] == "a_1"
    originals = {column.name: column.original_name for column in found.receipt.columns}
    assert originals[found.names[1]] == "A"
    assert originals[found.names[2]] == ""
    assert json.loads(found.key_values["original-names"]) == dict(zip(found.names[1:4], ["A", "", "a"], strict=True))
    assert "original-names" not in convert(b"a,b\n1,2\n").key_values


def test_names_of_rows_have_a_column_of_their_own() -> None:
    found = convert(b"x,y\nr1,1,2.5\nr2,3,4.5\nr3,5,6.5\n")
    assert found.names == ["column0", "x", "y"]


def test_null_tokens_are_null_unless_they_are_quoted() -> None:
    found = convert(b'a,b\nNA,1\n"NA",2\nx,NA\n', nulls=("NA",))
    assert found.rows == [(None, "1"), ("NA", "2"), ("x", None)]
    assert found.facts["null-tokens"] == '["NA"]'


def test_null_tokens_count_in_large_files(tmp_path: Path) -> None:
    source = tmp_path / "large.csv"
    source.write_text("a,b\n" + 'x,NA\n"NA",2\n' * 20_000)
    assert convert(source, nulls=("NA",)).rows[:2] == [("x", None), ("NA", "2")]


def test_a_stray_quote_costs_no_more_than_its_own_line() -> None:
    rows = b"".join(b"%d,x\n" % i for i in range(10))
    found = convert(b"n,t\n" + rows + b'7,"stray\n' + rows, "keep")
    assert len(found.rows) == 21
    assert found.rows[10] == ("7", '"stray')


def test_backslashes_are_text_unless_they_escape_quotes() -> None:
    assert convert(b"a,b\nC:\\new\\table,1\nD:\\x,2\n").rows[0] == ("C:\\new\\table", "1")
    found = convert(b'a,b\n"say \\"hi\\", now",1\n"x",2\n')
    assert found.rows[0] == ('say "hi", now', "1")


def test_a_tab_is_customary_in_a_tsv() -> None:
    assert convert(b"a\tb\n1,5\t2\n3,5\t4\n", tsv=True).rows == [("1,5", "2"), ("3,5", "4")]


def test_decimal_commas_do_not_separate() -> None:
    assert convert(b"1,5;2,5\n3,5;4,5\n6,5;7,5\n").rows[0] == ("1,5", "2,5")


def test_columns_aligned_with_spaces_are_columns() -> None:
    found = convert(b" 7.68  0.00  1.50\n16.00  2.25  3.75\n 5.42  0.10 10.00\n")
    assert found.rows[1] == ("16.00", "2.25", "3.75")


def test_a_few_thousand_columns_are_read() -> None:
    width = 1500
    text = ",".join(f"c{i}" for i in range(width)) + "\n" + ",".join(map(str, range(width))) + "\n"
    found = convert(text.encode())
    assert len(found.names) == width
    assert found.rows[0][-1] == str(width - 1)


def test_a_plan_tells_what_would_be_read_and_writes_nothing() -> None:
    source = BytesSource("t.csv", "Titel\n\nid;größe\n1;2,5\n2;3,5\n".encode("utf-16"))
    plan = plan_csv(source, DataFormat.CSV, ConversionOptions(csv_notes=CsvNotes.RECOGNISE))
    facts = dict(plan.facts)
    assert facts["encoding"] == "utf-16-le"
    assert "';'" in facts["dialect"]
    assert facts["preamble"] == "Titel"
    assert [(column.name, column.type) for column in plan.columns] == [("id", "BIGINT"), ("größe", "VARCHAR")]
