"""Probe the store with what looks like a delivery.

The first request is a delivery in all but its content: the same encryption, storage class, tags, metadata and checksum.
Everything is tried on one object below `_probe/`, always the same in a process, which is removed again.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from processor.domain.errors import STORE_REFUSED, DeliveryError, ErrorClass, Failure
from processor.domain.keys import PROBES
from processor.domain.uploads import (
    ObjectRequest,
    Part,
    Protection,
    base64_digest,
    completion_metadata,
    composite_sha256,
)
from processor.store.answers import Head
from processor.store.errors import DAMAGED, MISTAKES, NO_CREDENTIALS, no_etag, not_stored
from processor.store.s3 import Digest, S3Store

_Answer = TypeVar("_Answer")

_BODY = b"processor probes what this store does with checksums"
_WRONG = b"these bytes are never sent"
_SHA256 = hashlib.sha256(_BODY).digest()
_MD5 = hashlib.md5(_BODY, usedforsecurity=False).digest()
_METADATA = completion_metadata(b"a b/\xff\n%.csv", hashlib.sha256(_BODY).hexdigest())
_KEY = f"{PROBES}/{secrets.token_hex(8)}"  # where nothing may be removed, one object a process is left

_REQUEST = ObjectRequest(_KEY, metadata=_METADATA)

_UNHEARD = MISTAKES | {"store.unreachable", "store.certificate-expired", NO_CREDENTIALS}

# What a store says to a request that it takes for wrong; anything else is no answer to what was asked.
_NO = {STORE_REFUSED, DAMAGED, "store.exists", "store.conflict", "store.key-refused", "store.unexpected"}


@dataclass(frozen=True, slots=True)
class StoreProfile:
    """What a store does. `verified` means: a wrong one was sent and refused.

    `problem` says why probing ended early; then everything not yet tried is False. `lacks` are rights that deliveries
    do without.
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
    lacks: tuple[str, ...] = ()
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
    store.tells_sha256 = profile.sha256_returned


class _Probe:
    """One run: `profile` grows with what is known."""

    def __init__(self, store: S3Store, profile: StoreProfile) -> None:
        self.profile = profile
        self._store = store
        self._upload_id: str | None = None
        self._stored = False
        self._right: dict[str, Any] = {}  # the digest that this store takes

    def run(self) -> None:
        self._try_to_deliver()
        self._try_checksums()
        self._try_multipart()

    def clean_up(self) -> None:
        """Remove what was stored; a store that is away, or forbids it, keeps a few bytes below `_probe/`."""
        try:
            self._abort()
            if self._stored:
                self._store.delete(_KEY)
        except DeliveryError as error:
            if error.failure.code == "store.denied":
                self._learn(lacks=("s3:DeleteObject",))
            elif self.profile.problem is None:
                self._learn(problem=error.failure)

    def _abort(self) -> None:
        if self._upload_id is not None:
            self._store.abort_upload(_KEY, self._upload_id)
            self._upload_id = None

    def _try_to_deliver(self) -> None:
        try:
            answer = self._deliver()
        except DeliveryError as error:
            self._learn(reachable=error.failure.code not in _UNHEARD)
            if error.failure.code == "store.denied":
                self._see_whether_encryption_is_demanded()
            raise
        self._learn(
            reachable=True,
            writable=True,
            clock_skew_seconds=_skew(answer),
            etag_is_md5=str(answer.get("ETag", "")).strip('"') == _MD5.hex(),
            sha256_returned=answer.get("ChecksumSHA256") == base64_digest(_SHA256),
        )
        head = self._look()
        self._learn(metadata_kept={name: head.metadata.get(name) for name in _METADATA} == _METADATA)

    def _deliver(self) -> dict[str, Any]:
        """Store the object as a delivery would be, with the best digest that the store takes."""
        for right in ({"ChecksumSHA256": base64_digest(_SHA256)}, {"ContentMD5": base64_digest(_MD5)}):
            self._right = right
            answer = self._unless_refused(self._put_right)
            if answer is not None:
                return answer
        self._right = {}
        return self._put_right()

    def _put_right(self) -> dict[str, Any]:
        return self._put(**self._right)

    def _see_whether_encryption_is_demanded(self) -> None:
        """Name the setting that is missing, when it is this one."""
        settings = self._store.settings
        if settings.encrypt or settings.kms_key_id is not None:
            return
        for kind in ("AES256", "aws:kms"):
            try:
                self._put(ServerSideEncryption=kind, **self._right)
            except DeliveryError:
                continue
            text = f"the bucket takes encrypted objects only: {kind} was taken"
            raise DeliveryError(Failure(ErrorClass.OUTAGE, "store.encryption", text, f"set S3_SSE={kind}"))

    def _look(self) -> Head:
        """Return what the store says of the object. Raises DeliveryError `store.not-stored` when it is not there."""
        head = self._store.head(_KEY)
        if head is None or head.size_bytes != len(_BODY):
            raise not_stored("write below _probe/", len(_BODY), head)
        return head

    def _try_checksums(self) -> None:
        wrong_sha256 = base64_digest(hashlib.sha256(_WRONG).digest())
        wrong_md5 = base64_digest(hashlib.md5(_WRONG, usedforsecurity=False).digest())
        by_sha256 = "ChecksumSHA256" in self._right
        self._learn(
            sha256_verified=by_sha256 and self._refuses(lambda: self._put(ChecksumSHA256=wrong_sha256)),
            md5_verified=self._refuses(lambda: self._put(ContentMD5=wrong_md5)),
            signature_verified=self._refuses(
                lambda: self._put(body_sha256=hashlib.sha256(_WRONG).digest(), **self._right)
            ),
            conditional_writes=self._refuses(lambda: self._put(IfNoneMatch="*", **self._right)),
        )

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
        self._upload_id = self._store.create_upload(_REQUEST)
        listed = self._unless_refused(lambda: list(self._store.list_uploads(_KEY)))
        self._learn(lists_uploads=self._upload_id in [upload.upload_id for upload in listed or ()])
        by_md5 = protection is Protection.MD5
        verified = not by_md5 and self._refuses(lambda: self._part(Digest(hashlib.sha256(_WRONG).digest())))
        part = self._part(Digest(_SHA256, _MD5 if by_md5 else None))
        self._try_to_list_parts(part)
        self._try_to_complete(part)
        self._learn(
            multipart=True,
            part_sha256_verified=verified and protection is Protection.SHA256,
            part_signature_verified=verified and protection is Protection.SIGNATURE,
        )

    def _try_to_list_parts(self, part: Part) -> None:
        """See that an upload could be resumed, and that nothing takes the names of its parts away."""
        assert self._upload_id is not None
        if not part.etag:
            raise no_etag("write a part below _probe/")
        upload_id = self._upload_id
        self._unless_refused(lambda: self._store.list_parts(_KEY, upload_id))

    def _try_to_complete(self, part: Part) -> None:
        assert self._upload_id is not None
        self._store.complete_upload(_KEY, self._upload_id, [part])
        self._upload_id = None
        head = self._store.head(_KEY)  # what it is then is looked at with every delivery
        self._learn(composite_sha256_returned=head is not None and head.sha256 == composite_sha256([part]))

    def _put(self, *, body_sha256: bytes | None = None, **parameters: Any) -> dict[str, Any]:
        said = self._store.described(_REQUEST) | {"Key": self._store.full_key(_KEY), "Body": _BODY} | parameters
        answer = self._store.call("put_object", "write below _probe/", body_sha256=body_sha256, **said)
        self._stored = True
        return answer

    def _part(self, digest: Digest) -> Part:
        assert self._upload_id is not None
        answer = self._store.upload_part(_KEY, self._upload_id, 1, _BODY, digest)
        return Part(1, len(_BODY), _SHA256.hex(), answer.etag)

    def _refuses(self, call: Callable[[], object]) -> bool:
        """Tell whether the store refuses a request; a store that is away refuses nothing."""
        return self._unless_refused(lambda: (call(),)) is None

    @staticmethod
    def _unless_refused(call: Callable[[], _Answer]) -> _Answer | None:
        try:
            return call()
        except DeliveryError as error:
            if error.failure.code in _NO:
                return None
            raise

    def _learn(self, **facts: Any) -> None:
        self.profile = replace(self.profile, **facts)


def _skew(answer: dict[str, Any]) -> float:
    """Return by how many seconds the store's clock is ahead of ours, to the second; beyond 15 minutes S3 refuses."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if said is None:
        return 0.0
    ahead = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    return 0.0 if abs(ahead) < 1 else round(ahead)
