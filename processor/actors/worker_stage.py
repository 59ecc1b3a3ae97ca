"""Base of Converter and Extractor: streams made by pool workers."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from processor.actors.base import DeathNotice, Stage
from processor.actors.messages import Process
from processor.config.choices import WorkerRenewal
from processor.confined.entrypoint import ConvertRequest, ExtractRequest
from processor.domain.jobs import Job
from processor.domain.object_keys import is_scattered
from processor.engine.pool import Pool
from processor.engine.seam import Engine
from processor.remote.tasks import Work
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream, result_of, start_stream

# Below this a second thread brings less than it costs.
_LARGE_BYTES = 32 << 20
# More of them than this bring nothing: each reads and writes as fast as the store takes.
_MOST_THREADS = 16

_Request = TypeVar("_Request", ConvertRequest, ExtractRequest)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker may read and how long it may be silent; smaller files than `least_elsewhere_bytes` stay here."""

    root: bytes  # the watched directory
    renewal: WorkerRenewal
    silent_seconds: float
    least_elsewhere_bytes: int = 0


class WorkerStage(Stage):
    """A stage whose work is done by the pool; or, where there is an engine `elsewhere`, handed out by the Uploader."""

    def __init__(
        self, died: DeathNotice, settings: WorkerSettings, pool: Pool, inbox: Inbox, elsewhere: Engine | None = None
    ) -> None:
        super().__init__(died, threads=1)
        self.elsewhere = elsewhere
        self.settings = settings
        self._pool = pool
        self._inbox = inbox
        self._at_work: set[Future[None]] = set()

    def start_stream(self, function: Callable[[_Request], None], request: Callable[[str], _Request]) -> ObjectStream:
        """Submit `function(request(stream_id))` to the pool and return its stream."""

        def submit(stream_id: str) -> Future[None]:
            work = self._submit(function, request(stream_id))
            self._at_work = {each for each in (*self._at_work, work) if not each.done()}
            return work

        return start_stream(self._inbox, submit, self.settings.silent_seconds)

    def threads_for(self, size_bytes: int) -> int:
        """Return how many threads a conversion may use: several for a large file that comes alone, else one.

        The rows and their order are the same either way.
        """
        alone = all(work.done() for work in self._at_work)
        return min(_MOST_THREADS, os.cpu_count() or 1) if alone and size_bytes >= _LARGE_BYTES else 1

    def call(self, function: Callable[[_Request], _Result], request: _Request) -> _Result:
        """Return `function(request)` as computed by a worker. Raises DeliveryError."""
        return result_of(self._submit(function, request), self.settings.silent_seconds)

    def _submit(self, function: Callable[[_Request], _Result], request: _Request) -> Future[_Result]:
        return self._pool.submit(function, request, self.settings.renewal.part_of(request.file.relative_path))

    def goes_elsewhere(self, job: Job) -> bool:
        """Tell whether the file is worth handing out: completing what comes back costs as much as a small file.

        What a worker left open of an archive is found below its key: one whose members lie elsewhere is not handed out.
        """
        worth_it = job.file.size_bytes >= self.settings.least_elsewhere_bytes
        return self.elsewhere is not None and worth_it and not is_scattered(job.file)

    def hand_out(self, message: Process, *works: Work) -> None:
        """Pass the job on to the Uploader, which has workers on other hosts do these works and completes them."""
        self.routes.uploader.tell(Process(message.job, resumable=message.resumable, works=works))

    def hand_over(self, message: Process, *streams: ObjectStream) -> None:
        """Pass the job on to the Uploader, which consumes the streams while they are made.

        The Uploader reports this step too, when the streams have ended: only their end tells that it is done.
        """
        self.routes.uploader.tell(Process(message.job, streams, message.resumable))
