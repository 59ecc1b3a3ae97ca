"""Read an object stream in the main process."""

import io
import os
import select
import signal
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from processor.domain.errors import WORKER_CRASHED, DeliveryError, ErrorClass, Failure, refused
from processor.streams.frames import BrokenStreamError, EndOfStream, Failed, Frame, read_frames
from processor.streams.inbox import Inbox
from processor.streams.worker_errors import WorkerBugError, WorkerCpuTimeError, WorkerDiedError

_Result = TypeVar("_Result")

_BUFFER_BYTES = 64 << 10
_LOOK_EVERY_SECONDS = 0.2
# How long a worker may take to return once its stream has ended.
_FAREWELL_SECONDS = 30.0
_LATE_SECONDS = 5.0
# Signals that a program's own fault raises, seccomp's among them.
_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS)


class ObjectStream:
    """One worker's stream. Read once, by one thread; `close` always, whatever happened."""

    def __init__(
        self, stream_id: str, inbox: Inbox, pipe: "Future[int]", work: "Future[None]", silence_seconds: float
    ) -> None:
        """Join the two futures of one stream: `pipe` from the inbox, `work` from the engine.

        A worker that says nothing for `silence_seconds` is ended.
        """
        self._id = stream_id
        self._inbox = inbox
        self._pipe = pipe
        self._work = work
        self._silence_seconds = silence_seconds
        self._ended = False

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the stream's last. Raises DeliveryError when the worker died, hung or broke the rules."""
        try:
            reader = io.BufferedReader(_PatientPipe(self._arrived(), self._silence_seconds), _BUFFER_BYTES)
            with reader:
                for frame in read_frames(reader):
                    self._ended = isinstance(frame, EndOfStream | Failed)
                    yield frame
            self._farewell()
        except BrokenStreamError as broken:
            raise self._why(broken) from broken

    def close(self) -> None:
        """End the worker's task if it still runs, and forget the stream."""
        self._inbox.forget(self._id)
        if self._ended:  # the worker is about to return, and cancelling would kill it, or the next task with it
            wait((self._work,), _FAREWELL_SECONDS)
        self._work.cancel()

    def _arrived(self) -> int:
        """Return the pipe, or raise when the worker's task ended without one."""
        waited = 0.0
        while True:
            try:
                return self._pipe.result(_LOOK_EVERY_SECONDS)
            except FutureTimeoutError:
                if self._work.done() and not self._pipe.done():
                    return self._late()
                if self._work.running():
                    waited += _LOOK_EVERY_SECONDS
                if waited > self._silence_seconds:
                    raise _silent(self._silence_seconds) from None
            except CancelledError:
                raise BrokenStreamError("was given up") from None

    def _late(self) -> int:
        """Return the pipe of a task that has ended: it was sent before, by another way, and may arrive after."""
        if self._work.cancelled() or self._work.exception() is not None:
            raise BrokenStreamError("never began")
        try:
            return self._pipe.result(_LATE_SECONDS)
        except FutureTimeoutError:
            raise BrokenStreamError("never began") from None

    def _farewell(self) -> None:
        try:
            self._work.result(_FAREWELL_SECONDS)
        except (Exception, CancelledError) as error:
            raise worker_failed(error) from error

    def _why(self, broken: BrokenStreamError) -> DeliveryError:
        """Return the deeper reason for a broken stream, from the worker's own end."""
        try:
            self._work.result(_LOOK_EVERY_SECONDS * 10)
        except FutureTimeoutError:
            return broken  # the worker lives on but has broken the rules; `close` ends it
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever it is, it is the reason
            return worker_failed(error)
        return broken


def start_stream(inbox: Inbox, submit: Callable[[str], "Future[None]"], silence_seconds: float) -> ObjectStream:
    """Return the stream of the task that `submit(stream_id)` starts."""
    stream_id = str(uuid.uuid4())
    pipe = inbox.expect(stream_id)
    return ObjectStream(stream_id, inbox, pipe, submit(stream_id), silence_seconds)


def result_of(work: "Future[_Result]", silence_seconds: float | None = None) -> _Result:
    """Return what a worker's task returned. Raises DeliveryError; one that is silent for so long is ended."""
    try:
        return work.result(silence_seconds)
    except DeliveryError:
        raise
    except Exception as error:
        if silence_seconds is not None and not work.done():
            work.cancel()
            raise _silent(silence_seconds) from error
        raise worker_failed(error) from error


class _PatientPipe(io.RawIOBase):
    """A pipe that is not waited for longer than `silence_seconds` at a time."""

    def __init__(self, fd: int, silence_seconds: float) -> None:
        self._fd = fd
        self._silence_ms = int(silence_seconds * 1000)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        if not self._poll.poll(self._silence_ms):
            raise _silent(self._silence_ms / 1000)
        return os.readv(self._fd, [buffer])

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _silent(seconds: float) -> DeliveryError:
    text = f"the worker said nothing for {seconds:g} s and was ended"
    hint = "the file may be made to hang parsers; WORKER_TIMEOUT is the limit"
    return DeliveryError(Failure(ErrorClass.INFRASTRUCTURE, "worker.silent", text, hint))


def worker_failed(error: BaseException) -> DeliveryError:
    """Return what it means that a worker's task ended with `error`."""
    if isinstance(error, DeliveryError):
        return error
    if isinstance(error, WorkerCpuTimeError):
        text = f"the worker used more than {round(error.cpu_seconds, 1):g} s of CPU time and was ended"
        return refused(
            "worker.cpu-time", text, "the file may be made to keep parsers busy; WORKER_CPU_PER_MB is the limit"
        )
    if isinstance(error, WorkerDiedError):
        return DeliveryError(_death(error.exitcode))
    if isinstance(error, MemoryError):
        hint = "raise WORKER_MEMORY, or the file is made to bloat parsers"
        return DeliveryError(Failure(ErrorClass.INFRASTRUCTURE, "worker.memory", "the worker ran out of memory", hint))
    told = str(error) if isinstance(error, WorkerBugError) else f"{type(error).__name__}: {error}"
    text = f"a bug in the worker: {told}"
    return DeliveryError(Failure(ErrorClass.TRANSIENT, "worker.bug", text, "please report it with the file"))


def _death(code: int) -> Failure:
    if -code in _CRASHES:
        text = f"the worker crashed ({signal.Signals(-code).name})"
        hint = "a parser's bug that this file meets: please report it with the file; other files are not affected"
        return Failure(ErrorClass.INFRASTRUCTURE, WORKER_CRASHED, text, hint)
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    hint = "out of memory (WORKER_MEMORY), or somebody ended it; other files are not affected"
    return Failure(ErrorClass.INFRASTRUCTURE, "worker.died", f"the worker {how}", hint)
