"""A format that is added as docs/DEVELOPMENT.md says passes what every format passes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "new_format"
MOST_TOUCHED = 5

# What is touched outside of the format's own folder and its own sample: a text in the file, and what comes behind it.
TOUCHED = {
    "processor/domain/conversion.py": ('    XML = "xml"\n', '    FIXED = "fixed"\n'),
    "processor/domain/codes.py": ("_FAMILIES = {\n", '    "fixed": "positions row",\n'),
    "processor/confined/formats/__init__.py": ("csv/            CSV and TSV\n", "fixed/          Fixed-width text\n"),
    "docs/OPERATIONS.md": (
        "### The file\n\n| code | meaning | what to do |\n|---|---|---|\n",
        (
            "| `fixed.positions` | the second line is no ruler below names | correct the first two lines |\n"
            "| `fixed.row` | a line that does not fit the ruler, or has no end | correct it, or send the file again |\n"
        ),
    ),
    "docs/CONVERSION.md": ("\n## Types are earned\n", "\nFixed-width text: the second line declares the positions.\n"),
}
PASSED = (
    "tests/contract/test_formats.py",
    "tests/unit/test_house.py",
    "tests/operate/test_documentation.py",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of this tree with the format added."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("processor", "tests", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    shutil.copytree(HERE / "fixed", tree / "processor/confined/formats/fixed")
    shutil.copy(HERE / "sample.py", tree / "tests/contract/samples/fixed.py")
    for name, (before, added) in TOUCHED.items():
        text = (tree / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, name
        (tree / name).write_text(text.replace(before, before + added), encoding="utf-8")
    return tree


def test_a_new_format_passes_what_every_format_passes(tree: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-n0", "-p", "no:cacheprovider", *PASSED]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [*command, "-k", "fixed or house or documentation"],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"test_formats\.py::.*fixed.* PASSED", done.stdout)) >= 6, done.stdout


def test_few_files_are_touched_and_the_documentation_names_them() -> None:
    page = (ROOT / "docs/DEVELOPMENT.md").read_text(encoding="utf-8")
    section = page.split("\n## Adding a format\n", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"^\d\. `([^`]+)`", section, re.MULTILINE))
    assert named == {name.removeprefix("processor/") for name in TOUCHED}
    assert len(TOUCHED) <= MOST_TOUCHED
