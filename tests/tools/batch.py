"""A running `processor convert --batch`, asked file by file."""

import glob
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

OURS = Path(sys.executable).with_name("processor")
_CUT_SHORT = ("err object stream ended early", "err object stream never began")  # for want of a worker: ask again
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """The words of the answer; none when the program died or hung, which `ended` then says."""

    text: str
    ended: str = ""

    @property
    def accepted(self) -> bool:
        return self.text == "ok"

    @property
    def message(self) -> str:
        return self.ended or self.text.removeprefix("err ")


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no settings of whoever runs this decide."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | dict(settings)


class Batch:
    """One program for many files; it is started again after it died."""

    def __init__(
        self,
        command: Sequence[str] = (str(OURS), "convert", "--batch"),
        settings: Mapping[str, str] | None = None,
        *,
        below: Path | None = None,
        timeout_seconds: float = 120,
    ) -> None:
        self._command = list(command)
        self._environment = clean_environment(settings or {})
        self._below = below
        self._timeout_seconds = timeout_seconds
        self._nowhere = tempfile.TemporaryDirectory(prefix="batch-")
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._nowhere.cleanup()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def convert(self, source: Path, target: Path) -> Answer:
        """Convert one file, again if the worker ended before it had answered."""
        for _ in range(_TRIES):
            answer = self._ask(source, target)
            if not answer.text.startswith(_CUT_SHORT):
                break
        return answer

    def convert_once(self, source: Path, target: Path) -> Answer:
        """Convert one file and take whatever the answer is."""
        return self._ask(source, target)

    def _ask(self, source: Path, target: Path) -> Answer:
        for left in (target, *target.parent.glob(f"{glob.escape(target.name)}.*.jsonl")):
            left.unlink(missing_ok=True)  # of the file before: nothing is overwritten
        process = self._running()
        try:
            return Answer(self._line(process, source, target))
        except TimeoutError:
            self._end()
            return Answer("", ended=f"no answer within {self._timeout_seconds:.0f} s")
        except (BrokenPipeError, EOFError):
            code = process.wait()
            self._end()
            return Answer("", ended=f"the program died: {code}")

    def _line(self, process: subprocess.Popen[bytes], source: Path, target: Path) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(os.fsencode(f"{source}\t{target}\n"))
        process.stdin.flush()
        if not select.select([process.stdout], [], [], self._timeout_seconds)[0]:
            raise TimeoutError
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line.decode("utf-8", "backslashreplace").rstrip("\n")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self.starts += 1
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                cwd=self._nowhere.name,
            )
            if self._below is not None:
                # The first file's directory is what the worker may read: the top one, or each directory costs a worker.
                self._line(self._process, self._below / "no such file", Path(self._nowhere.name, "none"))
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process = None
