"""Damaged archives of every kind: an answer, never a crash, never a member that was not there."""

import bz2
import io
import lzma
import zipfile

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.domain.archives import ArchiveLimits, ExtractionOptions, NestedArchives
from processor.domain.errors import ErrorClass
from tests.examples import examples
from tests.unit.confined.archives.recording import gz, take, tar_of, zip_of

CONTENTS = {b"first member" * 20, b"\0" * 1000, b"second", b""}
INNER = [("a", b"first member" * 20), ("b", b"\0" * 1000)]


def every_method() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, method in enumerate((0, 8, 12, 14)):
            archive.writestr(f"m{number}", b"first member" * 20, method)
    return buffer.getvalue()


CHECKED = {
    "x.zip": zip_of([*INNER, ("in.tgz", gz(tar_of(INNER))), ("c", b"second")]),
    "y.zip": every_method(),
    "x.tar.gz": gz(tar_of([*INNER, ("in.zip", zip_of(INNER)), ("c", b"second")])),
    "x.tar.bz2": bz2.compress(tar_of(INNER)),
    "x.tar.xz": lzma.compress(tar_of(INNER)),
    "x.tar.zst": zstandard.ZstdCompressor(write_checksum=True).compress(tar_of(INNER)),
}
OPTIONS = ExtractionOptions(
    ArchiveLimits(archive_bytes=10_000_000, members=200, decoder_memory_bytes=8 << 20), NestedArchives.EXTRACT
)
damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "drop", "repeat"]), st.floats(0, 1), st.binary(min_size=1, max_size=6)
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, damage: list[tuple[str, float, bytes]]) -> bytes:
    for how, where, bytes_ in damage:
        place = int(where * len(data))
        match how:
            case "flip":
                data = data[:place] + bytes_[: len(data) - place] + data[place + len(bytes_) :]
            case "cut":
                data = data[:place]
            case "insert":
                data = data[:place] + bytes_ + data[place:]
            case "drop":
                data = data[:place] + data[place + len(bytes_) :]
            case "repeat":
                data = data[:place] + data[max(0, place - 600) : place] + data[place:]
    return data


@pytest.mark.parametrize("name", CHECKED)
@settings(max_examples=examples(60))
@given(damage=damages)
def test_a_damaged_archive_gives_its_own_members_or_an_error(name: str, damage: list[tuple[str, float, bytes]]) -> None:
    taken = take(damaged(CHECKED[name], damage), name, OPTIONS)
    for key, content in taken.members.items():
        assert content in CONTENTS or key.endswith((".zip", ".tgz")), key
    for failure in (*taken.bad.values(), *filter(None, [taken.failure])):
        assert failure.error_class is ErrorClass.PERMANENT
        assert failure.code.startswith("archive.")
        assert failure.message


@settings(max_examples=examples(100))
@given(damage=damages, noise=st.binary(max_size=1500))
def test_a_damaged_tar_or_noise_gives_an_answer(damage: list[tuple[str, float, bytes]], noise: bytes) -> None:
    plain = tar_of([*INNER, ("in.zip", zip_of(INNER))])
    for name in ("x.tar", "x.zip", "x.gz", "x.bz2", "x.xz", "x.zst", "x.tar.gz"):
        taken = take(noise, name, OPTIONS)
        assert taken.failure is not None or taken.members or not noise.strip(b"\0")
    taken = take(damaged(plain, damage), "x.tar", OPTIONS)
    assert taken.failure is not None or taken.entries is not None
