"""Probe how the store treats checksums, conditions and metadata.

Everything is tried on objects below `_probe/`, which are removed again.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.keys import PROBES
from processor.domain.uploads import (
    ObjectRequest,
    Part,
    Protection,
    base64_digest,
    completion_metadata,
    composite_sha256,
)
from processor.store.s3 import Digest, S3Store

_Answer = TypeVar("_Answer")

_BODY = b"processor probes what this store does with checksums"
_WRONG = b"these bytes are never sent"
_SHA256 = hashlib.sha256(_BODY).digest()
_MD5 = hashlib.md5(_BODY, usedforsecurity=False).digest()
_METADATA = completion_metadata(b"a b/\xff\n%.csv", hashlib.sha256(_BODY).hexdigest())


@dataclass(frozen=True, slots=True)
class StoreProfile:
    """What a store does. `verified` means: a wrong one was sent and refused.

    `problem` says why probing ended early; then everything not yet tried is False.
    """

    endpoint: str
    bucket: str
    tls: bool
    probed_at: str
    reachable: bool = False
    writable: bool = False
    clock_skew_seconds: float = 0.0
    sha256_verified: bool = False
    sha256_returned: bool = False
    part_sha256_verified: bool = False
    part_signature_verified: bool = False
    composite_sha256_returned: bool = False
    md5_verified: bool = False
    signature_verified: bool = False  # of the body: damage is refused whatever the store does with checksums
    etag_is_md5: bool = False
    conditional_writes: bool = False
    multipart: bool = False
    lists_uploads: bool = False
    metadata_kept: bool = False
    problem: Failure | None = None

    @property
    def protection(self) -> Protection:
        """The digest to send with every part."""
        if self.sha256_verified and self.part_sha256_verified:
            return Protection.SHA256
        signed = self.signature_verified and self.part_signature_verified
        return Protection.SIGNATURE if signed else Protection.MD5

    @property
    def protected(self) -> bool:
        """Whether damage on the way would be noticed at all: by the store, or by us in its answer."""
        by_store = self.protection is not Protection.MD5 or self.signature_verified or self.md5_verified
        return by_store or self.etag_is_md5

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for the log, the ledger and `processor check`."""
        problem = None if self.problem is None else str(self.problem)
        return asdict(self) | {"problem": problem, "protection": str(self.protection), "protected": self.protected}


def probe(store: S3Store) -> StoreProfile:
    """Return what the store does; never raises for what the store says.

    Uploads that are on their way meanwhile keep their protection.
    """
    settings = store.settings
    endpoint = settings.endpoint or f"AWS {settings.region}"
    tls = not endpoint.startswith("http://")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    probing = _Probe(store.apart(), StoreProfile(endpoint, settings.bucket, tls, started))
    try:
        probing.run()
    except DeliveryError as error:
        return replace(probing.profile, problem=error.failure)
    finally:
        probing.clean_up()
    return probing.profile


def adopt(store: S3Store, profile: StoreProfile) -> None:
    """Let the store protect bodies as the profile says it can."""
    store.protection = profile.protection
    store.etag_is_md5 = profile.etag_is_md5


class _Probe:
    """One run: `profile` grows with what is known."""

    def __init__(self, store: S3Store, profile: StoreProfile) -> None:
        self.profile = profile
        self._store = store
        self._key = f"{PROBES}/{secrets.token_hex(8)}"
        self._upload_id: str | None = None

    def run(self) -> None:
        self._try_to_write()
        self._try_checksums()
        self._try_metadata()
        self._try_multipart()

    def clean_up(self) -> None:
        """Remove what was stored; a store that is away keeps a few bytes below `_probe/`."""
        if not self.profile.writable:
            return
        try:
            self._abort()
            self._store.delete(self._key)
        except DeliveryError as error:
            if self.profile.problem is None:
                self.profile = replace(self.profile, problem=error.failure)

    def _abort(self) -> None:
        if self._upload_id is not None:
            self._store.abort_upload(self._key, self._upload_id)
            self._upload_id = None

    def _try_to_write(self) -> None:
        try:
            answer = self._put()
        except DeliveryError as error:
            there = error.failure.code not in ("store.unreachable", "store.certificate")
            self._learn(reachable=there)
            raise
        self._learn(reachable=True, writable=True, clock_skew_seconds=_skew(answer))
        self._learn(etag_is_md5=str(answer.get("ETag", "")).strip('"') == _MD5.hex())

    def _try_checksums(self) -> None:
        wrong_sha256 = base64_digest(hashlib.sha256(_WRONG).digest())
        wrong_md5 = base64_digest(hashlib.md5(_WRONG, usedforsecurity=False).digest())
        right = self._unless_refused(lambda: self._put(ChecksumSHA256=base64_digest(_SHA256)))
        self._learn(
            sha256_returned=right is not None and right.get("ChecksumSHA256") == base64_digest(_SHA256),
            sha256_verified=right is not None and self._refuses(lambda: self._put(ChecksumSHA256=wrong_sha256)),
            md5_verified=self._refuses(lambda: self._put(ContentMD5=wrong_md5)),
            signature_verified=self._refuses(lambda: self._put(body_sha256=hashlib.sha256(_WRONG).digest())),
            conditional_writes=self._refuses(lambda: self._put(IfNoneMatch="*")),
        )

    def _try_metadata(self) -> None:
        self._put(Metadata=_METADATA)
        head = self._store.head(self._key)
        kept = head is not None and {name: head.metadata.get(name) for name in _METADATA} == _METADATA
        self._learn(metadata_kept=kept)

    def _try_multipart(self) -> None:
        if self.profile.sha256_verified:
            self._unless_refused(lambda: self._try_parts(Protection.SHA256))
        if self.profile.signature_verified and not self.profile.part_sha256_verified:
            self._unless_refused(lambda: self._try_parts(Protection.SIGNATURE))
        if self.profile.protection is Protection.MD5:
            self._try_parts(Protection.MD5)

    def _try_parts(self, protection: Protection) -> None:
        self._abort()
        self._store.protection = protection
        self._upload_id = self._store.create_upload(ObjectRequest(self._key))
        listed = self._unless_refused(lambda: list(self._store.list_uploads(self._key)))
        self._learn(lists_uploads=self._upload_id in [upload.upload_id for upload in listed or ()])
        by_md5 = protection is Protection.MD5
        verified = not by_md5 and self._refuses(lambda: self._part(Digest(hashlib.sha256(_WRONG).digest())))
        self._try_to_complete(self._part(Digest(_SHA256, _MD5 if by_md5 else None)))
        self._learn(
            multipart=True,
            part_sha256_verified=verified and protection is Protection.SHA256,
            part_signature_verified=verified and protection is Protection.SIGNATURE,
        )

    def _try_to_complete(self, part: Part) -> None:
        assert self._upload_id is not None
        self._store.complete_upload(self._key, self._upload_id, [part])
        self._upload_id = None
        head = self._store.head(self._key)
        composite = head is not None and head.sha256 == composite_sha256([part])
        self._learn(composite_sha256_returned=composite)

    def _put(self, **parameters: Any) -> dict[str, Any]:
        key = self._store.full_key(self._key)
        return self._store.call("put_object", "write below _probe/", Key=key, Body=_BODY, **parameters)

    def _part(self, digest: Digest) -> Part:
        assert self._upload_id is not None
        answer = self._store.upload_part(self._key, self._upload_id, 1, _BODY, digest)
        return Part(1, len(_BODY), _SHA256.hex(), answer.etag)

    def _refuses(self, call: Callable[[], object]) -> bool:
        """Tell whether the store refuses a request; a store that is away refuses nothing."""
        return self._unless_refused(lambda: (call(),)) is None

    @staticmethod
    def _unless_refused(call: Callable[[], _Answer]) -> _Answer | None:
        try:
            return call()
        except DeliveryError as error:
            if error.failure.error_class in (ErrorClass.OUTAGE, ErrorClass.THROTTLED):
                raise
            return None

    def _learn(self, **facts: Any) -> None:
        self.profile = replace(self.profile, **facts)


def _skew(answer: dict[str, Any]) -> float:
    """Return by how many seconds the store's clock is ahead of ours, to the second; beyond 15 minutes S3 refuses."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if said is None:
        return 0.0
    ahead = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    return 0.0 if abs(ahead) < 1 else round(ahead)
