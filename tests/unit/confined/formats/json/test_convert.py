"""JSON becomes Parquet that holds every value, or is refused with the place where it is none."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from processor.confined.formats.json import documents, table
from processor.confined.formats.json.convert import convert_json, plan_json
from processor.confined.formats.parquet import column_batches
from processor.domain.conversion import ConversionOptions, DataFormat, Typing
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource, open_file
from tests.unit.confined.formats.json.json_values import converted, load, same_rows, types
from tests.unit.confined.formats.tables import MemoryOutput


@pytest.fixture(params=["looked at whole", "proved row by row"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "proved row by row":
        monkeypatch.setattr(table, "_SAMPLE_BYTES", 1)


both_ways = pytest.mark.usefixtures("_way")


@both_ways
@pytest.mark.parametrize(
    ("text", "data_format", "rows"),
    [
        ('[{"a":1},{"a":2}]', DataFormat.JSON, [{"a": 1}, {"a": 2}]),
        ('[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n', DataFormat.JSON, [{"a": 1}, {"a": 2}]),
        ('{"a":1}', DataFormat.JSON, [{"a": 1}]),
        ('{\n "a": 1\n}', DataFormat.JSON, [{"a": 1}]),
        ('{"a":1}\n{"a":2}\n', DataFormat.JSONL, [{"a": 1}, {"a": 2}]),
        ('{"a":1}\r\n\r\n  \n{"a":2}', DataFormat.JSONL, [{"a": 1}, {"a": 2}]),
        ('{"a":1}{"a":2} {"a":3}', DataFormat.JSON, [{"a": 1}, {"a": 2}, {"a": 3}]),
        ('{"a":\n1}\n{"a":\r2}\n', DataFormat.JSONL, [{"a": 1}, {"a": 2}]),
        ('{"a":1}\r{"a":2}', DataFormat.JSONL, [{"a": 1}, {"a": 2}]),
        ("[1,2]\n[3]\n", DataFormat.JSON, [{"value": [1, 2]}, {"value": [3]}]),
        ("[1,2]\n[3]\n", DataFormat.JSONL, [{"value": [1, 2]}, {"value": [3]}]),
        ("[1,2]\n", DataFormat.JSONL, [{"value": [1, 2]}]),
        ("[\n1,\n2]\n", DataFormat.JSONL, [{"value": 1}, {"value": 2}]),
        ("[1,2.5]", DataFormat.JSON, [{"value": 1.0}, {"value": 2.5}]),
        ("true", DataFormat.JSON, [{"value": True}]),
        ('"x"', DataFormat.JSON, [{"value": "x"}]),
        ("[]", DataFormat.JSON, []),
        ("[null]", DataFormat.JSON, [{"value": None}]),
        ('[{"a":1},{},null]', DataFormat.JSON, [{"a": 1}, {"a": None}, {"a": None}]),
        ("[{}]", DataFormat.JSON, [{"value": "{}"}]),
        (" \n", DataFormat.JSONL, []),
        ('[[1,[2]],"a"]', DataFormat.JSON, [{"value": "[1,[2]]"}, {"value": '"a"'}]),
    ],
)
def test_each_shape_gives_its_rows(text: str, data_format: DataFormat, rows: list[object]) -> None:
    receipt, found = converted(text, data_format)
    assert found == rows
    assert receipt.rows == len(rows)


@both_ways
@pytest.mark.parametrize(
    ("values", "expected_type", "expected"),
    [
        ("1 -5 null", "BIGINT", [1, -5, None]),
        ("9223372036854775807 1", "BIGINT", [9223372036854775807, 1]),
        ("1 1.50", "DOUBLE", [1.0, 1.5]),
        ("0.30000000000000004 1e-7", "DOUBLE", [0.30000000000000004, 1e-7]),
        ("1e22 5e-324", "DOUBLE", [1e22, 5e-324]),
        ("true false", "BOOLEAN", [True, False]),
        ("null null", "VARCHAR", [None, None]),
        ('"2024-01-01" "5"', "VARCHAR", ["2024-01-01", "5"]),
        ('1 "x"', "VARCHAR", ["1", "x"]),
        ('1 "5"', "VARCHAR", ["1", '"5"']),
        ('12345 "12345-6789" "" "x" true null', "VARCHAR", ["12345", "12345-6789", "", "x", "true", None]),
        ('"x" "-" "1" 2.50', "VARCHAR", ['"x"', '"-"', '"1"', "2.50"]),
        ('5 "5"', "VARCHAR", ["5", '"5"']),
        ('true "true" "yes"', "VARCHAR", ["true", '"true"', '"yes"']),
        ("true 1.10", "VARCHAR", ["true", "1.10"]),
        ("1e400 1", "VARCHAR", ["1e400", "1"]),
        ('"x" [1.10]', "VARCHAR", ['"x"', "[1.10]"]),
        ('{"b":1} [1]', "VARCHAR", ['{"b":1}', "[1]"]),
        ('"\\ud800" "x"', "VARCHAR", ['"\\ud800"', '"x"']),
        ('"\\u0000" "x"', "VARCHAR", ["\0", "x"]),
        ('"\\ud83d\\ude00" "é"', "VARCHAR", ["😀", "é"]),
        ("[] [null] null [1]", "BIGINT[]", [[], [None], None, [1]]),
        ("[[1],[]] [[2,null]]", "BIGINT[][]", [[[1], []], [[2, None]]]),
        ('{} {"b":1}', 'STRUCT("b" BIGINT)', [{"b": None}, {"b": 1}]),
        ('{"b":1} {"B":2}', "VARCHAR", ['{"b":1}', '{"B":2}']),
        ('{"":1} {"b":2}', "VARCHAR", ['{"":1}', '{"b":2}']),
        ("{} {}", "VARCHAR", ["{}", "{}"]),
    ],
)
def test_a_column_has_the_type_that_holds_all_its_values(
    values: str, expected_type: str, expected: list[object]
) -> None:
    lines = "\n".join(f'{{"a":{value}}}' for value in values.split(" "))
    receipt, rows = converted(lines, DataFormat.JSONL)
    assert types(receipt) == {"a": expected_type}
    assert [row["a"] for row in rows] == expected


@both_ways
@pytest.mark.parametrize(
    ("values", "expected_type"),
    [
        ("12345678901234567890 1", "DECIMAL(20,0)"),
        ("0.1000000000000000055511151231257827 2", "DECIMAL(35,34)"),
        ("99999999999999999999999999999999999999", "DECIMAL(38,0)"),
        ("123456789012345678901234567890123456789", "VARCHAR"),
        ("9007199254740993 0.5", "DECIMAL(17,1)"),
        ("-18446744073709551617 18446744073709551615 1 0.5", "DECIMAL(21,1)"),
        ("9007199254740993.1 0.5", "DECIMAL(17,1)"),
        ("-0 1.5", "DOUBLE"),
        ("-0 1", "DOUBLE"),
    ],
)
def test_no_digit_of_a_long_number_is_lost(values: str, expected_type: str) -> None:
    numbers = values.split(" ")
    receipt, rows = converted("\n".join(f'{{"a":{number}}}' for number in numbers), DataFormat.JSONL)
    found = types(receipt)["a"]
    # What was proved before the long number came may have needed more room.
    assert found == expected_type or found.startswith(expected_type.partition("(")[0])
    for number, row in zip(numbers, rows, strict=True):
        assert json.loads(number, parse_int=str) in (str(row["a"]), row["a"]) or float(number) == float(row["a"])
        if "DOUBLE" not in found:
            assert str(row["a"]).rstrip("0").rstrip(".") == number.rstrip("0").rstrip(".") or str(row["a"]) == number


@both_ways
@pytest.mark.parametrize(
    ("text", "data_format", "where", "why"),
    [
        ('[{"a":1},{"a":2}', DataFormat.JSON, "line 1, column 17", "ends within an array"),
        ('[{"a":1},\n{"a":2', DataFormat.JSON, "line 2, column 7", "ends within"),
        ('[{"a":1},]', DataFormat.JSON, "line 1, column 10", "unexpected"),
        ('[{"a":1} {"a":2}]', DataFormat.JSON, "line 1, column 10", "comma"),
        ('[{"a":1}]]', DataFormat.JSON, "line 1, column 10", ""),
        ('[{"a":1}] x', DataFormat.JSON, "line 1, column 11", "more than one value on a line"),
        ('[\n{"a":1},\n{"é":1,}]', DataFormat.JSON, "line 3, column 8", "property name"),
        ('{"a":1}\n{"a":NaN}\n', DataFormat.JSONL, "line 2", "NaN"),
        ('{"a":1}\n{"a":1,}\n', DataFormat.JSONL, "line 2, column 8", ""),
        ('{"a":1}\n{"a":1\n{"a":2}\n', DataFormat.JSONL, "line 2", ""),
        ('{"a":1}\n{"a":01}\n', DataFormat.JSONL, "line 2, column 7", ""),
        ('{"a":1}\n{"a":"x\ty"}\n', DataFormat.JSONL, "line 2, column 8", "control character"),
        ('{"a":1}\n{"a":2,"b":{"c":1,"c":1}}\n', DataFormat.JSONL, "line 2", "'c' stands twice"),
        ('[{"a":1},{"a":2,"a":3}]', DataFormat.JSON, "line 1, column 10", "'a' stands twice"),
        ('{"a":1}\n{"a":2} x\n', DataFormat.JSONL, "line 2, column 9", "Extra data"),
        (b'{"a":1}\n{"a":"\xff"}\n', DataFormat.JSONL, "line 2, column 7", "0xff"),
        ("[" * 5_000 + "]" * 5_000, DataFormat.JSON, "line 1", "nested"),
        ("[" * 400 + "]" * 400, DataFormat.JSON, "line 1", "nested"),
        ("[[][]]", DataFormat.JSON, "line 1, column 4", ""),
        ("[][]", DataFormat.JSON, "line 1, column 3", ""),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(
    text: str | bytes, data_format: DataFormat, where: str, why: str
) -> None:
    with pytest.raises(DeliveryError) as caught:
        converted(text, data_format)
    assert caught.value.failure.code == "json.syntax"
    assert caught.value.failure.message.startswith(where)
    assert why in caught.value.failure.message


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_a_json_file_without_a_value_is_refused(text: str) -> None:
    with pytest.raises(DeliveryError, match=r"no JSON value"):
        converted(text)


@both_ways
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_the_encodings_that_json_ever_had_are_read(encoding: str) -> None:
    _, rows = converted('[{"ä":"€😀"},\n{"ä":"x"}]'.encode(encoding))
    assert rows == [{"ä": "€😀"}, {"ä": "x"}]


@pytest.mark.parametrize("number", ["1e9999999999999999999", "-1E-9999999999999999999", "0e9999999999999999999"])
def test_a_number_beyond_all_types_stays_as_written(number: str) -> None:
    assert converted(f'[{{"a":{number}}},{{"a":1}}]')[1] == [{"a": number}, {"a": "1"}]


def test_a_broken_utf16_text_is_refused() -> None:
    with pytest.raises(DeliveryError, match="utf-16"):
        converted('[{"a":"x"}]'.encode("utf-16")[:-1])


@both_ways
def test_a_lone_document_with_a_key_twice_is_kept_whole_as_text() -> None:
    _, rows = converted('{"a":1,"b":{"a":1.0,"a":2}}')
    assert rows == [{"value": '{"a":1,"b":{"a":1.0,"a":2}}'}]


@both_ways
def test_keys_that_can_not_name_a_column_are_kept_with_their_values() -> None:
    _, rows = converted('{"a":1}\n{"A":2.50,"":null,"a":3}\n{"_OTHER":4}\n', DataFormat.JSONL)
    assert rows == [
        {"a": 1, "_OTHER": None, "_other_2": None},
        {"a": 3, "_OTHER": None, "_other_2": '{"A":2.50,"":null}'},
        {"a": None, "_OTHER": 4, "_other_2": None},
    ]


@both_ways
def test_text_that_looks_like_the_end_of_an_element_is_no_end() -> None:
    expected = [{"a": "1"}, {"a": "x"}, {"a": '},{"a":"}{'}, {"a": "y"}, {"a": '"},{"'}, {"a": "z"}]
    _, rows = converted(json.dumps(expected, separators=(",", ":")))
    assert rows == expected


@both_ways
def test_a_key_that_appears_late_is_a_column() -> None:
    lines = [f'{{"a":{number}}}' for number in range(2_000)]
    lines[1_990] = '{"late":"x","a":1}'
    receipt, rows = converted("\n".join(lines), DataFormat.JSONL)
    assert types(receipt) == {"a": "BIGINT", "late": "VARCHAR"}
    assert [row["late"] for row in rows if row["late"]] == ["x"]
    assert [column.null_count for column in receipt.columns] == [0, 1_999]


@both_ways
def test_an_object_with_very_many_keys_is_kept_as_text() -> None:
    lines = [f'{{"m":{{"k{number}":{number}.0}}}}' for number in range(1_500)]
    receipt, rows = converted("\n".join(lines), DataFormat.JSONL)
    assert types(receipt) == {"m": "VARCHAR"}
    assert rows[1_400] == {"m": '{"k1400":1400.0}'}


def test_a_table_of_very_many_columns_is_written() -> None:
    row = {f"c{number}": number for number in range(5_000)}
    _, rows = converted(json.dumps([row, row]))
    assert rows == [row, row]


def test_a_deep_value_is_kept_as_text_below_the_typed_levels() -> None:
    deep = "[" * 200 + "1.10" + "]" * 200
    receipt, rows = converted(f'{{"a":{deep}}}')
    assert types(receipt)["a"].startswith("VARCHAR[]")
    value = rows[0]["a"]
    while isinstance(value, list):
        (value,) = value
    assert value.strip("[]") == "1.10"


@both_ways
def test_typing_text_makes_every_column_text() -> None:
    options = ConversionOptions(typing=Typing.TEXT)
    receipt, rows = converted('{"a":1.10,"b":"x","c":{"d":1}}\n{"a":2}\n', DataFormat.JSONL, options)
    assert set(types(receipt).values()) == {"VARCHAR"}
    assert rows == [{"a": "1.10", "b": "x", "c": '{"d":1}'}, {"a": "2", "b": None, "c": None}]


@pytest.fixture
def _in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sample be a few rows, and nothing be looked at beyond it."""

    def fail(_: table.JsonTable) -> None:
        pytest.fail("a row was not proved")

    monkeypatch.setattr(table, "_SAMPLE_BYTES", 200)
    monkeypatch.setattr(table.JsonTable, "_learn_all", fail)


@pytest.mark.fast_paths
@pytest.mark.usefixtures("_in_one_pass")
@pytest.mark.parametrize("ascii_only", [True, False], ids=["ascii", "utf-8"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["dense", "spaced"])
@pytest.mark.parametrize(
    "value",
    [
        lambda number: number / 7,
        lambda number: number / 7e9,
        lambda number: 1e300 / (number + 1),
        lambda number: 10**30 + number,
        lambda number: -(10**18) - number,
        lambda number: [number, "Zürich", None, True][number % 4],
        lambda number: f'"\\é\n{number}',
        lambda number: [number / 3, number],
        lambda number: {"x": number / 3, "y": [{"z": "ü"}] * (number % 3)},
    ],
    ids=["doubles", "small", "huge", "long", "negative", "mixed", "escapes", "lists", "nested"],
)
def test_what_the_usual_writers_write_is_proved_in_one_pass(
    value: Callable[[int], object], separators: tuple[str, str], ascii_only: bool
) -> None:
    expected = [{"id": number, "v": value(number)} for number in range(400)]
    text = "\n".join(json.dumps(row, separators=separators, ensure_ascii=ascii_only) for row in expected)
    found = converted(text, DataFormat.JSONL)
    assert same_rows([load(json.dumps(row)) for row in expected], found)


@pytest.mark.fast_paths
def test_rows_with_optional_keys_are_proved_whichever_are_met_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table.JsonTable, "_learn_each", lambda _: pytest.fail("every row was parsed"))
    expected = [
        {key: f"{key} {number}" for key in "abcdef" if hash((key, number * 7919)) % 3} for number in range(9000)
    ]
    expected[0] = {"f": "only the last"}
    found = converted("\n".join(map(json.dumps, expected)), DataFormat.JSONL)
    assert same_rows(expected, found)


@pytest.mark.parametrize(
    "surprise",
    [
        "0.1000000000000000055",
        "12345678901234567.5",
        "1e400",
        "1e-400",
        "-0",
        "00",
        "1.",
        "NaN",
        '"1.5"',
        "1234567890123456789",
    ],
)
def test_a_late_number_that_is_no_double_is_kept_or_refused(surprise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_SAMPLE_BYTES", 200)
    lines = [f'{{"a": {number / 7}, "s": "\\u00e9"}}' for number in range(300)] + [f'{{"a": {surprise}, "s": "x"}}']
    try:
        expected = [load(line) for line in lines]
    except ValueError:
        expected = []
    if not expected or surprise == "NaN":
        with pytest.raises(DeliveryError, match=r"json\.syntax|line 301"):
            converted("\n".join(lines), DataFormat.JSONL)
        return
    assert same_rows(expected, converted("\n".join(lines), DataFormat.JSONL))


@both_ways
def test_rows_in_another_order_of_keys_or_with_spaces_are_read_alike() -> None:
    _, rows = converted('{"a":1,"b":"x"}\n{ "b" : "y" , "a" : 2 }\n{"b":"\\u00e9\\/"}\n', DataFormat.JSONL)
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": None, "b": "é/"}]


def test_a_row_larger_than_the_readers_usual_line_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_SAMPLE_BYTES", 1)
    long = "x" * (9 << 20)
    _, rows = converted(f'{{"a":"s"}}\n{{"a":"{long}"}}\n', DataFormat.JSONL)
    assert [len(row["a"]) for row in rows] == [1, 9 << 20]


@pytest.mark.parametrize("odd", [1, 10**30], ids=["as they stand", "anew"])
def test_a_wide_table_is_written_in_stripes_of_columns(odd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stripes: list[slice] = []

    def narrow(weights: Sequence[int], _: int) -> list[slice]:
        stripes.extend(slice(at, at + 3) for at in range(0, len(weights), 3))
        return stripes

    monkeypatch.setattr(column_batches, "parts", narrow)
    monkeypatch.setattr(table, "_SAMPLE_BYTES", 1)
    monkeypatch.setattr(table, "can_prove", lambda _: False)
    rows = [{"A": [row], "b": f"é{row}", "c": odd * row, "d": row / 7, "e": row % 2 == 0} for row in range(3_000)]
    rows[2_500]["a"] = 1.5
    text = "\n".join(json.dumps(row) for row in rows)
    assert same_rows([load(json.dumps(row)) for row in rows], converted(text, DataFormat.JSONL))
    assert len(stripes) == 2


@pytest.mark.parametrize("blank", ["", "\n \n"])
def test_many_long_rows_need_no_more_memory_than_a_few(blank: str, tmp_path: Path) -> None:
    rows = [{"id": row, "text": "x" * 150_000, "xs": [row] * 1_000} for row in range(400)]
    (tmp_path / "long.jsonl").write_text(blank + "\n".join(map(json.dumps, rows)))
    output = MemoryOutput()
    with open_file(os.fsencode(tmp_path), b"long.jsonl") as source:
        convert_json(source, DataFormat.JSONL, ConversionOptions(memory_limit_mb=150), output, ())
    assert output.table().column("id").to_pylist() == list(range(400))


def test_a_plan_tells_shape_and_types_and_writes_nothing() -> None:
    plan = plan_json(BytesSource("x", b'[{"a":1}]'), DataFormat.JSON, ConversionOptions())
    assert plan.facts == (("shape", "the elements of one array"), ("encoding", "utf-8"), ("whole", "True"))
    assert [(column.name, column.type) for column in plan.columns] == [("a", "BIGINT")]
    assert "64-bit" in plan.columns[0].reason


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ('{"a":1}\n{"a":"', '"}\n', "line 2, column 1"),
        ('[{"a":1},\n {"a":"', '"}]', "line 2, column 2"),
        ('{"a":1,"rows":[{"b":"', '"}]}', "line 1, column 1"),
    ],
)
def test_a_row_that_takes_too_much_memory_is_refused_with_place_limit_and_remedy(
    before: str, after: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LONGEST_ROW", 1 << 20)
    text = before + "x" * (4 << 20) + after
    with pytest.raises(DeliveryError, match=f"{place}: a row has more than 1 MiB") as refusal:
        converted(text, options=ConversionOptions(memory_limit_mb=1))
    assert refusal.value.failure.code == "json.row-too-large"
    assert "WORKER_MEMORY" in refusal.value.failure.hint
    monkeypatch.setattr(documents, "_MEMORY_OF_A_ROW", 1 << 6)
    assert converted(text, options=ConversionOptions(memory_limit_mb=800))[0].rows


@pytest.mark.parametrize("number", ["1e9999999999999999999", "-1E-9999999999999999999", "0e99999999999999999999"])
def test_a_number_with_an_absurd_exponent_is_kept_as_text(number: str) -> None:
    output = MemoryOutput()
    source = BytesSource("x", f'[{{"a":{number}}},{{"a":1.5}}]'.encode())
    receipt = convert_json(source, DataFormat.JSON, ConversionOptions(), output, ())
    assert output.table().column("a").to_pylist() == [number, "1.5"]
    assert receipt.columns[0].type == "VARCHAR"
