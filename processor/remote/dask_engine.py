"""Run functions on the workers of a Dask cluster.

What travels is pickled by reference and never a file's content. A request carries the versions of whoever sends it, so
that a worker of another version refuses it before it looks inside. This module is imported only where ENGINE=dask, and
on the workers.
"""

import contextlib
import logging
import os
import pickle
import platform
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from distributed import Client, get_worker
from distributed import Future as RemoteFuture
from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import KilledWorker
from distributed.security import Security

from processor.domain.errors import DeliveryError, ErrorClass, Failure

PROTOCOL = 1  # of requests and receipts; another number is another language
_ALIKE = (
    "data-file-processor",
    "duckdb",
    "distributed",
)  # whose versions decide what is written, or whether we understand it
_CONNECT_SECONDS = 5.0
_GATHER_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_ASKERS = 4  # each may wait for a frozen worker until the scheduler gives that up
_SETTLERS = 4
_SLOTS_SECONDS = 1.0  # asking costs as much as submitting
_KEYS = "processor-"

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")
Check = Callable[[], Failure | None]


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Where the scheduler is, and the PEM files that prove who is who; none on loopback alone."""

    scheduler: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def security(self) -> Security | None:
        """Return what Dask wants to know of them."""
        if self.ca is None:
            return None
        files = {"tls_client_cert": str(self.certificate), "tls_client_key": str(self.key)}
        return Security(tls_ca_file=str(self.ca), require_encryption=True, **files)


class Cluster:
    """An `Engine` of other machines. It is connected by `problem`, which is also how an outage's end is noticed.

    What `check` returns is asked on every worker: its answer (such as: the shared directory is not there) is a problem
    of the cluster. It must be picklable and quick.
    """

    def __init__(self, address: ClusterAddress, check: Callable[[], Check]) -> None:
        self._address = address
        self._check = check
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._askers = ThreadPoolExecutor(_ASKERS, thread_name_prefix="cluster-ask")
        self._settlers = ThreadPoolExecutor(_SETTLERS, thread_name_prefix="cluster")
        self._name = f"{_KEYS}{socket.gethostname()}-{os.getpid()}"
        self._stopped = False
        self._slots, self._slots_until = 0, 0.0
        # What Dask would write to stderr about lost connections, the failures say.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)

    def problem(self) -> Failure | None:
        """Connect unless that is done; return why no work can be given to the cluster, None when it can."""
        with self._lock:
            try:
                return self._problem(self._connected())
            except Exception as error:  # noqa: BLE001 - whatever Dask raises, the cluster can not be used
                self._drop()
                return _unreachable(self._address.scheduler, error)

    def slots(self) -> int:
        """Return how many requests the cluster works on at the same time. Raises DeliveryError when it is out."""
        client = self._client
        if client is None or client.status != "running":
            raise DeliveryError(_unreachable(self._address.scheduler, "there is no connection"))
        now = time.monotonic()
        if now >= self._slots_until:
            try:
                self._slots = sum(client.nthreads().values())
            except Exception as error:
                raise DeliveryError(_unreachable(self._address.scheduler, error)) from error
            self._slots_until = now + _SLOTS_SECONDS if self._slots else 0.0
        if not self._slots:
            raise DeliveryError(_no_workers())
        return self._slots

    def submit(self, function: Callable[[_Request], _Result], request: _Request) -> "Future[_Result]":
        """Run `function(request)` on a worker. Raises DeliveryError `cluster.unreachable`, `cluster.no-workers`.

        The future fails with DeliveryError: what the function raised; `cluster.worker-lost` when its worker died, and
        `cluster.unreachable` when the scheduler did. Other exceptions are bugs of the function.
        """
        self.slots()
        client = self._client
        assert client is not None
        payload = pickle.dumps((function, request))
        key = f"{self._name}-{uuid.uuid4()}"
        try:
            remote = client.submit(run, versions(), payload, key=key, pure=False, retries=0)
        except Exception as error:
            raise DeliveryError(_unreachable(self._address.scheduler, error)) from error
        local: Future[_Result] = Future()
        remote.add_done_callback(lambda done: self._settle_soon(done, local))
        local.add_done_callback(lambda each: remote.cancel() if each.cancelled() else None)
        return local

    def stop(self) -> None:
        """Leave the cluster: the scheduler forgets what it was asked for, and workers give it up."""
        self._stopped = True
        with self._lock:
            self._drop()
        self._askers.shutdown(wait=False, cancel_futures=True)
        self._settlers.shutdown(wait=False, cancel_futures=True)

    def _connected(self) -> Client:
        if self._client is not None and self._client.status != "running":
            self._drop()
        if self._client is None:
            self._client = Client(
                self._address.scheduler,
                timeout=_CONNECT_SECONDS,
                security=self._address.security(),
                set_as_default=False,
                direct_to_workers=False,
                name=self._name,
            )
            self._client.register_plugin(OneTry())
        return self._client

    def _problem(self, client: Client) -> Failure | None:
        """Return what is wrong with the scheduler or with a worker.

        A worker that does not answer, as a frozen host, is no outage: in time the scheduler gives it up.
        """
        answers = self._askers.submit(client.run, verdict, versions(), self._check(), on_error="return")
        try:
            workers = answers.result(_ANSWER_SECONDS)
        except FutureTimeoutError:
            return None if client.nthreads() else _no_workers()
        for address, found in workers.items():
            if isinstance(found, Failure):
                return Failure(found.error_class, found.code, f"worker {address}: {found.message}", found.hint)
            if isinstance(found, BaseException):
                return _other_version(f"worker {address}: {type(found).__name__}: {found}")
        return None if workers else _no_workers()

    def _drop(self) -> None:
        client, self._client, self._slots_until = self._client, None, 0.0
        if client is not None:
            threading.Thread(target=_close, args=(client,), name="cluster-close", daemon=True).start()

    def _settle_soon(self, remote: RemoteFuture, local: "Future[Any]") -> None:
        # Dask has one thread for all callbacks, and fetching a result may wait for a worker that just died.
        if not self._stopped:
            self._settlers.submit(self._settle, remote, local)

    def _settle(self, remote: RemoteFuture, local: "Future[Any]") -> None:
        if not local.set_running_or_notify_cancel():
            return
        try:
            failure, result = remote.result(timeout=_GATHER_SECONDS)
        except KilledWorker as error:
            local.set_exception(DeliveryError(_lost(error)))
        except BaseException as error:  # noqa: BLE001 - the future's border: whatever it is goes where it is waited for
            local.set_exception(self._meaning(remote, error))
        else:
            if failure is None:
                local.set_result(result)
            else:
                local.set_exception(DeliveryError(failure))

    def _meaning(self, remote: RemoteFuture, error: BaseException) -> BaseException:
        """Return what the function raised as it is; whatever else ended the future, the cluster is not there."""
        if remote.status == "error" and not isinstance(error, OSError):
            return error
        return DeliveryError(_unreachable(self._address.scheduler, f"the request was lost ({remote.status})"))


class OneTry(SchedulerPlugin):  # type: ignore[misc]  # Dask's types are not checked
    """Has the scheduler give a request of ours up when its worker dies. By itself it would try three more workers."""

    name = "processor-one-try"
    idempotent = True

    async def start(self, scheduler: Any) -> None:
        """Take note of the scheduler (its side)."""
        self._scheduler = scheduler

    def transition(self, key: Any, start: str, finish: str, *_args: Any, **_more: Any) -> None:
        """Count a request that is given to a worker as if all its other workers had died."""
        del start
        if finish == "processing" and str(key).startswith(_KEYS):
            self._scheduler.tasks[key].suspicious = self._scheduler.allowed_failures


def versions() -> tuple[str, ...]:
    """Return what daemon and worker must have in common to understand each other and to write the same bytes."""
    python = ".".join(platform.python_version_tuple()[:2])
    return (f"protocol {PROTOCOL}", f"python {python}", *(f"{name} {metadata.version(name)}" for name in _ALIKE))


# On the worker


def run(theirs: tuple[str, ...], payload: bytes) -> tuple[Failure | None, Any]:
    """Run a pickled `(function, request)`; return the failure that is expected, or the result."""
    different = _different(theirs)
    if different is not None:
        return different, None
    function, request = pickle.loads(payload)  # noqa: S301 - the cluster trusts its members: see docs/SECURITY.md
    try:
        return None, function(request)
    except DeliveryError as error:
        return error.failure, None


def verdict(theirs: tuple[str, ...], check: Check) -> Failure | None:
    """Return why this worker can not work for whoever has these versions."""
    return _different(theirs) or check()


def worker_slots() -> int:
    """Return how many requests this process works on at the same time; 1 where it is no worker of Dask."""
    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return 1


def given_up() -> Callable[[], bool]:
    """Return how to ask whether the request that this thread works on has been given up, so that no one waits for it.

    It is when the daemon cancelled it or vanished, and when this worker has left the cluster.
    """
    try:
        worker = get_worker()
        key = worker.get_current_task()
    except ValueError:
        return lambda: False

    def ask() -> bool:
        task = worker.state.tasks.get(key)
        gone = worker.status in (Status.closed, Status.closing, Status.failed, Status.stopped)
        return gone or task is None or task.state != "executing"

    return ask


def _different(theirs: tuple[str, ...]) -> Failure | None:
    ours = versions()
    if theirs == ours:
        return None
    pairs = [f"{mine}, the daemon {other}" for mine, other in zip(ours, theirs, strict=False) if mine != other]
    return _other_version(f"this worker has {'; '.join(pairs)}")


def _other_version(text: str) -> Failure:
    hint = "install the same versions of everything on the daemon's host, the scheduler's and every worker's"
    return Failure(ErrorClass.OUTAGE, "cluster.version", text, hint)


def _unreachable(scheduler: str, error: object) -> Failure:
    text = f"the scheduler at {scheduler} can not be reached: {error}"
    return Failure(ErrorClass.OUTAGE, "cluster.unreachable", text, "check DASK_SCHEDULER, DASK_TLS_* and the network")


def _no_workers() -> Failure:
    return Failure(ErrorClass.OUTAGE, "cluster.no-workers", "the cluster has no workers", "start some: docs/SCALING.md")


def _lost(error: KilledWorker) -> Failure:
    address = getattr(error.last_worker, "address", "unknown")
    hint = "out of memory, or the host went down; other files are not affected"
    return Failure(ErrorClass.INFRASTRUCTURE, "cluster.worker-lost", f"the worker {address} died at work", hint)


def _close(client: Client) -> None:
    with contextlib.suppress(Exception):  # it is being left: nothing more is wanted of it
        client.close(timeout=_CONNECT_SECONDS)
