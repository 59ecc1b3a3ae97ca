"""Kinds of cells: told of a whole column at once as of each cell."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.confined.formats.csv.cell_patterns import CellClass, classify
from processor.confined.formats.csv.layout.header_evidence import CellKind, kind_of, kinds_of
from tests.examples import examples

_FORMS = (
    r"-?[0-9]{1,20}(\.[0-9]{1,3})?",
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?(Z| AM)?)?",
    r"[A-Za-z][A-Za-z0-9_ -]{0,9}",
    r"([0-9a-f]{8}-[0-9a-f]{4}|[0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{10,12}",
    r"(yes|no|True|NA|null|none|nan)[ \n]?",
    r"[a-z]{1,3}\.[a-z]{2}(\.[a-z]{2})?",
)
columns = st.one_of(
    *(st.lists(st.none() | st.from_regex(form, fullmatch=True), min_size=1, max_size=6) for form in _FORMS),
    st.lists(st.one_of(*(st.from_regex(form, fullmatch=True) for form in _FORMS)), min_size=1, max_size=6),
)


@settings(max_examples=examples(600))
@given(columns)
@example(["ab", "deadbeef-0000-1111-2222-333344445555"])
@example(["word", "no", "other"])
@example(["1\n2", "3"])
def test_a_column_told_at_once_has_the_kinds_of_its_cells(column: list[str | None]) -> None:
    cells = [None if cell is None else cell.encode() for cell in column]
    assert kinds_of(cells) == [kind_of(cell) for cell in cells]


@given(st.from_regex(rb"-?[0-9]{1,18}(\.[0-9]{1,18})?", fullmatch=True))
def test_a_plain_number_is_a_number_to_both_judges(cell: bytes) -> None:
    assert kind_of(cell) is CellKind.NUMBER
    assert classify(cell) is CellClass.NUMBER
