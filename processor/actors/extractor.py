"""The Extractor: have a worker unpack an archive."""

import os
from collections.abc import Iterator
from dataclasses import replace

from processor.actors.messages import Process
from processor.actors.worker_stage import WorkerStage
from processor.confined.entrypoint import ExtractRequest, share_extraction, stream_extraction
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import Facts
from processor.domain.files import ArchiveKind
from processor.domain.jobs import Job
from processor.engine.seam import Engine
from processor.feeds.patterns import member_patterns
from processor.remote.tasks import MOST_OBJECTS, Work

# Bytes; below this a second worker costs more than it brings. Not much, since a table takes 10 ms, however small.
_WORTH_SHARING = 256 << 10


class Extractor(WorkerStage):
    """Takes `Process` for archives."""

    def work(self, message: Process) -> None:
        """Start the extraction; members that are stored already are left out. A large zip is shared among workers."""
        job = message.job
        metadata = job.file.facts
        if self.elsewhere is not None and self.goes_elsewhere(job):
            self.hand_out(message, *self._works(message, metadata, self.elsewhere))
            return
        threads = self.threads_for(job.file.size_bytes) if job.file.kind.archive is not ArchiveKind.ZIP else 1
        options = self._options(job)
        request = ExtractRequest(
            "",
            os.fsencode(self.settings.watch_path),
            job.file,
            replace(options, conversion=replace(options.conversion, threads=threads)),
            metadata,
            job.stored_members,
            workers=self.settings.workers or os.cpu_count() or 1,
            held_bytes=self.settings.stream_part_size,
        )
        shares: tuple[range | None, ...] = (None,)
        if job.file.kind.archive is ArchiveKind.ZIP and request.workers > 1 and job.file.size_bytes >= _WORTH_SHARING:
            shares = tuple(range(*share) for share in self.call(share_extraction, request))
        streams = [
            self.start_stream(stream_extraction, lambda id_: replace(request, stream_id=id_, members=share))  # noqa: B023
            for share in shares
        ]
        self.hand_over(message, *streams)

    def _options(self, job: Job) -> ExtractionOptions:
        patterns = member_patterns(self.settings.include, self.settings.exclude)
        return replace(self.settings.extraction, feeds=job.file.feeds, patterns=patterns, path=job.file.relative_path)

    def _works(self, message: Process, metadata: Facts, elsewhere: Engine) -> Iterator[Work]:
        """Yield what workers elsewhere are to do: one share each of a zip, else all of the archive."""
        job, options = message.job, self._options(message.job)
        whole = Work(options, metadata, job.stored_members)
        if job.file.kind.archive is not ArchiveKind.ZIP:
            yield whole
            return
        root = os.fsencode(self.settings.watch_path)
        request = ExtractRequest("", root, job.file, options, metadata, workers=max(2, elsewhere.slots()))
        for share in self.call(share_extraction, replace(request, most_members=MOST_OBJECTS)):
            yield replace(whole, members=range(*share))
