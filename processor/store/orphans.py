"""Find and abort our abandoned multipart uploads."""

from collections.abc import Callable, Iterable, Iterator

from processor.domain.keys import rejects_key
from processor.store.answers import OpenUpload
from processor.store.s3 import S3Store


def abort_orphans(store: S3Store, owned: Iterable[str], recorded: Callable[[str, str], bool]) -> Iterator[OpenUpload]:
    """Abort the uploads below `owned` that are not `recorded(key, upload_id)`; yield each one that was aborted.

    An entry of `owned` is a key, with that of its rejects, or with a `/` at its end every key below it. Only what is
    owned is looked at, so give those keys alone that no other writer of the bucket can have: the ones this ledger has
    in progress.
    """
    for place in owned:
        for upload in list(store.list_uploads(place)):
            ours = upload.key.startswith(place) if place.endswith("/") else upload.key in (place, rejects_key(place))
            if ours and not recorded(upload.key, upload.upload_id):
                store.abort_upload(upload.key, upload.upload_id)
                yield upload
