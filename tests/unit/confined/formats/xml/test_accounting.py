"""Rows of XML are counted where the text is read, by other means than those that make rows of it."""

import io
import random

import pytest

from processor.confined.formats.xml.accounting import Tags, count_rows
from processor.confined.formats.xml.feed import RowLines
from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.xml.xml_values import converted


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_tags_are_counted_once_wherever_the_text_is_cut(size: int) -> None:
    text = b"<x><r>1</r><r/><rr>2</rr><r></r><s></s></x>"
    tags = Tags(["r", "rr", "r"])
    for at in range(0, len(text), size):
        tags.add(text[at : at + size])
    assert tags.ends == 3


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_tags_of_rows_without_content_are_counted_once(size: int) -> None:
    text = b"<x><r a='1'/><r/><r\nb='2'/><rs c='3'/></x>"
    tags = Tags(["r"])
    for at in range(0, len(text), size):
        tags.add(text[at : at + size])
    assert (tags.ends, tags.starts) == (0, 3)


def test_without_names_of_rows_the_text_is_not_kept() -> None:
    tags = Tags([])
    for _ in range(3):
        tags.add(bytes(1000))
    assert len(tags._before) <= 1


@pytest.mark.parametrize(
    ("text", "paths", "wrappers", "rows"),
    [
        ("<x><r>1</r><r/><!-- <r>2</r> --><r><r>3</r></r></x>", {("x", "r")}, {("x",)}, 3),
        ("<x><![CDATA[<r>1</r>]]><r>2</r></x>", {("x", "r")}, {("x",)}, 2),
        ("<x>a<r>1</r>b<!-- c -->d<s/> \n<r/>e</x>", {("x", "r"), ("x", "s")}, {("x",)}, 6),
        ("<x xmlns:p='u'><p:r>1</p:r><r>2</r></x>", {("x", "p:r")}, {("x",)}, 1),
        ("<r>1</r>", {("r",)}, set(), 1),
    ],
)
def test_rows_and_texts_between_them_are_counted(
    text: str, paths: set[tuple[str, ...]], wrappers: set[tuple[str, ...]], rows: int
) -> None:
    assert count_rows(lambda: io.BytesIO(text.encode()), paths, wrappers) == rows


ROWS = "".join(f"<row id='{at}'><name>n{at}</name></row>" for at in range(5000))


@pytest.mark.parametrize("text", [f"<rows>{ROWS}</rows>", f"<rows>{ROWS * 20}<row id='1'/></rows>"])
def test_a_row_that_is_lost_on_its_way_is_noticed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RowLines._make

    def without_one(rows: RowLines, lines: bytes) -> None:
        rows._count -= 1
        whole(rows, lines.partition(b"\n")[2])

    assert converted(text)
    monkeypatch.setattr(RowLines, "_make", without_one)
    with pytest.raises(DeliveryError) as refusal:
        converted(text)
    assert refusal.value.failure.code == "xml.unaccounted"


def test_random_documents_of_all_kinds_have_as_many_rows_as_are_counted() -> None:
    chance = random.Random(7)
    for _ in range(150):
        converted(_document(chance))  # refused as unaccounted where it has not


def _document(chance: random.Random) -> str:
    tags = chance.choice([["r"], ["r"], ["r", "s"], ["p:r", "r"], ["r", "rr"]])
    parts = ["<r/>", "text", " \n", "<!-- <r></r> -->", "<![CDATA[</r>]]>", "<h>head</h>", "<?p </r>?>"]
    extra = chance.random() < 0.5
    rows = []
    for at in range(chance.choice([1, 2, 3, 30])):
        tag = chance.choice(tags)
        inner = chance.choice(["", f"<a>{at}</a>", f"<a>{at}</a><a/><b>t</b>", f"t{at}", f"<r>{at}</r>"])
        rows.append(f"<{tag} k='{at}'>{inner}</{tag}>" if chance.random() < 0.8 else f"<{tag}\n/>")
        if extra and chance.random() < 0.2:
            rows.append(chance.choice(parts))
    return f"<x xmlns:p='u'>{''.join(rows)}</x>"
