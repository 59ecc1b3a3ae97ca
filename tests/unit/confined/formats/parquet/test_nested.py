"""Texts within lists and structures earn types as columns do, and come back equal by value."""

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.confined.formats.parquet import nested, write
from processor.domain.conversion import Typing
from tests.unit.confined.formats.tables import same_value
from tests.unit.confined.formats.xml.xml_values import converted, rows_of

_FEW = settings(max_examples=10)

# Texts of one kind each, so that places earn types, among them some that look alike and are not held.
_KINDS = [
    ["1", "-5", "9007199254740993", "0"],
    ["1.50", "2", "-0.25", "1e3", ".5"],
    ["12345678901234567890", "1", "0.1234567890123456789"],
    ["true", "FALSE", "True"],
    ["2024-02-29", "1999-12-31"],
    ["2024-02-29T10:11:12Z", "1999-12-31T00:00:00+01:00", "2020-01-01T00:00:00.123456Z"],
    ["2024-02-29 10:11:12", "2024-02-29T10:11", "1999-12-31 00:00:00.5"],
    ["x", "007", "1"],
    ["", "1"],
    ["-0", "0", "1"],
    ["NaN", "1.5"],
]


class Writer:
    """Writes rows whose elements and attributes have texts of one kind at each place, now and then of another."""

    def __init__(self, seed: int, oddity: float) -> None:
        self.random = Random(seed)
        self.oddity = oddity
        self.kinds: dict[tuple[str, ...], list[str]] = {}

    def text(self, place: tuple[str, ...]) -> str:
        kind = self.kinds.setdefault(place, self.random.choice(_KINDS))
        return self.random.choice(self.random.choice(_KINDS) if self.random.random() < self.oddity else kind)

    def element(self, path: tuple[str, ...]) -> str:
        depth = len(path)
        attributes = "".join(
            f' {name}="{self.text((*path, name))}"' for name in ("k", "l") if self.random.random() < 0.4
        )
        if depth > 2 and self.kinds.setdefault((*path, "/"), self.random.choice([[], ["/"]])):
            return f"<{path[-1]}{attributes}>{self.text(path)}</{path[-1]}>"
        inner = (
            ""
            if depth > 4
            else "".join(self.element((*path, name)) for name in "xyz" for _ in range(self.random.choice((0, 1, 1, 2))))
        )
        return f"<{path[-1]}{attributes}>{inner or self.text(path)}</{path[-1]}>"

    def document(self, rows: int) -> str:
        return f"<r>{''.join(self.element(('r', 'a')) for _ in range(rows))}</r>"


def assert_same(texts: Any, found: Any) -> None:
    """Compare a value in texts with the same in types."""
    if isinstance(texts, dict):
        assert found is not None
        assert list(texts) == list(found)
        for name, text in texts.items():
            assert_same(text, found[name])
    elif isinstance(texts, list):
        assert len(texts) == len(found)
        for text, value in zip(texts, found, strict=True):
            assert_same(text, value)
    else:
        assert same_value(texts, found), (texts, found)


@given(seed=st.integers(0, 2**40), rows=st.integers(2, 30), oddity=st.sampled_from([0, 0.01, 0.2]))
@_FEW
def test_texts_at_any_depth_come_back_equal(seed: int, rows: int, oddity: float) -> None:
    document = Writer(seed, oddity).document(rows)
    assert_same(rows_of(document), rows_of(document, Typing.LOSSLESS))


@given(seed=st.integers(0, 2**40), oddity=st.sampled_from([0.02, 0.2]))
@example(seed=1, oddity=0.02)
@_FEW
def test_what_the_first_texts_did_not_show_costs_types_but_no_value(seed: int, oddity: float) -> None:
    document = Writer(seed, oddity).document(40)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_SAMPLE_ROWS", "_SAMPLE_CELLS", "_FETCHED_ROWS", "_WIDE_ROWS", "_FEW_ROWS"):
            patch.setattr(write, name, 1)
        found = rows_of(document, Typing.LOSSLESS)
    assert_same(rows_of(document), found)


def types_of(document: str, column: str) -> str:
    receipt, _ = converted(document, Typing.LOSSLESS)
    (found,) = (each for each in receipt.columns if each.name == column)
    return found.type


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ("", 'STRUCT("@k" BIGINT, "x" DATE[])[]'),
        ("<i k='1.5'/><i><x>2024-01-01</x></i>", 'STRUCT("@k" DOUBLE, "x" DATE[])[]'),
        ("<i k='007'/><i><x>soon</x></i>", 'STRUCT("@k" VARCHAR, "x" VARCHAR[])[]'),
        ("<i k='1.5'/><i k='12345678901234567890'/><i k='0.25'/>", 'STRUCT("@k" DECIMAL(38,2), "x" DATE[])[]'),
    ],
)
def test_a_late_text_changes_the_type_of_its_place_alone(late: str, expected: str) -> None:
    rows = "".join(f"<a><i k='{row}'><x>2024-01-01</x><x>2024-01-02</x></i><i/></a>" for row in range(3_000))
    document = f"<r>{rows}<a>{late}</a></r>"
    assert types_of(document, "i") == expected
    assert_same(rows_of(document), rows_of(document, Typing.LOSSLESS))


def test_the_receipt_and_the_parquet_name_each_places_type() -> None:
    receipt, output = converted("<r><a><l><n>1</n><n>2</n><s>x</s></l></a><a/></r>", Typing.LOSSLESS)
    (column,) = receipt.columns
    assert column.type == 'STRUCT("n" BIGINT[], "s" VARCHAR)'
    assert column.reason.endswith("held by n.[] BIGINT")
    assert "n.[] BIGINT" in output.key_values()["column-types"]


def test_too_many_places_below_the_rows_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "MOST_LEAVES", 2)
    document = "<r><a><l><x>1</x><y>2</y><z>3</z></l></a><a/></r>"
    assert types_of(document, "l") == 'STRUCT("x" VARCHAR, "y" VARCHAR, "z" VARCHAR)'


def test_a_first_look_may_leave_most_of_a_large_document_unread() -> None:
    rows = f"<a>{'<t>1234567890</t>' * 14}</a>" * 60_000
    assert types_of(f"<r>{rows}</r>", "t") == "BIGINT[]"


def test_deep_structures_do_not_take_memory_by_the_square(tmp_path: Path) -> None:
    """Each level once took room for all below it, for each leaf: 2 GB for 6 KB of XML."""
    fields = "".join(f"<f{number}>{number}</f{number}>" for number in range(8))
    levels = "".join(f"<l{level}>{fields}" for level in range(6)) + "".join(
        f"</l{level}>" for level in range(5, -1, -1)
    )
    (tmp_path / "deep.xml").write_text(f"<r><a>{levels}</a><a>{levels}</a></r>")
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (600 << 20,) * 2);"
        "from tests.tools.convert import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", limited, str(tmp_path / "deep.xml"), str(tmp_path / "deep.parquet")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout.strip() == "ok", ended.stderr
    table = duckdb.sql(f"SELECT l0.l1.l2.l3.l4.l5.f7, l0.f0 FROM '{tmp_path}/deep.parquet'")
    assert table.fetchall() == [(7, 0), (7, 0)]
