"""The Extractor: who has a worker take an archive apart, and hands the stream of members to the Uploader."""

import os

from processor.actors.messages import Process
from processor.actors.workshop import WorkerStage
from processor.domain.keys import escape
from processor.steps.streaming import ExtractRequest, stream_extraction


class Extractor(WorkerStage):
    """Takes `Process` for archives."""

    def work(self, message: Process) -> None:
        """Start the extraction; members that are stored already are left out."""
        job = message.job
        options = self.settings.extraction
        metadata = (("source-sha256", job.file.checksum or ""), ("source-path", escape(job.file.relative_path)))
        root = os.fsencode(self.settings.watch_path)
        self.start_stream(
            message,
            stream_extraction,
            lambda id_: ExtractRequest(id_, root, job.file, options, metadata, job.stored_members),
        )
