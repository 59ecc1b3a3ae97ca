"""The safety net catches what it is there for."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden.compare import difference_of, differences, read, report
from tests.golden.make import Making, make
from tests.golden.record import Record, Table

ROOT = Path(__file__).parents[2]
TABLE = Table("a" * 64, 2, ["id", "name"], ["int64", "string"], {"header": "yes"})
RECORD = Record("a.csv", {"TYPING": "lossless"}, TABLE)
REFUSED = Record("a.csv", {"TYPING": "lossless"}, None, "csv.malformed-rows", "line 3")


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    folder = tmp_path / "corpora"
    (folder / "below").mkdir(parents=True)
    (folder / "good.csv").write_text("id,name\n1,a\n2,b\n")
    (folder / "below/ragged.csv").write_text("id,name\n1,a\n2\n3,c\n")
    (folder / "below/rows.jsonl").write_text('{"a":1}\n{"a":2.5}\n')
    (folder / "broken.json").write_text('{"a":')
    return folder


def _run(corpora: Path, out: Path, *, every: int = 1) -> Path:
    making = Making(
        ROOT, corpora, every, malformed_rows=("refuse",), typing=("lossless",), bin=Path(sys.executable).parent
    )
    make(making, out)
    return out


def test_two_runs_of_the_same_code_are_equal_and_a_changed_file_is_told(corpora: Path, tmp_path: Path) -> None:
    before = read(_run(corpora, tmp_path / "before"))
    found = {record.path: (record.code, record.table.rows if record.table else 0) for record in before.records.values()}
    assert found == {
        "good.csv": ("", 2),
        "below/ragged.csv": ("csv.malformed-rows", 0),
        "below/rows.jsonl": ("", 2),
        "broken.json": ("json.syntax", 0),
    }
    (corpora / "good.csv").write_text("id,name\n1,a\n2,b\n3,c\n")
    after = read(_run(corpora, tmp_path / "after"))
    assert [(one.kind, one.key[0]) for one in differences(before, after)] == [("rows changed", "good.csv")]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (RECORD, REFUSED, "accepted -> refused"),
        (REFUSED, RECORD, "refused -> accepted"),
        (REFUSED, replace(REFUSED, code="csv.quotes"), "code changed"),
        (REFUSED, replace(REFUSED, message="line 4"), "message changed"),
        (RECORD, replace(RECORD, table=replace(TABLE, rows=3, sha256="b" * 64)), "rows changed"),
        (RECORD, replace(RECORD, table=replace(TABLE, names=["id", "Name"])), "names changed"),
        (RECORD, replace(RECORD, table=replace(TABLE, types=["string", "string"])), "types changed"),
        (RECORD, replace(RECORD, table=replace(TABLE, facts={})), "facts changed: header"),
        (RECORD, replace(RECORD, table=replace(TABLE, sha256="b" * 64)), "bytes changed"),
    ],
)
def test_each_kind_of_difference_has_its_name(old: Record, new: Record, kind: str) -> None:
    difference = difference_of(old, new)
    assert difference is not None
    assert difference.kind == kind
    assert "a.csv" in report([difference], show=1)


def test_equal_records_do_not_differ() -> None:
    assert difference_of(RECORD, Record.of(RECORD.fields())) is None
