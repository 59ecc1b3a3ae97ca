"""Every record of a text has one owner."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.confined.formats.csv.accounting import Account
from processor.domain.errors import DeliveryError
from tests.examples import examples
from tests.unit.confined.formats.csv.csv_tables import convert

ROWS = "".join(f"{i},name {i},{i}.5\n" for i in range(12))
LINES = st.sampled_from(
    ["1,a,2.5", "2,b,3.5", "3,#,4.5", "4,c", "5", "6,d,7.5,x", "", "# x", "Total,9", "id,name,price", ",,"]
)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(LINES, max_size=25), st.sampled_from(["refuse", "recognise"]), st.sampled_from(["keep", "reject-object"])
)
def test_the_owners_of_all_records_add_up(lines: list[str], notes: str, malformed: str) -> None:
    text = "\n".join(["id,name,price", "0,n,1.5", *lines]) + "\n"
    try:
        found = convert(text.encode(), malformed, notes=notes)
    except DeliveryError as refusal:
        assert refusal.failure.code != "csv.unaccounted"  # noqa: PT017 - that it is another refusal is the law
        return
    blank = sum(not line for line in lines)
    if len(found.names) == 1:  # there a blank line between rows is a row
        blank -= sum(row == (None,) for row in found.rows)
    header = found.facts["header"].startswith("yes")
    records = 2 + len(lines)
    assert header + len(found.rows) + len(found.rejected) + len(found.noted) + blank == records
    assert found.facts["records"] == (
        f"{records}: header {int(header)}, rows {len(found.rows)}, rejects {len(found.rejected)}, "
        f"notes {len(found.noted)}, blank {blank}"
    )


@settings(max_examples=examples(60))
@given(st.lists(st.sampled_from(["a", "", "b,c", '"d"']), max_size=8), st.sampled_from(["keep", "reject-object"]))
def test_blank_lines_are_rows_beside_rows_that_are_longer_than_one_column(lines: list[str], malformed: str) -> None:
    text = "\n".join(["name", *lines, "end", "last"]) + "\n"
    found = convert(text.encode(), malformed, notes="refuse")
    assert len(found.rows) + len(found.rejected) == len(lines) + 2


def test_many_blank_lines_are_rows_with_nothing_beyond_the_column() -> None:
    found = convert(b"name\na\n" + b"\n" * 3000 + b"b,c\n", "keep", notes="refuse")
    assert found.rows[:3] == [("a", None), (None, None), (None, None)]
    assert (len(found.rows), found.rows[-1]) == (3002, ("b", ["c"]))


def test_notes_are_verbatim_with_what_they_were_taken_for() -> None:
    found = convert(f"Prices, of May\n\nid,name,price\n{ROWS}# half\n{ROWS}Total: 24\n".encode())
    assert found.noted == [
        {"line": 1, "text": "Prices, of May", "taken_for": "preamble"},
        {"line": 16, "text": "# half", "taken_for": "comment"},
        {"line": 29, "text": "Total: 24", "taken_for": "footer"},
    ]
    assert found.receipt.notes == 3
    assert found.facts["records"] == "29: header 1, rows 24, rejects 0, notes 3, blank 1"


def test_the_line_that_declares_the_separator_is_a_note() -> None:
    found = convert(b"sep=;\na;b\n1;2\n", notes="refuse")
    assert found.noted == [{"line": 1, "text": "sep=;", "taken_for": "separator"}]


@pytest.mark.parametrize("above", ["", "made by\nhand\n"])
def test_a_large_file_that_duckdb_reads_itself_is_accounted_for(tmp_path: Path, above: str) -> None:
    (tmp_path / "t.csv").write_text(f"{above}id,name,price\n" + ROWS * 2000)
    found = convert(tmp_path / "t.csv")
    notes = len(above.splitlines())
    assert found.facts["records"] == f"{24001 + notes}: header 1, rows 24000, rejects 0, notes {notes}, blank 0"
    assert len(found.noted) == notes


def test_a_difference_is_refused() -> None:
    with pytest.raises(DeliveryError) as refused:
        Account(10, 1, 7, 0, 0, 1).check()
    assert refused.value.failure.code == "csv.unaccounted"
    Account(10, 1, 7, 1, 0, 1).check()
