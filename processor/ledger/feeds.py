"""Record by which declarations files were read."""

from processor.domain.feeds import Feed, FeedMark, Feeds
from processor.domain.files import FileMetadata, FileType
from processor.domain.jobs import Status
from processor.domain.keys import unescape
from processor.ledger.transactions import Transactions

_OLDER = (
    "SELECT DISTINCT f.id FROM file_progress f JOIN feed_files ff ON ff.file_id=f.id JOIN feeds d ON d.id=ff.feed"
    " WHERE f.status='completed' AND f.modified_ns IS NOT NULL AND d.name=? AND d.digest<>?"
)
_CURRENT = "SELECT ff.file_id FROM feed_files ff JOIN feeds d ON d.id=ff.feed WHERE d.name=? AND d.digest=?"


class FeedFiles(Transactions):
    """An archive is of every feed that one of its members is in."""

    def feed_known(self, row: int, file: FileMetadata) -> None:
        """Record which feed the file is about to be read by; an archive's are recorded with its members."""
        if file.kind.type is FileType.ARCHIVE:
            return
        self.forget_feeds(row)
        if file.feed is not None:
            self.member_of(row, file.feed.mark)

    def member_of(self, row: int, mark: FeedMark) -> None:
        """Record that the file, or a member of it, was read by a feed's declaration."""
        self._write("INSERT OR IGNORE INTO feeds (name,digest) VALUES (?,?)", mark.name, mark.digest)
        self._write(
            "INSERT OR IGNORE INTO feed_files (file_id,feed) SELECT ?,id FROM feeds WHERE name=? AND digest=?",
            *(row, mark.name, mark.digest),
        )

    def forget_feeds(self, row: int) -> None:
        """Forget them: the file is read anew."""
        self._write("DELETE FROM feed_files WHERE file_id=?", row)

    def reprocess_feed(self, name: str, feeds: Feeds, now_ms: int) -> int:
        """Deliver once more what the feed concerns and was read otherwise than it says now; return how many.

        Members of archives that were in no feed are not known: such an archive is reprocessed by its path.
        """
        feed = feeds.named(name)
        rows = self._delivered_otherwise(feed, feeds) if feed is not None else set()
        rows |= {row for (row,) in self._read(_OLDER, name, "" if feed is None else feed.declaration.digest)}
        for row in sorted(rows):
            self._set(row, now_ms, status=Status.PENDING, due_at=now_ms, tries=0, checksum=None)
        return len(rows)

    def _delivered_otherwise(self, feed: Feed, feeds: Feeds) -> set[int]:
        """Return the delivered files whose paths are in the feed now, but for those that it was applied to."""
        current = {row for (row,) in self._read(_CURRENT, feed.name, feed.declaration.digest)}
        completed = self._read(
            "SELECT id, file_path, s3_key FROM file_progress WHERE status='completed' AND modified_ns IS NOT NULL"
        )
        return {
            row
            for row, path, key in completed
            if row not in current
            and not (key or "").endswith("/")  # an archive
            and feeds.of(unescape(path.removeprefix(self._prefix))) is feed
        }
