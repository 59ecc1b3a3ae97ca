"""Owners of keys: two sources never write one object."""

from collections.abc import Iterable

from processor.domain.errors import ErrorClass, Failure
from processor.domain.files import FileType
from processor.domain.keys import escape, parquet_key, path_key, possible_owners, rejects_key, unescape
from processor.ledger.transactions import Transactions


class Keys(Transactions):
    """Who owns which key, found through the few sources that could: no index on keys is needed."""

    def claim(self, row: int, relative: bytes, member: int, keys: Iterable[str]) -> Failure | None:
        """Make keys that a template made this file's, and this member's; return why one of them can not be.

        What an earlier content of the same file claimed may go to any of its members.
        """
        for key in keys:
            owner = self._read("SELECT file_id, member FROM claimed_keys WHERE s3_key=?", key).fetchone()
            if owner is not None and owner[0] == row and owner[1] not in (None, member):
                return _taken(relative, key, relative, "another of its members")
            other = self._claimed_by_another(key, relative) or self._mirrored_by_another(key, relative)
            if other is not None:
                return _taken(relative, key, other)
            self._write("INSERT OR REPLACE INTO claimed_keys (s3_key,file_id,member) VALUES (?,?,?)", key, row, member)
        return None

    def claims_open(self, row: int) -> None:
        """Let any member of the file have its keys: its content is another."""
        self._write("UPDATE claimed_keys SET member=NULL WHERE file_id=?", row)

    def _claimed_by_another(self, key: str, relative: bytes) -> bytes | None:
        found = self._read(
            "SELECT f.file_path FROM claimed_keys c JOIN file_progress f ON f.id=c.file_id WHERE c.s3_key=?", key
        ).fetchone()
        owner = None if found is None else unescape(found[0].removeprefix(self._prefix))
        return None if owner == relative else owner

    def _mirrored_by_another(self, key: str, relative: bytes) -> bytes | None:
        for owner in dict.fromkeys(possible_owners(key)):
            if owner != relative and (owned := self._key_entered(owner)) is not None and _covers(owned, key):
                return owner
        return None

    def _key_entered(self, relative: bytes) -> str | None:
        found = self._read(
            "SELECT s3_key FROM file_progress WHERE file_path=? AND s3_key IS NOT NULL", self._prefix + escape(relative)
        ).fetchone()
        return None if found is None else str(found[0])

    def _key_taken(self, relative: bytes, file_type: FileType) -> Failure | None:
        """Return why this file's key is not free: no two sources may ever write the same object."""
        own = path_key(relative)
        wanted = (own, parquet_key(own)) if file_type is FileType.DATABASE else (own,)
        for key in wanted:
            if (owner := self._mirrored_by_another(key, relative)) is not None:
                return _taken(relative, key, owner)
        for key in dict.fromkeys([*wanted, *map(rejects_key, wanted)]):
            if (owner_path := self._claimed_by_another(key, relative)) is not None:
                return _taken(relative, key, owner_path)
        if file_type is FileType.ARCHIVE:
            claimed = self._read(
                "SELECT file_path FROM claimed_keys JOIN file_progress f ON f.id=file_id"
                " WHERE claimed_keys.s3_key>? AND claimed_keys.s3_key<? AND file_path<>? LIMIT 1",
                *(own + "/", own + "0", self._prefix + escape(relative)),
            ).fetchone()
            if claimed is not None:
                return _taken(relative, own + "/", unescape(claimed[0].removeprefix(self._prefix)))
            below = self._prefix + escape(relative) + "/"
            inside = self._read(
                "SELECT file_path FROM file_progress WHERE file_path>? AND file_path<? AND s3_key IS NOT NULL LIMIT 1",
                *(below, below[:-1] + "0"),
            ).fetchone()
            if inside is not None:
                return _taken(relative, own + "/", unescape(inside[0].removeprefix(self._prefix)))
        return None


def _covers(owned: str, key: str) -> bool:
    return key == owned or key == rejects_key(owned) or (owned.endswith("/") and key.startswith(owned))


def _taken(relative: bytes, key: str, owner: bytes, whose: str = "") -> Failure:
    return Failure(
        ErrorClass.PERMANENT,
        "key.taken",
        f"{escape(relative)!r} would be stored as {key!r}, which belongs to {whose or repr(escape(owner))}",
        "rename one of the two, or let the template of the key tell them apart",
    )
