"""Texts of odd shapes: much of the same and little of a table. None hangs, each is read as it is or refused clearly."""

from pathlib import Path

import pytest

from processor.confined.formats.csv.malformed.collect import Chance
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_tables import convert

_BLANK = b"\n" * 200_000


@pytest.mark.parametrize("text", [_BLANK, b"\r" * 200_000, b"\n" * 2_000_000], ids=["LF", "CR", "more"])
def test_a_large_file_of_line_endings_only_has_no_rows(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(DeliveryError) as caught:
        convert(tmp_path / "t.csv")
    assert caught.value.failure.code == "csv.empty"


def test_a_table_is_found_behind_very_many_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(_BLANK + b"id,name\n1,one\n2,two\n")
    assert convert(tmp_path / "t.csv").rows == [("1", "one"), ("2", "two")]


def test_blank_lines_of_a_single_column_are_rows_but_for_those_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"name\nfirst\n" + _BLANK + b"last\n" + _BLANK)
    rows = convert(tmp_path / "t.csv").rows
    assert len(rows) == len(_BLANK) + 2
    assert rows[0] == ("first",)
    assert rows[-1] == ("last",)
    assert set(rows[1:-1]) == {(None,)}


def test_blank_lines_between_rows_of_several_columns_are_none(tmp_path: Path) -> None:
    rows = [f"{i},name {i}\n" + "\n" * (i % 3) for i in range(20_000)]
    (tmp_path / "t.csv").write_text("id,name\n" + "".join(rows))
    assert convert(tmp_path / "t.csv").rows == [(str(i), f"name {i}") for i in range(20_000)]


@pytest.mark.parametrize("mode", ["keep", "reject-object"])
def test_a_ragged_file_with_a_footer_gives_each_row_once(tmp_path: Path, mode: str) -> None:
    rows = [f"{i},name {i},{i % 7}" for i in range(9000)]
    for i in range(1, 9000, 2):
        rows[i] = f"{i},name {i}" if i % 4 == 1 else f"{i},name {i},{i % 7},more,,"
    (tmp_path / "t.csv").write_text("id,name,n\n" + "\n".join(rows) + "\n\nTotal: 9000\n")
    found = convert(tmp_path / "t.csv", mode)
    assert [row[0] for row in found.rows] == [str(i) for i in range(0, 9000, 1 if mode == "keep" else 2)]
    if mode == "keep":
        assert found.rows[1] == ("1", "name 1", None, None)
        assert found.rows[8999] == ("8999", "name 8999", str(8999 % 7), ["more", None, None])
    else:
        assert [(row["line"], row["text"]) for row in found.rejected] == [(i + 2, rows[i]) for i in range(1, 9000, 2)]


def test_the_sample_of_malformed_rows_is_drawn_from_all_of_them() -> None:

    chance, kept = Chance(100), [0] * 100
    passed = 0
    for count in (7, 1000, 1, 50_000, 49_000):
        for place in chance.chosen(count):
            kept[chance.place] = passed + place
        passed += count
    assert len(set(kept)) == 100
    deciles = [sum(at * passed // 10 <= place < (at + 1) * passed // 10 for place in kept) for at in range(10)]
    assert min(deciles) >= 2
