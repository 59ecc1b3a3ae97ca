"""Objects of tables in the ledger: waiting, in one batch at a time, committed, replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.domain.feeds import FeedTable
from processor.domain.tables import Batch, Registration, TableObject
from processor.ledger.reader import batch_files
from processor.ledger.records import Found
from processor.ledger.summary import standing_of_tables
from processor.ledger.writer import Ledger

ROOT = b"/watched"
TABLE = FeedTable("sales.orders", ("day(booked)",))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "progress.db", ROOT)
    opened.found([Found(b"a.csv", 1, 1), Found(b"b.csv", 1, 1)], 0)
    yield opened
    opened.close()


def an_object(key: str, sha256: str = "s") -> TableObject:
    return TableObject(TABLE, key, sha256, 10, 3)


def batched(ledger: Ledger, tmp_path: Path) -> tuple[Batch, list[tuple[str, bool]]]:
    batch = ledger.next_batch()
    ledger.commit()
    assert batch is not None
    assert batch.table == TABLE
    files = batch_files(tmp_path / "progress.db", batch, ROOT)
    return batch, [(file.key, file.remove) for file in files]


def test_a_batch_is_the_same_until_it_is_recorded(ledger: Ledger, tmp_path: Path) -> None:
    ledger.in_tables(1, "x", [an_object("k1"), an_object("k2")], 5)
    batch, files = batched(ledger, tmp_path)
    ledger.in_tables(2, "y", [an_object("k3")], 6)
    assert batched(ledger, tmp_path) == (batch, files) == (batch, [("k1", False), ("k2", False)])
    ledger.registered(batch, Registration(77, {2: "why"}), 9)
    ledger.registered(batch, Registration(99, {}), 10)  # told twice
    ledger.commit()
    (standing,) = standing_of_tables(tmp_path / "progress.db")
    assert (standing.files, standing.rows, standing.waiting, standing.waiting_since_ms) == (1, 3, 1, 6)
    assert (standing.refused, standing.commits, standing.snapshot, standing.committed_ms) == (1, 1, 77, 9)
    assert ledger.retry_tables(None, 11) == 1
    assert batched(ledger, tmp_path)[1] == [("k2", False), ("k3", False)]
    assert ledger.tables_waiting() == 2


def test_a_change_replaces_what_the_table_has_or_will_have(ledger: Ledger, tmp_path: Path) -> None:
    ledger.in_tables(1, "x", [an_object("k1")], 1)
    ledger.in_tables(1, "x", [an_object("k2")], 2)  # before anything of it was sent
    batch, files = batched(ledger, tmp_path)
    assert files == [("k2", False)]
    ledger.in_tables(1, "x", [an_object("k3")], 3)  # while it is on its way
    ledger.registered(batch, Registration(1, {}), 4)
    batch, files = batched(ledger, tmp_path)
    assert files == [("k2", True), ("k3", False)]
    ledger.in_tables(1, "x", [an_object("k2")], 5)  # back, while it is being removed
    ledger.registered(batch, Registration(2, {}), 6)
    batch, files = batched(ledger, tmp_path)
    assert files == [("k3", True), ("k2", False)]
    ledger.registered(batch, Registration(3, {}), 7)
    ledger.in_tables(1, "x", [an_object("k2")], 8)  # delivered once more, and the same
    assert ledger.next_batch() is None
    ledger.in_tables(1, "x", [an_object("k2", "other bytes")], 9)  # the same key
    batch, files = batched(ledger, tmp_path)
    assert files == [("k2", True), ("k2", False)]
    ledger.in_tables(1, "x", [], 10)  # of no table any more
    ledger.registered(batch, Registration(None, {}, frozenset({ledger_row(ledger, "other bytes")})), 11)
    assert ledger.next_batch() is None, "what was not added is of no content that counts"


def ledger_row(ledger: Ledger, sha256: str) -> int:
    return int(ledger._read("SELECT id FROM table_files WHERE sha256=?", sha256).fetchone()[0])
