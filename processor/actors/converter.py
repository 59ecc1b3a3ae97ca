"""The Converter: a worker turns a data file into Parquet."""

from dataclasses import replace
from typing import Any

from processor.actors.base import DeathNotice
from processor.actors.messages import Process
from processor.actors.worker_stage import WorkerSettings, WorkerStage
from processor.confined.entrypoint import ConvertRequest, stream_conversion
from processor.domain.conversion import ConversionOptions
from processor.engine.pool import Pool
from processor.engine.seam import Engine
from processor.remote.tasks import Work
from processor.streams.inbox import Inbox


class Converter(WorkerStage):
    """Takes `Process` for data files."""

    def __init__(
        self,
        died: DeathNotice,
        settings: WorkerSettings,
        conversion: ConversionOptions,
        pool: Pool,
        inbox: Inbox,
        elsewhere: Engine | None = None,
    ) -> None:
        super().__init__(died, settings, pool, inbox, elsewhere)
        self._conversion = conversion

    def handle(self, message: Any) -> Any:
        """Work on the message here and now: it is handed on, nothing is waited for."""
        match message:
            case Process():
                self.guarded(message)
            case _:
                super().handle(message)

    def work(self, message: Process) -> None:
        """Start the conversion; the job moves on at once, since the Uploader consumes what the worker makes."""
        job = message.job
        options = job.file.reading(self._conversion)
        if self.goes_elsewhere(job):
            self.hand_out(message, Work(options, job.file.facts))
            return
        options = replace(options, threads=self.threads_for(job.file.size_bytes))
        stream = self.start_stream(
            stream_conversion, lambda id_: ConvertRequest(id_, self.settings.root, job.file, options, job.file.facts)
        )
        self.hand_over(message, stream)
