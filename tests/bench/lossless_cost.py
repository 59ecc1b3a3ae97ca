"""What lossless typing costs: CPU seconds of `write_table` against DuckDB's own COPY of the same CSV, one thread each.

    lossless_cost.py [--mb 250] [--rounds 3] [--dir /tmp]

The CSV is generated: keys, counts, prices, measurements, dates, instants, truth values, categories and free text.
Each round runs both ways in turn, each in a process of its own; the smallest figure of each counts.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from processor.confined.formats import duckdb_session
from processor.confined.formats.parquet.write import TextColumn, write_table
from processor.domain.conversion import ConversionOptions

SELECT = """
SELECT i AS id, 'customer ' || (hash(i) % 100000) AS customer, (hash(i, 1) % 500)::INTEGER AS quantity,
  printf('%.2f', (hash(i, 2) % 1000000) / 100) AS price,
  CASE WHEN hash(i, 3) % 10 > 0 THEN round((hash(i, 3) % 1000000007) / 1e7, (hash(i, 4) % 6)::INTEGER) END AS reading,
  DATE '2015-01-01' + (hash(i, 5) % 4000)::INTEGER AS day,
  TIMESTAMP '2020-01-01' + to_seconds((hash(i, 6) % 150000000)::BIGINT) AS seen_at,
  hash(i, 7) % 3 = 0 AS active, ['red', 'green', 'blue', 'dark grey'][1 + (hash(i, 8) % 4)::INTEGER] AS colour,
  CASE WHEN hash(i, 9) % 4 = 0 THEN NULL ELSE 'note ' || hash(i, 9) || ', second part' END AS note
FROM range({rows}) t(i)
"""
TYPES = ["BIGINT", "VARCHAR", "BIGINT", "DOUBLE", "DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR", "VARCHAR"]
BYTES_A_ROW = 115
DIALECT = (
    "delim=',', quote='\"', escape='\"', header=true, auto_detect=false, allow_quoted_nulls=false, buffer_size=4194304"
)


def main() -> None:
    arguments = _arguments()
    if arguments.way:
        print(json.dumps(_measure(arguments.way, arguments.csv)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
        csv = os.path.join(directory, "mixed.csv")
        _generate(csv, arguments.mb)
        print(f"{os.path.getsize(csv) / 1e6:.0f} MB, {arguments.rounds} rounds")
        best: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for way in ("plain", "lossless"):
                found = _in_own_process(way, csv)
                best[way] = min(best.get(way, found), found, key=lambda figures: figures["cpu_seconds"])
    for way, figures in best.items():
        print(f"{way:9}", "  ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    print(f"ratio     {best['lossless']['cpu_seconds'] / best['plain']['cpu_seconds']:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=None)
    parser.add_argument("--way", choices=("plain", "lossless"), help=argparse.SUPPRESS)
    parser.add_argument("--csv", help=argparse.SUPPRESS)
    return parser.parse_args()


def _generate(path: str, megabytes: int) -> None:
    with duckdb.connect(":memory:") as connection:
        rows = megabytes * 1_000_000 // BYTES_A_ROW
        connection.execute(f"COPY ({SELECT.format(rows=rows)}) TO '{path}' (FORMAT csv, HEADER)")


def _in_own_process(way: str, csv: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--csv", csv]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    figures: dict[str, float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    )
    return figures


def _measure(way: str, csv: str) -> dict[str, float]:
    duckdb_session.connection(ConversionOptions())
    start_cpu, start = time.process_time(), time.perf_counter()
    size = _lossless(csv) if way == "lossless" else _plain(csv)
    cpu, wall = time.process_time() - start_cpu, time.perf_counter() - start
    duckdb_session.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_seconds": cpu, "wall_seconds": wall, "peak_mb": peak, "parquet_mb": size / 1e6}


def _plain(csv: str) -> int:
    output = CountingOutput()
    with output.parquet() as fd:
        duckdb_session.connection(ConversionOptions()).execute(
            f"COPY (FROM read_csv('{csv}')) TO '/dev/fd/{fd}'"
            " (FORMAT parquet, USE_TMP_FILE false, COMPRESSION zstd,"
            f" COMPRESSION_LEVEL {ConversionOptions().compression_level}, ROW_GROUP_SIZE 30720)"
        )
    return output.size


def _lossless(csv: str) -> int:
    with open(csv) as file:
        names = file.readline().rstrip("\n").split(",")
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    output = CountingOutput()

    @contextmanager
    def reading() -> Iterator[str]:
        yield f"read_csv('{csv}', {DIALECT}, columns={{{types}}})"

    columns = [TextColumn(name, name) for name in names]
    receipt = write_table(reading, columns, ConversionOptions(), output, ())
    assert [column.type for column in receipt.columns] == TYPES
    return output.size


class CountingOutput:
    """Swallows the Parquet from a pipe, as an uploader would, and counts its bytes."""

    size = 0

    @contextmanager
    def parquet(self) -> Iterator[int]:
        read_end, write_end = os.pipe()
        self.size = 0
        pump = threading.Thread(target=self._pump, args=(read_end,))
        pump.start()
        try:
            yield write_end
        finally:
            os.close(write_end)
            pump.join()

    def _pump(self, read_end: int) -> None:
        while data := os.read(read_end, 1 << 20):
            self.size += len(data)
        os.close(read_end)


if __name__ == "__main__":
    main()
