"""Every record of a text has one owner: header, row, reject, note, or it is blank."""

import os
from pathlib import Path

import pytest

from tests.certainty.accounting import MODES, Text, judge, wrong
from tests.tools.batch import Batch

COUNT, SEED = (100_000 // len(MODES), 1) if os.environ.get("TORTURE") else (60, 3)


@pytest.mark.timeout(6 * 3600 if os.environ.get("TORTURE") else 300)
@pytest.mark.parametrize("mode", list(MODES))
def test_the_records_of_a_text_are_the_sum_of_what_they_became(mode: str, tmp_path: Path) -> None:
    accepted, found = judge(MODES[mode], tmp_path, COUNT, SEED)
    assert accepted > COUNT / 10
    assert not [(text.data, reason) for text, reason in found]


def test_a_record_that_is_missing_is_noticed(tmp_path: Path) -> None:
    source, target = tmp_path / "text.csv", tmp_path / "text.parquet"
    source.write_text("id,name\n1,a\n2,b\n")
    with Batch() as batch:
        assert batch.convert(source, target).accepted
    assert wrong(Text(source.read_bytes(), 3, 0), target) == ""
    assert wrong(Text(source.read_bytes() + b"3,c\n", 4, 0), target)
