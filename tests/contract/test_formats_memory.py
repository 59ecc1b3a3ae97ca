"""A conversion does not hold its text in memory."""

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from processor.confined.formats import convert
from processor.domain.conversion import ConversionOptions, DataFormat

ROOT = Path(__file__).parents[2]
# Megabytes. Allocators warm up: CSV takes 136 for 30, 184 for 90, 220 for 150 and 248 for 300.
_SMALL, _LARGE, _MOST_MORE = 90, 270, 90


@dataclass(frozen=True)
class GrowingSource:
    """A text of so many megabytes, made while it is read, as a member of an archive would be."""

    kind: str
    megabytes: int
    size_bytes: None = None
    path_fd: None = None

    @property
    def name(self) -> str:
        return f"t.{self.kind}"

    def open(self) -> BinaryIO:
        read_end, write_end = os.pipe()
        threading.Thread(target=self._feed, args=(write_end,), daemon=True).start()
        return open(read_end, "rb", buffering=0)

    def _feed(self, write_end: int) -> None:
        try:
            with open(write_end, "wb") as pipe:
                pipe.writelines(piece.encode() for piece in self._pieces())
        except BrokenPipeError:
            pass  # the reader wanted only the beginning

    def _pieces(self) -> Iterator[str]:
        begin, row, between, end = _TEXTS[self.kind]
        yield begin
        length = number = 0
        while length < self.megabytes << 20:
            piece = (between if number else "") + row.replace("@", str(number))
            length, number = length + len(piece), number + 1
            yield piece
        yield end


_ROW = json.dumps({"id": "@", "name": "name @", "sub": {"a": [1, 2], "text": "some text of @"}})
_TEXTS = {
    "csv": ("id,name,price\n", '@,"name ""@"", with more of it",@.25', "\n", "\n"),
    "json": ("[", _ROW, ",\n", "]"),
    "jsonl": ("", _ROW, "\n", "\n"),
    "xml": ("<list>", "<item id='@'><name>name @</name><b><c>x @</c><c>y</c></b></item>", "\n", "</list>"),
}


class _Nowhere:
    @contextmanager
    def parquet(self) -> Iterator[int]:
        read_end, write_end = os.pipe()
        pump = threading.Thread(target=self._drain, args=(read_end,))
        pump.start()
        try:
            yield write_end
        finally:
            os.close(write_end)
            pump.join()

    def _drain(self, read_end: int) -> None:
        while os.read(read_end, 1 << 20):
            pass
        os.close(read_end)

    @contextmanager
    def rejects(self) -> Iterator[BinaryIO]:
        raise NotImplementedError

    @contextmanager
    def notes(self) -> Iterator[BinaryIO]:
        raise NotImplementedError


def _peak_megabytes(kind: str, megabytes: int) -> int:
    command = [sys.executable, "-m", "tests.contract.test_formats_memory", kind, str(megabytes)]
    return int(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)


@pytest.mark.skipif(not os.environ.get("TORTURE"), reason="takes long: set TORTURE=1")
@pytest.mark.parametrize("kind", list(_TEXTS))
def test_more_text_takes_at_most_half_of_it_in_memory(kind: str) -> None:
    assert _peak_megabytes(kind, _LARGE) <= _peak_megabytes(kind, _SMALL) + _MOST_MORE


if __name__ == "__main__":
    source = GrowingSource(sys.argv[1], int(sys.argv[2]))
    receipt = convert(source, DataFormat(sys.argv[1]), ConversionOptions(), _Nowhere(), ())
    assert receipt.rows > 100_000
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
