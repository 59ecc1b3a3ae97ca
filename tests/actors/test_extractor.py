"""The Extractor: streams of members, shares of a zip, and archives that are handed out."""

import io
import os
import signal
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processor.actors.extractor import Extractor, Sharing
from processor.actors.messages import Process, StepFailed
from processor.actors.worker_stage import WorkerSettings
from processor.config.choices import WorkerRenewal
from processor.domain.archives import ExtractionOptions
from processor.domain.errors import ErrorClass
from processor.domain.jobs import Job
from processor.feeds.patterns import member_patterns
from processor.streams.frames import Begin, End, EndOfStream, Failed, Frame, Skipped
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream
from processor.streams.worker_errors import WorkerDiedError
from tests.actors.among_listeners import InlinePool, Stage, job_of

OPTIONS = ExtractionOptions(patterns=member_patterns("", "*.bak"))
MEMBERS = {"a.txt": b"a", "b.csv": b"x\n1\n", "c.bak": b"c", "d.bin": b"d"}
MANY = 160  # of a kilobyte or two each: enough to be shared by two
Enter = Callable[..., None]


class Elsewhere:
    """An engine that is only asked how many it is."""

    def slots(self) -> int:
        return 3


@pytest.fixture
def enter(stage: Stage, root: Path, pool: InlinePool, inbox: Inbox) -> Enter:
    def start(elsewhere: Elsewhere | None = None, silent_seconds: float = 30.0) -> None:
        settings = WorkerSettings(os.fsencode(root), WorkerRenewal.FILE, silent_seconds)
        stage.enter("extractor", Extractor, settings, Sharing(2, 0), OPTIONS, pool, inbox, elsewhere)

    return start


def a_tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def a_zip(path: Path, members: int = MANY) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(members):
            archive.writestr(f"{number}.bin", os.urandom(2000))
    return path


def job(path: Path, root: Path, **known: Any) -> Job:
    admitted = job_of(path, root, **known)
    return admitted.with_content(admitted.file).after(admitted.slip[0]).after(admitted.slip[1])


def frames_of(streams: tuple[ObjectStream, ...]) -> list[list[Frame]]:
    frames = []
    for stream in streams:
        frames.append(list(stream.frames()))
        stream.close()
    return frames


def names(frames: list[Frame]) -> list[bytes]:
    return [each.name for each in frames if isinstance(each, Begin)]


def test_an_archive_becomes_one_stream_of_its_members(stage: Stage, root: Path, pool: InlinePool, enter: Enter) -> None:
    enter()
    stage.tell(Process(job(a_tar(root / "a.tar.gz"), root)))
    (frames,) = frames_of(stage.hear("uploader", Process).streams)
    assert names(frames) == [b"a.txt", b"b.csv", b"d.bin"]
    assert [each.name for each in frames if isinstance(each, Skipped)] == [b"c.bak"], "EXCLUDE leaves it out"
    assert frames[-1] == EndOfStream(4)
    assert [below for _name, _request, below in pool.submitted] == ["a.tar.gz"], "a worker reads this file alone"


def test_members_that_an_earlier_try_stored_are_left_out(stage: Stage, root: Path, enter: Enter) -> None:
    enter()
    admitted = job_of(a_tar(root / "a.tar.gz"), root)
    checksum = "ab" * 32
    again = replace(admitted, attempt=2, known_checksum=checksum, stored_members=((0, 2),))
    known = again.with_content(replace(admitted.file, checksum=checksum))
    stage.tell(Process(known.after(known.slip[0]).after(known.slip[1])))
    (frames,) = frames_of(stage.hear("uploader", Process).streams)
    assert names(frames) == [b"d.bin"]


def test_a_large_zip_is_shared_and_each_member_is_in_one_share(stage: Stage, root: Path, enter: Enter) -> None:
    enter()
    stage.tell(Process(job(a_zip(root / "a.zip"), root)))
    shares = frames_of(stage.hear("uploader", Process).streams)
    assert len(shares) > 1
    assert all(names(share) for share in shares)
    assert [name for share in shares for name in names(share)] == [b"%d.bin" % number for number in range(MANY)]
    assert sum(isinstance(each, End) for share in shares for each in share) == MANY


def test_a_small_zip_has_one_worker(stage: Stage, root: Path, pool: InlinePool, enter: Enter) -> None:
    enter()
    stage.tell(Process(job(a_zip(root / "a.zip", 2), root)))
    assert len(frames_of(stage.hear("uploader", Process).streams)) == 1
    assert [name for name, _request, _below in pool.submitted] == ["stream_extraction"]


def test_a_zip_that_can_not_be_shared_fails_with_the_reason(stage: Stage, root: Path, enter: Enter) -> None:
    enter()
    path = a_zip(root / "a.zip")
    path.write_bytes(path.read_bytes()[:-100])
    stage.tell(Process(job(path, root)))
    failed = stage.hear("progress", StepFailed)
    assert (failed.failure.error_class, failed.failure.code[:8]) == (ErrorClass.PERMANENT, "archive.")
    assert stage.told("uploader") == []


def test_a_worker_that_dies_while_it_shares_costs_the_file_a_try_and_no_other_anything(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter
) -> None:
    enter()
    pool.fails["share_extraction"] = WorkerDiedError(-signal.SIGKILL)
    stage.tell(Process(job(a_zip(root / "a.zip"), root)), Process(job(a_tar(root / "b.tar.gz"), root)))
    failed = stage.hear("progress", StepFailed)
    assert (failed.failure.code, failed.job.file.relative_path) == ("worker.died", b"a.zip")
    assert frames_of(stage.hear("uploader", Process).streams)[0][-1] == EndOfStream(4)
    assert stage.died.empty()


def test_a_worker_that_says_nothing_while_it_shares_is_given_up(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter
) -> None:
    enter(silent_seconds=0.05)
    pool.hold.clear()
    stage.tell(Process(job(a_zip(root / "a.zip"), root)))
    assert stage.hear("progress", StepFailed).failure.code == "worker.silent"
    pool.hold.set()


def test_an_archive_that_is_none_ends_its_stream_with_the_reason(stage: Stage, root: Path, enter: Enter) -> None:
    enter()
    path = a_tar(root / "a.tar.gz")
    path.write_bytes(path.read_bytes()[:40])
    stage.tell(Process(job(path, root)))
    ((*_, last),) = frames_of(stage.hear("uploader", Process).streams)
    assert isinstance(last, Failed)


def test_an_archive_is_handed_out_whole_and_a_zip_in_shares(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter
) -> None:
    enter(Elsewhere())
    stage.tell(Process(job(a_tar(root / "a.tar.gz"), root)), Process(job(a_zip(root / "b.zip"), root)))
    whole, shared = stage.hear("uploader", Process).works, stage.hear("uploader", Process).works
    assert [work.members for work in whole] == [None]
    ranges = [work.members for work in shared if work.members is not None]
    assert len(ranges) > 1
    assert [each.start for each in ranges] == [0, *(each.stop for each in ranges[:-1])]
    assert ranges[-1].stop >= MANY
    assert {name for name, _request, _below in pool.submitted} == {"share_extraction"}
