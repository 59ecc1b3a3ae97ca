"""Rows taken in bulk are what the parser makes of them, and whatever is not taken is the parser's."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from processor.confined.formats.xml import decode, scan
from processor.confined.formats.xml import survey as xml_survey
from processor.confined.formats.xml.fast import rows as fast_rows
from processor.confined.formats.xml.fast.automaton import RowAutomaton
from processor.confined.formats.xml.fast.bulk import Bulk
from processor.confined.formats.xml.feed import RowLines
from processor.confined.formats.xml.namespaces import Names
from processor.confined.formats.xml.parser import Node, Path
from processor.confined.formats.xml.records import UnexpectedShape
from processor.confined.formats.xml.scan import Scan
from processor.confined.formats.xml.survey import survey
from processor.confined.formats.xml.table import Constant, Table
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.examples import examples
from tests.unit.confined.formats.xml.test_laws import Writer
from tests.unit.confined.formats.xml.xml_values import assert_nothing_lost, rows_of

seeds = st.integers(0, 2**40)
LAW = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])


CHANGES = [bytes([byte]) for byte in b"<>&\"'/=! ;x\x00\x07\n]-?["] + [
    b"", b"<!-- a -->", b"<![CDATA[<&>]]>", b"&amp;", b"&#65;", b"&x;", b"]]>", b"<?p?>", b"--", b"<a/>", b"<a>b</a>",
]  # fmt: skip


@contextmanager
def small_pieces() -> Iterator[None]:
    """Make pieces so small that rows are taken in bulk in documents of a few hundred bytes."""
    sizes = [(decode, "_HEAD_BYTES", 64), (decode, "FIRST_BYTES", 100), (decode, "CHUNK_BYTES", 300)]
    sizes += [(xml_survey, "FIRST_BYTES", 164), (xml_survey, "CHUNK_BYTES", 600), (xml_survey, "_MANY_PARSED", 3)]
    with ExitStack() as stack:
        for module, name, size in [*sizes, (scan, "CHUNK_BYTES", 300)]:
            stack.enter_context(patch.object(module, name, size))
        yield


class _Parsed:
    """Visits a document without taking anything in bulk: the JSON of each row, in order."""

    bulk: Bulk | None = None

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows: list[bytes] = []

    def item(self, path: Path, node: Node) -> None:
        if path in self.table.kinds:
            self.rows.append(orjson.dumps(self.table.kinds[path].row(node), option=orjson.OPT_SORT_KEYS))

    def wrapper(self, path: Path, attributes: list[str]) -> None: ...
    def text(self, path: Path, text: str) -> None: ...
    def next_piece(self, text: bytes) -> None: ...

    def regular(self, path: Path, buffer: bytes, start: int) -> tuple[int, bool]:
        raise AssertionError((path, buffer, start))


def table_of(document: bytes) -> Table:
    return Table(survey(BytesSource("a.xml", document).open))


def parsed(table: Table, document: bytes) -> list[bytes]:
    visitor = _Parsed(table)
    Scan(BytesSource("a.xml", document).open, table.survey.layout, Names(), visitor).run()
    return visitor.rows


def bulk_of(table: Table) -> Bulk:
    return Bulk({p: RowAutomaton(table.survey.shape(p), kind.record, kind.column) for p, kind in table.kinds.items()})


def taken(bulk: Bulk, container: Path, document: bytes, start: int) -> tuple[int, list[bytes] | None]:
    end, rows, lines = bulk.take(container, document, start)
    if lines is None:
        return end, None
    found = [orjson.dumps(orjson.loads(line), option=orjson.OPT_SORT_KEYS) for line in lines.splitlines()]
    assert len(found) == rows
    return end, found


def rows_written(seed: int, count: int) -> tuple[str, int]:
    """Return rows of a few structures with a few that are unlike them, several times so that patterns come again."""
    writer = Writer(seed)
    names = writer.random.sample(["row", "a", "b", "row2"], writer.random.choice((1, 1, 3)))
    kinds = {name: writer.structure(3) for name in names}
    rows = []
    for _ in range(count):
        name = writer.random.choice(names)
        row = writer.regular(name, kinds[name])
        match writer.random.randrange(50):
            case 0:
                row = f"<{name}>{writer.content(3)}</{name}>"
            case 1:
                row = writer.element(2)
        rows += [row] * writer.random.choice((1, 1, 3))
    return "\n".join(rows), len(rows)


@given(seeds, st.integers(2, 25))
@LAW
def test_what_is_taken_in_bulk_is_what_the_parser_makes_of_it(seed: int, count: int) -> None:
    body, _ = rows_written(seed, count)
    document = f"<r>{body}</r>".encode()
    table = table_of(document)
    container = ("r",)
    if any(path[:-1] != container for path in table.kinds):
        return
    expected = parsed(table, document)
    bulk = bulk_of(table)
    for _ in range(2):  # patterns are known by the second time
        _, found = taken(bulk, container, document, 3)
        assert found is not None
        assert found == expected[: len(found)]


def test_rows_of_all_sorts_are_taken_in_bulk_to_the_last() -> None:
    random = Random(1)
    rows = []
    for number in range(300):
        optional = [
            f"<n>{number}</n>",
            "<p a='1'>one &lt; <b x='\"'>two</b> &amp; three</p>",
            "<e/>",
            "<l>1</l><l>2</l>",
        ]
        chosen = [part for part in optional if random.random() < 0.7]
        random.shuffle(chosen)
        comment = "<!-- no > value -->" if random.random() < 0.3 else ""
        cdata = "<c><![CDATA[<x> & ]] > y]]></c>"
        rows.append(f'<row id="{number}" when="a>b">{comment}{"".join(chosen)}{cdata}</row>\n<other k=\'"\'/>')
    document = f"<r>{''.join(rows)}</r>".encode()
    table = table_of(document)
    end, found = taken(bulk_of(table), ("r",), document, 3)
    assert found == parsed(table, document)
    assert document[end:] == b"</r>"


def test_rows_whose_attributes_stand_in_single_quotes_have_patterns_too() -> None:
    rows = "".join(f"<row id='{n}'><c n='x &lt; {n}'/><t>it's x='{n}'</t></row>\n" for n in range(300))
    document = f"<r>{rows}</r>".encode()
    table = table_of(document)
    with patch.object(fast_rows, "AutomatonRun", side_effect=fast_rows.AutomatonRun) as run:
        _, found = taken(bulk_of(table), ("r",), document, 3)
    assert found == parsed(table, document)
    assert run.call_count < 10


def without_nulls(value: Any) -> Any:
    """Return `value` without fields that are null: a field may be left out or be null."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def read(document: bytes) -> str | tuple[Any, list[Any], list[Constant]]:
    """Return the structure, the rows and the constants of a document, or the code of the error that refuses it."""
    source = BytesSource("a.xml", document)
    try:
        table = Table(survey(source.open))
        lines = b"".join(RowLines(source.open, table, 1 << 30).lines()).splitlines()
        return table.structure, [without_nulls(orjson.loads(line)) for line in lines], table.constants
    except DeliveryError as error:
        return error.failure.code


@example(595)  # a tag that ends in a CDATA section
@example(1_000_808)  # a comment in an attribute
@given(seeds)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_a_document_with_a_few_bytes_changed_is_read_or_refused_as_without_any_bulk(seed: int) -> None:
    random = Random(seed)
    document = bytearray(f"<r>{rows_written(seed, 15)[0]}</r>".encode())
    for _ in range(random.choice((0, 1, 1, 2))):
        place = random.randrange(3, len(document))
        document[place : place + random.choice((0, 1))] = random.choice(CHANGES)
    with small_pieces():
        found = read(bytes(document))
        with patch.dict(os.environ, PROCESSOR_FAST_PATHS="off"):
            assert found == read(bytes(document))


@pytest.mark.parametrize(
    "row",
    [
        b"<row><a>1</b></row>",
        b"<row><a>1</row>",
        b"<row><a>&no;</a></row>",
        b"<row><a>\x01</a></row>",
        b"<row><a>]]></a></row>",
        b"<row><a>\xff</a></row>",
        b"<row><a>\x07&amp;0\x07</a></row>",
        b'<row i="1" i="2"><a>1</a></row>',
        b'<row i="<"><a>1</a></row>',
        b'<row i="&#0;"><a>1</a></row>',
        b"<row i=1><a>1</a></row>",
        b"<row><a>1</a><!-- -- --></row>",
        b"<row><a>1</a><![CDATA[x]]></row>",
        b"<row><a>1</a>x</row>",
        b"<row><a>1</a><a>2</a></row>",
        b"<row><a>1</a><c>2</c></row>",
        b"<row><a k='1'>1</a></row>",
        b"<row xmlns='u'><a>1</a></row>",
        b"<row><?pi x?><a>1</a></row>",
        b"<row><a>1</a></row x='1'>",
        b"<row><a<![CDATA[1]]></a></row>",
        b"<row><a<!-- -->1</a></row>",
        b"<row i='1'><a>1</a><b<![CDATA[>]]>2</b></row>",
    ],
)
def test_a_row_that_is_broken_or_unknown_is_left_to_the_parser(row: bytes) -> None:
    good = b'<row i="1"><a>1</a><b>2</b></row>'
    table = table_of(b"<r>" + 3 * good + b"</r>")
    bulk = bulk_of(table)
    assert taken(bulk, ("r",), 3 * good + b"</r>", 0)[1] is not None
    end, found = taken(bulk, ("r",), 2 * good + row + good + b"</r>", 0)
    assert found is None or (len(found) == 2 and end == 2 * len(good))


def test_a_text_in_rows_that_were_passed_over_is_known_when_the_shape_changes_late() -> None:
    blank = "".join(f"<row><a> </a><b>{number}</b></row>\n" for number in range(4000))
    text = "".join(f"<row><a>text {number}</a><b>{number}</b></row>\n" for number in range(4000))
    document = f"<r>{blank}{text}{blank * 20}<row><a k='1'>x</a><b>1</b></row></r>"
    found = [row["a"] for row in rows_of(document)]
    assert [value["#text"] for value in found[4000:4003]] == ["text 0", "text 1", "text 2"]
    assert len(found) == 22 * 4000 + 1


def test_kinds_of_rows_in_several_wrappers_keep_every_value() -> None:
    def items(name: str) -> str:
        return "".join(
            f'<{name} id="{number}"><v>{number}</v><t>a <i>b</i> {number}</t></{name}>\n'
            if number % 3
            else f"<{name}/>"
            for number in range(3000)
        )

    assert_nothing_lost(f"<r><xs>{items('x')}</xs>\n<ys>{items('y')}</ys></r>")


def test_unexpected_shapes_stay_unexpected() -> None:
    table = table_of(b"<r><row><a>1</a></row><row><a>2</a></row></r>")
    with pytest.raises(UnexpectedShape):
        parsed(table, b"<r><row><b>1</b></row></r>")
