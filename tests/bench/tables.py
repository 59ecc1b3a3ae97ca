"""Cost of tables: commits, time, metadata and memory for many delivered objects.

    .venv/bin/python -m tests.bench.tables [--files 10000] [--a-batch 1000]

Objects of 100 rows and eight columns lie in a real store. The ledger, the catalog's process and its catalog are
the daemon's own. What is measured is the way from the ledger to the table, without the deliveries before it.
"""

import argparse
import io
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from processor.config.choices import CatalogType
from processor.domain.feeds import FeedTable
from processor.domain.tables import TableObject
from processor.ledger import tables as ledger_tables
from processor.ledger.records import Found
from processor.ledger.writer import Ledger
from processor.store.s3 import S3Store
from processor.tables.catalog_process import CatalogProcess
from processor.tables.requests import CommitBatch, DescribeTable
from processor.tables.settings import CatalogSettings
from tests import seaweed

ROOT = b"/watched"
TABLE = FeedTable("bench.orders")
ROWS = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--a-batch", type=int, default=ledger_tables.MOST_FILES)
    wanted = parser.parse_args()
    ledger_tables.MOST_FILES = wanted.a_batch
    with tempfile.TemporaryDirectory() as directory:
        server = seaweed.started(Path(directory, "store"))
        store = seaweed.fresh_bucket(seaweed.settings_for(server))
        try:
            measure(store, Path(directory), wanted.files)
        finally:
            server.stop(grace_seconds=0)


def measure(store: S3Store, home: Path, files: int) -> None:
    ledger = Ledger(home / "progress.db", ROOT)
    fill(store, ledger, files)
    catalog = home / "catalog.db"
    warehouse = f"s3://{store.settings.bucket}/_tables"
    settings = CatalogSettings(
        CatalogType.SQL, f"sqlite:///{catalog}", warehouse, store.settings, home / "progress.db", ROOT, sqlite=catalog
    )
    process, began, commits, peak = CatalogProcess(settings, 1024), time.monotonic(), 0, 0
    while (batch := ledger.next_batch()) is not None:
        ledger.commit()
        since = time.monotonic()
        result = process.ask(CommitBatch(batch))
        ledger.registered(batch, result, 0)
        ledger.commit()
        commits += 1
        peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        if commits % max(1, files // ledger_tables.MOST_FILES // 10) == 0:
            print(f"commit {commits}: {time.monotonic() - since:.2f} s, {size(store):,} bytes of metadata in all")
    seconds = time.monotonic() - began
    described = process.ask(DescribeTable(TABLE.name))
    process.stop()
    last = described.snapshots[-1]
    assert (last.files, last.rows) == (files, files * ROWS)
    current = store.head(described.metadata.removeprefix(f"s3://{store.settings.bucket}/"))
    assert current is not None
    print(
        f"{files:,} files: {commits} commits in {seconds:.1f} s, {seconds / files * 1000:.1f} ms a file;"
        f" metadata {size(store):,} bytes in all, the current version {current.size_bytes:,}; ledger"
        f" {(home / 'progress.db').stat().st_size:,} bytes; the catalog's process {peak >> 20} MiB at most"
    )


def fill(store: S3Store, ledger: Ledger, files: int) -> None:
    table = pa.table({f"c{number}": range(ROWS) for number in range(8)})
    written = io.BytesIO()
    pq.write_table(table, written)
    body = written.getvalue()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda key: store.call("put_object", "store", Key=key, Body=body), keys(files)))
    ledger.found([Found(f"orders/{number:06}.csv".encode(), 1, 1) for number in range(files)], 0)
    for row, key in enumerate(keys(files), 1):
        ledger.in_tables(row, f"{row:064x}", [TableObject(TABLE, key, "0" * 64, len(body), ROWS)], 0)
    ledger.commit()


def keys(files: int) -> list[str]:
    return [f"orders/{number:06}.csv.0123456789abcdef.parquet" for number in range(files)]


def size(store: S3Store) -> int:
    return sum(size_bytes for _key, size_bytes in store.list_keys("_tables/"))


if __name__ == "__main__":
    main()
