"""Which type a column of text earns; every column is written, read back and compared by value."""

import itertools

import pytest

from processor.confined.formats.types.evidence import Evidence
from processor.confined.formats.types.infer import TEXT, TypeKind, classify
from processor.domain.conversion import ConversionOptions, Typing
from tests.unit.confined.formats.tables import assert_same_values, type_of, values_of, written


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("1", "-5", "0", None), "BIGINT"),
        (("9223372036854775807", "-9223372036854775808"), "BIGINT"),
        (("1.1", "2.5", ".5", "-.25", "7.", "3.0", "3", "-0.0"), "DOUBLE"),
        (("1.10", "2.25", None, "-0.50", "-0.00"), "DOUBLE"),
        (("1.10e5", "2.25"), "DOUBLE"),
        (("0.30000000000000000", "0.12345678901234567"), "DECIMAL(38,17)"),
        (("12345678901234567.50", "12345678901234567.25"), "DECIMAL(38,2)"),
        (("-0.0", "1.5"), "DOUBLE"),
        (("1e5", "1.5E-3", "5e-324", "1.7976931348623157e308"), "DOUBLE"),
        (("0.30000000000000004", "12"), "DOUBLE"),
        (("0.50000000000000000000000000000",), "DOUBLE"),
        (("0.000012345678901234", "3"), "DOUBLE"),
        (("9223372036854775808",), "DECIMAL(38,0)"),
        (("9223372036854775808", "1"), "DECIMAL(38,0)"),
        (("12345678901234567.5", "0.25"), "DECIMAL(38,2)"),
        (("0.7999999999999999", "123456789012.125"), "DOUBLE"),
        (("1234567890123456.1", "1"), "DECIMAL(18,1)"),
        (("1234567890123456.12",), "DECIMAL(38,2)"),
        (("99999999999999999999999999999999999999",), "DECIMAL(38,0)"),
        (("true", "FALSE", "True", None), "BOOLEAN"),
        (("2024-01-01", "0001-01-01", "9999-12-31", "2024-02-29"), "DATE"),
        (("10:30:00", "23:59:59.123456", "00:00:00.50"), "VARCHAR"),
        (("2024-01-01 10:30:00", "2024-01-01T10:30:00.5", "2024-01-01 10:30"), "TIMESTAMP"),
        (("2024-01-01T10:30:00", "2024-12-31T23:59:59"), "TIMESTAMP"),
        (("2024-01-01T10:30:00Z", "2024-01-01T10:30:00+02:00", "2024-01-01 10:30:00.5-0330"), "TIMESTAMPTZ"),
        (("2024-01-01T10:30:00.123Z", "2024-01-01T10:30:00.000Z"), "TIMESTAMPTZ"),
        (("2024-01-01 10:30:00.1234560", "1999-12-31T00:00:00", "2024-01-01 10:30:00.500000000"), "TIMESTAMP"),
        (("2024-01-01T10:30:00.1234560Z", "2024-01-01T10:30:00.0000000Z"), "TIMESTAMPTZ"),
        (("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+02:00"), "TIMESTAMPTZ"),
        (("2024-01-01 10:30:00.500", "2024-01-01 10:30:00.123"), "TIMESTAMP"),
    ],
)
def test_a_column_whose_values_all_survive_earns_the_type(texts: tuple[str | None, ...], expected: str) -> None:
    assert type_of(*texts) == expected


@pytest.mark.parametrize(
    "text",
    [
        "007", "00", "-01", "01.5", "+5", "+1.5", " 5", "5 ", "5\n", "\t5", "1,5", "1_000", "1 000", "0x1F",
        "0b1", "٣", "1e400", "-1e400", "1e-400", "1e", "e5", ".", "-", "", "-.", "inf", "-inf", "Infinity",
        "nan", "NaN", "NA", "NULL", "null", "None", "N/A", "yes", "No", "t", "f", "T", "Y", "on", "true ",
        " true", "01/02/2024", "1/2/2024", "2024/01/02", "02.01.2024", "2024-1-2", "20240102T", "11/6/18",
        "24-01-02", "2024-02-30", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "0000-01-01",
        "10000-01-01", "-0001-01-01", "2024-01-01 (BC)", "24:00:00", "23:59:60", "10:30", "1:02:03",
        "10:30:00Z", "10:30:00+02", "10:30:00.1234567", "25:00:00", "2024-01-01 24:00:00",
        "2024-01-01 23:59:60", "2024-01-01T10:30:00 +02:00", "2024-01-01 10:30:00 UTC", "2024-01-01T10",
        "2024-01-01T10:30:00z", "2024-01-01t10:30:00", "2024-01-01 10:30:00.1234567891",
        "9999-12-31T23:59:59-02:00", "0001-01-01T00:00:00+02:00", "2024-01-01 10:30:00.1234567",
        "2024-01-01T10:30:00.1234567Z", "1600-01-01 00:00:00.123456789", "2300-01-01 00:00:00.123456789",
        "2024-01-01T10:30:00+24:00", "2024-02-30 10:00:00", "epoch", "infinity", "-infinity", "today", "now",
        "P1D", "1 day", "{1}", "1.0.0", "192.168.0.1", "12:34:56:78", "1" * 39, "0." + "1" * 39, "9" * 400,
        "1e99999",
    ],
)  # fmt: skip
def test_a_text_that_no_type_holds_by_value_stays_text(text: str) -> None:
    assert type_of(text) == "VARCHAR"
    assert type_of(text, None, text) == "VARCHAR"


_ONE_OF_EACH = (
    "5", "1.5", "12345678901234567890", "true", "2024-01-01", "10:30:00", "2024-01-01 10:30:00",
    "2024-01-01 10:30:00.1234560", "2024-01-01T10:30:00Z", "007", "", "x",
)  # fmt: skip
_NUMBERS = {"5", "1.5", "12345678901234567890"}
_MOMENTS = {"2024-01-01 10:30:00", "2024-01-01 10:30:00.1234560"}


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(_ONE_OF_EACH, 2)))
def test_values_of_different_types_make_a_column_of_text(one: str, other: str) -> None:
    alike = {one, other} <= _NUMBERS or {one, other} <= _MOMENTS
    assert (type_of(one, other) == "VARCHAR") is not alike


def test_null_and_the_empty_text_stay_apart() -> None:
    assert type_of(None, "", None, "a") == "VARCHAR"
    assert type_of("", "5") == "VARCHAR"
    assert type_of(None, "5") == "BIGINT"


def test_a_column_without_any_value_is_text() -> None:
    assert type_of(None, None) == "VARCHAR"
    assert type_of() == "VARCHAR"


def test_moments_with_and_without_an_offset_do_not_mix() -> None:
    assert type_of("2024-01-01T10:30:00Z", "2024-01-01T10:30:00") == "VARCHAR"


@pytest.mark.parametrize(
    "texts",
    [
        ("1.10", "1.2"),
        ("1.1", "1.10"),
        ("1", "1.10"),
        ("1.00", "2"),
        ("3.0", "3.00"),
        ("1.50e5", "1e5"),
        ("0.500", "12345678901234567.25"),
    ],
)
def test_zeros_that_only_some_numbers_end_in_make_a_column_text(texts: tuple[str, ...]) -> None:
    assert type_of(*texts) == "VARCHAR"
    assert type_of(*texts[::-1]) == "VARCHAR"


@pytest.mark.parametrize(
    ("seen", "unseen", "expected"),
    [
        (("1.25", "2.75"), ("1.10",), "DOUBLE"),
        (("1.25", "2.75"), ("1.10", "2.5"), "VARCHAR"),
        (("1.10", "2.75"), ("1.2",), "VARCHAR"),
        (("1.10", "2.75"), ("123456789012345678.25",), "DECIMAL(38,2)"),
        (("1", "2"), ("1.5", "1.50"), "VARCHAR"),
        (("1", "2"), ("1.5", "true", "1.50"), "VARCHAR"),
        (("1.5", "2"), ("1e5", "1e-5", "10.25", "7.0"), "DOUBLE"),
        (("1.5e3", "2"), ("1.50e3",), "VARCHAR"),
    ],
)
def test_zeros_that_the_sample_did_not_show_count(
    seen: tuple[str, ...], unseen: tuple[str, ...], expected: str
) -> None:
    receipt, output = written({"a": [*seen, *unseen]}, sample=[[text] for text in seen])
    assert receipt.columns[0].type == expected
    assert_same_values([*seen, *unseen], values_of(output.table(), "a"))


def test_typing_text_leaves_every_column_as_it_is() -> None:
    receipt, output = written({"a": ["1", "2"], "b": ["true", None]}, ConversionOptions(typing=Typing.TEXT))
    assert [column.type for column in receipt.columns] == ["VARCHAR", "VARCHAR"]
    assert output.table().to_pylist() == [{"a": "1", "b": "true"}, {"a": "2", "b": None}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("007", "VARCHAR: '007' has a leading zero"),
        ("+5", "VARCHAR: '+5' has a plus sign"),
        (" 5", "VARCHAR: ' 5' has space around it"),
        ("", "VARCHAR: '' is an empty text, which is not NULL"),
        ("01/02/2024", "VARCHAR: '01/02/2024' is a date in no unambiguous form"),
        ("1e400", "VARCHAR: '1e400' is a number that no type holds exactly"),
        ("2024-02-30", "VARCHAR: '2024-02-30' names a day that does not exist"),
        ("2024-02-30 10:00:00", "VARCHAR: '2024-02-30 10:00:00' names a day that does not exist"),
        ("2024-01-01 24:00", "VARCHAR: '2024-01-01 24:00' is a date or time in no form that is known"),
        (
            "2024-01-01 10:30:00.1234567",
            "VARCHAR: '2024-01-01 10:30:00.1234567' has nanoseconds, which not all readers of Parquet know",
        ),
        (
            "9999-12-31T23:59:59-01:00",
            "VARCHAR: '9999-12-31T23:59:59-01:00' is an instant outside of the years 1 to 9999",
        ),
        ("x", "VARCHAR: 'x' is text"),
    ],
)
def test_the_reason_says_what_kept_a_column_from_a_type(text: str, reason: str) -> None:
    receipt, _ = written({"a": [text]})
    assert receipt.columns[0].reason == reason


def test_the_reason_names_the_zeros_that_would_be_lost() -> None:
    receipt, _ = written({"version": ["1.9", "1.10", "1.2"]})
    assert receipt.columns[0].reason == (
        "VARCHAR: '1.10' ends in a zero that a number does not keep, and decimals are of unlike length"
    )


def test_an_integer_column_with_missing_values_stays_one() -> None:
    receipt, output = written({"a": ["1", None, "3", None]})
    assert receipt.columns[0].type == "BIGINT"
    assert output.table()["a"].to_pylist() == [1, None, 3, None]


def test_evidence_only_ever_takes_types_away() -> None:
    evidence = Evidence()
    evidence.add(("1", "2"))
    assert evidence.proposal().kind is TypeKind.BIGINT
    evidence.add(("2.5",))
    assert evidence.proposal().kind is TypeKind.DOUBLE
    evidence.add(("12345678901234567.25",))
    assert evidence.proposal().sql == "DECIMAL(38,2)"
    evidence.add(("x",))
    evidence.add(("1",))
    assert evidence.proposal().kind is TypeKind.VARCHAR


def test_classify_looks_at_no_text_longer_than_a_number_can_be() -> None:
    assert classify("1" * 351).kinds == frozenset()
    assert TypeKind.DOUBLE in classify("1" + "0" * 300).kinds


def test_times_of_day_stay_text_since_not_every_reader_of_parquet_can_open_them() -> None:
    evidence = Evidence()
    evidence.add(["10:30:00"])
    assert evidence.proposal() is TEXT
    assert evidence.against == "'10:30:00' is a time of day, a type that not all readers of Parquet know"
