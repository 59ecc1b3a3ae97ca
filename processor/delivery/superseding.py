"""Name the objects that a new delivery leaves behind."""

from collections.abc import Iterable, Iterator

from processor.delivery.key_set import KeySet
from processor.domain.errors import DeliveryError
from processor.domain.keys import manifest_key
from processor.domain.manifests import Entry, ManifestHead, ManifestObject, Superseded
from processor.store.manifests import read_manifest
from processor.store.s3 import S3Store


def with_superseded(store: S3Store, head: ManifestHead, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries, then what the file's manifest, which lies there still, has beyond them.

    Raises DeliveryError when the store does not answer. A former manifest that is damaged names nothing.
    """
    named = KeySet()
    for entry in entries:
        if isinstance(entry, ManifestObject):
            named.add(entry.stored.key)
        yield entry
    try:
        for key in _former(store, head):
            if key not in named:
                named.add(key)
                yield Superseded(key)
    except DeliveryError as error:
        if error.failure.code not in ("store.no-object", "manifest.damaged"):
            raise


def _former(store: S3Store, head: ManifestHead) -> Iterator[str]:
    """Yield what the former delivery was. One of the same content may be this one, from before a crash."""
    former = read_manifest(store, manifest_key(head.source_path))
    again = former.head.sha256 == head.sha256
    for entry in former.entries:
        if isinstance(entry, ManifestObject):
            yield entry.stored.key
        elif isinstance(entry, Superseded) and again:
            yield entry.key
