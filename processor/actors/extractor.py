"""The Extractor: have a worker unpack an archive."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from processor.actors.base import DeathNotice
from processor.actors.messages import Process
from processor.actors.worker_stage import WorkerSettings, WorkerStage
from processor.confined.entrypoint import ExtractRequest, share_extraction, stream_extraction
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import Facts
from processor.domain.files import ArchiveKind
from processor.domain.jobs import Job
from processor.engine.pool import Pool
from processor.engine.seam import Engine
from processor.remote.tasks import MOST_OBJECTS, Work
from processor.streams.inbox import Inbox

# Bytes; below this a second worker costs more than it brings. Not much, since a table takes 10 ms, however small.
_WORTH_SHARING = 256 << 10


@dataclass(frozen=True, slots=True)
class Sharing:
    """How many workers share a zip, and how many bytes each holds of a member before it is sent."""

    workers: int
    held_bytes: int


class Extractor(WorkerStage):
    """Takes `Process` for archives; a zip is shared among workers as `sharing` says."""

    def __init__(
        self,
        died: DeathNotice,
        settings: WorkerSettings,
        sharing: Sharing,
        extraction: ExtractionOptions,
        pool: Pool,
        inbox: Inbox,
        elsewhere: Engine | None = None,
    ) -> None:
        super().__init__(died, settings, pool, inbox, elsewhere)
        self._sharing = sharing
        self._extraction = extraction

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
            self.settings.root,
            job.file,
            replace(options, conversion=replace(options.conversion, threads=threads)),
            metadata,
            job.stored_members,
            workers=self._sharing.workers,
            held_bytes=self._sharing.held_bytes,
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
        return self._extraction.of_archive(job.file.feeds, job.file.relative_path)

    def _works(self, message: Process, metadata: Facts, elsewhere: Engine) -> Iterator[Work]:
        """Yield what workers elsewhere are to do: one share each of a zip, else all of the archive."""
        job, options = message.job, self._options(message.job)
        whole = Work(options, metadata, job.stored_members)
        if job.file.kind.archive is not ArchiveKind.ZIP:
            yield whole
            return
        request = ExtractRequest("", self.settings.root, job.file, options, metadata, workers=max(2, elsewhere.slots()))
        for share in self.call(share_extraction, replace(request, most_members=MOST_OBJECTS)):
            yield replace(whole, members=range(*share))
