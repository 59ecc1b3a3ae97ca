"""Record a job's progress: content, uploads, parts, objects."""

import orjson

from processor.domain.feeds import FeedMark
from processor.domain.jobs import Delivered, Job, Status
from processor.domain.object_keys import key_of
from processor.domain.uploads import Part, Resumption
from processor.ledger.feeds import FeedFiles
from processor.ledger.keys import Keys
from processor.ledger.records import UnfinishedUpload

ORPHAN_PLACES = "orphan-places"


class Reached(FeedFiles, Keys):
    """Reports of jobs on their way."""

    def content_known(self, job: Job, now_ms: int) -> list[UnfinishedUpload]:
        """Record checksum and kind. Return open uploads that belong to other content: they are to be aborted."""
        kind = job.file.kind
        name = kind.archive or kind.data or kind.type
        same = job.file.checksum == job.known_checksum
        stale: list[UnfinishedUpload] = []
        if not same and job.attempt > 1:  # before the first nothing was reached
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
        if job.delivered is Delivered.NOTHING:
            self.feed_known(job.row, job.file)
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

    def open_uploads(self, row: int | None = None) -> list[UnfinishedUpload]:
        """Return the uploads that are open, of one file or of all, with their parts."""
        where, arguments = ("", ()) if row is None else (" WHERE file_id=?", (row,))
        uploads = self._read(f"SELECT id,file_id,s3_key,upload_id FROM uploads{where}", *arguments).fetchall()
        return [
            UnfinishedUpload(file_id, key, Resumption(upload_id, self._parts(id_)))
            for id_, file_id, key, upload_id in uploads
        ]

    def _parts(self, upload: int) -> dict[int, Part]:
        query = "SELECT number,size_bytes,sha256,etag FROM parts WHERE upload=?"
        return {row[0]: Part(*row) for row in self._read(query, upload)}

    def orphan_places(self) -> tuple[str, ...]:
        """Return the keys (of archives: prefixes ending in /) where an earlier process may have left uploads open."""
        return tuple(orjson.loads(self.fact(ORPHAN_PLACES) or "[]"))

    def orphans_may_come(self, place: str) -> None:
        """Record a place where uploads may yet appear of which nobody will tell: the next start looks there."""
        places = {*self.orphan_places(), place}
        self.remember_fact(ORPHAN_PLACES, orjson.dumps(sorted(places)).decode())

    def orphans_aborted(self) -> None:
        """Record that nothing is left open there but what is recorded."""
        self.remember_fact(ORPHAN_PLACES, "[]")

    def abandoned_uploads(self) -> list[UnfinishedUpload]:
        """Return the recorded uploads of files that have come to their end: nobody will go on with them."""
        query = "SELECT DISTINCT f.id FROM uploads u JOIN file_progress f ON f.id=u.file_id WHERE f.status IN (?,?)"
        rows = self._read(query, *map(str, (Status.COMPLETED, Status.FAILED))).fetchall()
        return [upload for (row,) in rows for upload in self.open_uploads(row)]

    def object_stored(
        self, row: int, member: int, content: int, details: object, size_bytes: int, feed: FeedMark | None = None
    ) -> None:
        """Record an object that is stored and verified; `details` is what the manifest will say of it."""
        if feed is not None:
            self.member_of(row, feed)
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

    def _forget_reached(self, row: int) -> None:
        self.forget_feeds(row)
        self.claims_open(row)
        self._write("DELETE FROM objects WHERE file_id=?", row)
        self._write("DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE file_id=?)", row)
        self._write("DELETE FROM uploads WHERE file_id=?", row)
