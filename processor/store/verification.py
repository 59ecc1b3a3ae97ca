"""Compare stored objects with their manifest."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from processor.domain.errors import DeliveryError
from processor.domain.manifests import Entry, ManifestObject
from processor.domain.uploads import StoredObject
from processor.store.answers import Head
from processor.store.s3 import S3Store


class Finding(StrEnum):
    """What became of an object since it was delivered."""

    OK = "ok"
    MISSING = "missing"
    TRUNCATED = "truncated"  # another size
    REPLACED = "replaced"  # the size is right, the content is another
    SUPERSEDED = "superseded"  # a later delivery of its file has it no longer
    UNNAMED = "unnamed"  # no manifest names it
    FOREIGN = "foreign"  # nor was it delivered by us


@dataclass(frozen=True, slots=True)
class Verified:
    """One object's finding; `detail` says what was compared or what differs."""

    key: str
    finding: Finding
    detail: str


def verify_entries(
    store: S3Store,
    entries: Iterable[Entry],
    *,
    deep: bool = False,
    sample: float = 1.0,
    chance: random.Random | None = None,
) -> Iterator[Verified]:
    """Yield a finding for every object of a manifest, or for a random `sample` (0..1) of them."""
    chance = chance or random.Random()  # noqa: S311 - a sample, no secret
    for entry in entries:
        if isinstance(entry, ManifestObject) and (sample >= 1 or chance.random() < sample):
            yield verify_object(store, entry.stored, deep=deep)


def verify_object(store: S3Store, expected: StoredObject, *, deep: bool = False) -> Verified:
    """Compare what the store says of the object, and when `deep` its very bytes, with what was delivered."""
    head = store.head(expected.key)
    if head is None:
        return Verified(expected.key, Finding.MISSING, "there is no such object")
    if head.size_bytes != expected.size_bytes:
        detail = f"{head.size_bytes} bytes instead of {expected.size_bytes}"
        return Verified(expected.key, Finding.TRUNCATED, detail)
    if deep:
        return _compare_bytes(store, expected)
    return _compare_checksums(head, expected)


def _compare_checksums(head: Head, expected: StoredObject) -> Verified:
    algorithm, _, checksum = expected.checksum.partition(":")
    if algorithm == "sha256" and head.sha256 is not None:
        theirs, ours = head.sha256, checksum
    else:
        theirs, ours = head.etag, expected.etag
    if not theirs:
        return Verified(expected.key, Finding.OK, "the size only: this store tells no checksum")
    finding = Finding.OK if theirs == ours else Finding.REPLACED
    return Verified(expected.key, finding, f"the store says {theirs}, delivered was {ours}")


def _compare_bytes(store: S3Store, expected: StoredObject) -> Verified:
    digest = hashlib.sha256()
    size = 0
    try:
        for piece in store.get(expected.key):
            digest.update(piece)
            size += len(piece)
            if size > expected.size_bytes:  # another object, which may have no end
                break
    except DeliveryError as error:
        if error.failure.code != "store.no-object":
            raise
        return Verified(expected.key, Finding.MISSING, "it vanished while it was read")
    if size != expected.size_bytes:
        return Verified(expected.key, Finding.TRUNCATED, f"{size} bytes or more instead of {expected.size_bytes}")
    finding = Finding.OK if digest.hexdigest() == expected.sha256 else Finding.REPLACED
    return Verified(expected.key, finding, f"sha256 is {digest.hexdigest()}, delivered was {expected.sha256}")
