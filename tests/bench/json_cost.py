"""What lossless JSON costs: CPU seconds and peak memory of `convert_json` against DuckDB's own COPY, one thread each.

    json_cost.py [--mb 250] [--rounds 3] [--shape lines|array|pretty] [--dir /tmp]

The documents are generated: ids, instants, prices, truth values, nested records, lists, optional parts and free text.
Each round runs both ways in turn, each in a process of its own; the smallest figure of each counts.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import duckdb

from processor.confined.formats import duckdb_session
from processor.confined.formats.json.convert import convert_json
from processor.domain.conversion import ConversionOptions, DataFormat
from processor.streams.source import open_file

_WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zürich", "eta", "theta"]
_OPTIONS = ConversionOptions()


def main() -> None:
    arguments = _arguments()
    if arguments.way:
        print(json.dumps(_measure(arguments.way, arguments.file)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
        path = os.path.join(directory, "documents.jsonl" if arguments.shape == "lines" else "documents.json")
        _generate(path, arguments.mb << 20, arguments.shape)
        print(f"{os.path.getsize(path) / 1e6:.0f} MB, {arguments.shape}, {arguments.rounds} rounds")
        best: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for way in ("plain", "lossless"):
                found = _in_own_process(way, path)
                best[way] = min(best.get(way, found), found, key=lambda figures: figures["cpu_seconds"])
    for way, figures in best.items():
        print(f"{way:9} {figures['cpu_seconds']:6.2f} CPU s, peak {figures['peak_mb']:4.0f} MB")
    print(f"ratio {best['lossless']['cpu_seconds'] / best['plain']['cpu_seconds']:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mb", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=["lines", "array", "pretty"], default="lines")
    parser.add_argument("--dir", default=None)
    parser.add_argument("--way", choices=["plain", "lossless"], help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser.parse_args()


def _generate(path: str, size_bytes: int, shape: str) -> None:
    chance = random.Random(7)
    between = "\n" if shape == "lines" else ",\n"
    indent = 2 if shape == "pretty" else None
    with open(path, "w", encoding="utf-8") as file:
        if shape != "lines":
            file.write("[")
        for number in range(1 << 40):
            if file.tell() > size_bytes:
                break
            if number:
                file.write(between)
            text = json.dumps(
                _document(number, chance), ensure_ascii=False, indent=indent, separators=None if indent else (",", ":")
            )
            file.write(text)
        file.write("\n" if shape == "lines" else "]\n")


def _document(number: int, chance: random.Random) -> dict[str, object]:
    return {
        "id": number * 7,
        "at": f"2024-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:00:00Z",
        "name": " ".join(chance.choices(_WORDS, k=2)),
        "price": round(chance.random() * 1000, 2),
        "ok": number % 3 == 0,
        "user": {"id": chance.randrange(10**12), "tags": chance.choices(_WORDS, k=number % 4)},
        "place": None
        if number % 5
        else {"lat": round(chance.random() * 90, 6), "lon": round(chance.random() * 180, 6)},
        "text": " ".join(chance.choices(_WORDS, k=10)),
    }


def _in_own_process(way: str, path: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--file", path]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(answer)
    return found


def _measure(way: str, path: str) -> dict[str, float]:
    started = time.process_time()
    if way == "plain":
        _plain(path)
    else:
        _lossless(Path(path))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_seconds": time.process_time() - started, "peak_mb": peak_mb}


def _plain(path: str) -> None:
    options = (
        f"FORMAT parquet, USE_TMP_FILE false, COMPRESSION {_OPTIONS.compression.value},"
        f" COMPRESSION_LEVEL {_OPTIONS.compression_level}, ROW_GROUP_SIZE 122_880"
    )
    with _Sink().parquet() as fd, duckdb.connect() as connection:
        connection.execute("SET threads=1")
        connection.execute("SET enable_progress_bar=false")
        connection.execute(f"COPY (FROM read_json('{path}')) TO '/dev/fd/{fd}' ({options})")


def _lossless(path: Path) -> None:
    data_format = DataFormat.JSONL if path.suffix == ".jsonl" else DataFormat.JSON
    with open_file(os.fsencode(path.parent), os.fsencode(path.name)) as source:
        convert_json(source, data_format, _OPTIONS, _Sink(), ())
    duckdb_session.close()


class _Sink:
    """Reads what is written and forgets it."""

    @contextmanager
    def parquet(self) -> Iterator[int]:
        read_end, write_end = os.pipe()
        thread = threading.Thread(target=_forget, args=(read_end,))
        thread.start()
        try:
            yield write_end
        finally:
            os.close(write_end)
            thread.join()

    @contextmanager
    def rejects(self) -> Iterator[BinaryIO]:
        raise NotImplementedError

    @contextmanager
    def notes(self) -> Iterator[BinaryIO]:
        raise NotImplementedError


def _forget(read_end: int) -> None:
    while os.read(read_end, 1 << 20):
        pass
    os.close(read_end)


if __name__ == "__main__":
    main()
