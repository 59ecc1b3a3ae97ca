"""Store the manifest, the last object of a delivery."""

from collections.abc import Iterable

from processor.delivery.object_upload import ObjectUpload, UploadRecorder
from processor.delivery.superseding import with_superseded
from processor.domain.keys import manifest_key
from processor.domain.manifests import Entry, ManifestHead
from processor.domain.uploads import ObjectRequest, StoredObject, completion_metadata
from processor.store.manifests import CONTENT_TYPE, encoded
from processor.store.s3 import S3Store


def transfer_manifest(
    store: S3Store,
    head: ManifestHead,
    entries: Iterable[Entry],
    *,
    supersedes: bool = False,
    recorder: UploadRecorder | None = None,
) -> StoredObject:
    """Write the manifest as its entries come; memory does not grow with their number.

    `supersedes`: the file may have been delivered before; what of that is no more is named.
    """
    if supersedes:
        entries = with_superseded(store, head, entries)
    metadata = completion_metadata(head.source_path, head.sha256)
    request = ObjectRequest(manifest_key(head.source_path), CONTENT_TYPE, metadata, storage_class=None)
    with ObjectUpload(store, request, recorder=recorder) as upload:
        for line in encoded(head, entries):
            upload.write(line)
        return upload.finish()
