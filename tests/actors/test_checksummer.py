"""The Checksummer: what it makes of each kind of file, and of files that are put away or brought back."""

import hashlib
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processor.actors.checksummer import Checksummer, ChecksummerSettings
from processor.actors.messages import (
    BringBack,
    BroughtBack,
    Drain,
    FilePutAway,
    HandedBack,
    Ping,
    Process,
    PutFileAway,
    StepFailed,
    StepsCompleted,
)
from processor.domain.errors import ErrorClass, Failure
from processor.domain.feeds import AfterUpload
from processor.domain.files import FileType
from processor.domain.identity import Identity
from processor.domain.jobs import FIRST_STEPS, Delivered, Status, Step
from processor.ledger.records import PutAway
from tests.actors.among_listeners import SECONDS, Stage, job_of

PART = 1024
LARGE = 64 << 20


@pytest.fixture
def checksummer(stage: Stage, root: Path, tmp_path: Path) -> "Checksummed":
    awakened: list[None] = []
    settings = ChecksummerSettings(
        os.fsencode(root), PART, os.fsencode(tmp_path / "errors"), os.fsencode(tmp_path / "done")
    )
    for name in ("errors", "done"):
        (tmp_path / name).mkdir(mode=0o700)
    stage.enter("checksummer", Checksummer, settings, lambda: awakened.append(None))
    return Checksummed(stage, root, tmp_path, awakened)


class Checksummed:
    def __init__(self, stage: Stage, root: Path, directory: Path, awakened: list[None]) -> None:
        self.stage, self.root, self.directory, self.awakened = stage, root, directory, awakened

    def write(self, name: str, content: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def process(self, path: Path, **known: Any) -> None:
        self.stage.tell(Process(job_of(path, self.root, **known)))

    def put_away(self, path: Path, status: Status, after: AfterUpload = AfterUpload.KEEP) -> FilePutAway:
        self.stage.tell(PutFileAway(ended(path, self.root, status), after))
        return self.stage.hear("progress", FilePutAway)


def ended(path: Path, root: Path, status: Status) -> PutAway:
    seen = os.lstat(path)
    return PutAway(
        1,
        status,
        os.fsencode(path.relative_to(root)),
        seen.st_size,
        seen.st_mtime_ns,
        Identity.of(seen),
        "ab" * 32,
        *(4, 1000, 2000),
        Failure(ErrorClass.PERMANENT, "csv.damaged", "line 3", "mend it"),
        "parquet_conversion",
        (("a.csv", Failure(ErrorClass.PERMANENT, "csv.damaged", "line 4")),),
    )


def test_a_regular_file_goes_to_the_uploader_with_the_digests_of_its_parts(checksummer: Checksummed) -> None:
    content = os.urandom(3 * PART + 5)
    checksummer.process(checksummer.write("a/b.bin", content))
    report = checksummer.stage.hear("progress", StepsCompleted)
    assert report.steps == FIRST_STEPS
    assert report.job.file.checksum == hashlib.sha256(content).hexdigest()
    passed = checksummer.stage.hear("uploader", Process)
    assert passed.job.current is Step.STREAMING
    assert passed.digests is not None
    assert passed.digests.count == 4
    assert passed.digests.part(4) == hashlib.sha256(content[3 * PART :]).digest()
    assert checksummer.awakened == []


@pytest.mark.parametrize(("name", "to"), [("a.csv", "converter"), ("a.zip", "extractor")])
def test_a_file_goes_to_whoever_does_its_next_step(checksummer: Checksummed, name: str, to: str) -> None:
    path = checksummer.write(name, b"a,b\n1,2\n")
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "a")
    checksummer.process(path)
    assert checksummer.stage.hear(to, Process).job.done == FIRST_STEPS
    assert checksummer.stage.hear("progress", StepsCompleted).job.current is Step.CHECKSUM_CALCULATION


def test_a_name_that_its_content_belies_is_delivered_as_it_is(checksummer: Checksummed) -> None:
    checksummer.process(checksummer.write("a.zip", b"no zip"))
    passed = checksummer.stage.hear("uploader", Process)
    assert (passed.job.file.kind.type, bool(passed.job.file.kind.mismatch)) == (FileType.REGULAR, True)


def test_content_that_is_in_the_store_already_is_passed_on_to_nobody(checksummer: Checksummed) -> None:
    path = checksummer.write("a.bin", b"a")
    checksummer.process(path, attempt=2, known_checksum=hashlib.sha256(b"a").hexdigest(), delivered=Delivered.MANIFEST)
    assert checksummer.stage.hear("progress", StepsCompleted).steps == FIRST_STEPS
    assert checksummer.stage.told("uploader") == []


def test_a_file_that_is_not_what_was_found_fails_with_the_reason(checksummer: Checksummed) -> None:
    path = checksummer.write("a.bin", b"a")
    job = job_of(path, checksummer.root)
    path.write_bytes(b"more")
    checksummer.stage.tell(Process(job))
    assert checksummer.stage.hear("progress", StepFailed).failure.code == "source.changed"
    path.unlink()
    checksummer.stage.tell(Process(job))
    assert checksummer.stage.hear("progress", StepFailed).failure.code == "source.vanished"


def test_a_file_that_is_open_for_writing_is_not_read(checksummer: Checksummed) -> None:
    path = checksummer.write("a.bin", b"a")
    with path.open("ab"):
        checksummer.process(path)
        assert checksummer.stage.hear("progress", StepFailed).failure.code == "source.open"


def test_a_drain_hands_large_files_back_and_hashes_small_ones(checksummer: Checksummed) -> None:
    large = checksummer.write("large.csv", b"")
    os.truncate(large, LARGE)
    checksummer.stage.tell(Drain())
    checksummer.process(large)
    assert checksummer.stage.hear("progress", HandedBack).job.file.relative_path == b"large.csv"
    assert len(checksummer.awakened) == 1, "a worker was to be ready when it is hashed"
    checksummer.process(checksummer.write("small.bin", b"a"))
    assert checksummer.stage.hear("progress", StepsCompleted).job.file.relative_path == b"small.bin"


def test_a_failed_file_is_set_aside_with_its_reason_and_brought_back(checksummer: Checksummed) -> None:
    path = checksummer.write("a/b.csv", b"a")
    report = checksummer.put_away(path, Status.FAILED)
    assert (report.gone, report.held, report.where) == (True, False, str(checksummer.directory / "errors/a/b.csv"))
    assert not path.exists()
    (reason,) = (checksummer.directory / "errors/a").glob("*.json")
    told = json.loads(reason.read_bytes())
    assert (told["file"], told["code"], told["tries"]) == ("a/b.csv", "csv.damaged", 4)
    assert told["bad_members"][0]["member"] == "a.csv"
    checksummer.stage.tell(BringBack(((7, b"never/there"), (1, b"a/b.csv"))))
    back = checksummer.stage.hear("progress", BroughtBack)
    assert (back.row, back.found.relative_path, path.read_bytes()) == (1, b"a/b.csv", b"a")


@pytest.mark.parametrize("after", list(AfterUpload))
def test_a_delivered_file_is_kept_deleted_or_moved(checksummer: Checksummed, after: AfterUpload) -> None:
    path = checksummer.write("a/b.bin", b"a")
    report = checksummer.put_away(path, Status.COMPLETED, after)
    moved = checksummer.directory / "done/a/b.bin"
    keeps = after is AfterUpload.KEEP
    assert (report.gone, path.exists(), moved.exists()) == (not keeps, keeps, after is AfterUpload.MOVE)


def test_a_file_that_is_another_by_now_is_not_put_away(checksummer: Checksummed) -> None:
    path = checksummer.write("a.bin", b"a")
    file = ended(path, checksummer.root, Status.COMPLETED)
    path.unlink()
    path.write_bytes(b"b")
    checksummer.stage.tell(PutFileAway(file, AfterUpload.DELETE))
    report = checksummer.stage.hear("progress", FilePutAway)
    assert (report.gone, report.held, path.read_bytes()) == (False, True, b"b")


def test_what_lies_again_where_a_file_vanished_is_not_set_aside(checksummer: Checksummed) -> None:
    path = checksummer.write("a.bin", b"a")
    gone = Failure(ErrorClass.PERMANENT, "source.vanished", "it vanished")
    file = replace(ended(path, checksummer.root, Status.FAILED), failure=gone)
    checksummer.stage.tell(PutFileAway(file, AfterUpload.KEEP))
    report = checksummer.stage.hear("progress", FilePutAway)
    assert (report.gone, report.where, path.read_bytes()) == (True, None, b"a")
    assert [each.name for each in (checksummer.directory / "errors").iterdir()] == ["a.bin.reason.json"]
    assert not replace(file, status=Status.COMPLETED).vanished, "an earlier failure is not how it ended"


def test_a_directory_that_can_not_be_written_to_leaves_the_file_where_it_is(checksummer: Checksummed) -> None:
    path = checksummer.write("a.bin", b"a")
    (checksummer.directory / "done").rmdir()
    (checksummer.directory / "done").write_bytes(b"no directory")
    report = checksummer.put_away(path, Status.COMPLETED, AfterUpload.MOVE)
    assert (report.gone, report.held, path.exists()) == (False, False, True)


def test_a_bug_in_one_of_its_threads_is_told_as_its_death(checksummer: Checksummed) -> None:
    job = job_of(checksummer.write("a.bin", b"a"), checksummer.root)
    checksummer.stage.tell(Process(replace(job, file=replace(job.file, relative_path=None))))  # type: ignore[arg-type]
    name, error = checksummer.stage.died.get(timeout=SECONDS)
    assert (name, type(error)) == ("checksummer", TypeError)
    assert checksummer.stage.ref.ask(Ping(), timeout=SECONDS), "the thread died, not the mailbox"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_its_own_thread_is_told_as_its_death(checksummer: Checksummed) -> None:
    checksummer.stage.tell(Process(None))  # type: ignore[arg-type]
    name, error = checksummer.stage.died.get(timeout=SECONDS)
    assert (name, type(error)) == ("checksummer", AttributeError)
    assert checksummer.stage.ref.actor_stopped.wait(SECONDS)
