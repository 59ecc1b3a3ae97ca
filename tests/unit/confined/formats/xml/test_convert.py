"""What the conversion of XML promises, one sentence a test."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from processor.confined.formats.xml.convert import convert_xml, plan_xml
from processor.confined.formats.xml.namespaces import Names
from processor.confined.formats.xml.schema import DEEPEST_FIELDS, MOST_ATTRIBUTES
from processor.domain.conversion import ConversionOptions, DataFormat, Typing
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.unit.confined.formats.tables import MemoryOutput
from tests.unit.confined.formats.xml.xml_values import assert_nothing_lost, converted, rows_of

Row = dict[str, Any]


def refusal(document: bytes | str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        converted(document)
    return caught.value


def lossless(document: str) -> list[Row]:
    return rows_of(document, Typing.LOSSLESS)


def many(row: str, count: int = 3000) -> str:
    """Enough rows that the first piece of the document does not have all of them."""
    return (row + "\n") * count


def test_the_repeated_child_of_the_root_is_the_row() -> None:
    assert rows_of("<r><a><x>1</x></a><a><x>2</x></a></r>") == [{"x": "1"}, {"x": "2"}]


def test_the_repeated_element_is_found_below_wrappers() -> None:
    receipt, output = converted("<r><w><v><a><x>1</x></a><a><x>2</x></a></v></w></r>")
    assert dict(receipt.facts)["xml-rows"] == "/r/w/v/a"
    assert output.table().num_rows == 2


ORDER = "<order><id>3</id><line><sku>a</sku><q>1</q></line><line><sku>b</sku><q>2</q></line></order>"
SUITE = "<testsuite name='s'><testcase name='a'/><testcase name='b'><failure/></testcase></testsuite>"


@pytest.mark.parametrize(
    ("before", "row", "after", "path"),
    [
        ("<orders v='1'>", ORDER, "</orders>", "/orders/order"),
        ("<testsuites>", SUITE, "</testsuites>", "/testsuites/testsuite"),
        ("<a>", "<b><c>1</c><d/></b>", "</a>", "/a/b"),
        ("<a>", "<b k='1'><c>1</c></b>", "</a>", "/a/b"),
        ("<a>", "<b>text</b>", "</a>", "/a/b"),
    ],
)
def test_what_a_row_is_does_not_depend_on_how_many_there_are(before: str, row: str, after: str, path: str) -> None:
    (one, first), (two, both) = converted(f"{before}{row}{after}"), converted(f"{before}{row}{row}{after}")
    assert dict(one.facts)["xml-rows"] == dict(two.facts)["xml-rows"] == path
    assert one.columns == two.columns
    assert first.table().to_pylist() * 2 == both.table().to_pylist()


def test_elements_that_hold_one_kind_of_child_only_are_wrappers() -> None:
    for document, path in {
        "<a><b><c><d>1</d><d>2</d></c></b></a>": "/a/b/c/d",
        "<a k='1'><b><c><d>1</d></c></b></a>": "/a/b/c/d",
        "<a><b k='1'><c><d>1</d></c></b></a>": "/a/b",
        "<a><b>text<c><d>1</d></c></b></a>": "/a/b",
        "<rss><channel><title>t</title><item><x>1</x></item><item><x>2</x></item></channel></rss>": "/rss/channel",
        "<a><head/><items><item><x>1</x></item><item><x>2</x></item></items></a>": "/a",
        "<a>text</a>": "/a",
        "<a/>": "/a",
    }.items():
        receipt, _ = converted(document)
        assert dict(receipt.facts)["xml-rows"] == path, document


def test_without_repetition_the_root_is_the_one_row() -> None:
    assert rows_of("<r k='v'><x>1</x><y>2</y></r>") == [{"@k": "v", "x": "1", "y": "2"}]


def test_leaf_values_earn_types_and_attributes_do() -> None:
    assert lossless("<r><a n='1'><x>2.5</x><z>007</z></a><a n='2'><x>3</x><z>1</z></a></r>") == [
        {"@n": 1, "x": 2.5, "z": "007"},
        {"@n": 2, "x": 3.0, "z": "1"},
    ]


def test_what_stands_around_the_rows_is_a_column_with_one_value() -> None:
    rows = rows_of("<r v='1'><head><by>me</by><of>x</of></head><a>1</a><a>2</a><total>2</total></r>")
    constants = {"r/@v": "1", "r/head": {"by": "me", "of": "x"}, "r/total": "2"}
    assert rows == [{"#text": "1"} | constants, {"#text": "2"} | constants]


def test_a_total_behind_many_rows_is_not_lost() -> None:
    receipt = assert_nothing_lost(f"<r>{many('<a><x>1</x></a>', 9000)}<total>9</total></r>")
    assert receipt.rows == 9000


def test_several_kinds_of_rows_keep_the_order_of_the_document() -> None:
    rows = rows_of("<r><a><x>1</x></a><b><y>2</y></b><a><x>3</x></a><b><y>4</y></b></r>")
    assert rows == [
        {"a": {"x": "1"}, "b": None},
        {"a": None, "b": {"y": "2"}},
        {"a": {"x": "3"}, "b": None},
        {"a": None, "b": {"y": "4"}},
    ]


def test_what_stands_between_the_rows_is_a_row_of_its_own() -> None:
    assert rows_of("<r><a><x>1</x></a><sum>7</sum><a><x>2</x></a></r>") == [
        {"a": {"x": "1"}, "sum": None},
        {"a": None, "sum": "7"},
        {"a": {"x": "2"}, "sum": None},
    ]


def test_a_large_envelope_becomes_rows_instead_of_columns() -> None:
    assert_nothing_lost(f"<r><head>{'x' * 100_000}</head>{many('<a><x>1</x></a>', 3)}</r>")


def test_text_between_many_rows_is_a_row_of_its_own() -> None:
    receipt = assert_nothing_lost(f"<r>{many('<a><x>1</x></a>', 9000)}stray{many('<a><x>1</x></a>', 2)}</r>")
    assert receipt.rows == 9003


def test_siblings_of_one_name_are_a_list_even_where_a_row_has_one() -> None:
    assert rows_of("<r><a><t>1</t></a><a><t>2</t><t>3</t></a><a/></r>") == [
        {"t": ["1"]},
        {"t": ["2", "3"]},
        {"t": None},
    ]


def test_a_sibling_that_repeats_only_in_the_last_of_many_rows_makes_a_list() -> None:
    rows = rows_of(f"<r>{many('<a><t>1</t></a>', 9000)}<a><t>2</t><t>3</t></a></r>")
    assert rows[0] == {"t": ["1"]}
    assert rows[-1] == {"t": ["2", "3"]}
    assert len(rows) == 9001


def test_a_path_that_comes_first_in_the_last_of_many_rows_is_not_lost() -> None:
    rows = many("<a k='1'><t>1</t></a>", 30_000)
    receipt = assert_nothing_lost(f"<r>{rows}<a k='1' late='x'><t>1</t><u><v>2</v></u></a></r>")
    assert {"@late", "u"} <= {column.name for column in receipt.columns}


def test_empty_and_missing_stay_apart() -> None:
    rows = rows_of("<r><a><x/><y k='1'/></a><a><x></x></a><a><z>1</z></a></r>")
    assert [row["x"] for row in rows] == ["", "", None]
    assert [row["y"] for row in rows] == [{"@k": "1"}, None, None]
    nil = '<r xmlns:xsi="u"><a><x xsi:nil="true"/></a><a><x>1</x></a></r>'
    assert [row["x"] for row in rows_of(nil)] == [{"@xsi:nil": "true", "#text": ""}, {"@xsi:nil": None, "#text": "1"}]


def test_white_space_is_kept_in_leaves_and_is_nothing_between_elements() -> None:
    assert rows_of("<r>\n <a>\n  <x> 1\n</x>\n </a>\n <a>\n  <x> </x>\n </a>\n</r>") == [{"x": " 1\n"}, {"x": " "}]


def test_cdata_references_and_comments_inside_a_text_are_one_text() -> None:
    row = "<a><x>1 &lt; <![CDATA[<&>]]>&#x41;<!-- no -->&amp;amp;<?no no?>z</x></a>"
    assert rows_of(f"<r>{row}<a/></r>")[0] == {"x": "1 < <&>A&amp;z"}


def test_mixed_content_is_kept_in_order_as_xml() -> None:
    rows = rows_of("<r><a><p>one <b i='&quot;'>two</b> &lt;three<br/></p></a><a><p>four</p></a></r>")
    assert [row["p"] for row in rows] == [{"#xml": "one <b i='\"'>two</b> &lt;three<br/>"}, {"#xml": "four"}]


def test_children_that_alternate_have_their_order_beside_them() -> None:
    rows = rows_of("<r><a><x>1</x><y>2</y><x>3</x></a><a><y>4</y></a></r>")
    assert rows == [
        {"x": ["1", "3"], "y": "2", "#order": ["x", "y", "x"]},
        {"x": None, "y": "4", "#order": ["y"]},
    ]


def test_prefixes_stay_as_written_and_their_namespaces_are_recorded() -> None:
    receipt, output = converted('<r xmlns:d="urn:d" xmlns="urn:r"><a><d:x d:k="1">2</d:x></a><a/></r>')
    assert output.table().to_pylist()[0] == {"d:x": {"@d:k": "1", "#text": "2"}}
    assert json.loads(dict(receipt.facts)["xml-namespaces"]) == {"": ["urn:r"], "d": ["urn:d"]}


def test_a_prefix_with_two_meanings_is_replaced_by_its_namespace() -> None:
    rows = rows_of("<r><a xmlns:p='u1'><p:x>1</p:x></a><a xmlns:p='u2'><p:x>2</p:x></a></r>")
    assert rows == [{"{u1}x": "1", "{u2}x": None}, {"{u1}x": None, "{u2}x": "2"}]
    assert rows_of("<r><a><x xmlns='u'>1</x></a><a><x>2</x></a></r>") == [
        {"{u}x": "1", "x": None},
        {"{u}x": None, "x": "2"},
    ]


def test_two_prefixes_of_one_namespace_are_one_name() -> None:
    rows = rows_of("<r xmlns:p='u' xmlns:q='u'><a><p:x>1</p:x></a><a><q:x q:k='2'>2</q:x></a></r>")
    assert rows == [
        {"{u}x": {"@{u}k": None, "#text": "1"}},
        {"{u}x": {"@{u}k": "2", "#text": "2"}},
    ]
    assert rows_of("<r xmlns='u' xmlns:p='u'><a><x>1</x></a><p:a><p:x>2</p:x></p:a></r>") == [
        {"{u}x": "1"},
        {"{u}x": "2"},
    ]
    # One that is declared only, and one that attributes need where elements have the default, change no name.
    assert rows_of("<r xmlns='u' xmlns:p='u'><a p:k='1'><x>1</x></a><a/></r>")[0] == {"@p:k": "1", "x": "1"}
    many = "".join(f"<{prefix}:x>{at}</{prefix}:x>" for at, prefix in enumerate("p" * 3000 + "q"))
    assert rows_of(f"<r xmlns:p='u' xmlns:q='u'>{many}</r>")[-1] == {"#text": "3000"}


def test_names_that_differ_only_in_case_are_told_apart() -> None:
    receipt, output = converted("<r><a ID='1' id='2'><x><N>1</N><n>2</n></x></a><a/></r>")
    assert output.table().to_pylist()[0] == {"@ID": "1", "@id#2": "2", "x": {"N": "1", "n#2": "2"}}
    assert {column.name: column.original_name for column in receipt.columns}["@id#2"] == "@id"


@pytest.mark.parametrize(
    "document",
    [
        "<?xml version='1.0' encoding='UTF-16'?><r><a>é€😀</a><a>2</a></r>".encode("utf-16"),
        "<?xml version='1.0' encoding='UTF-16'?><r><a>é€😀</a><a>2</a></r>".encode("utf-16-be"),
        "<r><a>é€😀</a><a>2</a></r>".encode("utf-8-sig"),
        "<?xml version='1.0' encoding='windows-1252'?><r><a>é€</a><a>2</a></r>".encode("cp1252"),
        "<?xml version='1.0' encoding='ISO-8859-15'?><r><a>é€</a><a>2</a></r>".encode("iso8859-15"),
        "<?xml version='1.0' encoding='GB18030'?><r><a>é€😀</a><a>2</a></r>".encode("gb18030"),
    ],
)
def test_the_declared_encoding_is_read(document: bytes) -> None:
    assert rows_of(document)[0]["#text"] in {"é€😀", "é€"}


def test_bytes_that_are_not_in_the_declared_encoding_are_told_as_that() -> None:
    for declaration in ("<?xml version='1.0' encoding='UTF-8'?>", "<?xml version='1.0'?>", ""):
        told = refusal(f"{declaration}\n<r><a>café</a><a>2</a></r>".encode("latin-1")).failure
        assert told.code == "xml.encoding"
        assert "line 2, column 10 is not UTF-8" in told.message or not declaration
    assert refusal("<r><a>é</a><a>&lt<</a></r>").failure.code == "xml.not-well-formed"


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ("UTF-8", "utf-16"),
        ("ISO-8859-1", "utf-16"),
        ("UTF-16", "utf-8-sig"),
        ("ISO-8859-1", "utf-8-sig"),
        ("UTF-8", "utf-16-le"),
    ],
)
def test_a_declaration_of_another_encoding_than_the_bytes_show_is_told_as_that(declared: str, written: str) -> None:
    told = refusal(f"<?xml version='1.0' encoding='{declared}'?><r><a>é</a><a>2</a></r>".encode(written)).failure
    assert told.code == "xml.encoding"
    assert f"declares '{declared}'" in told.message
    assert "UTF-" in told.message.partition("but")[2]


def test_elements_deeper_than_fields_may_be_stand_as_xml() -> None:
    levels = DEEPEST_FIELDS + 4
    row = '<n v="1">' * levels + "x" + "</n>" * levels
    receipt, output = converted(f"<r>{row * 2}</r>")
    assert receipt.rows == 2
    value = output.table().to_pylist()[0]
    for _ in range(DEEPEST_FIELDS):
        value = value["n"]
    inner = levels - DEEPEST_FIELDS - 1
    assert value == {"@v": "1", "#xml": '<n v="1">' * inner + "x" + "</n>" * inner}


def test_attributes_without_number_are_refused_by_name() -> None:
    attributes = " ".join(f"a{number}='1'" for number in range(MOST_ATTRIBUTES + 1))
    for document in (f"<r {attributes}/>", f"<r><x {attributes}/><x/></r>"):
        assert refusal(document).failure.code == "xml.too-many-names"


def test_what_the_encoding_does_not_have_is_refused() -> None:
    assert refusal(b"<?xml version='1.0' encoding='ascii'?><r>\xff</r>").failure.code == "xml.encoding"
    assert refusal(b"<?xml version='1.0' encoding='cp1252'?><r>\x81</r>").failure.code == "xml.encoding"
    assert refusal(b"<?xml version='1.0' encoding='utf-7'?><r>+ADw-</r>").failure.code == "xml.encoding"
    assert refusal(b"<?xml version='1.0' encoding='rot13'?><e/>").failure.code == "xml.encoding"


def test_line_ends_are_line_feeds_and_carriage_returns_by_reference_stay() -> None:
    assert rows_of("<r><a>1\r\n2\r3&#13;</a><a/></r>")[0] == {"#text": "1\n2\n3\r"}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("<r>\n<a>1</b></r>", "line 2, column 7"),
        ("<r>\r\n<a>1</a>", "line 2, column 9"),
        ("", "line 1, column 1"),
        ("<r>é<a k='1' k='2'/></r>", "line 1, column 14"),
        ("<r/><r/>", "line 1, column 5"),
        ("<r>\x01</r>", "line 1, column 4"),
        (f"<r>\n{many('<a><x>1</x></a>', 9000)}<a><x>]]></x></a></r>", "line 9002, column 9"),
        (f"<r>\n{many('<a><x>1</x></a>', 9000)}<a><x>&#1;</x></a></r>", "line 9002, column 7"),
        (f"<r>\n{many('<a><x>1</x></a>', 9000)}<a><x>\x02</x></a></r>", "line 9002, column 7"),
        ("<?xml version='1.0'\n\nstandalone='maybe'?><r/>", "line 3, column"),
        ("<?xml version='1.0'\n\n encoding='utf-8'?><r/><", "line 3, column 24"),
    ],
)
def test_a_document_that_is_not_well_formed_is_refused_with_its_place(document: str, place: str) -> None:
    error = refusal(document)
    assert error.failure.code == "xml.not-well-formed"
    assert place in str(error)


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE r [<!ENTITY e 'x'>]><r/>",
        "<!DOCTYPE r [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><r>&e;</r>",
        "<!DOCTYPE r [<!ENTITY % p SYSTEM 'file:///etc/hostname'> %p;]><r/>",
        "<!DOCTYPE r SYSTEM 'file:///nowhere.dtd'><r>&e;</r>",
        "<!DOCTYPE r SYSTEM 'file:///nowhere.dtd'><r k='&e;'/>",
        "<?xml version='1.0' standalone='no'?><!DOCTYPE r SYSTEM 'file:///nowhere.dtd'><r k='&e;'/>",
        "<!DOCTYPE r [<!ATTLIST r k CDATA '&e;'> %p;]><r>&e;</r>",
        "<r>&e;</r>",
        f"<!DOCTYPE r [<!ATTLIST a k CDATA '{'x' * 300}'>]><r>{'<a/>' * 10}</r>",
    ],
)
def test_entities_are_refused_and_nothing_is_fetched(document: str) -> None:
    assert refusal(document).failure.code == "xml.entity"


def test_a_doctype_without_entities_is_accepted_and_recorded() -> None:
    receipt, _ = converted("<!DOCTYPE r PUBLIC 'p' 's.dtd'><r><a>1</a><a>2</a></r>")
    assert dict(receipt.facts)["xml-doctype"] == "r p s.dtd"


def test_attribute_defaults_of_the_document_are_its_values() -> None:
    document = f"<!DOCTYPE r [<!ATTLIST a k CDATA 'd'>]><r>{many('<a><x>1</x></a>')}<a k='2'><x>1</x></a></r>"
    assert [row["@k"] for row in rows_of(document)] == ["d"] * 3000 + ["2"]


def test_depth_and_size_have_bounds() -> None:
    assert rows_of("<a>" * 128 + "x" + "</a>" * 128)
    assert refusal("<a>" * 100_000).failure.code == "xml.too-deep"
    assert refusal(f"<r><a>{'x' * (17 << 20)}</a></r>").failure.code == "xml.row-too-large"
    assert refusal("<r><y>" + "<b/>" * 500_001 + "</y><y/></r>").failure.code == "xml.row-too-large"
    assert refusal(f"<r>{''.join(f'<n{i}/>' for i in range(20_001))}</r>").failure.code == "xml.too-many-names"
    assert refusal(f"<!--{'x' * (33 << 20)}--><r/>").failure.code == "xml.tag-too-large"


def test_text_and_attributes_around_the_rows_have_bounds() -> None:
    rows = "<a><x>1</x></a>" * 3
    assert refusal(f"<r k='{'x' * 70_000}'>{rows}</r>").failure.code == "xml.row-too-large"
    assert len(rows_of(f"<r>{rows}{' ' * (20 << 20)}{rows}</r>")) == 6
    assert refusal(f"<r>{rows * 9000}{'x' * (18 << 20)}{rows}</r>").failure.code == "xml.row-too-large"


def test_a_row_of_megabytes_is_kept_whole() -> None:
    text = 'x"\n' * 1_500_000
    assert rows_of(f"<r><a><x>{text}</x></a><a><x>1</x></a></r>") == [{"x": text}, {"x": "1"}]


def test_irregular_rows_among_many_regular_ones_stay_in_their_places() -> None:
    odd = ["<a n='{}'><x><![CDATA[{}]]></x></a>", "<a n='{}'><!-- c --><x>{}</x></a>", '<a  n="{}" ><x>{}</x></a >']
    rows = [odd[i % 3].format(i, i) if i % 50 == 0 else f'<a n="{i}"><x>{i}</x></a>' for i in range(8000)]
    assert rows_of("<r>" + "\n".join(rows) + "</r>") == [{"@n": str(i), "x": str(i)} for i in range(8000)]


@pytest.mark.fast_paths
@pytest.mark.parametrize(
    "row",
    [
        "<a><x>1</x><y>&lt;2&gt;</y></a>",
        "\n<a n='1' m=\"2\"/>",
        "<a><x k='1'/><z/><l><i>1</i><i>2</i></l></a>\n",
        "<a>text</a>",
        " <a/>",
    ],
)
def test_regular_rows_are_hardly_ever_shown_to_the_parser(row: str) -> None:
    with patch.object(Names, "rename", autospec=True, side_effect=Names.rename) as renamed:
        assert len(rows_of(f"<r>{row * 9_000}</r>")) == 9_000
        few = renamed.call_count
        assert len(rows_of(f"<r>{row * 18_000}</r>")) == 18_000
    assert renamed.call_count - few < few + 3_000  # those of the first piece


class ChangingSource:
    """Gives another document from the second reading on."""

    name, size_bytes, path_fd = "a.xml", None, None

    def __init__(self, *documents: str) -> None:
        self.documents = list(documents)

    def open(self) -> Any:
        document = self.documents.pop(0) if len(self.documents) > 1 else self.documents[0]
        return BytesSource("a.xml", document.encode()).open()


def test_a_file_that_changes_between_readings_is_not_delivered_in_part() -> None:
    first, later = "<r><a><x>1</x></a><a/></r>", "<r><a><x>1</x><y>2</y></a><a/></r>"
    output = MemoryOutput()
    codes = set()
    for readings in range(1, 6):
        source = ChangingSource(*[first] * readings, later)
        try:
            convert_xml(source, DataFormat.XML, ConversionOptions(typing=Typing.TEXT), output, ())
        except DeliveryError as error:
            codes.add(error.failure.code)
            continue
        rows = output.table().to_pylist()
        assert rows in ([{"x": "1"}, {"x": None}], [{"x": "1", "y": "2"}, {"x": None, "y": None}])
    assert codes == {"xml.changed"}


def test_a_plan_names_rows_columns_and_reasons_and_writes_nothing() -> None:
    plan = plan_xml(
        BytesSource("a.xml", b"<r><a k='1'><x><y>2</y></x></a><a k='2'/></r>"), DataFormat.XML, ConversionOptions()
    )
    assert plan.facts == (("encoding", "utf-8"), ("rows", "/r/a"))
    assert [(column.name, column.type) for column in plan.columns] == [("@k", "BIGINT"), ("x", 'STRUCT("y" BIGINT)')]
    assert all(column.reason for column in plan.columns)


def test_nothing_is_left_open_when_a_reading_is_left_early() -> None:
    with threads_and_descriptors_unchanged():
        converted(f"<r>{many('<a><x>1</x></a>', 20_000)}</r>", Typing.LOSSLESS)


@contextmanager
def threads_and_descriptors_unchanged() -> Iterator[None]:
    converted("<r/>")  # the connection is opened at the first use
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    yield
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
