"""The Uploader over a small S3: what it stores, in which order it reports, and what becomes of failures."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processor.actors.messages import (
    AbortOrphans,
    AbortUploads,
    FileStored,
    KeysWanted,
    ObjectStored,
    OrphansAborted,
    PartStored,
    ProbeStore,
    Process,
    StepFailed,
    StepsCompleted,
    StoreManifest,
    StoreProbed,
    UploadClosed,
    UploadOpened,
    UploadsAborted,
)
from processor.actors.uploader import Uploader, UploaderSettings
from processor.delivery.digests import digests_of
from processor.domain.errors import ErrorClass, Failure
from processor.domain.feeds import FeedDelivery, Feeds
from processor.domain.jobs import FIRST_STEPS, Job, Step
from processor.domain.keys import PROBES, manifest_key
from processor.domain.manifests import ManifestObject
from processor.domain.uploads import Part, Resumption, StoredObject
from processor.ledger.records import Found, UnfinishedUpload
from processor.ledger.writer import Ledger
from processor.store.manifests import entry_fields
from processor.streams.frames import Bad, Begin, Content, Data, End, EndOfStream, Failed, Frame, FrameWriter
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream
from processor.streams.worker_errors import WorkerDiedError
from tests.actors.among_listeners import SECONDS, Stage, job_of
from tests.actors.small_s3 import SmallS3

PART = 5 << 20
BODY = os.urandom(2 * PART + 7)
Enter = Callable[..., None]


@pytest.fixture
def enter(stage: Stage, s3: SmallS3, root: Path, tmp_path: Path) -> Enter:
    def start() -> None:
        settings = UploaderSettings(os.fsencode(root), tmp_path / "progress.db", 4, 1, PART, 1)
        stage.enter("uploader", Uploader, settings, s3.store())

    return start


def job(root: Path, name: str, content: bytes, feeds: Feeds | None = None, **known: Any) -> Job:
    path = root / name
    path.write_bytes(content)
    admitted = job_of(path, root, **known) if feeds is None else job_of(path, root, feeds=feeds, **known)
    file = replace(admitted.file, checksum=hashlib.sha256(content).hexdigest())
    admitted = admitted.with_content(file)
    return admitted.after(FIRST_STEPS[0]).after(FIRST_STEPS[1])


def large(root: Path, **known: Any) -> Process:
    wanted = job(root, "large.bin", BODY, **known)
    with (root / "large.bin").open("rb") as file:
        return Process(wanted, digests=digests_of(file.fileno(), len(BODY), PART, lambda: False))


def stream_of(*frames: Frame, work: "Future[None] | None" = None, inbox: Inbox) -> ObjectStream:
    """Return a stream of these frames, all there, whose worker has ended."""
    pipe: Future[int] = Future()
    read_end, write_end = os.pipe()
    writer = FrameWriter(write_end)
    for frame in frames:
        writer.write(frame)
    os.close(write_end)
    pipe.set_result(read_end)
    if work is None:
        work = Future()
        work.set_result(None)
    return ObjectStream("a", inbox, pipe, work, 30)


def endless(inbox: Inbox) -> ObjectStream:
    """Return a stream whose worker is silent until it is given up; then its pipe ends, as a killed worker's does."""
    pipe: Future[int] = Future()
    read_end, write_end = os.pipe()
    pipe.set_result(read_end)
    work: Future[None] = Future()
    work.add_done_callback(lambda _work: os.close(write_end))
    return ObjectStream("b", inbox, pipe, work, SECONDS)


def member(number: int, body: bytes) -> tuple[Frame, ...]:
    name = b"%d.bin" % number
    return Begin(number, name, Content.AS_IS), Data(body), End(len(body), hashlib.sha256(body).hexdigest())


def test_a_small_file_is_stored_with_its_manifest_and_reported_once(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    stage.tell(Process(job(root, "a.bin", b"content")))
    report = stage.hear("progress", FileStored)
    assert (report.sizes, report.job.current) == ((7,), Step.STREAMING)
    assert s3.body("a.bin") == b"content"
    assert s3.objects["a.bin"].headers["x-amz-meta-source-sha256"] == report.job.file.checksum
    assert b"a.bin" in s3.body(manifest_key(b"a.bin"))
    assert [request.split()[0] for request in s3.requests] == ["PUT", "PUT"]
    assert stage.told("progress") == []


def test_a_large_file_is_reported_part_by_part_and_its_manifest_left_to_progress(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    stage.tell(large(root))
    opened = stage.hear("progress", UploadOpened)
    for number in (1, 2, 3):
        stored = stage.hear("progress", PartStored)
        assert (stored.part.number, stored.key) == (number, "large.bin")
    closed, entered, steps = (stage.hear("progress", kind) for kind in (UploadClosed, ObjectStored, StepsCompleted))
    assert (opened.key, closed.key, entered.size_bytes) == ("large.bin", "large.bin", len(BODY))
    assert steps.steps == (Step.STREAMING, Step.INTEGRITY_VERIFICATION)
    assert s3.body("large.bin") == BODY
    assert manifest_key(b"large.bin") not in s3.objects, "Progress asks for it when all is recorded"


def test_the_next_part_waits_until_the_last_one_is_recorded(s3: SmallS3, root: Path, tmp_path: Path) -> None:
    second = threading.Event()
    early: list[bool] = []

    def record(message: Any) -> None:
        if isinstance(message, PartStored) and message.part.number == 1:
            early.append(second.wait(0.1))

    s3.before = lambda _method, target: second.set() if "partNumber=2" in target else None
    settings = UploaderSettings(os.fsencode(root), tmp_path / "progress.db", 4, 1, PART, 1)
    with Stage(record) as stage:
        stage.enter("uploader", Uploader, settings, s3.store())
        stage.tell(large(root))
        stage.hear("progress", StepsCompleted)
    assert early == [False]


def test_an_upload_that_an_earlier_try_left_is_gone_on_with(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    first = BODY[:PART]
    upload_id = s3.begin("large.bin", {})
    s3.uploads[upload_id].parts[1] = first
    part = Part(1, PART, hashlib.sha256(first).hexdigest(), hashlib.md5(first, usedforsecurity=False).hexdigest())
    left = UnfinishedUpload(1, "large.bin", Resumption(upload_id, {1: part}))
    stage.tell(replace(large(root, attempt=2), resumable=(left,)))
    stage.hear("progress", StepsCompleted)
    assert s3.body("large.bin") == BODY
    assert s3.parts_sent() == 2


def test_streams_of_one_archive_are_stored_side_by_side_and_bad_members_told(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter, inbox: Inbox
) -> None:
    enter()
    bad = Bad(2, b"2.csv", Failure(ErrorClass.PERMANENT, "csv.damaged", "line 3"))
    streams = (
        stream_of(*member(0, b"zero"), EndOfStream(1), inbox=inbox),
        stream_of(*member(1, b"one"), bad, EndOfStream(2), inbox=inbox),
    )
    stage.tell(Process(job(root, "a.zip", b"a zip"), streams))
    failed = stage.hear("progress", StepFailed)
    assert (failed.failure.code, failed.bad_members) == ("archive.bad-members", (("2.csv", bad.failure),))
    assert (s3.body("a.zip/0.bin"), s3.body("a.zip/1.bin")) == (b"zero", b"one")


def test_members_are_reported_each_before_the_steps(stage: Stage, root: Path, enter: Enter, inbox: Inbox) -> None:
    enter()
    frames = (*member(0, b"zero"), *member(1, b"one"), EndOfStream(2))
    stage.tell(Process(job(root, "a.zip", b"a zip"), (stream_of(*frames, inbox=inbox),)))
    assert [stage.hear("progress", ObjectStored).member for _ in range(2)] == [0, 1]
    assert stage.hear("progress", StepsCompleted).steps[0] is Step.ARCHIVE_EXTRACTION


@pytest.mark.parametrize("first", [True, False])
def test_of_several_streams_the_one_that_failed_first_tells_why(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter, inbox: Inbox, *, first: bool
) -> None:
    enter()
    refused = Failed(Failure(ErrorClass.PERMANENT, "archive.encrypted", "it has a password"))
    failing = stream_of(*member(0, b"zero"), refused, inbox=inbox)
    waiting = endless(inbox)
    stage.tell(Process(job(root, "a.zip", b"a zip"), (failing, waiting) if first else (waiting, failing)))
    assert stage.hear("progress", StepFailed).failure == refused.failure
    assert s3.uploads == {}


@pytest.mark.parametrize("frames", [(), member(0, b"half")[:2]])
def test_a_worker_that_died_costs_the_job_a_try_and_leaves_no_object(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter, inbox: Inbox, frames: tuple[Frame, ...]
) -> None:
    enter()
    work: Future[None] = Future()
    work.set_exception(WorkerDiedError(-signal.SIGKILL))
    stage.tell(Process(job(root, "a.zip", b"a zip"), (stream_of(*frames, work=work, inbox=inbox),)))
    failed = stage.hear("progress", StepFailed)
    assert (failed.failure.code, failed.failure.error_class) == ("worker.died", ErrorClass.INFRASTRUCTURE)
    assert s3.objects == {}


def test_a_store_that_is_away_is_an_outage_and_the_upload_stays_open(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    s3.refuse = lambda _method, target: (503, "ServiceUnavailable") if "partNumber=3" in target else None
    stage.tell(large(root))
    failed = stage.hear("progress", StepFailed)
    assert failed.failure.error_class in (ErrorClass.OUTAGE, ErrorClass.THROTTLED)
    assert len(s3.uploads) == 1, "the next try goes on with it"


def test_a_manifest_that_is_not_taken_leaves_a_small_file_to_be_recorded_step_by_step(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    s3.refuse = lambda _method, target: (403, "AccessDenied") if "_manifests" in target else None
    stage.tell(Process(job(root, "a.bin", b"a")))
    assert stage.hear("progress", ObjectStored).size_bytes == 1
    assert stage.hear("progress", StepsCompleted).job.current is Step.STREAMING


def test_the_manifest_is_made_of_what_the_ledger_has(
    stage: Stage, s3: SmallS3, root: Path, tmp_path: Path, enter: Enter
) -> None:
    enter()
    ledger = Ledger(tmp_path / "progress.db", os.fsencode(root))
    ledger.found([Found(b"a.bin", 1, 1)], 0)
    entry = ManifestObject(StoredObject("a.bin", 1, "ab" * 32, "etag", "md5:cd"), None)
    ledger.object_stored(1, -1, 0, entry_fields(entry), 1)
    ledger.commit()
    ledger.close()
    stored = job(root, "a.bin", b"a")
    stored = stored.after(Step.STREAMING).after(Step.INTEGRITY_VERIFICATION)
    s3.refuse = lambda _method, _target: (403, "AccessDenied")
    stage.tell(StoreManifest(stored))
    assert stage.hear("progress", StepFailed).failure.code == "store.denied"
    s3.refuse = lambda _method, _target: None
    stage.tell(StoreManifest(stored))
    assert stage.hear("progress", Process).job.current is Step.PROGRESS_UPDATE
    assert b'"key":"a.bin"' in s3.body(manifest_key(b"a.bin")).replace(b" ", b"")


def test_a_key_that_is_taken_stops_the_upload_before_it_begins(s3: SmallS3, root: Path, tmp_path: Path) -> None:
    taken = Failure(ErrorClass.PERMANENT, "key.taken", "another file has it")
    settings = UploaderSettings(os.fsencode(root), tmp_path / "progress.db", 4, 1, PART, 1)
    with Stage(lambda message: taken if isinstance(message, KeysWanted) else None) as stage:
        stage.enter("uploader", Uploader, settings, s3.store())
        feeds = Feeds(outside=FeedDelivery(key="all/{stem}"))
        stage.tell(Process(job(root, "a.bin", b"a", feeds)))
        assert stage.hear("progress", StepFailed).failure == taken
    assert s3.objects == {}


def test_uploads_are_aborted_and_those_that_could_not_be_are_not_told(stage: Stage, s3: SmallS3, enter: Enter) -> None:
    enter()
    uploads = tuple(UnfinishedUpload(1, key, Resumption(s3.begin(key, {}))) for key in ("a.bin", "b.bin"))
    gone = UnfinishedUpload(1, "c.bin", Resumption("upload-9"))
    s3.refuse = lambda method, target: (403, "AccessDenied") if method == "DELETE" and "b.bin" in target else None
    stage.tell(AbortUploads((*uploads, gone)))
    assert stage.hear("progress", UploadsAborted).uploads == (uploads[0], gone)
    assert [upload.key for upload in s3.uploads.values()] == ["b.bin"]


def test_orphans_are_aborted_but_for_those_that_are_recorded(stage: Stage, s3: SmallS3, enter: Enter) -> None:
    enter()
    s3.begin("a/1.bin", {})
    recorded = s3.begin("a/2.bin", {})
    elsewhere = s3.begin("b/1.bin", {})
    s3.uploads[s3.begin(f"{PROBES}/1", {})].parts[1] = b"a"
    stage.tell(AbortOrphans(("a/",), frozenset({recorded})))
    assert stage.hear("progress", OrphansAborted).failure is None
    assert sorted(s3.uploads) == sorted([recorded, elsewhere])
    s3.refuse = lambda _method, _target: (500, "InternalError")
    stage.tell(AbortOrphans(("a/",), frozenset()))
    failure = stage.hear("progress", OrphansAborted).failure
    assert failure is not None
    assert failure.error_class is ErrorClass.OUTAGE


def test_a_probe_tells_of_the_store_and_of_the_watched_directory(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    stage.tell(ProbeStore())
    assert stage.hear("progress", StoreProbed).failure is None
    assert (s3.objects, s3.uploads) == ({}, {})
    root.rmdir()
    stage.tell(ProbeStore())
    failure = stage.hear("progress", StoreProbed).failure
    assert failure is not None
    assert failure.code == "source.no-root"
    root.mkdir()
    s3.refuse = lambda _method, _target: (500, "InternalError")
    stage.tell(ProbeStore())
    failure = stage.hear("progress", StoreProbed).failure
    assert failure is not None
    assert failure.error_class is ErrorClass.OUTAGE


def test_a_stop_lets_an_upload_end_at_its_next_part_and_tells_nothing(
    stage: Stage, s3: SmallS3, root: Path, enter: Enter
) -> None:
    enter()
    second, go = threading.Event(), threading.Event()

    def before(_method: str, target: str) -> None:
        if "partNumber=2" in target:
            second.set()
            go.wait(SECONDS)

    s3.before = before
    stage.tell(large(root))
    assert second.wait(SECONDS)
    stage.ref.stop(timeout=SECONDS)
    go.set()
    deadline = time.monotonic() + SECONDS
    while any(thread.name.startswith("uploader_") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert {type(each) for each in stage.told("progress")} == {UploadOpened, PartStored}
    assert len(s3.uploads) == 1, "the next start goes on with it"
