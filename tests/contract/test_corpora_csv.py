"""CSV files that others wrote: read as an independent reader reads them, or refused, and never a crash."""

import csv
import json
from pathlib import Path

import pytest

from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_tables import convert

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the shared corpora are not here")

_LARGEST = 200_000
_SAMPLE_EVERY = 5


def _files(folder: str, pattern: str = "**/*.csv") -> list[Path]:
    return sorted(path for path in (CORPORA / folder).glob(pattern) if path.is_file())


def _named(path: Path) -> str:
    return path.relative_to(CORPORA).as_posix()


@pytest.mark.parametrize("path", _files("csv-spectrum"), ids=_named)
def test_csv_spectrum_is_read_as_its_json_says(path: Path) -> None:
    if path.stem == "location_coordinates":
        pytest.skip("its JSON is of another text")
    expected = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text().replace(r"\r\n", r"\n"))
    found = convert(path.read_bytes().replace(b"\r\n", b"\n"))
    assert [dict(zip(found.names, row, strict=True)) for row in found.rows] == expected


@pytest.mark.parametrize("folder", ["duckdb-csv", "clevercsv", "tabulator", "magika"])
@pytest.mark.parametrize("mode", ["refuse", "keep"])
def test_files_that_broke_other_readers_are_read_or_refused(folder: str, mode: str) -> None:
    for path in _files(folder)[::_SAMPLE_EVERY]:
        if path.stat().st_size <= _LARGEST:
            try:
                convert(path.read_bytes(), mode)
            except DeliveryError as refusal:
                assert refusal.failure.message, path  # noqa: PT017 - a refusal is an answer, anything else is not


def _regular_rows(path: Path) -> list[list[str]] | None:
    """Return the rows as Python's strict reader has them, where all are of one width."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows if len(rows) > 1 and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1 else None


@pytest.mark.parametrize("folder", ["fivethirtyeight", "statsmodels"])
def test_regular_files_have_the_cells_that_an_independent_reader_finds(folder: str) -> None:
    compared = 0
    for path in _files(folder)[::_SAMPLE_EVERY]:
        rows = _regular_rows(path) if path.stat().st_size <= _LARGEST else None
        if rows is None or len(rows[0]) > 1000:
            continue
        found = convert(path.read_bytes())
        above = len(found.facts.get("preamble", "").splitlines())  # such as names of groups, above the header
        body = rows[above + found.facts["header"].startswith("yes") :]
        assert [[value or "" for value in row] for row in found.rows] == body, path
        compared += 1
    assert compared > 20
