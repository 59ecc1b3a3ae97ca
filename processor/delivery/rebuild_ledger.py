"""Rebuild the ledger from the manifests in the store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

from processor.domain.errors import DeliveryError
from processor.domain.feeds import NO_FEEDS, FeedMark, Feeds
from processor.domain.files import FileMetadata, FileType, Kind, proposed_kind
from processor.domain.keys import notes_key, parquet_key, path_key, rejects_key
from processor.domain.manifests import ManifestHead, ManifestObject
from processor.domain.object_keys import raw_key
from processor.domain.tables import TableObject
from processor.ledger.writer import Ledger
from processor.store.manifests import OpenManifest, list_manifests, read_manifest
from processor.store.s3 import S3Store

_COMMIT_EVERY = 500


@dataclass(slots=True)
class Rebuilt:
    """What came of it."""

    entered: Annotated[int, "files entered"] = 0
    known: Annotated[int, "files the ledger knew"] = 0
    registrations: Annotated[int, "objects that their tables had lost; they wait for them again"] = 0
    unreadable: Annotated[tuple[str, ...], "keys of manifests that could not be read"] = ()


def rebuild(
    store: S3Store,
    ledger: Ledger,
    root: bytes,
    feeds: Feeds = NO_FEEDS,
    counted: Callable[[int], None] = lambda _count: None,
) -> Rebuilt:
    """Enter every delivered file; nothing that the ledger knows is changed. Raises DeliveryError when the store fails.

    A manifest is read to its end before it is believed. Objects of tables wait; the tables are asked for them later.
    """
    result = Rebuilt()
    for number, key in enumerate(list_manifests(store), 1):
        counted(1)
        try:
            manifest = read_manifest(store, key)
            told = _told(manifest, feeds)
        except DeliveryError as error:
            if error.failure.code != "manifest.damaged":
                raise
            result.unreadable = (*result.unreadable, key)
            continue
        delivered_ms = int(manifest.head.delivered_at.timestamp() * 1000)
        file, timeline = _file(root, manifest.head), manifest.head.timeline
        if ledger.rebuilt(file, delivered_ms, told.key, told.claimed, told.feeds, timeline, told.objects):
            result.entered += 1
        else:
            result.known += 1
        if number % _COMMIT_EVERY == 0:
            ledger.commit()
    ledger.commit()
    return result


@dataclass(slots=True)
class _Told:
    """What the ledger has to know of a file's objects: its key, keys that templates made, feeds, those of tables."""

    key: str
    claimed: list[str]
    feeds: set[FeedMark]
    objects: list[TableObject]


def _told(manifest: OpenManifest, feeds: Feeds) -> _Told:
    head = manifest.head
    mirrored, archive = path_key(head.source_path), head.type is FileType.ARCHIVE
    told = _Told(f"{mirrored}/" if archive else "", [], {head.feed} if head.feed is not None else set(), [])
    for entry in manifest.entries:
        if not isinstance(entry, ManifestObject):
            continue
        key = entry.stored.key
        if not told.key and key != raw_key(head.source_path):
            told.key = key
        if entry.feed is not None:
            told.feeds.add(entry.feed)
        told.objects += _of_table(entry, entry.feed or head.feed, feeds)
        parquet = parquet_key(mirrored)
        own = (mirrored, parquet, rejects_key(parquet), notes_key(parquet))
        if key not in own and not (archive and key.startswith(f"{mirrored}/")):
            told.claimed.append(key)
    return told


def _of_table(entry: ManifestObject, mark: FeedMark | None, feeds: Feeds) -> Iterator[TableObject]:
    feed = None if mark is None else feeds.named(mark.name)
    if feed is not None and feed.table is not None and entry.rows is not None:
        stored = entry.stored
        yield TableObject(feed.table, stored.key, stored.sha256, stored.size_bytes, entry.rows)


def _file(root: bytes, head: ManifestHead) -> FileMetadata:
    proposed = proposed_kind(head.source_path)
    kind = proposed if proposed.type is head.type else Kind(FileType(head.type))
    path = root.rstrip(b"/") + b"/" + head.source_path
    return FileMetadata(path, head.source_path, head.size_bytes, head.modified_ns, 0, kind, head.sha256)
