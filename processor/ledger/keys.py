"""Owners of keys: two sources never write one object."""

from processor.domain.errors import ErrorClass, Failure
from processor.domain.files import FileMetadata, FileType
from processor.domain.keys import escape, parquet_key, path_key, possible_owners, rejects_key, unescape
from processor.ledger.transactions import Transactions


class Keys(Transactions):
    """Who owns which key, found through the few sources that could: no index on keys is needed."""

    def _key_taken(self, relative: bytes, file_type: FileType) -> Failure | None:
        """Return why this file's key is not free: no two sources may ever write the same object."""
        own = path_key(relative)
        wanted = (own, parquet_key(own)) if file_type is FileType.DATABASE else (own,)
        for owner in dict.fromkeys(owner for key in wanted for owner in possible_owners(key)):
            if owner == relative:
                continue
            taken = self._read(
                "SELECT s3_key FROM file_progress WHERE file_path=? AND s3_key IS NOT NULL",
                self._prefix + escape(owner),
            ).fetchone()
            for key in wanted:
                if taken is not None and _covers(taken[0], key):
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
