"""Find objects that no manifest names.

They are read by whoever reads the bucket's prefix, though no complete delivery has them: left by a file that changed
into fewer objects or another type, or by a delivery that never came to its end.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from processor.config.settings import Settings
from processor.delivery.key_set import KeySet
from processor.domain.errors import DeliveryError
from processor.domain.jobs import Status
from processor.domain.keys import MANIFESTS, PROBES, STAGING, TABLES, escape, manifest_key, possible_owners
from processor.domain.manifests import ManifestObject, Superseded
from processor.domain.uploads import COMPLETED, source_path
from processor.ledger.reader import claimant, status_of
from processor.store.answers import Head
from processor.store.manifests import list_manifests, read_manifest
from processor.store.s3 import S3Store
from processor.store.verification import Finding

_OURS = tuple(f"{name}/" for name in (MANIFESTS, PROBES, STAGING, TABLES))
MOST_NAMED = 4_000_000
_MOST_MANIFESTS = 4
_YOUNG_SECONDS = 86_400.0

# Tells why an object of this key has to stay, or "": another place that refers to objects, such as a table's catalog.
Keeper = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Unnamed:
    """An object that no manifest names; `kept` is why it is not to be removed, if so."""

    key: str
    size_bytes: int
    finding: Finding
    kept: str = ""


def candidates(store: S3Store, named: KeySet | None = None, most: int = MOST_NAMED) -> Iterator[str]:
    """Yield keys that no manifest named when it was read. Raises DeliveryError, also for a damaged manifest.

    `named` is what manifests name, if somebody has read them. Beyond `most` keys the store is gone through several
    times, a share of the keys each time, so that memory is bounded.
    """
    shares = 1
    while named is None:
        named = _named(store, 0, shares, most)
        shares *= 1 if named is not None else 2
    for share in range(shares):
        if share:
            named = _named(store, share, shares, None)
        assert named is not None, "without a limit there is always an answer"
        for key, _size in store.list_keys():
            if hash(key) % shares == share and key not in named and not key.startswith(_OURS):
                yield key


def _named(store: S3Store, share: int, shares: int, most: int | None) -> KeySet | None:
    """Return the keys of one share that manifests name; None when they are more than `most`."""
    named = KeySet()
    for manifest in list_manifests(store):
        for entry in read_manifest(store, manifest).entries:
            if isinstance(entry, ManifestObject) and hash(entry.stored.key) % shares == share:
                named.add(entry.stored.key)
        if most is not None and len(named) > most:
            return None
    return named


@dataclass(slots=True)
class _Manifest:
    """The keys in one manifest, as it was under this ETag."""

    etag: str
    objects: KeySet = field(default_factory=KeySet)
    superseded: KeySet = field(default_factory=KeySet)
    damaged: bool = False


class Examination:
    """Looks at one object after the other: whose it is, and whether anybody still needs it."""

    def __init__(self, settings: Settings, store: S3Store, keepers: tuple[Keeper, ...] = ()) -> None:
        self._ledger = settings.progress_db_path
        self._root = os.fsencode(settings.watch_path).rstrip(b"/") + b"/"
        self._store = store
        self._keepers = keepers
        self._manifests: OrderedDict[bytes, _Manifest] = OrderedDict()
        self._foreign: dict[str, bool] = {}

    def of(self, key: str) -> Unnamed | None:
        """Return what is found of an object now; None when it is gone, or named after all."""
        head = self._store.head(key)
        if head is None:
            return None
        owners = self._owners(key, head)
        by_owner = {owner: self._manifest(owner) for owner in owners}
        manifests = [manifest for manifest in by_owner.values() if manifest is not None]
        if any(key in manifest.objects for manifest in manifests):
            return None
        finding = _finding(head, superseded=any(key in manifest.superseded for manifest in manifests))
        damaged = "a manifest that may name it is damaged" if any(each.damaged for each in manifests) else ""
        kept = self._elsewhere(key) or damaged or self._needed(by_owner, head, finding) or self._kept(key)
        return Unnamed(key, head.size_bytes, finding, kept)

    def _owners(self, key: str, head: Head) -> list[bytes]:
        """Return the relative path of every file whose object this is or may be; the first is the likeliest."""
        owners = [source_path(head.metadata), *possible_owners(key)]
        claimed = claimant(self._ledger, key)
        if claimed is not None and claimed.startswith(self._root):
            owners.append(claimed.removeprefix(self._root))
        return [owner for owner in dict.fromkeys(owners) if owner is not None]

    def _manifest(self, path: bytes) -> _Manifest | None:
        """Return what the file's manifest names; it is read again only when it has changed."""
        key = manifest_key(path)
        head = self._store.head(key)
        if head is None:
            return None
        known = self._manifests.get(path)
        if known is None or known.etag != head.etag or not head.etag:
            known = self._manifests[path] = self._read(key, head.etag)
        self._manifests.move_to_end(path)
        while len(self._manifests) > _MOST_MANIFESTS:
            self._manifests.popitem(last=False)
        return known

    def _read(self, key: str, etag: str) -> _Manifest:
        manifest = _Manifest(etag)
        try:
            for entry in read_manifest(self._store, key).entries:
                if isinstance(entry, ManifestObject):
                    manifest.objects.add(entry.stored.key)
                elif isinstance(entry, Superseded):
                    manifest.superseded.add(entry.key)
        except DeliveryError as error:
            if error.failure.code not in ("manifest.damaged", "store.no-object"):
                raise
            manifest.damaged = True
        return manifest

    def _elsewhere(self, key: str) -> str:
        parts = key.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            if folder not in self._foreign:
                self._foreign[folder] = any(True for _ in self._store.list_keys(f"{folder}/{MANIFESTS}/"))
            if self._foreign[folder]:
                return f"{folder}/ has manifests of its own: another daemon's prefix"
        return ""

    def _needed(self, owners: Mapping[bytes, _Manifest | None], head: Head, finding: Finding) -> str:
        """Tell whose delivery may still write or count on the object: that of a file that is not completed."""
        statuses = {owner: status_of(self._ledger, self._root + owner) for owner in owners}
        for owner, status in statuses.items():
            if status == Status.COMPLETED and owners[owner] is None:
                return f"the manifest of its file {escape(owner)!r} is gone: `processor reprocess`"
            if status not in (None, Status.COMPLETED):
                return f"its file {escape(owner)!r} is {status.replace('_', ' ')}"
        young = time.time() - head.modified_at.timestamp() < _YOUNG_SECONDS
        if finding is Finding.UNNAMED and young and not any(statuses.values()):
            return "its file is not in this ledger, and it is younger than a day"
        return ""

    def _kept(self, key: str) -> str:
        return next(filter(None, (keeper(key) for keeper in self._keepers)), "")


def _finding(head: Head, *, superseded: bool) -> Finding:
    if superseded:
        return Finding.SUPERSEDED
    return Finding.UNNAMED if head.metadata.get(COMPLETED) == "true" else Finding.FOREIGN
