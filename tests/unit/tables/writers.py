"""Writers of tables: objects in a real store, and batches of them, without a daemon."""

import io
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table

from processor.config.choices import CatalogType
from processor.domain.feeds import FeedTable
from processor.domain.tables import Batch, BatchFile
from processor.store.s3 import S3Store
from processor.tables.commit import Committer
from processor.tables.open_catalog import open_catalog, open_files
from processor.tables.settings import CatalogSettings

NAME = "sales.orders"


class Writer:
    """One ledger's way to the table: makes objects, and batches of them."""

    def __init__(self, bucket: S3Store, settings: CatalogSettings, name: str = "one") -> None:
        self.bucket = bucket
        self.settings = settings
        self.name = name
        self.row = 0
        self.committer = Committer(open_catalog(self.settings), open_files(self.settings), self.settings.location)

    @classmethod
    def beside(cls, bucket: S3Store, directory: Path) -> Self:
        """Return a writer whose catalog is a file of SQLite."""
        catalog, warehouse = directory / "catalog.db", f"s3://{bucket.settings.bucket}/_tables"
        uri = f"sqlite:///{catalog}"
        return cls(
            bucket, CatalogSettings(CatalogType.SQL, uri, warehouse, bucket.settings, directory, b"", sqlite=catalog)
        )

    def another(self, name: str = "two") -> Self:
        """Return another writer to the same table."""
        return type(self)(self.bucket, self.settings, name)

    def stored(self, key: str, columns: dict[str, object], source: str = "", file_row: int = 0) -> BatchFile:
        """Store a Parquet object and return what the ledger would say of it."""
        written = io.BytesIO()
        table = pa.table(columns)
        source = source or f"{key}.csv"
        pq.write_table(table.replace_schema_metadata({"source-path": source}), written, store_decimal_as_integer=True)
        body = written.getvalue()
        self.bucket.call("put_object", "store", Key=key, Body=body)
        self.row += 1
        return BatchFile(self.row, file_row or self.row, key, len(body), table.num_rows, source, "0" * 64, remove=False)

    def batch(self, id_: str, *partition: str) -> Batch:
        return Batch(id_, 1, FeedTable(NAME, partition), self.name)

    @property
    def table(self) -> Table:
        found = self.committer.table(NAME)
        assert found is not None
        return found

    @property
    def way(self) -> dict[str, str]:
        """Return how another reader reaches the store."""
        settings = self.bucket.settings
        return {
            "endpoint_url": settings.endpoint or "",
            "region": "us-east-1",
            "allow_http": "true",
            "access_key_id": settings.access_key_id or "",
            "secret_access_key": settings.secret_access_key or "",
        }

    @property
    def ids(self) -> list[int]:
        return sorted(self.table.scan().to_arrow()["id"].to_pylist())
