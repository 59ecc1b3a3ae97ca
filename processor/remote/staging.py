"""Stage raw files in the store for workers without access."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from processor.delivery.file_upload import transfer_file
from processor.domain.errors import DeliveryError
from processor.domain.files import FileMetadata
from processor.domain.uploads import ObjectRequest
from processor.remote.tasks import staging_key
from processor.store.s3 import S3Store
from processor.streams.source import open_file


@dataclass(slots=True)
class _StagingPlace:
    """One content in the store. Two files may have the same."""

    users: int = 0
    there: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Staging:
    """What this daemon has put there for whom. What a daemon that was killed left is removed when it starts again."""

    def __init__(self, store: S3Store, root: bytes, parts_in_flight: int, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._root = root
        self._parts_in_flight = parts_in_flight
        self._stopping = stopping
        self._places: dict[str, _StagingPlace] = {}
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, file: FileMetadata) -> Iterator[None]:
        """Have the file's bytes in the store meanwhile. Raises DeliveryError, TransferStopped."""
        assert file.checksum is not None, "what is staged is named by its checksum"
        key = staging_key(file.checksum)
        with self._lock:
            place = self._places.setdefault(key, _StagingPlace())
            place.users += 1
        try:
            with place.lock:
                if not place.there:
                    self._put(key, file)
                    place.there = True
            yield
        finally:
            self._leave(key, place)

    def _put(self, key: str, file: FileMetadata) -> None:
        with open_file(self._root, file.relative_path) as source:
            transfer_file(
                self._store,
                ObjectRequest(key),
                source.path_fd,
                sha256=file.checksum,
                parts_in_flight=self._parts_in_flight,
                stopping=self._stopping,
            )

    def _leave(self, key: str, place: _StagingPlace) -> None:
        with self._lock:
            place.users -= 1
            if place.users == 0:
                # Under the lock: whoever comes next puts it anew, and not before it is gone.
                del self._places[key]
                with contextlib.suppress(DeliveryError):  # the next start removes it
                    self._store.delete(key)
