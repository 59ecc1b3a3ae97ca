"""Keys of objects: mirrored from paths, or by template.

Mirrored keys are injective by themselves; those that a template or a prefix made are claimed in the ledger, where a
second source of one key is refused.
"""

import hashlib

from processor.domain.feeds import FeedDelivery
from processor.domain.files import FileMetadata, FileType
from processor.domain.key_template import KeyFields, filled
from processor.domain.keys import RAW, escape, notes_key, parquet_key, path_key, rejects_key
from processor.domain.members import member_key


def delivery_of(file: FileMetadata, member: bytes = b"") -> FeedDelivery:
    """Return how an object of the file is delivered; `member` is the member's name."""
    feed = file.feed_of_member(member)
    return file.feeds.outside if feed is None else feed.delivery


def object_key(file: FileMetadata, member: bytes, again: int | None = None, *, parquet: bool) -> str:
    """Return the key of an object of the file: its own, or a member's; `again` as in `member_key`."""
    path = path_key(file.relative_path)
    if file.kind.type is FileType.ARCHIVE:
        path = f"{path}/{member_key(member, again)}"
    delivery = delivery_of(file, member if file.kind.type is FileType.ARCHIVE else b"")
    if not delivery.key:
        return delivery.prefix + (parquet_key(path) if parquet else path)
    feed = file.feed_of_member(member if file.kind.type is FileType.ARCHIVE else b"")
    checksum, read_by = file.checksum or "", "" if feed is None else feed.declaration.digest
    version = hashlib.sha256(f"{checksum} {read_by}".encode()).hexdigest()
    fields = KeyFields(path, "" if feed is None else feed.name, file.modified_ns, checksum, version)
    return delivery.prefix + filled(delivery.key, fields, parquet=parquet)


def key_of(file: FileMetadata) -> str:
    """Return the key under which the ledger enters the file: its object's, or the prefix of an archive's members."""
    if file.kind.type is FileType.ARCHIVE:
        return path_key(file.relative_path) + "/"
    return object_key(file, b"", parquet=file.kind.type is FileType.DATABASE)


def claims_needed(file: FileMetadata, member: bytes, key: str, *, parquet: bool) -> tuple[str, ...]:
    """Return what has to be claimed before `key` is written: nothing where it mirrors the path."""
    if mirrors(delivery_of(file, member)):
        return ()
    return (key, rejects_key(key), notes_key(key)) if parquet else (key,)


def mirrors(delivery: FeedDelivery) -> bool:
    """Tell whether keys mirror the paths."""
    return not delivery.key and not delivery.prefix


def is_scattered(file: FileMetadata) -> bool:
    """Tell whether members of the archive may have keys that do not lie below the archive's own."""
    deliveries = (file.feeds.outside, *(feed.delivery for feed in file.feeds.feeds))
    return file.kind.type is FileType.ARCHIVE and not all(map(mirrors, deliveries))


def raw_key(relative_path: bytes) -> str:
    """Return the key of a source's own bytes, where a feed keeps them."""
    return f"{RAW}/{escape(relative_path)}"
