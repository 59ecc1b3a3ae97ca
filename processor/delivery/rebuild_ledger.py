"""Rebuild the ledger from the manifests in the store."""

from dataclasses import dataclass

from processor.domain.errors import DeliveryError
from processor.domain.files import FileMetadata, FileType, Kind, proposed_kind
from processor.domain.manifests import ManifestHead
from processor.ledger.writer import Ledger
from processor.store.manifests import list_manifests, read_manifest
from processor.store.s3 import S3Store

_COMMIT_EVERY = 500


@dataclass(slots=True)
class Rebuilt:
    """What came of it: files entered, files the ledger knew, and manifests that could not be read, by key."""

    entered: int = 0
    known: int = 0
    unreadable: tuple[str, ...] = ()


def rebuild(store: S3Store, ledger: Ledger, root: bytes) -> Rebuilt:
    """Enter every delivered file; nothing that the ledger knows is changed. Raises DeliveryError when the store fails.

    A manifest is read to its end before it is believed.
    """
    result = Rebuilt()
    for number, key in enumerate(list_manifests(store), 1):
        try:
            manifest = read_manifest(store, key)
            for _entry in manifest.entries:
                pass
        except DeliveryError as error:
            if error.failure.code != "manifest.damaged":
                raise
            result.unreadable = (*result.unreadable, key)
            continue
        if ledger.rebuilt(_file(root, manifest.head), int(manifest.head.delivered_at.timestamp() * 1000)):
            result.entered += 1
        else:
            result.known += 1
        if number % _COMMIT_EVERY == 0:
            ledger.commit()
    ledger.commit()
    return result


def _file(root: bytes, head: ManifestHead) -> FileMetadata:
    proposed = proposed_kind(head.source_path)
    kind = proposed if proposed.type is head.type else Kind(FileType(head.type))
    path = root.rstrip(b"/") + b"/" + head.source_path
    return FileMetadata(path, head.source_path, head.size_bytes, head.modified_ns, 0, kind, head.sha256)
