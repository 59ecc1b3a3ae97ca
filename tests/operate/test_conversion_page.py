"""Every example in docs/CONVERSION.md is converted, and becomes what the page says."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import duckdb
import pytest

from tests.operate.sources import ROOT

PAGE = (ROOT / "docs/CONVERSION.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^\| ((?:`[^`]+` ?)+) \| `([^`]+)` \|", re.MULTILINE)


def examples(heading: str) -> list[tuple[list[str], str]]:
    """Return the examples below a heading: what stands in the first cell's backticks, and in the second's."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [(re.findall(r"`([^`]+)`", left), right) for left, right in EXAMPLE.findall(section)]


def write_examples(directory: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file that was written and the columns that it is said to have."""
    typed = examples("Types are earned")
    path = directory / "types.csv"
    with path.open("w", newline="") as file:
        rows = zip_longest(*(texts for texts, _ in typed), fillvalue="")
        csv.writer(file).writerows([[f"c{number}" for number in range(len(typed))], *rows])
    yield path, ", ".join(f"c{number} {sql}" for number, (_, sql) in enumerate(typed))
    for suffix, heading in (("json", "JSON and JSON Lines"), ("xml", "XML")):
        for number, ((document,), columns) in enumerate(examples(heading)):
            path = directory / f"{number}.{suffix}"
            path.write_text(document)
            yield path, columns


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    directory = tmp_path_factory.mktemp("examples")
    written = list(write_examples(directory))
    orders = "".join(f"{path}\t{path}.parquet\n" for path, _ in written)
    command = [sys.executable, "-m", "processor", "convert", "--batch"]
    done = subprocess.run(command, input=orders, capture_output=True, text=True, cwd=directory, check=False)
    assert done.stdout.splitlines() == ["ok"] * len(written), done.stderr
    return written


def columns_of(path: Path) -> str:
    described = duckdb.sql(f"DESCRIBE FROM '{path}.parquet'").fetchall()
    return ", ".join(f"{name} {sql}" for name, sql, *_ in described)


def test_the_page_has_examples_of_everything() -> None:
    assert len(examples("Types are earned")) > 15
    assert len(examples("JSON and JSON Lines")) > 5
    assert len(examples("XML")) > 3


def test_every_example_becomes_what_the_page_says(converted: list[tuple[Path, str]]) -> None:
    wrong = {path.read_text(): columns_of(path) for path, said in converted if columns_of(path) != said}
    assert wrong == {}
