"""Record how jobs end: completed, retried or failed."""

from collections.abc import Iterable
from typing import Any

import orjson

from processor.domain.errors import ErrorClass, Failure, failure_from
from processor.domain.feeds import FeedMark
from processor.domain.files import FileMetadata
from processor.domain.jobs import Delivered, Job, Status
from processor.domain.keys import escape, unescape
from processor.domain.tables import TableObject
from processor.domain.timeline import NO_TIMELINE, Timeline
from processor.ledger.feeds import FeedFiles
from processor.ledger.records import HELD, BadMembers, Found, PutAway, columns_of, identity_from
from processor.ledger.tables import TableFiles

_LONGEST_MESSAGE = 2000
_HISTORY_A_FILE = 50
_UNKNOWN = Failure(ErrorClass.PERMANENT, "unknown", "the reason was not recorded")


class Ends(FeedFiles, TableFiles):
    """Ends of jobs, and what operators ask for afterwards."""

    def completed(self, job: Job, now_ms: int, *, put_away: bool, objects: Iterable[TableObject] | None = None) -> bool:
        """Record the end of a job whose manifest is stored. Return False when the file has changed meanwhile.

        `put_away`: the file is still to be deleted or moved; see `to_put_away`. `objects` are those of tables; None:
        those that were recorded on the way.
        """
        if job.delivered is not Delivered.MANIFEST:
            in_tables = self.table_objects(job) if objects is None else objects
            self.in_tables(job.row, job.file.checksum or "", in_tables, now_ms)
        self._write("DELETE FROM objects WHERE file_id=?", job.row)
        unchanged = self._unchanged(job)
        self._set(
            job.row,
            now_ms,
            **({"timeline": job.timeline.encoded()} if unchanged else {}),
            status=Status.COMPLETED if unchanged else Status.PENDING,
            delivered=Delivered.MANIFEST,
            processed_bytes=job.file.size_bytes,
            error_message=None,
            tries=0,
            due_at=now_ms if put_away or not unchanged else None,
        )
        return unchanged

    def try_again(self, job: Job, failure: Failure, due_ms: int, now_ms: int, *, counts: bool) -> None:
        """Record a failed try; the file is pending again, due at `due_ms`."""
        self._write("UPDATE file_progress SET tries=tries+? WHERE id=?", int(counts), job.row)
        self._set(job.row, now_ms, status=Status.PENDING, due_at=due_ms, error_message=_short(failure))
        self._remember(job, now_ms, "retry", failure, ())

    def handed_back(self, job: Job, due_ms: int, now_ms: int) -> None:
        """Record that somebody has the file open for writing: it waits until it is found again, at most until `due_ms`.

        Nothing failed, so nothing is told of it; a file that changed meanwhile is due at once.
        """
        due = due_ms if self._unchanged(job) else now_ms
        self._set(job.row, now_ms, status=Status.PENDING, due_at=due, error_message=None)

    def failed(self, job: Job, failure: Failure, bad_members: BadMembers, now_ms: int) -> bool:
        """Record the final failure; the file is still to be moved to the error directory: see `to_put_away`.

        Return False when the file has changed meanwhile: then it is pending again, with all its tries.
        """
        self._write("UPDATE file_progress SET tries=tries+1 WHERE id=?", job.row)
        self._remember(job, now_ms, "failed", failure, bad_members)
        if self._unchanged(job):
            timeline = job.timeline.encoded()
            self._set(
                job.row,
                now_ms,
                status=Status.FAILED,
                due_at=now_ms,
                error_message=_short(failure),
                timeline=timeline,
            )
            return True
        self._set(job.row, now_ms, status=Status.PENDING, due_at=now_ms, error_message=None, tries=0)
        return False

    def vanished(self, job: Job, now_ms: int) -> bool:
        """Record that somebody removed the file before anything of its content was read: it needs no end.

        It is forgotten, or as completed as before if an earlier content was delivered. Return False when that does not
        hold: it has changed meanwhile, or something of it may be stored.
        """
        if not self._unchanged(job):
            return False
        if job.delivered is Delivered.MANIFEST:
            self._set(
                job.row, now_ms, status=Status.COMPLETED, modified_ns=None, due_at=None, error_message=None, tries=0
            )
            return True
        never_read = "SELECT 1 FROM file_progress WHERE id=? AND checksum IS NULL AND attempt=1"
        if self._read(never_read, job.row).fetchone() is None:
            return False
        self._write("DELETE FROM history WHERE file_id=?", job.row)
        self._write("DELETE FROM feed_files WHERE file_id=?", job.row)
        self._write("DELETE FROM claimed_keys WHERE file_id=?", job.row)
        self._write("DELETE FROM file_progress WHERE id=?", job.row)
        return True

    def _unchanged(self, job: Job) -> bool:
        return self._is_known_as(job.row, job.file)

    def _is_known_as(self, row: int, file: FileMetadata | PutAway) -> bool:
        query = "SELECT size_bytes, modified_ns, device, inode, changed_ns FROM file_progress WHERE id=?"
        return bool(self._read(query, row).fetchone() == tuple(columns_of(file).values()))

    def tries(self, row: int) -> int:
        """Return how many tries of the present content failed."""
        found = self._read("SELECT tries FROM file_progress WHERE id=?", row).fetchone()
        return int(found[0]) if found else 0

    def to_put_away(self, status: Status, limit: int) -> list[PutAway]:
        """Return files whose end (`completed` or `failed`) is recorded but which still lie where they were."""
        rows = self._read(
            "SELECT id,status,file_path,size_bytes,modified_ns,device,inode,changed_ns,checksum,tries,"
            " created_at,updated_at,"
            " (SELECT detail FROM history WHERE file_id=f.id AND event='failed' ORDER BY at DESC LIMIT 1)"
            " FROM file_progress f WHERE status=? AND due_at>0 AND file_path>? AND file_path<? LIMIT ?",
            *(status, self._prefix, self._prefix[:-1] + "0", limit),
        )
        return [self._put_away_row(*row) for row in rows]

    def _put_away_row(self, row: int, status: str, path: str, *rest: Any) -> PutAway:
        size, modified_ns, *identity, checksum, tries, created_ms, updated_ms, detail = rest
        known: dict[str, Any] = orjson.loads(detail) if detail else {}
        return PutAway(
            row=row,
            status=Status(status),
            relative_path=unescape(path.removeprefix(self._prefix)),
            size_bytes=size,
            modified_ns=modified_ns,
            identity=identity_from(*identity),
            checksum=checksum,
            tries=tries,
            created_ms=created_ms,
            failed_ms=updated_ms,
            failure=failure_from(known["failure"]) if known else _UNKNOWN,
            step=known.get("step", ""),
            bad_members=tuple((name, failure_from(fields)) for name, fields in known.get("bad_members", ())),
        )

    def put_away(self, file: PutAway, now_ms: int, *, gone: bool, held: bool = False) -> None:
        """Record that the file was moved, deleted (`gone`) or has to stay where it lies.

        It stays until the next start, or until it is found again (`held`). Of a file that was found
        again with another content meanwhile nothing is recorded: that content has its own end before it.
        """
        status = self._read("SELECT status FROM file_progress WHERE id=?", file.row).fetchone()
        if status != (file.status,) or not self._is_known_as(file.row, file):
            return
        if gone:
            self._set(file.row, now_ms, due_at=None, modified_ns=None)
        else:
            until_start = 0 if file.status is Status.COMPLETED else None
            self._set(file.row, now_ms, due_at=HELD if held else until_start)

    # What the operator asks for

    def failed_files(self, path: bytes | None) -> list[tuple[int, bytes]]:
        """Return row and relative path of failed files: one, by absolute path, or all of them."""
        where, arguments = ("", ()) if path is None else (" AND file_path=?", (escape(path),))
        rows = self._read(f"SELECT id,file_path FROM file_progress WHERE status='failed'{where}", *arguments)
        return [(row, unescape(file_path.removeprefix(self._prefix))) for row, file_path in rows]

    def retry(self, row: int, found: Found, now_ms: int) -> None:
        """Make a failed file, which lies where it was again, pending with all its tries; leave any other alone."""
        if self._read("SELECT 1 FROM file_progress WHERE id=? AND status='failed'", row).fetchone() is None:
            return
        self._set(
            row,
            now_ms,
            status=Status.PENDING,
            **columns_of(found),
            tries=0,
            due_at=now_ms,
            error_message=None,
        )
        self._write("INSERT INTO history VALUES (?,?,'retry-requested','{}')", row, now_ms)

    def reprocess(self, path: bytes | None, since_ms: int | None, now_ms: int) -> int:
        """Deliver completed files once more: one by absolute path, or all since `since_ms`; return how many.

        Those that were put away are left alone. `delivered` stays: one that somebody else took away is `vanished`, and
        as delivered as it was.
        """
        where = " AND file_path=?" if path is not None else " AND updated_at>=?"
        argument = escape(path) if path is not None else since_ms or 0
        rows = self._read(
            f"SELECT id FROM file_progress WHERE status='completed' AND modified_ns IS NOT NULL{where}", argument
        ).fetchall()
        for (row,) in rows:
            self._set(row, now_ms, status=Status.PENDING, due_at=now_ms, tries=0, checksum=None)
        return len(rows)

    def rebuilt(
        self,
        file: FileMetadata,
        delivered_ms: int,
        key: str,
        claimed: Iterable[str] = (),
        feeds: Iterable[FeedMark] = (),
        timeline: Timeline = NO_TIMELINE,
        objects: Iterable[TableObject] = (),
    ) -> bool:
        """Enter a file that a manifest tells is delivered under `key`; False when the ledger knows the file already.

        `claimed` are those keys of its objects that templates made, `feeds` those by which it was read, `objects` those
        that belong to tables.
        """
        kind = file.kind.archive or file.kind.data or file.kind.type
        cursor = self._write(
            "INSERT OR IGNORE INTO file_progress (file_path,status,size_bytes,processed_bytes,checksum,s3_key,"
            "created_at,updated_at,modified_ns,kind,timeline,delivered)"
            " VALUES (?,'completed',?,?,?,?,?,?,?,?,?,'manifest')",
            *(self._prefix + escape(file.relative_path), file.size_bytes, file.size_bytes, file.checksum, key),
            *(delivered_ms, delivered_ms, file.modified_ns, str(kind), timeline.encoded()),
        )
        if cursor.rowcount != 1 or cursor.lastrowid is None:
            return False
        for claimed_key in claimed:
            self._write(
                "INSERT OR IGNORE INTO claimed_keys (s3_key,file_id) VALUES (?,?)", claimed_key, cursor.lastrowid
            )
        for mark in feeds:
            self.member_of(cursor.lastrowid, mark)
        self.rebuilt_in_tables(cursor.lastrowid, file.checksum or "", objects, delivered_ms)
        return True

    def _remember(self, job: Job, now_ms: int, event: str, failure: Failure, bad_members: BadMembers) -> None:
        detail = {"step": job.current, "attempt": job.attempt, "failure": failure, "bad_members": bad_members}
        self._write("INSERT INTO history VALUES (?,?,?,?)", job.row, now_ms, event, orjson.dumps(detail).decode())
        self._write(
            "DELETE FROM history WHERE file_id=? AND at < (SELECT min(at) FROM"
            " (SELECT at FROM history WHERE file_id=? ORDER BY at DESC LIMIT ?))",
            *(job.row, job.row, _HISTORY_A_FILE),
        )


def _short(failure: Failure) -> str:
    return str(failure)[:_LONGEST_MESSAGE]
