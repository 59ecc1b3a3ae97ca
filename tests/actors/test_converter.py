"""The Converter: streams that a worker makes, and files that are handed out."""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processor.actors.converter import Converter
from processor.actors.messages import Process
from processor.actors.worker_stage import WorkerSettings
from processor.config.choices import WorkerRenewal
from processor.domain.conversion import Compression, ConversionOptions
from processor.domain.errors import DeliveryError
from processor.domain.jobs import FIRST_STEPS, Job
from processor.streams.frames import Begin, Content, End, EndOfStream, Failed, Frame
from processor.streams.inbox import Inbox
from processor.streams.worker_errors import WorkerDiedError
from tests.actors.among_listeners import InlinePool, Stage, job_of

OPTIONS = ConversionOptions(compression=Compression.SNAPPY)
Enter = Callable[..., None]


class Elsewhere:
    """An engine that is only asked how many it is."""

    def slots(self) -> int:
        return 3


@pytest.fixture
def enter(stage: Stage, root: Path, pool: InlinePool, inbox: Inbox) -> Enter:
    def start(elsewhere: Elsewhere | None = None, silent_seconds: float = 30.0) -> None:
        settings = WorkerSettings(os.fsencode(root), WorkerRenewal.DIRECTORY, silent_seconds, 100)
        stage.enter("converter", Converter, settings, OPTIONS, pool, inbox, elsewhere)

    return start


def job(root: Path, name: str, content: bytes, **known: Any) -> Job:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    admitted = job_of(path, root, **known)
    return admitted.with_content(admitted.file).after(FIRST_STEPS[0]).after(FIRST_STEPS[1])


def frames_of(stage: Stage) -> list[Frame]:
    (stream,) = stage.hear("uploader", Process).streams
    try:
        return list(stream.frames())
    finally:
        stream.close()


def test_a_file_becomes_one_stream_with_its_parquet(stage: Stage, root: Path, pool: InlinePool, enter: Enter) -> None:
    enter()
    stage.tell(Process(job(root, "day/a.csv", b"a,b\n1,2\n3,4\n")))
    begin, *data, end, last = frames_of(stage)
    assert begin == Begin(-1, b"", Content.PARQUET)
    assert isinstance(end, End)
    assert end.sha256 == hashlib.sha256(b"".join(each.data for each in data)).hexdigest()  # type: ignore[union-attr]
    assert end.receipt is not None
    assert (end.receipt.rows, [column.type for column in end.receipt.columns]) == (2, ["BIGINT", "BIGINT"])
    assert last == EndOfStream(1)
    ((name, request, below),) = pool.submitted
    assert (name, below) == ("stream_conversion", "day"), "a worker reads this directory and no other"
    assert request.options.compression is Compression.SNAPPY
    assert stage.told("progress") == [], "the Uploader reports the step: only the stream's end tells that it is done"


def test_it_hands_the_job_on_before_the_worker_has_begun(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter
) -> None:
    enter()
    pool.hold.clear()
    stage.tell(Process(job(root, "a.csv", b"a\n1\n")), Process(job(root, "b.csv", b"b\n1\n")))
    first, second = stage.hear("uploader", Process), stage.hear("uploader", Process)
    assert [each.job.file.relative_path for each in (first, second)] == [b"a.csv", b"b.csv"]
    pool.hold.set()
    for each in (first, second):
        assert list(each.streams[0].frames())[-1] == EndOfStream(1)


def test_a_file_that_can_not_be_read_ends_its_stream_with_the_reason(stage: Stage, root: Path, enter: Enter) -> None:
    enter()
    stage.tell(Process(job(root, "a.json", b"[1,")))
    last = frames_of(stage)[-1]
    assert isinstance(last, Failed)
    assert last.failure.code.startswith("json.")


@pytest.mark.parametrize(
    ("error", "code"), [(WorkerDiedError(-signal.SIGKILL), "worker.died"), (ZeroDivisionError(), "worker.bug")]
)
def test_the_death_of_a_worker_breaks_its_stream_and_the_next_file_has_another(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter, error: Exception, code: str
) -> None:
    enter()
    pool.fails["stream_conversion"] = error
    stage.tell(Process(job(root, "a.csv", b"a\n1\n")))
    with pytest.raises(DeliveryError) as told:
        frames_of(stage)
    assert told.value.failure.code == code
    pool.fails.clear()
    stage.tell(Process(job(root, "b.csv", b"a\n1\n")))
    assert frames_of(stage)[-1] == EndOfStream(1)
    assert stage.died.empty()


def test_a_worker_that_says_nothing_is_given_up(stage: Stage, root: Path, pool: InlinePool, enter: Enter) -> None:
    enter(silent_seconds=0.01)
    pool.hold.clear()
    stage.tell(Process(job(root, "a.csv", b"a\n1\n")))
    (stream,) = stage.hear("uploader", Process).streams
    stream.close()
    with pytest.raises(DeliveryError):
        list(stream.frames())
    pool.hold.set()


def test_only_a_file_that_is_large_enough_is_handed_out(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter
) -> None:
    enter(Elsewhere())
    stage.tell(Process(job(root, "small.csv", b"a\n1\n")), Process(job(root, "large.csv", b"a\n" + 100 * b"1\n")))
    small, large = stage.hear("uploader", Process), stage.hear("uploader", Process)
    assert (len(small.streams), small.works) == (1, ())
    assert large.streams == ()
    assert [work.options for work in large.works] == [OPTIONS]
    assert len(pool.submitted) == 1
    small.streams[0].close()


def test_a_large_file_that_comes_alone_gets_several_threads(
    stage: Stage, root: Path, pool: InlinePool, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    enter()
    pool.hold.clear()
    for name in ("a.csv", "b.csv"):
        large = job(root, name, b"a\n1\n")
        os.truncate(root / name, 32 << 20)
        stage.tell(Process(large.with_content(job_of(root / name, root).file)))
    streams = [stage.hear("uploader", Process).streams[0] for _ in range(2)]
    assert [request.options.threads for _name, request, _below in pool.submitted] == [8, 1]
    for stream in streams:
        stream.close()
    pool.hold.set()
