"""What a conversion costs in CPU here and at another commit: in turn, each in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from tests.bench import data, xml_cost

ROOT = Path(__file__).parents[2]


def cpu(against: str, megabytes: int, rounds: int, names: list[str]) -> float:
    """Print the ratio for each format; return the largest. The smallest figure of each side counts."""
    largest = 0.0
    with _checked_out(against) as there, tempfile.TemporaryDirectory(prefix="golden-") as folder:
        for name, write in _INPUTS.items():
            if names and name not in names:
                continue
            source = Path(folder, name)
            write(source, megabytes * 1_000_000)
            before, now = _in_turn((there, ROOT), source, rounds)
            largest = max(largest, now / before)
            print(f"{name:14} {source.stat().st_size / 1e6:5.0f} MB  {before:6.2f} s  {now:6.2f} s  {now / before:.3f}")
            source.unlink()
    return largest


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        tree = Path(folder, "tree")
        _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)


def _in_turn(trees: tuple[Path, Path], source: Path, rounds: int) -> tuple[float, float]:
    figures: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds):
        for side in ((0, 1), (1, 0))[round_ % 2]:
            figures[side].append(_cpu_seconds(trees[side], source))
    return min(figures[0]), min(figures[1])


def _cpu_seconds(tree: Path, source: Path) -> float:
    """Return the CPU seconds of one conversion by the code in `tree`, the start of Python included."""
    tool = tree / "tests/tools/convert.py"
    # Neither side has bytecode at first, and both have it from the second round on.
    bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(source.parent / "bytecode")}
    process = subprocess.Popen(
        [sys.executable, str(tool), str(source), f"{source}.parquet"],
        env=os.environ | bytecode | {"PYTHONPATH": str(tree)},
        stdout=subprocess.DEVNULL,
        cwd=source.parent,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, str(tool))
    Path(f"{source}.parquet").unlink()
    return usage.ru_utime + usage.ru_stime


def _json_array(path: Path, size: int) -> None:
    lines = path.with_name("lines")
    data.json_lines(lines, size)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY (FROM read_json('{lines}')) TO '{path}' (FORMAT json, ARRAY true)")
    lines.unlink()


def _quoted_tsv(path: Path, size: int) -> None:
    """Write texts in quotes, with line ends and quotes in them."""
    rows = size // 75
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            "COPY (SELECT i AS id, 'name \"' || hash(i) % 1000 || '\"' AS name, 'first' || chr(10) || hash(i) AS text,"
            f" hash(i) % 100 / 4 AS price FROM range({rows}) t(i)) TO '{path}' (FORMAT csv, HEADER, DELIM '\t')"
        )


def _utf16_csv(path: Path, size: int) -> None:
    """Write half the size in an encoding that has to be decoded first."""
    text = data.small_table(1).decode().replace("name", "naïve")
    with path.open("w", encoding="utf-16") as file:
        header, _, rows = text.partition("\n")
        file.write(header + "\n")
        while file.tell() < size // 2:
            file.write(rows)


_INPUTS: dict[str, Callable[[Path, int], None]] = {
    "plain.csv": data.mixed_csv,
    "quoted.tsv": _quoted_tsv,
    "utf16.csv": _utf16_csv,
    "lines.jsonl": data.json_lines,
    "array.json": _json_array,
    "orders.xml": data.xml,
    "flat.xml": lambda path, size: xml_cost.write(path, size, xml_cost.flat_row),
    "nested.xml": lambda path, size: xml_cost.write(path, size, xml_cost.nested_row),
}
