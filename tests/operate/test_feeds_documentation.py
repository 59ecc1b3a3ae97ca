"""docs/FEEDS.md and deploy/feeds.example.toml declare what they say they do."""

import re

import pytest

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
    assert len(EXAMPLES) >= 5
    for declaration, _file in EXAMPLES:
        assert len([line for line in declaration.splitlines() if "=" in line and "match" not in line]) <= 8


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
