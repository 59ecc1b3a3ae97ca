"""The local engine: a pool of confined worker processes.

One thread a worker: it takes the oldest task, sees to a process that may read what the task reads and nothing else, and
waits for the answer. Workers are forked by a server of their own, never by this process, which is full of threads and
holds the credentials.
"""

import functools
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from processor.domain.errors import SOURCE_FORBIDDEN, DeliveryError
from processor.engine import replies
from processor.engine.processes import ForkServer, WorkerProcess, unconfined
from processor.sandbox.channel import BrokenReplyError
from processor.sandbox.confine import Limits, Protections
from processor.sandbox.fork_server import Birthright
from processor.streams.worker_errors import WorkerDiedError

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")

# A worker is replaced after this many tasks, so that no fragmentation grows for ever: 3 MB were seen after 3,000 small
# tables.
_TASKS_A_WORKER = 5000
# A list of ranges at the most; commands that show the columns of one table say more.
_LONGEST_ANSWER = 1 << 20
_STOP_SECONDS = 10.0


@runtime_checkable
class Budgeted(Protocol):
    """A request that may cost only so much CPU time."""

    @property
    def cpu_seconds(self) -> float:
        """Return how much; 0: no limit."""
        ...


class Pool:
    """Confined worker processes; `submit` is what the rest of the system knows of it."""

    def __init__(
        self,
        workers: int,
        limits: Limits,
        inbox_end: socket.socket,
        prepare: Callable[[], None] | None = None,
        longest_answer: int = _LONGEST_ANSWER,
        *,
        at_once: bool = True,
    ) -> None:
        """Have `workers` processes; `prepare` (such as: import what is slow to import) is called before their work.

        It is called once, in what they are forked from: `at_once`, to be ready before there is work, or by the first.
        """
        self._readable = limits.readable
        self._server = ForkServer(Birthright(limits, prepare), inbox_end)
        self._changed = threading.Condition()
        self._waiting: deque[_Task] = deque()
        self._unfinished: set[KillableFuture[Any]] = set()
        self._generation = 0
        self._stopped = False
        self._workers = [_Worker(self, self._server, limits, longest_answer) for _ in range(workers)]
        if prepare is not None and at_once:
            self._server.start()
        for each in self._workers:
            each.start()

    def submit(self, function: Callable[[_Request], _Result], request: _Request, below: str = "") -> "Future[_Result]":
        """Run `function(request)` in a worker that may read what lies at `below` in the readable directories.

        The future fails with what the function raised (DeliveryError and MemoryError as they are, all else as
        WorkerBugError), or with WorkerDiedError; of a Budgeted request also with WorkerCpuTimeError. Cancelling it
        kills the worker that runs it.
        """
        work: KillableFuture[_Result] = KillableFuture()
        with self._changed:
            if self._stopped:
                work.cancel()
                return work
            self._unfinished.add(work)
            self._waiting.append(_Task(work, function, request, self._place(below)))
            self._changed.notify_all()
        work.add_done_callback(self._unfinished.discard)
        return work

    def awaken(self) -> None:
        """Have `prepare` called now, unless it was: there will be work soon."""
        self._server.start()

    def slots(self) -> int:
        """Return how many requests are worked on at the same time."""
        return len(self._workers)

    def protections(self) -> Protections:
        """Return the protections of a worker, made and ended for this. Raises WorkerDiedError."""
        worker = self._server.fork("")
        worker.end()
        return worker.protections

    def renew(self) -> None:
        """Replace the workers: a confined one can not be given a directory that came to be after it. Work goes on."""
        with self._changed:
            self._generation += 1

    def stop(self) -> None:
        """End every worker now; what they were doing fails, and what waited for them."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()
        for work in tuple(self._unfinished):
            work.cancel()
        for each in self._workers:
            each.join(_STOP_SECONDS)
        self._server.stop()

    def next_task(self, worker: "_Worker") -> "_Task | None":
        """Return the oldest task, when there is one that no other idle worker suits better; None at the end."""
        with self._changed:
            worker.idle = True
            while not self._stopped and not (self._waiting and self._suits(worker, self._waiting[0])):
                self._changed.wait()
            worker.idle = False
            if self._stopped:
                return None
            task = self._waiting.popleft()
            self._changed.notify_all()  # the next one may suit somebody else
            return task

    def _suits(self, worker: "_Worker", task: "_Task") -> bool:
        return worker.place == task.place or not any(w.idle and w.place == task.place for w in self._workers)

    def _place(self, below: str) -> "_Place":
        """Return what tells whether a worker can read what lies there: one that is made anew is another directory."""
        found: list[tuple[int, int] | None] = []
        for root in self._readable:
            try:
                status = os.lstat(os.path.join(root, below) if below else root)
                found.append((status.st_dev, status.st_ino))
            except OSError:
                found.append(None)
        return _Place(self._generation, below, tuple(found))


class KillableFuture(Future[_Result]):
    """A future that can be cancelled while its task runs: that kills the worker."""

    def __init__(self) -> None:
        super().__init__()
        self._kill: Callable[[], None] | None = None
        self._cancelling = threading.RLock()  # whom it tells may cancel as well

    def begin(self, kill: Callable[[], None]) -> bool:
        """Tell that a worker takes the task, which `kill` ends; False when it was cancelled before."""
        self._kill = kill
        return not self.cancelled()

    def running(self) -> bool:
        """Tell whether a worker is at it."""
        return self._kill is not None and not self.done()

    def cancel(self) -> bool:
        """Give it up."""
        with self._cancelling:
            before = self.cancelled()
            cancelled = super().cancel()
            if cancelled and not before:
                self.set_running_or_notify_cancel()  # for those that wait for several
                if self._kill is not None:
                    self._kill()
        return cancelled

    def settle(self, outcome: Callable[[], _Result]) -> None:
        """Take what `outcome` returns or raises, unless it was cancelled."""
        try:
            result = outcome()
        except Exception as error:  # noqa: BLE001 - handed back to whoever waits
            with suppress(InvalidStateError):
                self.set_exception(error)
        else:
            with suppress(InvalidStateError):
                self.set_result(result)


@dataclass(frozen=True, slots=True)
class _Place:
    generation: int
    below: str
    identity: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    work: KillableFuture[Any]
    function: Callable[[Any], Any]
    request: Any
    place: _Place


class _Worker(threading.Thread):
    """A thread with a process that it replaces when that dies, is worn out, or is for another place."""

    def __init__(self, pool: Pool, server: ForkServer, limits: Limits, longest_answer: int) -> None:
        super().__init__(name="worker", daemon=True)
        self.idle = False
        self.place: _Place | None = None
        self._pool = pool
        self._server = server
        self._required = limits.required
        self._longest_answer = longest_answer
        self._process: WorkerProcess | None = None
        self._tasks = 0
        self._killed = False
        self._lock = threading.Lock()
        self._at: KillableFuture[Any] | None = None  # guarded by the lock

    def run(self) -> None:
        while (task := self._pool.next_task(self)) is not None:
            with self._lock:
                self._at = task.work
            if task.work.begin(functools.partial(self._kill, task.work)):
                task.work.settle(functools.partial(self._outcome, task))
            with self._lock:
                self._at = None
        self._end()

    def _outcome(self, task: _Task) -> Any:
        try:
            message = self._answer(task)
            with self._lock:
                self._at = None  # what is cancelled from now on does not harm the process
            return replies.result(task.function, message)
        except (WorkerDiedError, BrokenReplyError):
            self._end()
            raise
        except DeliveryError as error:
            # The worker's directory may have been another for the moment in which it was given to it.
            if error.failure.code == SOURCE_FORBIDDEN:
                self._end()
            raise

    def _answer(self, task: _Task) -> bytes:
        try:
            process = self._process_for(task.place)
            process.send(task.function, task.request)
        except OSError:  # it died while it had nothing to do
            self._end()
            process = self._process_for(task.place)
            process.send(task.function, task.request)
        budget = task.request.cpu_seconds if isinstance(task.request, Budgeted) else 0.0
        return process.receive(self._longest_answer, budget)

    def _process_for(self, place: _Place) -> WorkerProcess:
        if self.place != place or self._killed or self._tasks >= _TASKS_A_WORKER:
            self._end()
        if self._process is None:
            process = self._server.fork(place.below)
            if self._required and process.protections.missing:
                process.end()
                raise unconfined(process.protections)
            with self._lock:
                self._process, self.place, self._tasks, self._killed = process, place, 0, False
                if self._at is None or self._at.cancelled():
                    self._kill_process()
        self._tasks += 1
        return self._process

    def _kill(self, work: KillableFuture[Any]) -> None:
        with self._lock:
            if self._at is work:
                self._kill_process()

    def _kill_process(self) -> None:
        """Kill it, if there is one; the caller holds the lock."""
        if self._process is not None:
            self._process.kill()
            self._killed = True

    def _end(self) -> None:
        with self._lock:
            process, self._process, self.place = self._process, None, None
        if process is not None:
            process.end()
