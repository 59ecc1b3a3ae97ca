"""The house keeps its rules: maps are true, rooms are small, names have one meaning, first lines are plain."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2] / "processor"
PACKAGES = sorted(path.parent for path in ROOT.rglob("__init__.py"))
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")
MOST_MODULES = 25
MOST_WORDS = 10
LOOSE = {"logs", "__main__"}


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT.parent))


def test_each_package_s_map_names_exactly_its_modules() -> None:
    for package in PACKAGES:
        there = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
        there |= {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
        mapped = set(re.findall(r"^(\w+/?) {2,}\S", docstring(package / "__init__.py"), re.MULTILINE))
        assert mapped == there, named(package)


def test_each_room_has_few_modules() -> None:
    sizes = {named(package): len(list(package.glob("*.py"))) - 1 for package in PACKAGES}
    assert {name: size for name, size in sizes.items() if size > MOST_MODULES} == {}


def test_few_modules_lie_loose_at_the_top() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} - {"__init__"} <= LOOSE


def test_no_class_name_has_two_meanings() -> None:
    homes = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(named(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_each_module_begins_with_one_short_plain_line() -> None:
    for path in [*MODULES, *(package / "__init__.py" for package in PACKAGES)]:
        first = docstring(path).partition("\n")[0]
        assert first, f"{named(path)} has no docstring"
        assert len(first.split()) <= MOST_WORDS, (named(path), first)
        assert not re.match(r"(What|Whether|Whose|Who)\b", first), (named(path), first)
        assert first.endswith("."), (named(path), first)


def test_confined_code_brings_nothing_of_the_other_side_into_a_worker() -> None:
    forbidden = ("store", "ledger", "config", "engine", "delivery", "actors", "daemon", "remote", "watch", "commands")
    program = (
        "import sys, processor.confined.entrypoint as e; e.prepare(); "
        f"print([m for m in sys.modules if m.startswith({tuple(f'processor.{name}' for name in forbidden)!r})"
        " or m in ('boto3', 'botocore', 'sqlite3', 'pydantic', 'pykka')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_main_process_loads_no_parser() -> None:
    parsers = ("duckdb", "_duckdb", "pyarrow", "numpy", "pyexpat", "zstandard")
    program = f"import sys, processor.daemon.app; print([m for m in sys.modules if m in {parsers!r}])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
