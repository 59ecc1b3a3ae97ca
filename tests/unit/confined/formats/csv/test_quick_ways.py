"""What is judged all at once is judged as it would be one by one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.confined.formats.csv.reader.records import records
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.dialect import Dialect
from processor.confined.formats.types.evidence import Evidence
from tests.examples import examples

whole = st.sampled_from(["0", "-0", "1", "-1", "00", "007", "+1", "999999999999999", "-999999999999999", "1" * 16])
decimal = st.sampled_from(
    ["0.", "0.0", "-0.0", "-0.5", "5.0", "-5.0", "12.00", ".5", "0.123456789012345", "12345678901234.5", "1e5", "1\n2"]
)
day = st.one_of(
    st.dates().map(str), st.sampled_from(["2023-02-29", "2024-02-29", "2024-02-30", "2024-04-31", "0000-01-01"])
)
moment = st.tuples(day, st.sampled_from(" T"), st.times().map(lambda time: time.isoformat())).map("".join)
many = {"min_size": 16, "max_size": 40, "unique": True}
columns = st.one_of(
    st.lists(st.integers(-(10**16), 10**16).map(str), **many),
    st.lists(st.decimals(-(10**9), 10**9, places=2).map(str), **many),
    st.lists(day, **many),
    st.lists(moment, **many),
)


@settings(max_examples=examples(300))
@given(columns, st.lists(whole | decimal | day | moment, max_size=4))
def test_a_column_is_the_same_judged_at_once_or_text_by_text(column: list[str], others: list[str]) -> None:
    at_once, one_by_one = Evidence(), Evidence()
    at_once.add([*others, *column])
    for text in [*others, *column]:
        one_by_one.add([text])
    assert (at_once.kinds, at_once.against, at_once.proposal()) == (
        one_by_one.kinds,
        one_by_one.against,
        one_by_one.proposal(),
    )


plain = st.text(st.sampled_from("ab1,; \t\n\x0b\u2028"), max_size=60)
dialects = st.builds(Dialect, delimiter=st.sampled_from([b",", b";", b", "]), escape=st.sampled_from([b'"', b"\\"]))


@given(plain, dialects)
def test_a_plain_text_is_surveyed_by_splitting_as_by_reading(text: str, dialect: Dialect) -> None:
    found = Survey.of_plain(text.encode(), dialect)
    if found is not None:
        assert found == Survey().add_all(records((text.encode(),), dialect))


def test_a_text_with_quotes_or_carriage_returns_is_not_plain() -> None:
    assert Survey.of_plain(b'a,"b"\n', Dialect()) is None
    assert Survey.of_plain(b"a,b\r\n", Dialect()) is None
    assert Survey.of_plain(b"a,b\n", Dialect()) is not None
