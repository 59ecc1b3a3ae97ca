"""Laws: whatever the document, each of its values is in the Parquet, in the order of the document."""

from collections.abc import Iterator
from random import Random
from typing import Any
from unittest.mock import patch
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.confined.formats.xml import convert, decode, scan, survey
from tests.examples import examples
from tests.unit.confined.formats.xml.xml_values import assert_nothing_lost, rows_of

LAW = settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def small_pieces() -> Iterator[None]:
    """Make pieces so small that templates are used, and rows cut in two, in documents of a few hundred bytes."""
    with (
        patch.object(decode, "_HEAD_BYTES", 64),
        patch.object(decode, "FIRST_BYTES", 100),
        patch.object(decode, "CHUNK_BYTES", 70),
        patch.object(survey, "FIRST_BYTES", 164),
        patch.object(survey, "CHUNK_BYTES", 300),
        patch.object(scan, "CHUNK_BYTES", 70),
        patch.object(convert, "CHUNK_BYTES", 150),
    ):
        yield


TEXTS = [
    "",
    " ",
    "7",
    "007",
    "1.50",
    "a\nb",
    "null",
    "<&>\"'\\%",
    "]]>",
    " \t",
    "\u00e9\U0001f600",
    "{x}",
    "\u00a0",
    "x" * 99,
]
NAMES = ["a", "b", "c", "A", "item", "\u00e9"]
KEYS = ["k", "l", "K"]


def quoted(text: str) -> str:
    """Return the text as an attribute's value, many in single quotes."""
    value = quoteattr(text, {"\n": "&#10;", "\t": "&#9;"})
    return f"'{value[1:-1]}'" if "'" not in value and len(value) % 2 else value


class Writer:
    """Writes documents at random, in many of the ways in which the same values can be written."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def text(self, text: str | None = None) -> str:
        text = self.random.choice(TEXTS) if text is None else text
        match self.random.randrange(8):
            case 0 if "]]>" not in text:
                return f"<![CDATA[{text}]]>"
            case 1:
                return "".join(f"&#{ord(character)};" for character in text)
            case 2:
                middle = len(text) // 2
                return f"{escape(text[:middle])}<!-- <a>no</a> --><?no data?>{escape(text[middle:])}"
        return escape(text, {'"': "&quot;"})

    def element(self, depth: int) -> str:
        name = self.random.choice(NAMES)
        parts = [name]
        for key in self.random.sample(KEYS, self.random.choice((0, 0, 1, 2))):
            value = quoted(self.random.choice(TEXTS))
            parts.append(f"{key}={value}")
        tag = self.random.choice((" ", " ", "\n  ")).join(parts)
        content = self.content(depth)
        return f"<{tag}/>" if not content and self.random.random() < 0.5 else f"<{tag}>{content}</{name}>"

    def content(self, depth: int) -> str:
        if depth == 0 or self.random.random() < 0.4:
            return self.text()
        space = self.random.choice(("", "\n  "))
        children = [self.element(depth - 1) for _ in range(self.random.randrange(5))]
        return "".join((self.text() if self.random.random() < 0.05 else space) + child for child in children) + space

    def structure(self, depth: int) -> "Structure":
        keys = self.random.sample(KEYS, self.random.choice((0, 1, 2)))
        names = self.random.sample(NAMES, self.random.randrange(1, 4)) if depth else []
        return keys, {name: self.structure(self.random.randrange(depth)) for name in names}

    def regular(self, name: str, structure: "Structure") -> str:
        """Return an element of the structure with some of it left out and some of it repeated."""
        keys, children = structure
        values = ((key, quoted(self.random.choice(TEXTS))) for key in keys)
        tag = name + "".join(f" {key}={value}" for key, value in values if self.random.random() < 0.9)
        content = "".join(
            self.regular(child, below) + "\n"
            for child, below in children.items()
            for _ in range(self.random.choice((1, 1, 1, 1, 0, 2)))
        )
        text = self.random.choice(TEXTS) if self.random.random() < 0.9 else ""
        return f"<{tag}>\n{content}</{name}>" if children else f"<{tag}>{escape(text)}</{name}>"


Structure = tuple[list[str], dict[str, Any]]
seeds = st.integers(0, 2**40)


@given(seeds)
@LAW
def test_any_tree_keeps_every_value_in_the_order_of_the_document(seed: int) -> None:
    assert_nothing_lost(f"<r>{Writer(seed).content(4)}</r>")


@given(seeds, st.integers(3, 30), st.integers(0, 3))
@LAW
def test_rows_alike_and_rows_unlike_keep_every_value(seed: int, count: int, surprises: int) -> None:
    writer = Writer(seed)
    inner = writer.content(3)
    rows = [f'\n <row n="{number}">{inner}<s>{number}</s></row>' for number in range(count)]
    for _ in range(surprises):
        place = writer.random.randrange(count)
        rows[place] = writer.random.choice(
            (f"\n <row m='1'>{inner}{writer.content(2)}</row>", writer.element(1), writer.text())
        )
    head, tail = (f"<{name}>{writer.content(2)}</{name}>" if writer.random.random() < 0.3 else "" for name in "ht")
    assert_nothing_lost(f"<rows v='1'>{head}{''.join(rows)}\n{tail}</rows>")


@given(seeds)
@LAW
def test_regular_rows_of_any_structure_keep_every_value(seed: int) -> None:
    writer = Writer(seed)
    structure = writer.structure(3)
    assert_nothing_lost(f"<rows>{''.join(writer.regular('row', structure) + chr(10) for _ in range(80))}</rows>")


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=6
)


@given(st.lists(st.tuples(*[st.none() | texts | st.sampled_from(TEXTS)] * 3), min_size=2, max_size=40), seeds)
@LAW
def test_a_table_of_texts_comes_back_equal(table: list[tuple[str | None, ...]], seed: int) -> None:
    writer = Writer(seed)
    columns = ["x", "y", "z"]
    document = "<table>\n"
    for number, row in enumerate(table):
        document += f'<row i="{number}">\n'
        for name, text in zip(columns, row, strict=True):
            document += "" if text is None else f"  <{name}>{writer.text(text)}</{name}>\n"
        document += "</row>\n"
    expected = [{"i": str(i)} | dict(zip(columns, row, strict=True)) for i, row in enumerate(table)]
    found = rows_of(document + "</table>\n")
    assert [{"i": row["@i"]} | {name: row.get(name) for name in columns} for row in found] == expected
