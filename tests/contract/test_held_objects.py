"""Objects that wait until what they were made of is proved: not there before, whole afterwards, gone when it is not."""

import hashlib
import random
from collections.abc import Iterator

import pytest

from processor.delivery.object_stream import deliver_stream
from processor.delivery.object_upload import ObjectUpload
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.files import ArchiveKind, FileMetadata, FileType, Kind
from processor.domain.uploads import ObjectRequest, StoredObject
from processor.store.s3 import S3Store
from processor.streams.frames import (
    MOST_HELD,
    Begin,
    BrokenStreamError,
    Content,
    Data,
    End,
    EndOfStream,
    Failed,
    Frame,
    Proved,
    Skipped,
)
from tests.contract.recording import PART

FILE = FileMetadata(b"/in/a.tgz", b"a.tgz", 1, 2, 3, Kind(FileType.ARCHIVE, archive=ArchiveKind.TAR_GZ), "ab" * 32)
CONTENTS = {b"small": b"1", b"large": random.Random(1).randbytes(2 * PART + 7), b"exact": bytes(PART), b"empty": b""}


class Recorded:
    """Keeps what is told of stored objects."""

    def __init__(self) -> None:
        self.objects: list[StoredObject] = []

    def claim(self, _begin: Begin, _key: str) -> None:
        pass

    def stored(self, _begin: Begin, stored: StoredObject, _end: End) -> None:
        self.objects.append(stored)

    def skipped(self, _member: Skipped) -> None:
        pass


def held(name: bytes, content: bytes, number: int = 0) -> Iterator[Frame]:
    yield Begin(number, name, Content.AS_IS)
    for at in range(0, len(content), 1 << 20):
        yield Data(content[at : at + (1 << 20)])
    yield End(len(content), hashlib.sha256(content).hexdigest(), held=True)


def deliver(store: S3Store, frames: Iterator[Frame]) -> list[StoredObject]:
    def open_upload(request: ObjectRequest) -> ObjectUpload:
        return ObjectUpload(store, request, part_size_bytes=PART)

    recorded = Recorded()
    deliver_stream(frames, FILE, open_upload, recorded)
    return recorded.objects


def all_held() -> Iterator[Frame]:
    for number, (name, content) in enumerate(CONTENTS.items()):
        yield from held(name, content, number)


def keys(store: S3Store) -> list[str]:
    return [key for key, _size in store.list_keys()]


def test_held_objects_are_stored_when_they_are_proved_and_not_before(bucket: S3Store) -> None:
    def frames() -> Iterator[Frame]:
        yield from all_held()
        yield Begin(9, b"open", Content.AS_IS)
        assert keys(bucket) == []
        yield Proved()
        assert len(keys(bucket)) == len(CONTENTS)
        yield Data(b"of another")
        yield End(10, hashlib.sha256(b"of another").hexdigest())
        yield EndOfStream(5)

    stored = deliver(bucket, frames())

    assert [each.key for each in stored] == [f"a.tgz/{name.decode()}" for name in (*CONTENTS, b"open")]
    for name, content in CONTENTS.items():
        assert b"".join(bucket.get(f"a.tgz/{name.decode()}")) == content
    assert list(bucket.list_uploads()) == []


@pytest.mark.parametrize(
    ("last", "error"),
    [
        pytest.param(Failed(Failure(ErrorClass.PERMANENT, "archive.corrupt", "damaged")), DeliveryError, id="failed"),
        pytest.param(EndOfStream(4), BrokenStreamError, id="never proved"),
    ],
)
def test_what_is_not_proved_leaves_nothing(bucket: S3Store, last: Frame, error: type[Exception]) -> None:
    with pytest.raises(error):
        deliver(bucket, iter([*all_held(), last]))
    assert keys(bucket) == []
    assert list(bucket.list_uploads()) == []


def test_a_worker_can_not_have_any_number_of_objects_held(bucket: S3Store) -> None:
    def endless() -> Iterator[Frame]:
        for number in range(MOST_HELD + 1):
            yield from held(b"%d" % number, b"1", number)
        raise AssertionError("one too many was taken")

    with pytest.raises(BrokenStreamError, match="holds more"):
        deliver(bucket, endless())
    assert keys(bucket) == []
