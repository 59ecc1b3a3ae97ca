"""docs/FEEDS.md and deploy/feeds.example.toml declare what they say they do."""

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
import pytest

from processor.commands.convert import convert_file
from processor.commands.local_worker import LocalWorker
from processor.config.settings import Settings
from processor.domain.key_template import FIELDS
from processor.feeds.load import parse_feeds
from processor.feeds.model import (
    ColumnSection,
    CsvSection,
    DeliverySection,
    FeedModel,
    JsonSection,
    TableSection,
    XmlSection,
)
from tests.operate.sources import ROOT

PAGE = (ROOT / "docs/FEEDS.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = re.findall(r"^```toml\n([^`]*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_declaration_of_the_page_is_one(block: str) -> None:
    assert parse_feeds(block, "FEEDS.md").feeds


def test_the_example_to_start_from_is_one() -> None:
    feeds = parse_feeds((ROOT / "deploy/feeds.example.toml").read_text(encoding="utf-8"), "example").feeds
    assert len(feeds) >= 3


def test_there_are_examples_with_the_files_that_they_are_for() -> None:
    assert len(EXAMPLES) == len(READ)


@pytest.mark.parametrize("declaration", [declaration for declaration, _file in EXAMPLES])
def test_an_example_is_declared_by_at_most_six_lines(declaration: str) -> None:
    assert len([line for line in declaration.splitlines() if line.strip()]) <= 6


READ = {
    "bank/a.csv": [
        {"Buchung": date(2024, 3, 1), "Text": "Miete März", "Betrag": Decimal("-1250.00")},
        {"Buchung": date(2024, 3, 4), "Text": "Gehalt", "Betrag": Decimal("3100.50")},
    ],
    "logger/a.dat": [
        {"time": datetime(2024, 3, 1), "record": 0, "battery_v": 12.5, "temperature_c": 3.25},  # noqa: DTZ001
        {"time": datetime(2024, 3, 1, 0, 10), "record": 1, "battery_v": 12.5, "temperature_c": None},  # noqa: DTZ001
    ],
    "stock/a.csv": [{"商品": "苹果", "库存": 12}, {"商品": "梨", "库存": 7}],
    "prices/a.csv": [
        {"article": "ladder", "price": Decimal("1249.90"), "weight": 12.5},
        {"article": "rope", "price": Decimal("8.00"), "weight": 0.75},
    ],
    "dump/a.csv": [
        {"id": 1, "name": "Ada", "balance": Decimal("10.50")},
        {"id": 2, "name": None, "balance": None},
    ],
    "imdb/a.tsv": [
        {"tconst": "tt0000001", "title": '"Carmencita', "year": 1894},
        {"tconst": "tt0000002", "title": "Le clown et ses chiens", "year": None},
    ],
    "orders/a.xml": [{"@id": 1, "line": ["paper"]}],
    "events/a.json": [{"id": 1, "kind": "open"}, {"id": 2, "kind": "close"}],
}


def test_every_example_reads_its_file(tmp_path: Path) -> None:
    (tmp_path / "feeds.toml").write_text("".join(declaration for declaration, _file in EXAMPLES))
    settings = Settings(s3_bucket="unset", watch_path=tmp_path, feeds=tmp_path / "feeds.toml")
    read = {}
    with LocalWorker(settings) as worker:
        for declaration, text in EXAMPLES:
            (feed,) = parse_feeds(declaration, "FEEDS.md").feeds
            name = feed.match[0].text.replace("*", "a")
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(text.encode(feed.declaration.csv.encoding or "utf-8"))
            worker.admit(str(tmp_path))
            target = tmp_path / "out" / f"{feed.name}.parquet"
            target.parent.mkdir(exist_ok=True)
            convert_file(worker, settings, tmp_path / name, target)
            read[name] = pyarrow.parquet.read_table(target).to_pylist()
    assert read == READ


@pytest.mark.parametrize(
    "model", [FeedModel, CsvSection, JsonSection, XmlSection, ColumnSection, DeliverySection, TableSection]
)
def test_every_key_is_documented(model: type[FeedModel]) -> None:
    for name, field in model.model_fields.items():
        key = field.alias or name
        assert re.search(rf"(`|\b|\[feed\.){re.escape(key)}\b", PAGE), key


def test_every_field_of_a_template_is_documented() -> None:
    for name in FIELDS:
        assert f"{{{name}" in PAGE


def test_the_tables_of_the_page_name_each_key_of_csv_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", PAGE, re.MULTILINE))
    assert set(CsvSection.model_fields) <= rows.keys()
    assert {name: rows[name] for name in ("decimal", "null_quoted", "skip_lines")} == {
        "decimal": '`"."`',
        "null_quoted": "`false`",
        "skip_lines": "0",
    }


def test_the_page_is_linked() -> None:
    assert "docs/FEEDS.md" in (ROOT / "README.md").read_text(encoding="utf-8")
