"""Extraction to a directory: nothing outside it, nothing over a file, nothing half."""

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from processor.commands.extract import Extracted, extract_by
from processor.commands.local_worker import LocalWorker
from processor.config.settings import Settings
from tests.unit.confined.archives.recording import gz, tar_of, zip_of

Extraction = Callable[[bytes, str, Path], Extracted]
CSV = b"id,name\n1,a\n2,b\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for a worker; nothing is delivered."""
    watch = tmp_path_factory.mktemp("watch")
    return Settings.model_validate({"watch_path": watch, "error_directory": watch / "errors", "s3_bucket": "none"})


@pytest.fixture(scope="module")
def extracted(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extraction]:
    """Extract an archive, as the command does it, by one worker for all tests."""
    sources = tmp_path_factory.mktemp("sources")
    with LocalWorker(settings) as worker:

        def extract(data: bytes, name: str, directory: Path) -> Extracted:
            (sources / name).write_bytes(data)
            return extract_by(worker, settings, sources / name, directory)

        yield extract


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "outer" / "target"
    directory.mkdir(parents=True)
    return directory


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
def test_members_become_files_and_tables_parquet(name: str, target: Path, extracted: Extraction) -> None:
    files = [("d/e/x.bin", b"1"), ("y", b""), ("d/t.csv", CSV)]
    data = {"a.zip": zip_of(files), "a.tar": tar_of(files), "a.tgz": gz(tar_of(files))}[name]
    report = extracted(data, name, target)
    assert (report.written, report.bad, report.failure) == (3, [], None)
    assert set(tree(target)) == {"d/e/x.bin", "y", "d/t.csv.parquet"}
    assert pyarrow.parquet.read_table(target / "d/t.csv.parquet").num_rows == 2


HOSTILE_NAMES = [
    "../escaped", "../../escaped", "a/../../escaped", "/tmp/escaped", "//escaped", "..\\escaped", "C:\\escaped",
    "./../escaped", "a/./../../escaped", "..", ".", "a/..", "....//escaped", "%2e%2e/escaped", "~/escaped", "-rf",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_spelling_leads_out_of_the_directory(name: str, target: Path, extracted: Extraction) -> None:
    for archive, data in (("a.tar", tar_of([(name, b"evil")])), ("a.zip", zip_of([(name, b"evil")]))):
        into = target / archive
        into.mkdir()
        report = extracted(data, archive, into)
        assert report.written + len(report.bad) == 1
        assert report.failure is None
        assert len(tree(into)) == report.written
    assert set(tree(target.parent)) == {f"target/{path}" for path in tree(target)}
    assert not Path("/tmp/escaped").exists()


def test_links_of_an_archive_are_not_made(target: Path, extracted: Extraction) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/"
    data = link.tobuf() + tar_of([("link/etc/evil", b"1")])
    report = extracted(data, "a.tar", target)
    assert len(report.skipped) == 1
    assert not (target / "link").is_symlink()
    assert tree(target) == {"link/etc/evil": b"1"}


def test_a_link_that_lies_there_is_not_followed(target: Path, tmp_path: Path, extracted: Extraction) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (target / "d").symlink_to(elsewhere)
    (target / "x").symlink_to(elsewhere / "new")
    report = extracted(tar_of([("d/a", b"1"), ("x", b"2"), ("y", b"3")]), "a.tar", target)
    assert [failure.code for _member, failure in report.bad] == ["directory.in-the-way", "directory.exists"]
    assert list(elsewhere.iterdir()) == []
    assert (target / "y").read_bytes() == b"3"


def test_no_file_is_overwritten(target: Path, extracted: Extraction) -> None:
    (target / "x").write_bytes(b"mine")
    report = extracted(tar_of([("x", b"theirs"), ("y", b"1")]), "a.tar", target)
    assert [failure.code for _member, failure in report.bad] == ["directory.exists"]
    assert tree(target) == {"x": b"mine", "y": b"1"}


def test_a_file_in_the_way_of_a_directory_is_told(target: Path, extracted: Extraction) -> None:
    report = extracted(tar_of([("x", b"1"), ("x/y", b"2"), ("z", b"3")]), "a.tar", target)
    assert [failure.code for _member, failure in report.bad] == ["directory.in-the-way"]
    assert tree(target) == {"x": b"1", "z": b"3"}


def test_a_name_too_long_for_the_file_system_is_told(target: Path, extracted: Extraction) -> None:
    report = extracted(zip_of([("n" * 300, b"1"), ("z", b"3")]), "a.zip", target)
    assert [failure.code for _member, failure in report.bad] == ["directory.name-too-long"]
    assert tree(target) == {"z": b"3"}


def test_what_is_not_complete_leaves_no_file(target: Path, extracted: Extraction) -> None:
    whole = bytearray(zip_of([("x", os.urandom(3_000_000)), ("t.json", b'{"a":')], method=0))
    whole[2_500_000] ^= 1
    report = extracted(bytes(whole), "a.zip", target)
    assert len(report.bad) == 2
    assert list(target.iterdir()) == []


def test_an_archive_that_breaks_leaves_the_good_members_and_tells_why(target: Path, extracted: Extraction) -> None:
    report = extracted(tar_of([("x", b"1"), ("y", bytes(5000))])[:2000], "a.tar", target)
    assert report.failure is not None
    assert tree(target) == {"x": b"1"}
