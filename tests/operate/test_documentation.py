"""What is documented is what is there: settings, events, failures, metrics, commands, links."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from processor.cli.parser import commands, parser
from processor.cli.reference import reference
from processor.config.settings import Settings
from processor.domain.codes import CODES
from tests.operate.sources import ROOT, events, failure_codes

SETTINGS = (ROOT / "docs/SETTINGS.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))


def _rows(page: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of every row in the tables below a heading."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def _names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "**required**"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "" if value in (None, "", ()) else f"`{value}`"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_a_setting_is_documented_with_its_default_and_meaning(name: str) -> None:
    field = Settings.model_fields[name]
    assert f"| `{name.upper()}` | {_default(field)} | {field.description} |" in SETTINGS
    assert re.search(rf"^#?{name.upper()}=", EXAMPLE, re.MULTILINE), "missing in .env.example"


def test_nothing_is_documented_that_is_no_setting() -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"^\| `([A-Z0-9_]+)` \|", SETTINGS, re.MULTILINE)) == known
    assert set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)) == known


def test_every_event_that_is_logged_is_documented_and_no_other() -> None:
    documented = set().union(*(_names(row[0]) for row in _rows(OPERATIONS, "Logs")))
    assert len(events()) > 25, "the search for events finds them"
    assert documented == events()


def test_every_failure_code_is_documented_and_no_other() -> None:
    documented = set().union(*(_names(row[0]) for row in _rows(OPERATIONS, "Failures")))
    assert len(failure_codes()) > 70, "the search for codes finds them"
    assert documented == failure_codes() | {"unknown"}


def test_every_code_that_a_daemon_may_meet_has_a_counter() -> None:
    of_no_file = ("convert.", "extract.", "directory.", "catalog.", "notify.")
    assert set(CODES) == {code for code in failure_codes() if not code.startswith(of_no_file)}, "domain/codes.py"


def test_every_command_is_named_in_the_documentation() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for command in commands(parser()):
        assert f"processor {command.words}" in text, command.words


def test_the_reference_of_commands_is_that_of_the_program() -> None:
    made = "python -m processor.cli.reference > docs/COMMANDS.md"
    assert (ROOT / "docs/COMMANDS.md").read_text(encoding="utf-8") == reference(), made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_documentation_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
