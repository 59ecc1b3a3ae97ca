"""Questions to the ledger, over a read-only connection: they never hold up the one who writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson

from processor.ledger.database import connect_reader


@contextmanager
def recorded_objects(path: Path, row: int) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield, one by one, what was recorded of each object of a file, in the archive's order."""
    with closing(connect_reader(path)) as connection:
        query = "SELECT details FROM objects WHERE file_id=? ORDER BY member, content"
        yield (orjson.loads(details) for (details,) in connection.execute(query, (row,)))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection whose rows are read by column name, for the commands that show things."""
    with closing(connect_reader(path)) as connection:
        yield connection
