"""The store's client: requests, and errors made ours.

Keys given and returned are without the settings' prefix. A store is shared by all threads. boto3 is imported when the
first request is made, so that commands without a store stay quick.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.uploads import ObjectRequest, Part, Protection, base64_digest
from processor.store.answers import (
    Answer,
    Head,
    OpenUpload,
    StoredPart,
    answer_from,
    head_from,
    next_marker,
    part_from,
    text_in,
    understood,
    upload_from,
)
from processor.store.body import Body
from processor.store.connection import Connection, Line
from processor.store.errors import NO_CREDENTIALS
from processor.store.limits import Bandwidth, Pause, RequestRate
from processor.store.settings import StoreSettings

_READ_BYTES = 1024 * 1024

_Request = Callable[[Connection], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Digest:
    """What was computed over a body before it is sent: SHA-256 always, MD5 where the store knows only that."""

    sha256: bytes
    md5: bytes | None = None


class S3Store:
    """One bucket behind the S3 API. Every method raises DeliveryError and nothing else that is expected.

    `bandwidth` and `rate` are shared by all uploads; who sends a body takes its size from `bandwidth` first.

    `protection` says which digest goes with every body; the probe finds out which one the store really checks,
    whether `etag_is_md5` (it is not under SSE-KMS) and whether the store `tells_sha256` in its answers. `pause` waits
    for the limits; a shutdown may cut it short.
    """

    def __init__(
        self,
        settings: StoreSettings,
        *,
        protection: Protection = Protection.SHA256,
        pause: Pause = time.sleep,
    ) -> None:
        self.settings = settings
        self.protection = protection
        self.etag_is_md5 = True
        self.tells_sha256 = True
        self.bandwidth = Bandwidth(settings.max_bandwidth)
        self.rate = RequestRate()
        self.pause = pause
        self._line = Line(settings)
        self._folder = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""

    def put_object(self, request: ObjectRequest, body: Body, digest: Digest) -> Answer:
        """Store `body` under the key by one PUT; the store checks the digest."""
        answer = self._call(
            "put_object",
            f"store {request.key!r}",
            **self._place(request.key),
            body_sha256=digest.sha256,
            **self.described(request),
            **self._protected(body, digest),
        )
        return answer_from(answer)

    def create_upload(self, request: ObjectRequest) -> str:
        """Begin a multipart upload and return its id; whoever calls sees to its end."""
        algorithm: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if self.protection is Protection.SHA256 else {}
        what = f"begin the upload of {request.key!r}"
        place = self._place(request.key)
        answer = self._call("create_multipart_upload", what, **place, **self.described(request), **algorithm)
        with understood(what):
            return text_in(answer, "UploadId")

    def upload_part(self, key: str, upload_id: str, number: int, body: Body, digest: Digest) -> Answer:
        """Store one part; the store checks the digest. The same number again replaces the part."""
        answer = self._call(
            "upload_part",
            f"store part {number} of {key!r}",
            **self._place(key),
            UploadId=upload_id,
            PartNumber=number,
            body_sha256=digest.sha256,
            **self._protected(body, digest),
        )
        return answer_from(answer)

    def complete_upload(self, key: str, upload_id: str, parts: Iterable[Part]) -> Answer:
        """Make the object of exactly these parts; parts of other numbers are discarded by the store."""
        listed = [self._listed(part) for part in parts]
        answer = self._call(
            "complete_multipart_upload",
            f"complete {key!r}",
            **self._place(key),
            UploadId=upload_id,
            MultipartUpload={"Parts": listed},
        )
        return answer_from(answer)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Give up an upload and free its parts. One that is gone already is no error."""
        self._unless(
            "store.upload-gone",
            lambda: self._call(
                "abort_multipart_upload", f"abort the upload of {key!r}", **self._place(key), UploadId=upload_id
            ),
        )

    def list_parts(self, key: str, upload_id: str) -> dict[int, StoredPart]:
        """Return the parts the store holds of an open upload. `store.upload-gone` when it is not open."""
        what = f"list the parts of {key!r}"
        parts: dict[int, StoredPart] = {}
        marker: dict[str, Any] | None = {}
        while marker is not None:
            answer = self._call("list_parts", what, **self._place(key), UploadId=upload_id, **marker)
            with understood(what):
                listed = map(part_from, answer.get("Parts", ()))
                parts |= {part.number: part for part in listed}
                marker = next_marker(answer, marker, PartNumberMarker="NextPartNumberMarker")
        return parts

    def list_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        """Yield the open multipart uploads of keys that begin with `prefix`."""
        what = f"list the uploads below {prefix!r}"
        marker: dict[str, Any] | None = {}
        while marker is not None:
            answer = self._call("list_multipart_uploads", what, **self._below(prefix), **marker)
            with understood(what):
                uploads = [upload_from(each, self._own_key(each)) for each in answer.get("Uploads", ())]
                marker = next_marker(answer, marker, KeyMarker="NextKeyMarker", UploadIdMarker="NextUploadIdMarker")
            yield from uploads

    def list_keys(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield key and size in bytes of every object whose key begins with `prefix`."""
        what = f"list the objects below {prefix!r}"
        marker: dict[str, Any] | None = {}
        while marker is not None:
            answer = self._call("list_objects_v2", what, **self._below(prefix), **marker)
            with understood(what):
                entries = [(self._own_key(each), int(each["Size"])) for each in answer.get("Contents", ())]
                marker = next_marker(answer, marker, ContinuationToken="NextContinuationToken")
            yield from entries

    def head(self, key: str) -> Head | None:
        """Return what the store says about an object; None when there is none."""
        what = f"look at {key!r}"
        answer = self._unless(
            "store.no-object",
            lambda: self._call("head_object", what, **self._place(key), ChecksumMode="ENABLED"),
        )
        if answer is None:
            return None
        with understood(what):
            return head_from(answer)

    def get(self, key: str) -> Iterator[bytes]:
        """Yield an object's bytes in pieces; the object is not held in memory. `store.no-object` if there is none."""
        with self._opened(f"read {key!r}", **self._place(key)) as body:
            yield from body.iter_chunks(_READ_BYTES)

    def get_range(self, key: str, offset: int, size_bytes: int) -> bytes:
        """Return up to `size_bytes` of an object, from `offset`, which lies within it."""
        what = f"read {key!r} from byte {offset}"
        wanted = f"bytes={offset}-{offset + size_bytes - 1}"
        with self._opened(what, **self._place(key), Range=wanted) as body:
            return bytes(body.read(size_bytes))  # whatever the length that is announced

    @contextmanager
    def _opened(self, what: str, **parameters: Any) -> Iterator[Any]:
        """Yield an object's content, to be read; errors while it is read are ours."""
        answer = self._call("get_object", what, **parameters)
        with understood(what):
            body = answer["Body"]
        try:
            yield body
        except Exception as error:
            raise self._line.connection().translate(error, what) from error
        finally:
            body.close()

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        self._unless(
            "store.no-object",
            lambda: self._call("delete_object", f"delete {key!r}", **self._place(key)),
        )

    def bucket_exists(self) -> bool:
        """Tell whether the bucket is there and may be seen."""
        answer = self._unless(
            "store.no-object",
            lambda: self._unless(
                "store.no-bucket",
                lambda: self._call("head_bucket", "look at the bucket", Bucket=self.settings.bucket),
            ),
        )
        return answer is not None

    def create_bucket(self) -> None:
        """Create the bucket (the embedded store begins empty)."""
        place: dict[str, Any] = {}
        if self.settings.endpoint is None and self.settings.region != "us-east-1":
            place = {"CreateBucketConfiguration": {"LocationConstraint": self.settings.region}}
        self._call("create_bucket", "create the bucket", Bucket=self.settings.bucket, **place)

    def call(self, operation: str, what: str, **parameters: Any) -> dict[str, Any]:
        """Make one request as it is given (see `_call`), for the probe; `Bucket` is added, the prefix is not."""
        return self._call(operation, what, Bucket=self.settings.bucket, **parameters)

    def full_key(self, key: str) -> str:
        """Return the key as the bucket has it, prefix included."""
        return self._folder + key

    def described(self, request: ObjectRequest) -> dict[str, Any]:
        """Return how the object is to be stored, as parameters: type, metadata, class, encryption, tags."""
        settings = self.settings
        described: dict[str, Any] = {"ContentType": request.content_type, "Metadata": dict(request.metadata)}
        storage_class = request.storage_class or settings.storage_class
        if storage_class and request.storage_class is not None:
            described["StorageClass"] = storage_class
        if settings.kms_key_id is not None:
            described["ServerSideEncryption"] = "aws:kms"
            if settings.kms_key_id:
                described["SSEKMSKeyId"] = settings.kms_key_id
        elif settings.encrypt:
            described["ServerSideEncryption"] = "AES256"
        if tags := dict(settings.tags) | dict(request.tags):
            described["Tagging"] = urlencode(tags)
        return described

    def close(self) -> None:
        """Close idle connections; the next request opens new ones."""
        self._line.close()

    def apart(self) -> "S3Store":
        """Return a store over the same connections with a protection of its own; it needs no closing."""
        other = S3Store(self.settings, protection=self.protection, pause=self.pause)
        other._line = self._line
        return other

    def _call(
        self, operation: str, what: str, *, body_sha256: bytes | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """Make one request. A broken connection is tried once more: an idle one may have been closed by the store."""

        def request(connection: Connection) -> dict[str, Any]:
            return connection.request(operation, parameters, body_sha256)

        try:
            return self._attempt(request, what)
        except DeliveryError as error:
            if error.failure.code != "store.unreachable":
                raise
            return self._attempt(request, what)

    def _attempt(self, request: _Request, what: str) -> dict[str, Any]:
        self.rate.take(self.pause)
        connection = self._line.connection()
        try:
            answer = self._with_fresh_credentials(connection, request)
        except DeliveryError:  # reading the body
            raise
        except Exception as error:  # its answers are a stranger's: what the client makes of them may end in any error
            failure = connection.translate(error, what)
            if failure.failure.code == NO_CREDENTIALS:
                self._line.forget(connection)
            if failure.failure.error_class is ErrorClass.THROTTLED:
                self.rate.throttled(time.monotonic())
            raise failure from error
        self.rate.succeeded()
        return answer

    def _with_fresh_credentials(self, connection: Connection, request: _Request) -> dict[str, Any]:
        try:
            return request(connection)
        except connection.foreign as error:
            if not connection.expired(error):
                raise
        return request(self._line.anew(connection))

    def _place(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.settings.bucket, "Key": self._folder + key}

    def _below(self, prefix: str) -> dict[str, Any]:
        return {"Bucket": self.settings.bucket, "Prefix": self._folder + prefix}

    def _own_key(self, said: Mapping[str, Any]) -> str:
        return text_in(said, "Key").removeprefix(self._folder)

    def _protected(self, body: Body, digest: Digest) -> dict[str, Any]:
        if self.protection is Protection.SHA256:
            return {"Body": body, "ChecksumSHA256": base64_digest(digest.sha256)}
        if digest.md5 is not None:
            return {"Body": body, "ContentMD5": base64_digest(digest.md5)}
        assert self.protection is Protection.SIGNATURE, "this store protects by MD5"
        return {"Body": body}

    def _listed(self, part: Part) -> dict[str, Any]:
        listed: dict[str, Any] = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
        if self.protection is Protection.SHA256:
            listed["ChecksumSHA256"] = base64_digest(bytes.fromhex(part.sha256))
        return listed

    @staticmethod
    def _unless(code: str, call: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
        """Return the call's answer, or None when it fails with our `code`."""
        try:
            return call()
        except DeliveryError as error:
            if error.failure.code == code:
                return None
            raise
