"""Archives that others made, good and broken; what Python's own readers make of them is the judge.

The files are no part of the project: without them these tests skip.
"""

import bz2
import gzip
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from processor.domain.archives import ExtractionOptions
from processor.domain.files import proposed_kind
from processor.domain.members import member_key
from processor.streams.source import open_file
from tests.unit.confined.archives.recording import Taken, take_source

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
FOLDERS = ("commons-compress", "cpython-testsuite", "tabulator")


def corpus(*suffixes: str) -> list[Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (CORPORA / folder).rglob("*")
        if path.is_file() and path.name.lower().endswith(suffixes)
    )


def identity(path: Path) -> str:
    return str(path.relative_to(CORPORA))


def taken_from(path: Path) -> Taken:
    kind = proposed_kind(bytes(path)).archive
    assert kind is not None
    with open_file(bytes(path.parent), path.name.encode()) as source:
        return take_source(source, kind, ExtractionOptions())


ZIPS, TARS = corpus(".zip"), corpus(".tar", ".tgz", ".tar.bz2", ".tar.xz", ".tar.gz")
ALONE = [path for path in corpus(".gz", ".bz2", ".xz") if path not in TARS]

# What Python reads and we refuse, with the reason.
STRICTER = {
    "archive_with_trailer.tar": "archive.trailing-bytes",
    "winXP_antgnu.tar": "archive.truncated",  # bytes left over behind its end look like another tar, cut off
}
METHODS_OF_OURS = (93, 95)  # zstd and xz, which Python 3.11 does not read

if not CORPORA.is_dir():
    pytestmark = pytest.mark.skip(reason="the corpora are not here")


def test_there_are_archives_to_judge() -> None:
    assert len(ZIPS) > 20
    assert len(TARS) > 20
    assert len(ALONE) > 5


def same(taken: Taken, key: str, content: bytes) -> bool:
    """Tell whether a member came out as it is, or as a table made of so many bytes."""
    receipt = taken.receipts[key]
    return taken.members[key] == content if receipt.table is None else receipt.size_bytes == len(content)


@pytest.mark.parametrize("path", ZIPS, ids=identity)
def test_what_zipfile_reads_of_a_zip_we_read_equally(path: Path) -> None:
    taken = taken_from(path)
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        assert taken.failure is not None
        return
    with archive:
        assert taken.failure is None
        for index, info in enumerate(archive.infolist()):
            if info.is_dir() or info.compress_type in METHODS_OF_OURS:
                continue
            try:
                content = archive.read(info)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
                assert taken.bad, info.filename
                continue
            keys = [key for key, number in taken.indexes.items() if number == index]
            if keys:
                assert same(taken, keys[0], content)
            else:
                assert _told_why_not(taken, info.filename)


def _told_why_not(taken: Taken, name: str) -> bool:
    failure = taken.bad.get(member_key(name.encode()))
    return failure is not None and not failure.code.startswith("archive.")


@pytest.mark.parametrize("path", TARS, ids=identity)
def test_what_tarfile_reads_of_a_tar_we_read_equally(path: Path) -> None:
    taken = taken_from(path)
    try:
        with tarfile.open(path) as archive:
            infos = archive.getmembers()
            contents = [archive.extractfile(info).read() if info.isreg() else None for info in infos]  # type: ignore[union-attr]
    except (tarfile.TarError, OSError):
        assert taken.failure is not None
        return
    if taken.failure is not None:
        assert taken.failure.code == STRICTER.get(path.name)
    assert taken.entries in (None, len(infos))
    by_index = {index: key for key, index in taken.indexes.items()}
    for index, content in enumerate(contents):
        if content is not None and index in by_index:
            assert same(taken, by_index[index], content), infos[index].name
        elif content is not None:
            assert _told_why_not(taken, infos[index].name.removeprefix("./")), infos[index].name
    links = sum(1 for info in infos if not info.isreg() and not info.isdir())
    assert len(taken.not_files) == links


@pytest.mark.parametrize("path", ALONE, ids=identity)
def test_what_pythons_decompressors_read_we_read_equally(path: Path) -> None:
    opener = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[path.suffix]
    taken = taken_from(path)
    with opener(path) as file:
        content = file.read()
    assert taken.failure is None
    (key,) = taken.members or taken.bad
    assert _told_why_not(taken, key) if taken.bad else same(taken, key, content)
