"""The law of typing: whatever the texts are, what is written is their value; and the two judges of a text agree."""

import io
import tempfile

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.confined.formats import duckdb_session
from processor.confined.formats.types.checks import cast, check
from processor.confined.formats.types.evidence import Evidence
from processor.confined.formats.types.infer import SHORTEST, ColumnType, TypeKind, classify
from processor.domain.conversion import ConversionOptions
from tests.examples import examples
from tests.unit.confined.formats.tables import Text, assert_same_values, same_value, values_of, written

two = st.integers(0, 61).map(lambda number: f"{number:02}")
numbers = st.one_of(
    st.integers().map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.from_regex(r"-?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[+-]?0{0,2}[0-9]{1,3}(\.[0-9]{0,3}0)?", fullmatch=True),
    st.from_regex(r"-?(0|[1-9][0-9]?)\.[0-9][0-9]", fullmatch=True),
)
days = st.one_of(
    st.dates().map(str), st.builds("{}-{}-{}".format, st.sampled_from(["2024", "1900", "0000", "24"]), two, two)
)
clocks = st.builds("{}:{}:{}{}".format, two, two, two, st.from_regex(r"|\.[0-9]{1,10}", fullmatch=True))
offsets = st.sampled_from(["", "", "Z", "+00:00", "+02:00", "-0330", "+05", "+16:00"])
moments = st.builds("{}{}{}{}".format, days, st.sampled_from(" T"), clocks, offsets)
plausible_moments = st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(
    lambda moment: moment.isoformat()
)
words = st.sampled_from(
    ["true", "FALSE", "True", "t", "yes", "NA", "null", "NaN", "inf", "", " ", "epoch", "now", "today"]
)
free = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
texts = st.one_of(numbers, days, clocks, moments, plausible_moments, words, free)
spoilt = st.tuples(
    texts, st.sampled_from([" {}", "{} ", "+{}", "0{}", "{}0", "{}.", "-{}", "{}Z", "'{}", "{}\n", "_{}"])
).map(lambda pair: pair[1].replace("{}", pair[0]))
columns = st.one_of(
    *(
        st.lists(st.none() | kind, min_size=1, max_size=12)
        for kind in (numbers, days, clocks, moments, words, plausible_moments)
    ),
    st.lists(st.none() | texts | spoilt, min_size=1, max_size=6),
)


@settings(max_examples=examples(400))
@given(columns)
def test_every_column_is_read_back_with_its_values(column: list[Text]) -> None:
    receipt, output = written({"a": column})
    assert_same_values(column, values_of(output.table(), "a"))
    assert receipt.columns[0].null_count == column.count(None)


alike = st.one_of(
    *(
        st.lists(st.from_regex(form, fullmatch=True), min_size=1, max_size=9)
        for form in (
            r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{0,3})?",
            r"[12][0-9]{3}-(02|0[1-9]|1[0-2])-([0-2][0-9]|29|3[01])([ T][01][0-9]:[0-5][0-9]:00(\.[0-9]{1,7})?Z?)?",
            r"(-?0\.0?|[1-9])?[0-9]?",
        )
    )
)


@settings(max_examples=examples(400))
@given(columns | alike)
def test_texts_told_at_once_say_what_each_of_them_says(column: list[Text]) -> None:
    at_once, one_by_one = Evidence(), Evidence()
    texts = [text for text in column if text is not None]
    at_once.add(texts)
    for text in texts:
        one_by_one.add([text])
    assert at_once.proposal() == one_by_one.proposal()
    assert (at_once.kinds, at_once.against) == (one_by_one.kinds, one_by_one.against)


@settings(max_examples=examples(200))
@given(columns)
def test_no_zero_of_a_number_is_lost(column: list[Text]) -> None:
    """Either all numbers have as many decimals, or each is the shortest text of its value, but for a last `.0`."""
    receipt, _ = written({"a": column})
    if receipt.columns[0].type == "DOUBLE" or receipt.columns[0].type.startswith("DECIMAL"):
        mantissas = [text.lower().partition("e")[0] for text in column if text is not None]
        fractions = [mantissa.partition(".")[2] for mantissa in mantissas]
        assert len({*map(len, fractions)}) == 1 or not any(f.endswith("0") and f != "0" for f in fractions)


@settings(max_examples=examples(200))
@given(columns, columns)
def test_every_column_is_read_back_when_the_sample_misled(seen: list[Text], unseen: list[Text]) -> None:
    column = [*seen, *unseen]
    _, output = written({"a": column}, sample=[[text] for text in seen])
    assert_same_values(column, values_of(output.table(), "a"))


TYPES = [ColumnType(kind) for kind in TypeKind if kind not in (TypeKind.VARCHAR, TypeKind.DECIMAL)] + [
    ColumnType(TypeKind.DECIMAL, 18, 3),
    ColumnType(TypeKind.DECIMAL, 38, 20),
    ColumnType(TypeKind.DECIMAL, 38, 0),
    ColumnType(TypeKind.DOUBLE, 15, 4),
    ColumnType(TypeKind.DOUBLE, 15, 2, decimals=2),
    ColumnType(TypeKind.DOUBLE, decimals=2),
    ColumnType(TypeKind.DECIMAL, 18, 3, decimals=3),
    *(
        ColumnType(kind, example=example)
        for kind in (TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ)
        for example in (
            "2024-01-01T10:30:00.123Z",
            "2024-01-01T10:30:00",
            "2024-01-01 10:30",
            "2024-01-01 10:30:00.123456+00:00",
            "2024-01-01 10:30:00.1234560",
        )
    ),
]


def _held(text: str, column_type: ColumnType) -> bool:
    connection = duckdb_session.connection(ConversionOptions())
    condition = check(column_type, "c", "x").condition()
    query = f"SELECT {condition} FROM (SELECT c, {cast(column_type, 'c')} AS x FROM (SELECT $1::VARCHAR AS c))"
    ((held,),) = connection.execute(query, [text]).fetchall()
    assert held in (True, False)
    return bool(held)


@settings(max_examples=examples(400))
@given(texts | spoilt, st.sampled_from(TYPES))
def test_a_text_that_evidence_gives_a_type_passes_the_check_of_that_type(text: str, column_type: ColumnType) -> None:
    evidence = Evidence()
    evidence.add([text])
    proposal = evidence.proposal()
    if proposal.kind is not TypeKind.VARCHAR:
        assert _held(text, proposal)
    holds = column_type.kind in (kinds := classify(text)).kinds
    if holds and column_type.kind is TypeKind.DECIMAL:
        holds = kinds.scale <= column_type.scale and kinds.integer_digits <= column_type.precision - column_type.scale
    if holds and column_type.kind in (TypeKind.DOUBLE, TypeKind.DECIMAL):
        holds = not kinds.padded if column_type.decimals == SHORTEST else kinds.decimals == column_type.decimals
    assert _held(text, column_type) == holds


@settings(max_examples=examples(200))
@given(columns)
def test_duckdb_and_polars_read_the_same_values(column: list[Text]) -> None:
    receipt, output = written({"a": column})
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(output.parquet_bytes)
        file.flush()
        connection = duckdb_session.connection(ConversionOptions())
        shown = [
            text for (text,) in connection.execute("SELECT a::VARCHAR FROM read_parquet($1)", [file.name]).fetchall()
        ]
    values = values_of(output.table(), "a")
    assert pl.read_parquet(io.BytesIO(output.parquet_bytes)).to_arrow().column("a").null_count == column.count(None)
    if receipt.columns[0].type in (
        "BIGINT",
        "DOUBLE",
        "VARCHAR",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMPTZ",
    ):
        assert pl.read_parquet(io.BytesIO(output.parquet_bytes))["a"].to_list() == values
        assert all(same_value(text, value) for text, value in zip(shown, values, strict=True))
