"""XML is read as its feed declares it: which elements are rows, and which are lists however many come."""

from typing import Any

import pytest

from processor.confined.formats.xml.convert import convert_xml, plan_xml
from processor.domain.conversion import ConversionOptions, DataFormat
from processor.domain.declarations import ColumnDeclaration, ColumnsDeclaration, Declaration, XmlDeclaration
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.tables import MemoryOutput

ONE = "<orders><order id='1'><line><sku>a</sku></line></order></orders>"
TWO = (
    "<orders><order id='1'><line><sku>a</sku></line></order>"
    "<order id='2'><line><sku>b</sku></line><line><sku>c</sku></line></order></orders>"
)


def convert(document: str, columns: tuple[ColumnDeclaration, ...] = (), **said: Any) -> Any:
    declared = ColumnsDeclaration(columns) if columns else None
    options = ConversionOptions(declaration=Declaration("f", "0" * 64, xml=XmlDeclaration(**said), columns=declared))
    source, output = BytesSource("a.xml", document.encode()), MemoryOutput()
    convert_xml(source, DataFormat.XML, options, output, ())
    planned = plan_xml(source, DataFormat.XML, options).columns
    assert [column.name for column in planned] == output.table().column_names
    return output.table()


def refusal(document: str, **said: Any) -> str:
    with pytest.raises(DeliveryError) as refused:
        convert(document, **said)
    return f"{refused.value.failure.code}: {refused.value}"


def test_one_element_and_several_give_the_same_columns_where_lists_are_declared() -> None:
    tables = [convert(document, row="order", lists=("line",)) for document in (ONE, TWO)]
    assert tables[0].schema.remove_metadata() == tables[1].schema.remove_metadata()
    assert tables[1].to_pylist()[1] == {"@id": 2, "line": [{"sku": "b"}, {"sku": "c"}]}


def test_a_column_that_is_declared_as_a_list_is_one() -> None:
    columns = (ColumnDeclaration("@id", "BIGINT"), ColumnDeclaration("line", 'STRUCT("sku" VARCHAR)[]'))
    tables = [convert(document, columns, row="order") for document in (ONE, TWO)]
    assert tables[0].schema.remove_metadata() == tables[1].schema.remove_metadata()
    assert tables[0].to_pylist() == [{"@id": 1, "line": [{"sku": "a"}]}]


def test_the_declared_element_is_the_row_at_any_depth() -> None:
    document = "<a><head><v>7</v></head><b><r><x>1</x></r><r><x>2</x></r></b></a>"
    assert convert(document, row="r").column("x").to_pylist() == [1, 2]
    assert convert("<a><b><r><x>1</x></r></b></a>", row="r").column("x").to_pylist() == [1]


def test_a_row_that_is_not_there_or_at_several_places_is_refused() -> None:
    assert refusal("<a><b/></a>", row="r") == "feed.row: no element is called 'r' (correct row in [feed.xml])"
    assert "/a/b/r, /a/c/r" in refusal("<a><b><r/></b><c><r/></c></a>", row="r")
    large = "<x>" + "y" * 70_000 + "</x>"
    assert "outside of the elements called 'r'" in refusal(f"<a>{large}<r/><r/></a>", row="r")


ID = (ColumnDeclaration("@id", "BIGINT"), ColumnDeclaration("line", 'STRUCT("sku" VARCHAR)[]'))


@pytest.mark.parametrize(
    "document",
    [
        "<orders/>",
        "<orders day='2024-01-01'>\n</orders>",
        "<e><made>2024-01-01</made><by>me</by></e>",
        "<e><body><orders/></body></e>",
    ],
)
def test_a_document_without_a_row_is_a_table_without_rows(document: str) -> None:
    table = convert(document, ID, row="order")
    assert table.num_rows == 0
    assert table.schema.remove_metadata() == convert(ONE, ID, row="order").schema.remove_metadata()


@pytest.mark.parametrize(
    "document",
    [
        ONE,
        "<orders><o><x>1</x></o></orders>",
        "<orders><o/><o/></orders>",
        "<orders>text</orders>",
        "<o><line>a</line></o>",
    ],
)
def test_a_document_that_may_have_rows_of_another_name_is_refused(document: str) -> None:
    assert refusal(document, columns=ID, row="ordr").startswith("feed.row: no element is called 'ordr'")
