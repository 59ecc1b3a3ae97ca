"""Rows of another width than the table's, in the three modes."""

import pytest

from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_tables import convert

RAGGED = b'a,b,c\n1,2,3\n4,5\n6,7,8,9,"x,y"\n10,11,12\n13\n14,15,16\n17,18,19\n'


def test_refuse_names_the_first_ten_lines() -> None:
    text = b"a,b,c\n" + b"1,2,3\n1,2\n" * 12 + b"1,2,3\n" * 5
    with pytest.raises(DeliveryError) as refusal:
        convert(text)
    assert refusal.value.failure.code == "csv.malformed-rows"
    assert "lines 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, ..." in refusal.value.failure.message
    assert "12 rows" in refusal.value.failure.message


def test_keep_fills_short_rows_and_keeps_surplus_in_order() -> None:
    found = convert(RAGGED, "keep")
    assert found.names == ["a", "b", "c", "_surplus"]
    assert found.rows == [
        ("1", "2", "3", None),
        ("4", "5", None, None),
        ("6", "7", "8", ["9", "x,y"]),
        ("10", "11", "12", None),
        ("13", None, None, None),
        ("14", "15", "16", None),
        ("17", "18", "19", None),
    ]


def test_rejected_rows_are_verbatim_and_all_are_counted() -> None:
    found = convert(RAGGED, "reject-object")
    assert [row[0] for row in found.rows] == ["1", "10", "14", "17"]
    assert found.rejected == [
        {"line": 3, "text": "4,5"},
        {"line": 4, "text": '6,7,8,9,"x,y"'},
        {"line": 6, "text": "13"},
    ]
    assert found.receipt.rejected_rows == 3


def test_a_column_named_like_the_surplus_keeps_its_name_apart() -> None:
    found = convert(b"a,_surplus\n1,2\n3,4,5\n6,7\n", "keep")
    assert found.names == ["a", "_surplus_1", "_surplus"]
    assert found.rows[1] == ("3", "4", ["5"])


def test_a_row_written_with_another_separator_is_read_with_it_when_it_fits() -> None:
    found = convert(b"a,b,c\n1,2,3\n4;5;6\n7,8,9\n", "keep")
    assert found.rows[1] == ("4", "5", "6")


def test_a_quote_within_quotes_that_nobody_doubled_stays_in_its_field() -> None:
    found = convert(b'a,b\n"x","y"\n"he said "no", twice","z"\n"p","q"\n', "keep")
    assert found.rows[1] == ('he said "no", twice', "z")


def test_rows_of_any_length_are_never_one_column() -> None:
    with pytest.raises(DeliveryError):
        convert(b"column1,column2\nyes,no\nyes,yes,yes\nyes\n")
