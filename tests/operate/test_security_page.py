"""docs/SECURITY.md claims nothing without a test, and leaves no suite of attacks out."""

import ast
import re
from collections.abc import Iterator

from tests.operate.sources import ROOT

PAGE = (ROOT / "docs/SECURITY.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def claims() -> Iterator[tuple[str, list[str]]]:
    """Yield each claim of the table with the tests that show it."""
    for line in section("Each claim, and the test that shows it").splitlines():
        if line.startswith("| ") and not line.startswith("| claim"):
            claim, tests = line.strip("| ").split(" | ")
            yield claim, re.findall(r"`(tests/[^`]+)`", tests)


def test_each_claim_names_tests_that_exist() -> None:
    found = list(claims())
    assert len(found) > 20
    for claim, tests in found:
        assert tests, claim
        for test in tests:
            path, _, name = test.partition("::")
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
            assert any(function.startswith("test_") for function in functions), test
            assert not name or name in functions, test


def test_no_suite_of_attacks_is_left_out() -> None:
    named = {test.partition("::")[0] for _, tests in claims() for test in tests}
    suites = {str(path.relative_to(ROOT)) for path in (ROOT / "tests/attacks").glob("test_*.py")}
    suites |= {str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit/sandbox").glob("test_*.py")}
    assert len(suites) >= 5
    assert suites <= named


def test_every_file_the_page_names_is_there() -> None:
    for path in set(re.findall(r"`((?:tests|processor|deploy)/[\w/.-]+)`", PAGE)):
        assert (ROOT / path).exists(), path


def test_the_four_adversaries_are_told_of() -> None:
    for who in ("the dropper", "the other local user", "the hostile file", "the hostile store"):
        assert f"| **{who}**" in section("Against whom")
