"""A table that is broken is refused, or every row of it is kept; a whole one is accepted as it is."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.certainty.judge import broken, judge_broken, judge_whole
from tests.certainty.mutations import EVEN, MUTATIONS, Broken
from tests.certainty.tables import Table, made
from tests.tools.batch import Batch

TABLES = made()
TABLES_A_KIND = 4


def _some(kind: str) -> list[Table]:
    """Return the tables, in another order for each kind: not each of them can be broken in each way."""
    first = list(MUTATIONS).index(kind)
    return [TABLES[(first + step * 5) % len(TABLES)] for step in range(len(TABLES))]


@pytest.fixture(scope="module")
def batch() -> Iterator[Batch]:
    with Batch() as running:
        yield running


@pytest.mark.parametrize("kind", list(MUTATIONS))
def test_a_broken_table_is_refused_or_kept_whole(kind: str, batch: Batch, tmp_path: Path) -> None:
    verdicts = list(islice(judge_broken(batch, tmp_path, _some(kind), [kind]), TABLES_A_KIND))
    assert len(verdicts) >= 2
    assert not [(verdict.table, verdict.wrong) for verdict in verdicts if verdict.wrong]


def test_a_whole_table_is_accepted_with_its_names_and_every_cell(tmp_path: Path) -> None:
    with Batch(settings={"TYPING": "text"}) as batch:
        verdicts = list(judge_whole(batch, tmp_path, TABLES))
    assert len(verdicts) >= 20
    assert not [(verdict.table, verdict.wrong) for verdict in verdicts if verdict.wrong]


def _regular(table: Table, made: Broken) -> bool:
    """Return true if Python's strict reader finds one width and nothing else."""
    try:
        text = made.data.decode()
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=table.delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return False
    return "\0" not in text and "\ufeff" not in text[1:] and len({len(row) for row in rows}) == 1


def test_what_must_be_refused_is_no_regular_table_for_another_reader_either() -> None:
    kinds = [kind for kind in MUTATIONS if kind not in EVEN]
    cases = [case for case in broken(TABLES, kinds) if case[2].rows is None]
    assert len(cases) > 800
    assert not [(kind, table.name) for kind, table, made in cases if _regular(table, made)]


def test_every_kind_changes_the_text() -> None:
    for kind, table, case in broken(TABLES):
        assert case.data != table.data(), (kind, table.name)
