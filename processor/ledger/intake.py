"""Record files that arrive and jobs that start."""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any

import orjson

from processor.domain.errors import Failure
from processor.domain.feeds import NO_FEEDS, Feeds
from processor.domain.files import FileMetadata, FileType
from processor.domain.jobs import Delivered, Job, Status
from processor.domain.keys import escape, unescape
from processor.domain.object_keys import delivery_of, key_of, mirrors
from processor.domain.timeline import Milestone, timeline_from
from processor.ledger.checkpoints import ORPHAN_PLACES, Reached
from processor.ledger.records import HELD, Found, Intake, columns_of, identity_from

_path = attrgetter("relative_path")

# More ranges than this are not told to a worker: what it then makes again is recognised when it is stored.
_MOST_RANGES = 1000


class Arrivals(Reached):
    """Found files become pending, pending ones jobs."""

    def found(self, files: Iterable[Found], now_ms: int) -> Intake:
        """Record stable files: new and changed ones become pending, unchanged ones stay what they are.

        Of files found together the first by path is the first to be admitted.
        """
        new = changed = released = 0
        # As their index has them, not as a directory lists them: the reverse of it would leave pages half empty.
        batch = {self._prefix + escape(file.relative_path): file for file in sorted(files, key=_path)}
        recorded = self._recorded(batch)
        for path, file in batch.items():
            row, seen = recorded.get(path), tuple(columns_of(file).values())
            if row is None:
                self._write(
                    "INSERT INTO file_progress (file_path,status,created_at,updated_at,due_at,"
                    "size_bytes,modified_ns,device,inode,changed_ns,timeline) VALUES (?,'pending',?,?,?,?,?,?,?,?,?)",
                    *(path, now_ms, now_ms, now_ms, *seen, file.timeline(now_ms)),
                )
                new += 1
            elif row[4:] != seen:
                self._changed(row[0], Status(row[1]), file, now_ms)
                changed += 1
            elif _waits(row[1], row[2], row[3], now_ms):
                released += self._released(row[0], now_ms)
        return Intake(new, changed, len(batch) - new - changed, released)

    def _recorded(self, paths: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        """Return what is recorded of those that are known, in one statement: one for each takes five times as long."""
        rows = self._read(
            "SELECT file_path, id, status, due_at, error_message, size_bytes, modified_ns, device, inode, changed_ns"
            " FROM file_progress WHERE file_path IN (SELECT value FROM json_each(?))",
            orjson.dumps(list(paths)).decode(),
        )
        return {row[0]: row[1:] for row in rows}

    def _released(self, row: int, now_ms: int) -> bool:
        self._set(row, now_ms, due_at=now_ms)
        return True

    def _changed(self, row: int, status: Status, file: Found, now_ms: int) -> None:
        if status is Status.IN_PROGRESS:
            # Its job is on its way with the old content; `completed` sees the difference and the file goes again.
            self._set(row, now_ms, **columns_of(file), timeline=file.timeline(now_ms))
            return
        self._set(
            row,
            now_ms,
            status=Status.PENDING,
            **columns_of(file),
            tries=0,
            due_at=now_ms,
            error_message=None,
            processed_bytes=None,
            timeline=file.timeline(now_ms),
        )

    def recover(self, now_ms: int) -> int:
        """Make what was on its way when the last process ended pending again; return how many that were.

        Their keys are remembered until `orphans_aborted`: uploads may be open there that nobody recorded.
        """
        query = "SELECT s3_key FROM file_progress WHERE status='in_progress' AND s3_key IS NOT NULL"
        claimed = (
            "SELECT c.s3_key FROM claimed_keys c JOIN file_progress f ON f.id=c.file_id WHERE f.status='in_progress'"
        )
        keys = {key for (key,) in (*self._read(query), *self._read(claimed))} | set(self.orphan_places())
        self.remember_fact(ORPHAN_PLACES, orjson.dumps(sorted(keys)).decode())
        # Whoever starts it anew may have mended what files wait for.
        self._write("UPDATE file_progress SET due_at=? WHERE status='pending' AND due_at>?", now_ms, now_ms)
        # What could not be moved or deleted then may be so now.
        again = "UPDATE file_progress SET due_at=? WHERE "
        kept = "status='failed' AND (due_at IS NULL OR due_at=?) AND modified_ns IS NOT NULL"
        self._write(again + kept, now_ms, HELD)
        self._write(f"{again}status='completed' AND due_at IN (0,?)", now_ms, HELD)
        cursor = self._write(
            "UPDATE file_progress SET status='pending', due_at=?, updated_at=? WHERE status='in_progress'",
            *(now_ms, now_ms),
        )
        return cursor.rowcount

    def clock_set_back(self, now_ms: int) -> int:
        """Make due what waits for a time that was told by a clock which has been set back since; return how much."""
        cursor = self._write(
            "UPDATE file_progress SET due_at=?, updated_at=? WHERE status='pending' AND due_at>? AND updated_at>?",
            *(now_ms, now_ms, now_ms, now_ms),
        )
        return cursor.rowcount

    def admit(
        self,
        room: int,
        now_ms: int,
        now_ns: int,
        cost: Callable[[FileMetadata], int] = lambda _file: 1,
        feeds: Feeds = NO_FEEDS,
    ) -> tuple[list[Job], list[tuple[Job, Failure]]]:
        """Put due files on their way, each taking its `cost`, while any `room` is left: the last may take more.

        Return their jobs, and those refused because of their key.
        """
        rows = self._write(
            "SELECT id,file_path,size_bytes,modified_ns,created_at,checksum,delivered,attempt,timeline,"
            "device,inode,changed_ns"
            " FROM file_progress WHERE status='pending' AND due_at<=? AND file_path>? AND file_path<?"
            " ORDER BY due_at LIMIT ?",
            *(now_ms, self._prefix, self._prefix[:-1] + "0", room),
        ).fetchall()
        jobs: list[Job] = []
        refused: list[tuple[Job, Failure]] = []
        for row, path, size, modified_ns, created_at, checksum, delivered, attempt, times, *identity in rows:
            if room <= 0:
                break
            relative = unescape(path.removeprefix(self._prefix))
            file = FileMetadata(
                unescape(path),
                relative,
                size,
                modified_ns,
                created_at * 1_000_000,
                identity=identity_from(*identity),
            ).among(feeds)
            room -= cost(file)
            job = Job(
                id=str(uuid.uuid4()),
                row=row,
                file=file,
                attempt=attempt + 1,
                started_ns=now_ns,
                known_checksum=checksum,
                delivered=Delivered(delivered),
                stored_members=self._stored_members(row) if attempt else (),
                timeline=timeline_from(times).reached(Milestone.BEGUN, now_ms),
            )
            by_template = file.kind.type is not FileType.ARCHIVE and not mirrors(delivery_of(file))
            failure = None if by_template else self._key_taken(relative, file.kind.type)
            if failure is None:
                key = {} if by_template else {"s3_key": key_of(file)}  # by template: when the checksum is known
                self._set(row, now_ms, status=Status.IN_PROGRESS, attempt=attempt + 1, due_at=None, **key)
                jobs.append(job)
            else:
                self._set(row, now_ms, status=Status.IN_PROGRESS, attempt=attempt + 1, due_at=None)
                refused.append((job, failure))
        return jobs, refused

    def next_due_ms(self) -> int | None:
        """Return when the next pending file is due; None when none waits."""
        due = next(self._waiting(), None)
        return None if due is None else due[1]

    def waits_for_others(self, rows: Collection[int]) -> bool:
        """Tell whether any pending file waits that is not among `rows`."""
        return any(row not in rows for row, _due in self._waiting())

    def _waiting(self) -> Iterator[tuple[int, int]]:
        return self._read(
            "SELECT id, due_at FROM file_progress WHERE status='pending' AND due_at IS NOT NULL AND file_path>?"
            " AND file_path<? ORDER BY due_at",
            *(self._prefix, self._prefix[:-1] + "0"),
        )

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


def _waits(status: str, due_at: int | None, error_message: str | None, now_ms: int) -> bool:
    """Tell whether all that a file waits for is to be found again; one that failed waits for its time."""
    if status == Status.PENDING:
        return due_at is not None and due_at > now_ms and error_message is None
    return due_at == HELD
