"""Record which objects are data files of which tables.

An object waits, then a batch takes it, then the table has it or its reason stands here. A batch has an id that is
recorded before anything is sent to the catalog and that the table keeps: whatever happens on the way, the same batch is
asked for again. A file's changes go into one batch: what is new of it, and what of an earlier content is to go.
"""

import uuid
from collections.abc import Iterable, Iterator

import orjson

from processor.domain.feeds import FeedTable
from processor.domain.files import FileType
from processor.domain.jobs import Job
from processor.domain.tables import Batch, Registration, TableObject
from processor.ledger.transactions import Transactions
from processor.streams.frames import Content

MOST_FILES = 1000  # of a batch: the catalog's process reads the end of each object
_WRITER = "table-writer"
_ADDS = "state='waiting' AND superseded=0"
_REMOVALS = "state='committed' AND superseded=1"
_AT_A_TIME = 1000


class TableFiles(Transactions):
    """Objects of tables: waiting, committed or refused."""

    def table_objects(self, job: Job) -> Iterator[TableObject]:
        """Yield what was recorded of the file's objects that belong to tables."""
        feeds = job.file.feeds.feeds if job.file.kind.type is FileType.ARCHIVE else (job.file.feed,)
        tables = {feed.name: feed.table for feed in feeds if feed is not None and feed.table is not None}
        if not tables:
            return
        own = "" if job.file.feed is None else job.file.feed.name
        cursor = self._read(
            "SELECT coalesce(details->>'$.feed.name', ?), details->>'$.key', details->>'$.sha256',"
            " details->>'$.size_bytes', details->>'$.rows' FROM objects WHERE file_id=? AND content=?",
            *(own, job.row, Content.PARQUET),
        )
        while rows := cursor.fetchmany(_AT_A_TIME):
            yield from (TableObject(tables[name], *rest) for name, *rest in rows if name in tables)

    def in_tables(self, row: int, source_sha256: str, objects: Iterable[TableObject], now_ms: int) -> None:
        """Record that these, and no others, are the file's objects of tables."""
        self._write("UPDATE table_files SET superseded=1, changed_at=? WHERE file_id=? AND superseded=0", now_ms, row)
        for each in objects:
            if not self._still_there(row, each):
                self._waits(row, source_sha256, each, now_ms)
        self._write(
            "DELETE FROM table_files WHERE file_id=? AND superseded=1 AND in_batch=0 AND state<>'committed'", row
        )

    def _still_there(self, row: int, each: TableObject) -> bool:
        """Take an object for what the table has, or will have, already; not one that is just being removed."""
        cursor = self._write(
            "UPDATE table_files SET superseded=0 WHERE id=("
            "SELECT f.id FROM table_files f JOIN tables t ON t.id=f.table_id"
            " WHERE f.file_id=? AND f.s3_key=? AND f.sha256=? AND t.name=? AND f.superseded=1"
            " AND (f.state='waiting' OR (f.state='committed' AND f.in_batch=0)) LIMIT 1)",
            *(row, each.key, each.sha256, each.table.name),
        )
        return cursor.rowcount == 1

    def _waits(self, row: int, source_sha256: str, each: TableObject, now_ms: int, *, doubtful: bool = False) -> None:
        self._write(
            "INSERT INTO table_files (table_id,file_id,s3_key,sha256,size_bytes,row_count,source_sha256,state,doubtful,"
            "changed_at) VALUES (?,?,?,?,?,?,?,'waiting',?,?)",
            *(self._table(each.table), row, each.key, each.sha256, each.size_bytes, each.rows, source_sha256),
            *(doubtful, now_ms),
        )

    def _table(self, table: FeedTable) -> int:
        partition = orjson.dumps(table.partition).decode()
        self._write(
            "INSERT INTO tables (name,partition) VALUES (?,?)"
            " ON CONFLICT (name) DO UPDATE SET partition=excluded.partition",
            *(table.name, partition),
        )
        return int(self._read("SELECT id FROM tables WHERE name=?", table.name).fetchone()[0])

    def tables_waiting(self) -> int:
        """Return how many changes wait for their tables, those of a batch included."""
        query = f"SELECT count(*) FROM table_files WHERE ({_ADDS}) OR ({_REMOVALS}) OR in_batch=1"
        return int(self._read(query).fetchone()[0])

    def next_batch(self) -> Batch | None:
        """Return the batch that is on its way, else a new one of the table that waits longest; None when none waits."""
        found = self._read("SELECT id FROM tables WHERE batch IS NOT NULL ORDER BY committed_at LIMIT 1").fetchone()
        if found is None:
            found = self._new_batch()
        if found is None:
            return None
        row, name, partition, batch = self._read(
            "SELECT id, name, partition, batch FROM tables WHERE id=?", found[0]
        ).fetchone()
        return Batch(batch, row, FeedTable(name, tuple(orjson.loads(partition))), self._writer())

    def _new_batch(self) -> tuple[int] | None:
        for (table,) in self._read("SELECT id FROM tables ORDER BY committed_at").fetchall():
            if self._fill_batch(table):
                self._write("UPDATE tables SET batch=? WHERE id=?", uuid.uuid4().hex, table)
                return (table,)
        return None

    def _fill_batch(self, table: int) -> int:
        """Put whole files into the batch until it is full; return how many rows that are."""
        filled = 0
        for which in (_REMOVALS, _ADDS):
            query = f"SELECT DISTINCT file_id FROM table_files WHERE table_id=? AND {which} AND in_batch=0 LIMIT ?"
            for (file,) in self._read(query, table, MOST_FILES).fetchall():
                if filled >= MOST_FILES:
                    return filled
                filled += self._write(
                    f"UPDATE table_files SET in_batch=1 WHERE file_id=? AND table_id=? AND ({which} OR {_ADDS})",
                    *(file, table),
                ).rowcount
        return filled

    def _writer(self) -> str:
        writer = self.fact(_WRITER)
        if writer is None:
            writer = uuid.uuid4().hex
            self.remember_fact(_WRITER, writer)
        return writer

    def registered(self, batch: Batch, result: Registration, now_ms: int) -> None:
        """Record what became of a batch."""
        if self._read("SELECT 1 FROM tables WHERE id=? AND batch=?", batch.row, batch.id).fetchone() is None:
            return
        for row in result.again:
            self._write("UPDATE table_files SET in_batch=0 WHERE id=?", row)
        for row, reason in result.refused.items():
            self._write(
                "UPDATE table_files SET state='refused', reason=?, in_batch=0, changed_at=? WHERE id=?",
                *(reason, now_ms, row),
            )
        mine = "table_id=? AND in_batch=1"
        self._write(f"DELETE FROM table_files WHERE {mine} AND state='committed'", batch.row)
        self._write(
            "UPDATE table_files SET state='committed', in_batch=0, doubtful=0, reason=NULL, snapshot=?, changed_at=?"
            f" WHERE {mine}",
            *(result.snapshot, now_ms, batch.row),
        )
        # Not in the table, and meanwhile of an earlier content: nothing is left to be said of it.
        self._write("DELETE FROM table_files WHERE table_id=? AND state<>'committed' AND superseded=1", batch.row)
        committed = "" if result.snapshot is None else ", snapshot=?, committed_at=?, commits=commits+1"
        values = () if result.snapshot is None else (result.snapshot, now_ms)
        self._write(f"UPDATE tables SET batch=NULL{committed} WHERE id=?", *values, batch.row)

    def retry_tables(self, name: str | None, now_ms: int) -> int:
        """Have refused objects, of one table or of all, wait again; return how many."""
        where, arguments = ("", ()) if name is None else (" AND table_id=(SELECT id FROM tables WHERE name=?)", (name,))
        return self._write(
            f"UPDATE table_files SET state='waiting', reason=NULL, changed_at=? WHERE state='refused'{where}",
            *(now_ms, *arguments),
        ).rowcount

    def lost_by_table(self, name: str, key: str, now_ms: int) -> bool:
        """Have an object that its table had, and has no more, wait again; tell whether it was one."""
        cursor = self._write(
            "UPDATE table_files SET state='waiting', doubtful=1, changed_at=? WHERE s3_key=? AND state='committed'"
            " AND superseded=0 AND in_batch=0 AND table_id=(SELECT id FROM tables WHERE name=?)",
            *(now_ms, key, name),
        )
        return cursor.rowcount > 0

    def rebuilt_in_tables(self, row: int, source_sha256: str, objects: Iterable[TableObject], now_ms: int) -> None:
        """Record objects of tables from a manifest; the tables are asked whether they have them."""
        for each in objects:
            self._waits(row, source_sha256, each, now_ms, doubtful=True)
