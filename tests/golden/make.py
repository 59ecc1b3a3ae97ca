"""Convert every file of a folder under every choice of settings, and write down what came of it."""

import itertools
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tests.golden.record import Record, digest, read_table
from tests.tools.batch import Batch, clean_environment

MALFORMED_ROWS = ("refuse", "reject-object", "keep")
TYPING = ("lossless", "text")


@dataclass(frozen=True, slots=True)
class Making:
    """A checkout with its virtual environment, a folder of files, and how many of them."""

    checkout: Path
    corpora: Path
    every: int = 1
    jobs: int = 1
    more: Mapping[str, str] = field(default_factory=dict)
    malformed_rows: tuple[str, ...] = MALFORMED_ROWS
    typing: tuple[str, ...] = TYPING
    archives: bool = True
    bin: Path | None = None  # of a virtual environment that is not in the checkout

    def program(self, name: str) -> str:
        return str((self.bin or self.checkout / ".venv/bin") / name)

    def files(self) -> list[Path]:
        """Return the files, or a sample: by the paths' checksums, so that it is the same in every run."""
        found = sorted(path for path in self.corpora.rglob("*") if path.is_file())
        return [path for path in found if zlib.crc32(self.name(path).encode()) % self.every == 0]

    def name(self, path: Path) -> str:
        return str(path.relative_to(self.corpora)).encode("utf-8", "backslashreplace").decode()

    def choices(self) -> Iterator[dict[str, str]]:
        for malformed_rows, typing in itertools.product(self.malformed_rows, self.typing):
            yield {"MALFORMED_ROWS": malformed_rows, "TYPING": typing}


def make(making: Making, out: Path) -> None:
    """Write one line a file and choice of settings to `out`; the first line says what was done."""
    begun = time.monotonic()
    files = making.files()
    with ThreadPoolExecutor(making.jobs) as pool, out.open("w", encoding="utf-8") as lines:
        _write(lines, {"every": making.every, "files": len(files), "more": dict(making.more)})
        for records in pool.map(lambda choice: _converted(making, files, choice), list(making.choices())):
            for record in records:
                _write(lines, record.fields())
            print(f"{time.monotonic() - begun:6.0f} s  {len(records)} files, {records[0].key[1]}", file=sys.stderr)
        for record in _extracted(making, files if making.archives else []):
            _write(lines, record.fields())
    print(f"{time.monotonic() - begun:6.0f} s  {out}", file=sys.stderr)


def _write(lines: TextIO, value: Mapping[str, object]) -> None:
    print(json.dumps(value, sort_keys=True), file=lines)


def _converted(making: Making, files: list[Path], choice: dict[str, str]) -> list[Record]:
    with ExitStack() as stack:
        target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="golden-")), "out.parquet")
        command = (making.program("processor"), "convert", "--batch")
        batch = stack.enter_context(Batch(command, {**making.more, **choice}, below=making.corpora))
        codes = stack.enter_context(_codes(making, choice))
        return [_record(making, batch, codes, path, target, choice) for path in files]


def _codes(making: Making, choice: Mapping[str, str]) -> Batch:
    """Return what is asked for the code of a failure: `convert --batch` tells its words alone."""
    tool = making.checkout / "tests/tools/convert.py"
    return Batch(
        (making.program("python"), str(tool), "--batch"),
        {**making.more, **choice} | {"PYTHONPATH": str(making.checkout)},
    )


def _record(making: Making, batch: Batch, codes: Batch, path: Path, target: Path, choice: dict[str, str]) -> Record:
    answer = batch.convert(path, target)
    name = making.name(path)
    table, code, message = None, "", ""
    if answer.accepted:
        table = read_table(target)
    elif answer.ended:
        code, message = "DIED", answer.ended
    else:
        message = answer.message.replace(str(making.corpora), "")
        code = _code(codes.convert(path, target).message, answer.message)
    for file in target.parent.iterdir():
        file.unlink()
    return Record(name, choice, table, code, message)


def _code(told: str, message: str) -> str:
    """Return the code before the same words; without the confinement a file may end otherwise, or well."""
    code, _, words = told.partition(": ")
    return code if " ".join(words.replace("\\n", " ").split())[:40] == message[:40] else ""


def _extracted(making: Making, files: list[Path]) -> Iterator[Record]:
    """Yield what became of the archives, by `extract` and its own settings."""
    for path in files:
        if _archive(path):
            with tempfile.TemporaryDirectory(prefix="golden-") as directory:
                done = subprocess.run(
                    [making.program("processor"), "extract", path, directory],
                    capture_output=True,
                    text=True,
                    errors="backslashreplace",
                    cwd=directory,
                    env=clean_environment(making.more),
                    check=False,
                    timeout=600,
                )
                members = {
                    str(member.relative_to(directory)).encode("utf-8", "backslashreplace").decode(): digest(member)
                    for member in sorted(Path(directory).rglob("*"))
                    if member.is_file()
                }
                message = "\n".join(sorted(done.stderr.splitlines()))
                message = message.replace(str(making.corpora), "").replace(directory, "")
                yield Record(making.name(path), {"command": "extract"}, None, str(done.returncode), message, members)


def _archive(path: Path) -> bool:
    return path.suffix in {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}
