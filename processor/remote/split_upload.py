"""Uploads that a worker fills and the daemon completes."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError
from processor.domain.uploads import ObjectRequest, Part, StoredObject
from processor.remote.tasks import Filled
from processor.store.s3 import S3Store

Fills = dict[str, tuple[str, tuple[Part, ...]]]


class FillingUpload(ObjectUpload):
    """Sends all bytes as parts and leaves the upload open: upload id and parts are put into `fills` under the key.

    An object without bytes has no upload. Left by an exception, the upload is aborted.
    """

    def __init__(
        self, store: S3Store, request: ObjectRequest, fills: Fills, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(store, request, stopping=stopping)
        self._fills = fills

    def finish(self, *, size_bytes: int | None = None, sha256: str | None = None) -> StoredObject:
        """Send the last part. Raises DeliveryError `transfer.incomplete` when other bytes came than were announced."""
        if self._buffer.filled_bytes:
            self._flush()
        self._expect(size_bytes, sha256)
        self._collect()
        if self._size == 0:
            self.abort()  # an earlier beginning had bytes
        self._finished = True
        self._fills[self._request.key] = (self._upload_id or "", tuple(self._parts))
        return self._stored("", "")


class Completion(ObjectUpload):
    """The daemon's half, verified as an upload of its own would be."""

    def __init__(self, store: S3Store, request: ObjectRequest, filled: Filled) -> None:
        super().__init__(store, replace(request, size_bytes=0))
        self._filled = filled
        self._upload_id = filled.upload_id or None
        self._parts = list(filled.parts)
        self._size = filled.end.size_bytes

    def complete(self) -> StoredObject:
        """Complete the object. Raises DeliveryError; the upload is then left as it is."""
        with self:
            stored = self._complete() if self._filled.upload_id else self._put()
            self._finished = True
            return replace(stored, sha256=self._filled.end.sha256)

    def abort(self) -> None:
        """Leave it: whether it is worth another try is for the attempt that comes next, which begins by sweeping."""


def abort_fills(store: S3Store, fills: Mapping[str, tuple[str, tuple[Part, ...]]]) -> None:
    """Give up uploads that nobody will complete, as far as the store can be told."""
    for key, (upload_id, _parts) in fills.items():
        if upload_id:
            try:
                store.abort_upload(key, upload_id)
            except DeliveryError:
                continue  # the daemon sweeps
