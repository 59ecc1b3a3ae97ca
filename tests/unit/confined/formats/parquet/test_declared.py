"""Declared columns: the same table from every format, every value checked, what is not held told or rejected."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from processor.confined import formats
from processor.confined.formats.base import format_of
from processor.domain.conversion import ConversionOptions, DataFormat, MalformedRows, Receipt
from processor.domain.declarations import (
    ColumnDeclaration,
    ColumnsDeclaration,
    CsvDeclaration,
    Declaration,
    Drift,
    JsonDeclaration,
    OnExtra,
    OnMissing,
    OnSurprise,
    XmlDeclaration,
    drift_of,
)
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.csv.csv_tables import WithRejects

Column = ColumnDeclaration
CSV, JSONL, JSON, XML = DataFormat.CSV, DataFormat.JSONL, DataFormat.JSON, DataFormat.XML
GERMAN = CsvDeclaration(decimal=",", thousands=".")


def convert(
    data_format: DataFormat, text: str, *columns: Column, options: ConversionOptions | None = None, **said: Any
) -> tuple[WithRejects, Receipt]:
    readings = {name: said.pop(name) for name in ("csv", "json", "xml") if name in said}
    declared = ColumnsDeclaration(columns, **said) if columns else None
    declaration = Declaration("orders", "0" * 64, columns=declared, **readings)
    output = WithRejects()
    options = replace(options or ConversionOptions(), declaration=declaration)
    receipt = format_of(data_format).convert(BytesSource("t", text.encode()), data_format, options, output, ())
    return output, receipt


def rows(*given: Any, **said: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in convert(*given, **said)[0].table().to_pylist()]


def refusal(*given: Any, **said: Any) -> tuple[str, str]:
    with pytest.raises(DeliveryError) as refused:
        convert(*given, **said)
    return refused.value.failure.code, str(refused.value)


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (Column("c", "BIGINT"), "007", 7),
        (Column("c", "BIGINT"), "+5", 5),
        (Column("c", "BIGINT"), "3.00", 3),
        (Column("c", "DOUBLE"), "3", 3.0),
        (Column("c", "DOUBLE"), "1e5", 100000.0),
        (Column("c", "DOUBLE"), "02.50", 2.5),
        (Column("c", "DECIMAL(18,2)"), "1.1", Decimal("1.10")),
        (Column("c", "DECIMAL(18,2)"), "1.100", Decimal("1.10")),
        (Column("c", "DECIMAL(38,0)"), "12345678901234567890123", Decimal(12345678901234567890123)),
        (Column("c", "BOOLEAN"), "TRUE", True),
        (Column("c", "BOOLEAN", true=("J",), false=("N",)), "N", False),
        (Column("c", "DATE"), "2024-02-29", date(2024, 2, 29)),
        (Column("c", "DATE", format="%d.%m.%Y"), "05.01.2024", date(2024, 1, 5)),
        (Column("c", "TIMESTAMP"), "2024-01-05", datetime(2024, 1, 5)),  # noqa: DTZ001 - it has no zone
        (Column("c", "TIMESTAMP"), "2024-01-05T10:00:00.123456", datetime(2024, 1, 5, 10, 0, 0, 123456)),  # noqa: DTZ001
        (Column("c", "TIMESTAMP", format="%d/%m/%Y %H:%M"), "05/01/2024 10:30", datetime(2024, 1, 5, 10, 30)),  # noqa: DTZ001
        (Column("c", "TIMESTAMPTZ"), "2024-01-05T10:00:00+02:00", datetime(2024, 1, 5, 8, tzinfo=UTC)),
        (
            Column("c", "TIMESTAMPTZ", format="%d/%m/%Y %H:%M %z"),
            "05/01/2024 10:00 -0330",
            datetime(2024, 1, 5, 13, 30, tzinfo=UTC),
        ),
        (Column("c", "VARCHAR"), "007", "007"),
    ],
)
def test_a_text_becomes_the_declared_value_in_every_format(declared: Column, text: str, value: object) -> None:
    assert rows(CSV, f"c,d\n{text},x\n", declared, Column("d", "VARCHAR")) == [(value, "x")]
    assert rows(JSONL, f'{{"c":"{text}"}}\n', declared) == [(value,)]
    assert rows(XML, f"<r><o><c>{text}</c></o><o><c>{text}</c></o></r>", declared) == [(value,)] * 2


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (Column("c", "BIGINT"), "3.7"),
        (Column("c", "BIGINT"), " 5"),
        (Column("c", "BIGINT"), "9223372036854775808"),
        (Column("c", "BIGINT"), "0x10"),
        (Column("c", "DOUBLE"), "0.1234567890123456789"),
        (Column("c", "DOUBLE"), "inf"),
        (Column("c", "DOUBLE"), "1e999"),
        (Column("c", "DECIMAL(18,2)"), "1.005"),
        (Column("c", "DECIMAL(4,2)"), "100.00"),
        (Column("c", "BOOLEAN"), "yes"),
        (Column("c", "BOOLEAN", true=("J",), false=("N",)), "j"),
        (Column("c", "DATE"), "2023-02-29"),
        (Column("c", "DATE"), "2023-02-28 10:00"),
        (Column("c", "DATE", format="%d.%m.%Y"), "5.1.2024"),
        (Column("c", "DATE", format="%d.%m.%Y"), "31.02.2024"),
        (Column("c", "TIMESTAMP"), "2024-01-05T10:00:00Z"),
        (Column("c", "TIMESTAMP"), "2024-01-05T10:00:00.1234567"),
        (Column("c", "TIMESTAMPTZ"), "2024-01-05T10:00:00"),
        (Column("c", "TIMESTAMPTZ", format="%d/%m/%Y %H:%M %z"), "05/01/2024 10:00"),
    ],
)
def test_a_text_that_is_not_held_refuses_the_file_with_line_and_value(declared: Column, text: str) -> None:
    code, told = refusal(CSV, f"d,c\nx,\ny,{text}\n", Column("d", "VARCHAR"), declared)
    assert code == "feed.surprise"
    assert told.startswith(f"line 3: column 'c' has {text!r}, which is no {declared.type}")
    assert "'orders'" in told
    code, told = refusal(JSONL, f'{{"c":null}}\n{{"c":"{text}"}}\n', declared)
    assert (code, told.startswith(f"line 2: column 'c' has {text!r}")) == ("feed.surprise", True)


def test_decimal_and_thousands_marks_are_read_as_declared() -> None:
    amount = Column("amount", "DECIMAL(18,2)")
    text = "id;amount\n1;1.234,50\n2;-0,5\n3;1234567,8\n"
    assert rows(CSV, text, Column("id", "BIGINT"), amount, csv=GERMAN) == [
        (1, Decimal("1234.50")),
        (2, Decimal("-0.50")),
        (3, Decimal("1234567.80")),
    ]
    for wrong in ("1.23,5", "1234.567,8", "1,234.50"):
        code, _ = refusal(CSV, f"id;amount\n1;{wrong}\n", Column("id", "BIGINT"), amount, csv=GERMAN)
        assert code == "feed.surprise"


def test_every_file_has_the_declared_columns_in_the_declared_order() -> None:
    columns = (Column("amount", "DOUBLE"), Column("id", "BIGINT"), Column("note", "VARCHAR"))
    schemas = {
        str(convert(CSV, text, *columns, on_missing=OnMissing.NULL)[0].table().schema.remove_metadata())
        for text in ("id,amount\n1,2.5\n", "note,id,amount\n,1,3\n", "id,note,amount\n1,x,\n2,,\n")
    }
    schemas.add(str(convert(JSONL, '{"id":1,"amount":7,"note":null}\n', *columns)[0].table().schema.remove_metadata()))
    assert len(schemas) == 1


@pytest.mark.parametrize(("data_format", "text"), [(CSV, "a,z\n1,2\n"), (JSONL, '{"a":1,"z":2}\n')])
def test_a_column_that_is_not_declared_is_refused_kept_or_dropped(data_format: DataFormat, text: str) -> None:
    a = Column("a", "BIGINT")
    code, told = refusal(data_format, text, a)
    assert (code, "'z'" in told) == ("feed.extra-column", True)
    assert rows(data_format, text, a, on_extra=OnExtra.TEXT) == [(1, "2")]
    output, receipt = convert(data_format, text, a, on_extra=OnExtra.DROP_TO_REJECTS)
    assert output.table().to_pylist() == [{"a": 1}]
    assert [line["reason"] for line in output.rejected] == ["not declared: z"]
    assert receipt.rows == 1


@pytest.mark.parametrize(("data_format", "text"), [(CSV, "a,b\n1,2\n"), (JSONL, '{"a":1,"b":2}\n')])
def test_a_declared_column_that_is_missing_is_refused_or_null(data_format: DataFormat, text: str) -> None:
    columns = (Column("a", "BIGINT"), Column("b", "BIGINT"), Column("m", "DATE"))
    code, told = refusal(data_format, text, *columns)
    assert (code, "'m'" in told) == ("feed.missing-column", True)
    assert rows(data_format, text, *columns, on_missing=OnMissing.NULL) == [(1, 2, None)]


def test_a_row_with_a_surprise_is_rejected_verbatim_where_that_is_declared() -> None:
    columns = (Column("a", "BIGINT"), Column("b", "DATE", required=True))
    text = 'a,b\n1,2024-01-01\n"x ",2024-01-02\n3,\n4,2024-01-04\n'
    output, receipt = convert(CSV, text, *columns, on_surprise=OnSurprise.REJECT_ROW)
    assert output.table().column("a").to_pylist() == [1, 4]
    assert (receipt.rows, receipt.rejected_rows) == (2, 2)
    assert output.rejected == [
        {"line": 3, "text": '"x ",2024-01-02', "reason": "column 'a' has 'x ', declared as BIGINT"},
        {"line": 4, "text": "3,", "reason": "column 'b' has NULL, declared as DATE"},
    ]


def test_malformed_rows_and_surprises_are_in_one_object_of_rejects() -> None:
    options = ConversionOptions(malformed_rows=MalformedRows.REJECT_OBJECT)
    text = "a,b\n1,x\n2\nz,y\n" + "3,w\n" * 5
    columns = (Column("a", "BIGINT"), Column("b", "VARCHAR"))
    output, receipt = convert(CSV, text, *columns, options=options, on_surprise=OnSurprise.REJECT_ROW)
    assert (receipt.rows, receipt.rejected_rows) == (6, 2)
    assert sorted(line["line"] for line in output.rejected) == [3, 4]


def test_a_column_is_renamed() -> None:
    assert convert(CSV, "Id,x\n1,y\n", Column("id", "BIGINT", source="Id"), Column("x", "VARCHAR"))[
        0
    ].table().column_names == ["id", "x"]


def test_a_required_column_has_no_null() -> None:
    code, told = refusal(CSV, "a,b\n1,x\n,y\n", Column("a", "BIGINT", required=True), Column("b", "VARCHAR"))
    assert (code, told.startswith("line 3: column 'a' has 'NULL', which is required")) == ("feed.surprise", True)


def test_structures_and_lists_of_json_have_declared_types() -> None:
    columns = (Column("a", 'STRUCT("x" BIGINT, "y" VARCHAR)[]'), Column("s", 'STRUCT("k" DATE)'))
    text = '{"a":[{"x":1,"y":"q"},{"x":2}],"s":{"k":"2024-01-01"}}\n{"a":[],"s":null}\n'
    assert rows(JSONL, text, *columns) == [
        ([{"x": 1, "y": "q"}, {"x": 2, "y": None}], {"k": date(2024, 1, 1)}),
        ([], None),
    ]
    for wrong in ('{"a":[{"x":"w"}],"s":null}', '{"a":{"x":1},"s":null}', '{"a":[{"x":1,"q":1}],"s":null}'):
        assert refusal(JSONL, wrong + "\n", *columns)[0] == "feed.surprise"


@pytest.mark.parametrize("columns", [(), (Column("a", "BIGINT"),)])
def test_the_rows_of_a_json_document_are_where_records_says(columns: tuple[Column, ...]) -> None:
    document = '{"meta":{"n":[1,{"a":7}]},"data":{"x":null,"items":[{"a":1},\n {"a":2}]},"z":[3]}'
    declared = JsonDeclaration("data.items")
    assert rows(JSON, document, *columns, json=declared) == [(1,), (2,)]
    for cut in range(1, len(document)):
        assert refusal(JSON, document[:cut], *columns, json=declared)[0] in ("feed.records", "json.syntax")
    for wrong in ('{"meta":1}', '{"data":[]}', '{"data":{"items":{}}}', "[]", "1"):
        code, told = refusal(JSON, wrong, *columns, json=declared)
        assert (code, "[feed.json]" in told) == ("feed.records", True)
    for wrong in (document.replace('"z"', '"data"'), document + "1", document.replace("null", "nul")):
        assert refusal(JSON, wrong, *columns, json=declared)[0] == "json.syntax"


@pytest.mark.parametrize("data_format", [CSV, JSONL, JSON, XML])
def test_a_file_of_zero_bytes_is_a_table_without_rows_where_that_is_declared(data_format: DataFormat) -> None:
    columns = ColumnsDeclaration((Column("id", "BIGINT"), Column("lines", 'STRUCT("x" DATE)[]')))
    options = ConversionOptions(declaration=Declaration("f", "0" * 64, columns=columns, empty_file=True))
    source, output = BytesSource("t", b""), WithRejects()
    receipt = formats.convert(source, data_format, options, output, ())
    assert (receipt.rows, output.table().num_rows) == (0, 0)
    assert [str(field.type) for field in output.table().schema] == ["int64", "list<element: struct<x: date32[day]>>"]
    assert [column.type for column in formats.plan(source, data_format, options).columns] == [
        "BIGINT",
        'STRUCT("x" DATE)[]',
    ]


LINES = Column("lines", 'STRUCT("n" BIGINT, "at" DATE)[]')
NESTED = {
    JSONL: (
        "{}",
        {
            '{"id":1,"lines":[{"n":1,"at":null},{"n":2}]}': 1,
            '{"id":2,"lines":[{"n":"x"}]}': None,
            '{"id":3,"lines":"none"}': None,
            '{"id":"y","lines":[]}': None,
            '{"id":5,"lines":[{"n":1,"z":2}]}': None,
            '{"id":6,"lines":null}': 6,
        },
    ),
    XML: (
        "<r>\n{}</r>",
        {
            "<o><id>1</id><lines><n>1</n></lines><lines><n>2</n></lines></o>": 1,
            "<o><id>2</id><lines><n>x</n></lines></o>": None,
            "<o><id>y</id></o>": None,
            "<o><id>6</id></o>": 6,
        },
    ),
}


@pytest.mark.parametrize("data_format", NESTED)
def test_a_surprise_within_a_structure_rejects_its_row_verbatim(data_format: DataFormat) -> None:
    around, lines = NESTED[data_format]
    text = around.replace("{}", "".join(f"{line}\n" for line in lines))
    first = 1 + around.count("\n")
    two = around.replace("{}", "".join(f"{line}\n" for line in [*lines][:2]))
    code, told = refusal(data_format, two, Column("id", "BIGINT"), LINES)
    assert (code, f"line {first + 1}: column 'lines'" in told) == ("feed.surprise", True), told

    said = {"on_surprise": OnSurprise.REJECT_ROW, "on_missing": OnMissing.NULL}
    output, receipt = convert(data_format, text, Column("id", "BIGINT"), LINES, **said)
    assert output.table().column("id").to_pylist() == [1, 6]
    assert [each["n"] for each in output.table().column("lines").to_pylist()[0]] == [1, 2]
    assert {line["text"]: line["line"] for line in output.rejected} == {
        line: first + at for at, (line, kept) in enumerate(lines.items()) if kept is None
    }
    assert receipt.rejected_rows == len(lines) - 2
    assert set(drift_of(receipt.facts)) == {(Drift.SURPRISE, "lines"), (Drift.SURPRISE, "id")}


def test_declared_json_is_read_once_unless_late_rows_are_longer_or_have_other_names() -> None:
    class Counting(BytesSource):
        opened = 0

        def open(self) -> Any:
            Counting.opened += 1
            return super().open()

    def readings(text: str, **said: Any) -> int:
        Counting.opened = 0
        declared = ColumnsDeclaration((Column("a", "BIGINT"),), **said)
        options = ConversionOptions(declaration=Declaration("f", "0" * 64, columns=declared))
        output = WithRejects()
        format_of(JSONL).convert(Counting("t", text.encode()), JSONL, options, output, ())
        assert output.table().column("a").to_pylist() == list(range(text.count("\n")))
        return Counting.opened

    lines = "".join(f'{{"a":{n}}}\n' for n in range(2000))
    assert readings(lines) == 2  # the head, for the shape, and all
    late = lines + f'{{"a":2000,"z":"{"x" * 3_000_000}"}}\n'
    assert readings(late, on_extra=OnExtra.TEXT) == 5  # the first rows; all, for a name; for its length; and to write


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("<p><n>1</n></p>", [{"#text": None, "n": 1, "q": None}]),
        ("<p/>", [{"#text": "", "n": None, "q": None}]),
        ("<p>t</p><p><n>2</n></p>", [{"#text": "t", "n": None, "q": None}, {"#text": None, "n": 2, "q": None}]),
        ("<p><q><x>1</x></q></p>", [{"#text": None, "n": None, "q": {"x": ["1"]}}]),
        ("<p><q/></p>", [{"#text": None, "n": None, "q": {"x": None}}]),
    ],
)
def test_xml_of_fewer_elements_has_the_declared_structure(row: str, value: object) -> None:
    p = Column("p", 'STRUCT("#text" VARCHAR, "n" BIGINT, "q" STRUCT("x" VARCHAR[]))[]')
    assert rows(XML, f"<r><o>{row}</o></r>", p, xml=XmlDeclaration(row="o")) == [(value,)]


@pytest.mark.parametrize(
    "row", ["<p><z>1</z></p>", "<p k='1'/>", "<p><q>text</q></p>", "<p><n><m>1</m></n></p>", "<p><n>1</n><n>2</n></p>"]
)
def test_xml_of_other_elements_than_declared_is_refused(row: str) -> None:
    p = Column("p", 'STRUCT("n" BIGINT, "q" STRUCT("x" VARCHAR))')
    code, told = refusal(XML, f"<r><o>{row}</o></r>", p, xml=XmlDeclaration(row="o"))
    assert (code, "column 'p'" in told) == ("feed.surprise", True)


NAMES = "abcdefghij"


def nested_rows(data_format: DataFormat, *last: tuple[str, str]) -> str:
    """Rows of a structure in a structure and one in a list's structures; `last` are both one's last texts."""
    texts = [{name: str(number) for number, name in enumerate(NAMES)} for _ in range(2 * len(last))]
    for each, text in zip(texts, (text for pair in last for text in pair), strict=True):
        each["j"] = text
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    if data_format is JSONL:
        return "".join(json.dumps({"s": {"one": one, "each": [{"in": two}] * 2}}) + "\n" for one, two in pairs)
    as_xml = [["".join(f"<{n}>{t}</{n}>" for n, t in texts.items()) for texts in pair] for pair in pairs]
    each = [f"<one>{one}</one>{f'<each><in>{two}</in></each>' * 2}" for one, two in as_xml]
    return f"<r>{''.join(f'<o><s>{inner}</s></o>' for inner in each)}</r>"


@pytest.mark.parametrize("data_format", [JSONL, XML])
def test_large_structures_within_others_and_within_lists_are_checked_to_the_last_leaf(data_format: DataFormat) -> None:
    large = f"STRUCT({', '.join(f'{name} BIGINT' for name in NAMES)})"
    column = Column("s", f"STRUCT(one {large}, each STRUCT(in {large})[])")
    value = {name: number for number, name in enumerate(NAMES)}
    right = [({"one": value, "each": [{"in": value}] * 2},)] * 2
    assert rows(data_format, nested_rows(data_format, ("9", "9"), ("9", "9")), column) == right
    for wrong in (("x", "9"), ("9", "x")):
        text = nested_rows(data_format, ("9", "9"), wrong, ("9", "9"))
        assert refusal(data_format, text, column)[0] == "feed.surprise"
        output, receipt = convert(data_format, text, column, on_surprise=OnSurprise.REJECT_ROW)
        assert (receipt.rows, len(output.rejected)) == (2, 1)
        assert "x" in output.rejected[0]["text"]
        assert [tuple(row.values()) for row in output.table().to_pylist()] == right
