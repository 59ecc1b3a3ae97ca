"""Every change of the ledger. One thread owns it: the Progress actor's.

Writes open a transaction by themselves; nothing is recorded before `commit` returned.
"""

import sqlite3
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from processor.domain.errors import ErrorClass, Failure, failure_from
from processor.domain.files import FileMetadata, FileType, proposed_kind
from processor.domain.jobs import Delivered, Job, Status
from processor.domain.keys import escape, parquet_key, path_key, possible_owners, rejects_key, unescape
from processor.domain.uploads import Part, Resumption
from processor.ledger.database import connect_writer, room_needed

# More ranges than this are not told to a worker: what it then makes again is recognised when it is stored.
_MOST_RANGES = 1000
_LONGEST_MESSAGE = 2000
_HISTORY_A_FILE = 50
_ORPHAN_PLACES = "orphan-places"
_UNKNOWN = Failure(ErrorClass.PERMANENT, "unknown", "the reason was not recorded")

BadMembers = tuple[tuple[str, Failure], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A stable file, as the watcher saw it."""

    relative_path: bytes
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Intake:
    """What a batch of found files was: `new` or `changed` ones are pending now."""

    new: int
    changed: int
    known: int


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    row: int
    key: str
    resumption: Resumption


@dataclass(frozen=True, slots=True)
class PutAway:
    """A file whose end is recorded but which still lies in the watched directory."""

    row: int
    status: Status
    relative_path: bytes
    size_bytes: int
    modified_ns: int
    checksum: str | None
    tries: int
    created_ms: int
    failed_ms: int
    failure: Failure
    step: str
    bad_members: tuple[tuple[str, Failure], ...]


class Ledger:
    """The writing side. `root` is the watched directory, absolute."""

    def __init__(self, path: Path, root: bytes) -> None:
        """Open the ledger; see database.connect_writer for what it raises."""
        self._db = connect_writer(path)
        self._root = root.rstrip(b"/")
        self._prefix = escape(self._root) + "/"

    def close(self) -> None:
        """Commit and close; more than once does no harm."""
        with suppress(sqlite3.ProgrammingError):
            self.commit()
        self._db.close()

    def commit(self) -> None:
        """Make everything so far durable."""
        if self._db.in_transaction:
            with room_needed():
                self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # What arrives

    def found(self, files: Iterable[Found], now_ms: int) -> Intake:
        """Record stable files: new and changed ones become pending, unchanged ones stay what they are."""
        new = changed = known = 0
        for file in files:
            path = self._prefix + escape(file.relative_path)
            row = self._write(
                "SELECT id, status, size_bytes, modified_ns FROM file_progress WHERE file_path=?", path
            ).fetchone()
            if row is None:
                self._write(
                    "INSERT INTO file_progress (file_path,status,size_bytes,modified_ns,created_at,updated_at,due_at)"
                    " VALUES (?,'pending',?,?,?,?,?)",
                    *(path, file.size_bytes, file.modified_ns, now_ms, now_ms, now_ms),
                )
                new += 1
            elif (row[2], row[3]) == (file.size_bytes, file.modified_ns):
                known += 1
            else:
                self._changed(row[0], Status(row[1]), file, now_ms)
                changed += 1
        return Intake(new, changed, known)

    def _changed(self, row: int, status: Status, file: Found, now_ms: int) -> None:
        if status is Status.IN_PROGRESS:
            # Its job is on its way with the old content; `completed` sees the difference and the file goes again.
            self._set(row, now_ms, size_bytes=file.size_bytes, modified_ns=file.modified_ns)
            return
        self._set(
            row,
            now_ms,
            status=Status.PENDING,
            size_bytes=file.size_bytes,
            modified_ns=file.modified_ns,
            tries=0,
            due_at=now_ms,
            error_message=None,
            processed_bytes=None,
        )

    # What goes on its way

    def recover(self, now_ms: int) -> int:
        """Make what was on its way when the last process ended pending again; return how many that were.

        Their keys are remembered until `orphans_aborted`: uploads may be open there that nobody recorded.
        """
        query = "SELECT s3_key FROM file_progress WHERE status='in_progress' AND s3_key IS NOT NULL"
        keys = {key for (key,) in self._read(query)} | set(self.orphan_places())
        self.remember_fact(_ORPHAN_PLACES, orjson.dumps(sorted(keys)).decode())
        # A failed file that could not be moved then may be moved now.
        again = "UPDATE file_progress SET due_at=? WHERE status='failed' AND due_at IS NULL AND modified_ns IS NOT NULL"
        self._write(again, now_ms)
        cursor = self._write(
            "UPDATE file_progress SET status='pending', due_at=?, updated_at=? WHERE status='in_progress'",
            *(now_ms, now_ms),
        )
        return cursor.rowcount

    def admit(self, limit: int, now_ms: int, now_ns: int) -> tuple[list[Job], list[tuple[Job, Failure]]]:
        """Put up to `limit` due files on their way; return their jobs, and those refused because of their key."""
        rows = self._write(
            "SELECT id,file_path,size_bytes,modified_ns,created_at,checksum,delivered,attempt,tries,kind"
            " FROM file_progress WHERE status='pending' AND due_at<=? AND file_path>? AND file_path<?"
            " ORDER BY due_at LIMIT ?",
            *(now_ms, self._prefix, self._prefix[:-1] + "0", limit),
        ).fetchall()
        jobs, refused = [], []
        for row, path, size, modified_ns, created_at, checksum, delivered, attempt, _tries, _kind in rows:
            relative = unescape(path.removeprefix(self._prefix))
            kind = proposed_kind(relative)
            file = FileMetadata(unescape(path), relative, size, modified_ns, created_at * 1_000_000, kind)
            job = Job(
                id=str(uuid.uuid4()),
                row=row,
                file=file,
                attempt=attempt + 1,
                started_ns=now_ns,
                known_checksum=checksum,
                delivered=Delivered(delivered),
                stored_members=self._stored_members(row),
            )
            failure = self._key_taken(row, relative, kind.type)
            if failure is None:
                self._set(row, now_ms, status=Status.IN_PROGRESS, attempt=attempt + 1, due_at=None, s3_key=key_of(file))
                jobs.append(job)
            else:
                self._set(row, now_ms, status=Status.IN_PROGRESS, attempt=attempt + 1, due_at=None)
                refused.append((job, failure))
        return jobs, refused

    def next_due_ms(self) -> int | None:
        """Return when the next pending file is due; None when none waits."""
        due = self._read(
            "SELECT due_at FROM file_progress WHERE status='pending' AND due_at IS NOT NULL AND file_path>?"
            " AND file_path<? ORDER BY due_at LIMIT 1",
            *(self._prefix, self._prefix[:-1] + "0"),
        ).fetchone()
        return None if due is None else int(due[0])

    def _stored_members(self, row: int) -> tuple[tuple[int, int], ...]:
        ranges: list[tuple[int, int]] = []
        for (member,) in self._read("SELECT DISTINCT member FROM objects WHERE file_id=? ORDER BY member", row):
            if ranges and ranges[-1][1] == member:
                ranges[-1] = (ranges[-1][0], member + 1)
            elif len(ranges) < _MOST_RANGES:
                ranges.append((member, member + 1))
            else:
                break
        return tuple(ranges)

    def _key_taken(self, row: int, relative: bytes, file_type: FileType) -> Failure | None:
        """Return why this file's key is not free: no two sources may ever write the same object."""
        own = path_key(relative)
        wanted = {own, parquet_key(own)} if file_type is FileType.DATABASE else {own}
        for key in wanted:
            for owner in possible_owners(key):
                taken = self._read(
                    "SELECT id, s3_key FROM file_progress WHERE file_path=? AND id<>? AND s3_key IS NOT NULL",
                    *(self._prefix + escape(owner), row),
                ).fetchone()
                if taken is not None and _covers(taken[1], key):
                    return _taken(relative, key, owner)
        if file_type is FileType.ARCHIVE:
            below = self._prefix + escape(relative) + "/"
            inside = self._read(
                "SELECT file_path FROM file_progress WHERE file_path>? AND file_path<? AND s3_key IS NOT NULL LIMIT 1",
                *(below, below[:-1] + "0"),
            ).fetchone()
            if inside is not None:
                return _taken(relative, own + "/", unescape(inside[0].removeprefix(self._prefix)))
        return None

    # What is reached on the way

    def content_known(self, job: Job, now_ms: int) -> list[OpenUpload]:
        """Record checksum and kind. Return open uploads that belong to other content: they are to be aborted."""
        kind = job.file.kind
        name = kind.archive or kind.data or kind.type
        same = job.file.checksum == job.known_checksum
        stale: list[OpenUpload] = []
        if not same:
            stale = self.open_uploads(job.row)
            self._forget_reached(job.row)
        self._set(
            job.row,
            now_ms,
            checksum=job.file.checksum,
            kind=str(name),
            s3_key=key_of(job.file),
            **({} if same else {"delivered": Delivered.NOTHING, "processed_bytes": 0}),
        )
        return stale

    def upload_opened(self, row: int, key: str, upload_id: str) -> None:
        """Record a multipart upload; an earlier one of the same object is replaced."""
        self.upload_closed(row, key)
        self._write("INSERT INTO uploads (file_id,s3_key,upload_id) VALUES (?,?,?)", row, key, upload_id)

    def part_stored(self, row: int, key: str, part: Part) -> None:
        """Record a part that the store has taken and verified."""
        self._write(
            "INSERT OR REPLACE INTO parts (upload,number,size_bytes,sha256,etag)"
            " SELECT id,?,?,?,? FROM uploads WHERE file_id=? AND s3_key=?",
            *(part.number, part.size_bytes, part.sha256, part.etag, row, key),
        )

    def upload_closed(self, row: int, key: str) -> None:
        """Record that the upload is completed or aborted."""
        self._write("DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE file_id=? AND s3_key=?)", row, key)
        self._write("DELETE FROM uploads WHERE file_id=? AND s3_key=?", row, key)

    def open_uploads(self, row: int | None = None) -> list[OpenUpload]:
        """Return the uploads that are open, of one file or of all, with their parts."""
        where, arguments = ("", ()) if row is None else (" WHERE file_id=?", (row,))
        uploads = self._read(f"SELECT id,file_id,s3_key,upload_id FROM uploads{where}", *arguments).fetchall()
        return [
            OpenUpload(file_id, key, Resumption(upload_id, self._parts(id_)))
            for id_, file_id, key, upload_id in uploads
        ]

    def _parts(self, upload: int) -> dict[int, Part]:
        query = "SELECT number,size_bytes,sha256,etag FROM parts WHERE upload=?"
        return {row[0]: Part(*row) for row in self._read(query, upload)}

    def orphan_places(self) -> tuple[str, ...]:
        """Return the keys (of archives: prefixes ending in /) where an earlier process may have left uploads open."""
        return tuple(orjson.loads(self.fact(_ORPHAN_PLACES) or "[]"))

    def orphans_aborted(self) -> None:
        """Record that nothing is left open there but what is recorded."""
        self.remember_fact(_ORPHAN_PLACES, "[]")

    def abandoned_uploads(self) -> list[OpenUpload]:
        """Return the recorded uploads of files that have come to their end: nobody will go on with them."""
        query = "SELECT DISTINCT f.id FROM uploads u JOIN file_progress f ON f.id=u.file_id WHERE f.status IN (?,?)"
        rows = self._read(query, *map(str, (Status.COMPLETED, Status.FAILED))).fetchall()
        return [upload for (row,) in rows for upload in self.open_uploads(row)]

    def object_stored(self, row: int, member: int, content: int, details: object, size_bytes: int) -> None:
        """Record an object that is stored and verified; `details` is what the manifest will say of it."""
        self._write(
            "INSERT OR REPLACE INTO objects (file_id,member,content,details) VALUES (?,?,?,?)",
            *(row, member, content, orjson.dumps(details).decode()),
        )
        self._write(
            "UPDATE file_progress SET processed_bytes=coalesce(processed_bytes,0)+? WHERE id=?", size_bytes, row
        )

    def objects_delivered(self, row: int, now_ms: int) -> None:
        """Record that every object of the file is stored and verified; the manifest is due."""
        self._set(row, now_ms, delivered=Delivered.OBJECTS)

    # How it ends

    def completed(self, job: Job, now_ms: int, *, put_away: bool) -> bool:
        """Record the end of a job whose manifest is stored. Return False when the file has changed meanwhile.

        `put_away`: the file is still to be deleted or moved; see `to_put_away`.
        """
        self._write("DELETE FROM objects WHERE file_id=?", job.row)
        unchanged = self._unchanged(job)
        self._set(
            job.row,
            now_ms,
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

    def failed(self, job: Job, failure: Failure, bad_members: BadMembers, now_ms: int) -> bool:
        """Record the final failure; the file is still to be moved to the error directory: see `to_put_away`.

        Return False when the file has changed meanwhile: then it is pending again, with all its tries.
        """
        self._write("UPDATE file_progress SET tries=tries+1 WHERE id=?", job.row)
        self._remember(job, now_ms, "failed", failure, bad_members)
        if self._unchanged(job):
            self._set(job.row, now_ms, status=Status.FAILED, due_at=now_ms, error_message=_short(failure))
            return True
        self._set(job.row, now_ms, status=Status.PENDING, due_at=now_ms, error_message=None, tries=0)
        return False

    def _unchanged(self, job: Job) -> bool:
        seen = (job.file.size_bytes, job.file.modified_ns)
        now = self._read("SELECT size_bytes, modified_ns FROM file_progress WHERE id=?", job.row).fetchone()
        return bool(now == seen)

    def tries(self, row: int) -> int:
        """Return how many tries of the present content failed."""
        found = self._read("SELECT tries FROM file_progress WHERE id=?", row).fetchone()
        return int(found[0]) if found else 0

    def to_put_away(self, status: Status, limit: int) -> list[PutAway]:
        """Return files whose end (`completed` or `failed`) is recorded but which still lie where they were."""
        rows = self._read(
            "SELECT id,status,file_path,size_bytes,modified_ns,checksum,tries,created_at,updated_at,"
            " (SELECT detail FROM history WHERE file_id=f.id AND event='failed' ORDER BY at DESC LIMIT 1)"
            " FROM file_progress f WHERE status=? AND due_at IS NOT NULL AND file_path>? AND file_path<? LIMIT ?",
            *(status, self._prefix, self._prefix[:-1] + "0", limit),
        )
        return [self._put_away_row(*row) for row in rows]

    def _put_away_row(self, row: int, status: str, path: str, *rest: Any) -> PutAway:
        size, modified_ns, checksum, tries, created_ms, updated_ms, detail = rest
        known: dict[str, Any] = orjson.loads(detail) if detail else {}
        return PutAway(
            row=row,
            status=Status(status),
            relative_path=unescape(path.removeprefix(self._prefix)),
            size_bytes=size,
            modified_ns=modified_ns,
            checksum=checksum,
            tries=tries,
            created_ms=created_ms,
            failed_ms=updated_ms,
            failure=failure_from(known["failure"]) if known else _UNKNOWN,
            step=known.get("step", ""),
            bad_members=tuple((name, failure_from(fields)) for name, fields in known.get("bad_members", ())),
        )

    def put_away(self, row: int, now_ms: int, *, gone: bool) -> None:
        """Record that the file was moved, deleted (`gone`) or has to stay where it lies."""
        if gone:
            self._set(row, now_ms, due_at=None, modified_ns=None)
        else:
            self._set(row, now_ms, due_at=None)

    # What the operator asks for

    def failed_files(self, path: bytes | None) -> list[tuple[int, bytes]]:
        """Return row and relative path of failed files: one, by absolute path, or all of them."""
        where, arguments = ("", ()) if path is None else (" AND file_path=?", (escape(path),))
        rows = self._read(f"SELECT id,file_path FROM file_progress WHERE status='failed'{where}", *arguments)
        return [(row, unescape(file_path.removeprefix(self._prefix))) for row, file_path in rows]

    def retry(self, row: int, size_bytes: int, modified_ns: int, now_ms: int) -> None:
        """Make a failed file, which lies where it was again, pending with all its tries."""
        self._set(
            row,
            now_ms,
            status=Status.PENDING,
            size_bytes=size_bytes,
            modified_ns=modified_ns,
            tries=0,
            due_at=now_ms,
            error_message=None,
        )
        self._write("INSERT INTO history VALUES (?,?,'retry-requested','{}')", row, now_ms)

    def reprocess(self, path: bytes | None, since_ms: int | None, now_ms: int) -> int:
        """Deliver completed files once more: one by absolute path, or all since `since_ms`; return how many."""
        where = " AND file_path=?" if path is not None else " AND updated_at>=?"
        argument = escape(path) if path is not None else since_ms or 0
        rows = self._read(f"SELECT id FROM file_progress WHERE status='completed'{where}", argument).fetchall()
        for (row,) in rows:
            self._set(row, now_ms, status=Status.PENDING, due_at=now_ms, tries=0, checksum=None, delivered="")
        return len(rows)

    def rebuilt(self, file: FileMetadata, delivered_ms: int) -> bool:
        """Enter a file that a manifest tells is delivered; False when the ledger knows the file already."""
        kind = file.kind.archive or file.kind.data or file.kind.type
        cursor = self._write(
            "INSERT OR IGNORE INTO file_progress (file_path,status,size_bytes,processed_bytes,checksum,s3_key,created_at,"
            "updated_at,modified_ns,kind,delivered) VALUES (?,'completed',?,?,?,?,?,?,?,?,'manifest')",
            *(self._prefix + escape(file.relative_path), file.size_bytes, file.size_bytes, file.checksum, key_of(file)),
            *(delivered_ms, delivered_ms, file.modified_ns, str(kind)),
        )
        return cursor.rowcount == 1

    # Facts

    def fact(self, name: str) -> str | None:
        """Return a fact that `remember_fact` recorded."""
        found = self._read("SELECT value FROM facts WHERE name=?", name).fetchone()
        return None if found is None else str(found[0])

    def remember_fact(self, name: str, value: str) -> None:
        """Record a fact about this ledger."""
        self._write("INSERT OR REPLACE INTO facts VALUES (?,?)", name, value)

    def counts(self) -> dict[Status, int]:
        """Return how many files have each status."""
        rows = self._read("SELECT status, count(*) FROM file_progress GROUP BY status")
        return dict.fromkeys(Status, 0) | {Status(status): count for status, count in rows}

    # Plumbing

    def _forget_reached(self, row: int) -> None:
        self._write("DELETE FROM objects WHERE file_id=?", row)
        self._write("DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE file_id=?)", row)
        self._write("DELETE FROM uploads WHERE file_id=?", row)

    def _remember(self, job: Job, now_ms: int, event: str, failure: Failure, bad_members: BadMembers) -> None:
        detail = {"step": job.current, "attempt": job.attempt, "failure": failure, "bad_members": bad_members}
        self._write("INSERT INTO history VALUES (?,?,?,?)", job.row, now_ms, event, orjson.dumps(detail).decode())
        self._write(
            "DELETE FROM history WHERE file_id=?1 AND at < (SELECT min(at) FROM"
            " (SELECT at FROM history WHERE file_id=?1 ORDER BY at DESC LIMIT ?2))",
            *(job.row, _HISTORY_A_FILE),
        )

    def _set(self, row: int, now_ms: int, **columns: object) -> None:
        assignments = ", ".join(f"{name}=?" for name in columns)
        values = [str(value) if isinstance(value, str) else value for value in columns.values()]
        self._write(f"UPDATE file_progress SET {assignments}, updated_at=? WHERE id=?", *values, now_ms, row)

    def _write(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        with room_needed():
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            return self._db.execute(sql, arguments)

    def _read(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        return self._db.execute(sql, arguments)


def key_of(file: FileMetadata) -> str:
    """Return the key under which the ledger enters the file: its object's, or the prefix of an archive's members."""
    key = path_key(file.relative_path)
    match file.kind.type:
        case FileType.ARCHIVE:
            return key + "/"
        case FileType.DATABASE:
            return parquet_key(key)
        case FileType.REGULAR:
            return key


def _covers(owned: str, key: str) -> bool:
    return key == owned or key == rejects_key(owned) or (owned.endswith("/") and key.startswith(owned))


def _taken(relative: bytes, key: str, owner: bytes) -> Failure:
    return Failure(
        ErrorClass.PERMANENT,
        "key.taken",
        f"{escape(relative)!r} would be stored as {key!r}, which belongs to {escape(owner)!r}",
        "rename one of the two",
    )


def _short(failure: Failure) -> str:
    return str(failure)[:_LONGEST_MESSAGE]
