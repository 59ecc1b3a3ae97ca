"""From an empty directory to a query, as README and docs/QUERY.md have it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.operate.sources import ROOT

ROWS = "[{'id': 1, 'amount': 9.5}, {'id': 2, 'amount': 12.25}]"
pytest.importorskip("polars")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Run README's commands in an empty directory, all but the installation; yield it, and what they printed."""
    here = tmp_path_factory.mktemp("walk")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## From an empty directory to a query\n\n```sh\n(.*?)```", page, re.DOTALL)
    install, _, commands = block.partition("\n")
    assert install.startswith("pip install 'data-file-processor[embedded]'")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(here),
        "ALLOW_ROOT": "true",
        "STABILITY_THRESHOLD": "300",
    }
    script = commands.replace("> processor.log &", "> processor.log 2> daemon.err & echo $! > pid")
    assert script != commands
    try:
        ran = subprocess.run(
            ["bash", "-c", script], cwd=here, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr
        yield here, ran.stdout
    finally:
        _end(int((here / "pid").read_text()))


def _end(pid: int) -> None:
    """Have the daemon drain. Its shell has ended: it is a child of whoever adopts orphans, us perhaps."""
    process = psutil.Process(pid)
    process.terminate()
    process.wait(60)


def test_readme_goes_from_an_empty_directory_to_a_query(walk: tuple[Path, str]) -> None:
    assert walk[1].strip().replace("Decimal('9.50')", "9.5").replace("Decimal('12.25')", "12.25") == ROWS


def test_every_example_in_python_reads_what_was_delivered(walk: tuple[Path, str]) -> None:
    page = (ROOT / "docs/QUERY.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        ran = subprocess.run(
            [sys.executable, "-c", example], cwd=walk[0], capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr
        assert "12.25" in ran.stdout or "21.75" in ran.stdout, ran.stdout
