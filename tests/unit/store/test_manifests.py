from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.errors import DeliveryError
from processor.domain.files import FileType
from processor.domain.manifests import Entry, ManifestColumn, ManifestHead, ManifestObject, Omission, Superseded
from processor.domain.uploads import StoredObject
from processor.store.manifests import decoded, encoded

HEAD = ManifestHead(b"a/\xff\n.zip", "ab" * 32, 7, 1_700_000_000_123_456_789, FileType.ARCHIVE, datetime.now(UTC))

names = st.binary(min_size=1, max_size=30)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
objects = st.builds(
    ManifestObject,
    stored=st.builds(StoredObject, texts, st.integers(0, 2**53), texts, texts, texts, st.integers(0, 10_000)),
    member=st.none() | names,
    rows=st.integers(0, 2**53),
    rejected_rows=st.integers(0, 9),
    columns=st.lists(st.builds(ManifestColumn, texts, texts), max_size=3).map(tuple),
    facts=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
)
entries = st.tuples(
    st.lists(objects | st.builds(Omission, names, texts), max_size=8),
    st.lists(st.builds(Superseded, texts), max_size=3),
).map(lambda both: [*both[0], *both[1]])
heads = st.builds(
    ManifestHead,
    names,
    texts,
    st.integers(0, 2**62),
    st.integers(-(2**62), 2**62),
    st.sampled_from(FileType),
    st.datetimes(timezones=st.sampled_from([UTC])),
)


def cut(document: bytes, size: int) -> Iterator[bytes]:
    return (document[at : at + size] for at in range(0, len(document), size))


@given(heads, entries, st.integers(1, 50))
def test_a_manifest_reads_back_as_it_was_written(head: ManifestHead, written: list[Entry], size: int) -> None:
    document = b"".join(encoded(head, iter(written)))
    manifest = decoded("k", cut(document, size))
    assert manifest.head == head
    assert list(manifest.entries) == written


@given(heads, entries)
def test_a_manifest_is_one_json_document(head: ManifestHead, written: list[Entry]) -> None:
    document = orjson.loads(b"".join(encoded(head, iter(written))))
    superseded = [entry.key for entry in written if isinstance(entry, Superseded)]
    assert document.get("supersedes", []) == superseded
    assert len(document["entries"]) == len(written) - len(superseded) == document["objects"] + document["omissions"]


@given(entries, st.data())
def test_a_manifest_that_is_cut_short_is_never_taken_for_whole(written: list[Entry], data: st.DataObject) -> None:
    document = b"".join(encoded(HEAD, iter(written)))
    length = data.draw(st.integers(0, len(document) - 3))

    def read() -> None:
        for _ in decoded("k", [document[:length]]).entries:
            pass

    with pytest.raises(DeliveryError):
        read()


def test_a_manifest_that_lost_an_entry_is_refused() -> None:
    written = [Omission(b"a", "link"), Omission(b"b", "link")]
    lines = b"".join(encoded(HEAD, iter(written))).split(b"\n")
    del lines[1]
    manifest = decoded("k", [b"\n".join(lines)])
    with pytest.raises(DeliveryError) as caught:
        list(manifest.entries)
    assert caught.value.failure.code == "manifest.damaged"


def test_a_manifest_of_many_entries_is_written_and_read_piece_by_piece() -> None:
    alive = 0

    def many() -> Iterator[Entry]:
        nonlocal alive
        for number in range(20_000):
            alive = number
            yield Omission(b"%d" % number, "link")

    manifest = decoded("k", encoded(HEAD, many()))
    for number, entry in enumerate(manifest.entries):
        assert entry == Omission(b"%d" % number, "link")
        assert alive - number <= 2
    assert alive == 19_999


def test_a_time_with_an_offset_is_kept() -> None:
    manifest = decoded("k", encoded(HEAD, iter([])))
    assert abs(manifest.head.delivered_at - HEAD.delivered_at) < timedelta(microseconds=1)
