"""Small objects that an earlier try stored and nobody recorded: found, not sent again, and never taken for others."""

import pytest

from processor.delivery.object_upload import ObjectUpload, Unheard
from processor.domain.uploads import ObjectRequest, Protection
from processor.store.s3 import S3Store
from tests.faultproxy import FaultProxy

METADATA = {"source-sha256": "ab" * 32, "x-completed": "true"}
CHECKED = pytest.mark.parametrize("store", [Protection.SHA256, Protection.MD5], indirect=True)


def put(store: S3Store, key: str, body: bytes, unheard: Unheard | None = None, **metadata: str) -> str:
    with ObjectUpload(store, ObjectRequest(key, metadata=METADATA | metadata), unheard=unheard) as upload:
        upload.write(body)
        return upload.finish().checksum


def sent(proxy: FaultProxy) -> list[str]:
    return [seen.target.rpartition("/")[2].partition("?")[0] for seen in proxy.seen if seen.method == "PUT"]


@CHECKED
def test_what_is_there_is_not_sent_again_and_after_the_first_that_is_not_nothing_is_asked(
    store: S3Store, proxy: FaultProxy
) -> None:
    told = {key: put(store, key, key.encode()) for key in ("a", "b", "d")}
    before = len(proxy.seen)
    unheard = Unheard(possible=True)
    again = {key: put(store, key, key.encode(), unheard) for key in ("a", "b", "c", "d")}
    assert [seen.method for seen in proxy.seen[before:]] == ["HEAD", "HEAD", "HEAD", "PUT", "PUT"]
    assert sent(proxy) == ["a", "b", "d", "c", "d"]
    assert told.items() <= again.items()


@CHECKED
@pytest.mark.parametrize(
    ("body", "metadata"), [(b"other", {}), (b"longer than before", {}), (b"value", {"source-sha256": "cd" * 32})]
)
def test_an_object_of_another_content_or_source_is_replaced(
    store: S3Store, proxy: FaultProxy, body: bytes, metadata: dict[str, str]
) -> None:
    put(store, "a", b"value")
    put(store, "a", body, Unheard(possible=True), **metadata)
    assert sent(proxy) == ["a", "a"]
    assert b"".join(store.get("a")) == body


def test_nothing_is_looked_for_in_a_first_try(store: S3Store, proxy: FaultProxy) -> None:
    put(store, "a", b"value", Unheard(possible=False))
    assert [seen.method for seen in proxy.seen] == ["PUT"]
