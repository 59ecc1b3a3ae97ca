"""A refusal harms nobody: neither its worker nor the files that follow."""

import os
from pathlib import Path

import psutil
import pytest

from tests.tools.batch import Batch

# A worker is replaced after some thousand tasks, whatever they were: a round has fewer.
ROUNDS, EACH = (2, 1500) if os.environ.get("TORTURE") else (1, 150)

REFUSED = [
    b"id,name\n1,a\n2\n3,c\n",
    b"id,name\n1,a,x\n2,b,y\n3,c\n",
    b'id,name\n1,"a\n2,b\n',
    b"id,name\n1,a\xff\n\xfe,\x81\n",
    b"id,name\n" + b"1,a\n" * 5000 + b"2\n",
    b"",
]
GOOD = [
    b"id,name\n1,a\n2,b\n",
    b"id;day\n1;2024-01-01\n2;2024-01-02\n",
    b'id,text\n1,"a, b"\n2,"c ""d"""\n',
    b"id,name\n" + b"1,a\n" * 5000,
]


@pytest.mark.timeout(3600 if os.environ.get("TORTURE") else 300)
@pytest.mark.parametrize("_round", range(ROUNDS))
def test_refusals_among_good_files_cost_no_retry_and_no_worker(_round: int, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.parquet"
    with Batch() as batch:
        source.write_bytes(GOOD[0])
        assert batch.convert(source, target).accepted
        before = _processes(batch)
        for number in range(EACH):
            source.write_bytes(REFUSED[number % len(REFUSED)])
            refusal = batch.convert_once(source, target)
            assert refusal.text.startswith("err "), (number, refusal)
            assert "stream ended early" not in refusal.text, number
            source.write_bytes(GOOD[number % len(GOOD)])
            assert batch.convert_once(source, target).text == "ok", number
        assert _processes(batch) == before
        assert batch.starts == 1


def _processes(batch: Batch) -> set[int]:
    """Return the program and all that it has started."""
    assert batch.pid is not None
    return {batch.pid, *(child.pid for child in psutil.Process(batch.pid).children(recursive=True))}
