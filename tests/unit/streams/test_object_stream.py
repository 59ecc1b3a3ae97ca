"""The main process's end of a stream, when worker, pipe and reader are not in step."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from processor.domain.errors import ErrorClass, Failure
from processor.streams.frames import EndOfStream, Failed, Frame, FrameWriter
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream, worker_failed
from processor.streams.worker_errors import WorkerCpuTimeError, WorkerDiedError

REFUSED = Failed(Failure(ErrorClass.PERMANENT, "csv.malformed-rows", "line 3"))


def _pipe_with(frame: Frame) -> int:
    read_end, write_end = os.pipe()
    FrameWriter(write_end).write(frame)
    os.close(write_end)
    return read_end


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    opened = Inbox()
    yield opened
    opened.close()


def _stream(inbox: Inbox, pipe: "Future[int]", work: "Future[None]") -> ObjectStream:
    work.set_running_or_notify_cancel()
    return ObjectStream("a", inbox, pipe, work, silence_seconds=10)


def test_a_pipe_that_arrives_after_its_task_has_ended_is_read(inbox: Inbox) -> None:
    pipe: Future[int] = Future()
    work: Future[None] = Future()
    stream = _stream(inbox, pipe, work)
    work.set_result(None)
    threading.Timer(0.5, lambda: pipe.set_result(_pipe_with(EndOfStream(0)))).start()
    assert list(stream.frames()) == [EndOfStream(0)]


def test_a_task_that_failed_before_it_sent_a_pipe_is_not_waited_for(inbox: Inbox) -> None:
    work: Future[None] = Future()
    stream = _stream(inbox, Future(), work)
    work.set_exception(MemoryError())
    with pytest.raises(Exception, match="ran out of memory"):
        list(stream.frames())


@pytest.mark.parametrize("frame", [REFUSED, EndOfStream(0)])
def test_closing_a_stream_that_ended_waits_for_its_task_instead_of_cancelling_it(frame: Frame, inbox: Inbox) -> None:
    pipe: Future[int] = Future()
    work: Future[None] = Future()
    stream = _stream(inbox, pipe, work)
    pipe.set_result(_pipe_with(frame))
    assert next(stream.frames()) == frame
    threading.Timer(0.3, lambda: work.set_result(None)).start()
    stream.close()
    assert work.result(0) is None


def test_closing_a_stream_that_has_not_ended_cancels_its_task(inbox: Inbox) -> None:
    work: Future[None] = Future()
    stream = ObjectStream("a", inbox, Future(), work, silence_seconds=10)
    stream.close()
    assert work.cancelled()


@pytest.mark.parametrize(
    ("error", "code", "error_class"),
    [
        (WorkerDiedError(-signal.SIGSEGV), "worker.crashed", ErrorClass.INFRASTRUCTURE),
        (WorkerDiedError(-signal.SIGABRT), "worker.crashed", ErrorClass.INFRASTRUCTURE),
        (WorkerDiedError(-signal.SIGKILL), "worker.died", ErrorClass.INFRASTRUCTURE),
        (WorkerDiedError(1), "worker.died", ErrorClass.INFRASTRUCTURE),
        (WorkerCpuTimeError(-signal.SIGKILL, 60), "worker.cpu-time", ErrorClass.PERMANENT),
    ],
)
def test_a_workers_end_tells_whose_fault_it_is(error: Exception, code: str, error_class: ErrorClass) -> None:
    failure = worker_failed(error).failure
    assert (failure.code, failure.error_class) == (code, error_class)
