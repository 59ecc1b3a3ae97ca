"""Pool of confined worker processes.

Workers are spawned, never forked: this process is full of threads. They start with a scrubbed environment, so that no
credential is ever in theirs, and enter the sandbox before the first request.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.popen_spawn_posix import Popen
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, TypeVar

import pebble

from processor.streams import sandbox
from processor.streams.worker_end import set_worker_end

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")

# A worker is replaced after this many tasks, so that no fragmentation grows for ever: 3 MB were seen after 3,000 small
# tables. A new worker costs as much as 40 of them.
_TASKS_A_WORKER = 5000

_environment_lock = threading.Lock()


class Pool:
    """Confined worker processes; `submit` is what the rest of the system knows of it."""

    def __init__(
        self,
        workers: int,
        limits: sandbox.Limits,
        inbox_end: socket.socket,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """Have `workers` processes; each calls `prepare` (such as: import what is slow to import) before its work.

        With it they start at once, to be ready before there is work; without it the first work starts them.
        """
        self._workers = workers
        self._birthright = (os.getpid(), limits, inbox_end, prepare)
        self._lock = threading.Lock()
        self._unfinished: set[Future[Any]] = set()
        self._awakened = False
        self._context = _CleanSpawnContext()
        self._pool = self._started()

    def submit(self, function: Callable[[_Request], _Result], request: _Request) -> "Future[_Result]":
        """Run `function(request)` in a worker.

        The future fails with what the function raised, with `pebble.ProcessExpired` when the worker died, or with
        BrokenProcessPool when all of them did; cancelling it kills the worker that runs it.
        """
        with self._lock:
            try:
                work = self._pool.schedule(function, args=(request,))
            except RuntimeError:
                # pebble gives a whole pool up when a worker dies that had nothing to do while no other was at work.
                broken = self._replaced()
                broken.stop()  # type: ignore[no-untyped-call]
                _join_behind(broken)
                work = self._pool.schedule(function, args=(request,))
        self._unfinished.add(work)
        work.add_done_callback(self._unfinished.discard)
        return work

    def awaken(self, prepare: Callable[[], None]) -> None:
        """Have the workers call `prepare` now, if they were not made to before: there will be work for them soon."""
        if self._birthright[-1] is None and not self._awakened:
            self._awakened = True
            for _ in range(self._workers):  # while one of them is at it, the next takes the next
                self.submit(_call, prepare)

    def slots(self) -> int:
        """Return how many requests are worked on at the same time."""
        return self._workers

    def renew(self) -> None:
        """Replace the workers: a confined one can not be given a directory that came to be after it. Work goes on."""
        with self._lock:
            old = self._replaced()
        old.close()  # type: ignore[no-untyped-call]
        _join_behind(old)

    def stop(self) -> None:
        """End every worker now; what they were doing fails, and what waited for them."""
        with self._lock:
            self._pool.stop()  # type: ignore[no-untyped-call]
            # Before pebble unlinks the semaphores: a worker that is just starting would miss them, with a traceback.
            self._context.kill()
            self._pool.join()
        for work in tuple(self._unfinished):  # pebble leaves it as it is, and whoever waits for it would for ever
            work.cancel()

    def _replaced(self) -> pebble.ProcessPool:
        """Put a new pool in the place of the one in use and return that; the caller holds the lock."""
        old, self._pool = self._pool, self._started()
        return old

    def _started(self) -> pebble.ProcessPool:
        pool = pebble.ProcessPool(
            max_workers=self._workers,
            max_tasks=_TASKS_A_WORKER,
            initializer=_become_worker,
            initargs=self._birthright,
            context=self._context,
        )
        if self._birthright[-1] is not None:
            pool.schedule(_awake)  # the first task starts them all
        return pool


def _join_behind(pool: pebble.ProcessPool) -> None:
    """Wait for the end of a pool without keeping anybody waiting."""
    threading.Thread(target=pool.join, name="old-pool", daemon=True).start()


def _become_worker(
    parent: int, limits: sandbox.Limits, inbox_end: socket.socket, prepare: Callable[[], None] | None
) -> None:
    set_worker_end(inbox_end)
    sandbox.enter(parent, limits)
    if prepare is not None:
        prepare()


def _awake() -> None:
    """Do nothing, awake."""


def _call(prepare: Callable[[], None]) -> None:
    prepare()


class _CleanSpawnProcess(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Popen:  # noqa: N802 - multiprocessing's name
        with _clean_environment(), _no_main_module():
            return Popen(process_obj)


class _CleanSpawnContext(SpawnContext):
    """Makes processes, and remembers those that live."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[_CleanSpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> _CleanSpawnProcess:  # type: ignore[override]  # noqa: N802
        """Return a new process."""
        self._made = [each for each in self._made if each.is_alive()]
        self._made.append(_CleanSpawnProcess(*args, **kwargs))
        return self._made[-1]

    def kill(self) -> None:
        """End all of them, and wait for their end."""
        living = [each for each in self._made if each.is_alive()]
        for each in living:
            each.kill()
        for each in living:
            each.join()


@contextmanager
def _clean_environment() -> Iterator[None]:
    """Hide everything but the harmless from a child that is spawned meanwhile (milliseconds).

    multiprocessing offers no way to give a child an environment of its own.
    """
    with _environment_lock:
        whole = dict(os.environ)
        clean = sandbox.clean_environment()
        for name in whole.keys() - clean.keys():
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(whole)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep multiprocessing from importing the main program in a child: it may be another's, and large (Dask's).

    The caller holds the lock of the environment.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
