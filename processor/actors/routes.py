"""References to all actors; the next one for a job."""

from dataclasses import dataclass
from typing import Any

import pykka

from processor.domain.jobs import Job, Step

Ref = pykka.ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Routes:
    """The seven actors."""

    watcher: Ref
    checksummer: Ref
    extractor: Ref
    converter: Ref
    uploader: Ref
    progress: Ref
    registrar: Ref

    def next_for(self, job: Job) -> Ref:
        """Return the actor that does the job's current step."""
        match job.current:
            case Step.CHECKSUM_CALCULATION | Step.TYPE_DETECTION:
                return self.checksummer
            case Step.ARCHIVE_EXTRACTION:
                return self.extractor
            case Step.PARQUET_CONVERSION:
                return self.converter
            case Step.STREAMING | Step.INTEGRITY_VERIFICATION:
                return self.uploader
            case Step.PROGRESS_UPDATE:
                return self.progress

    @property
    def everybody(self) -> tuple[Ref, ...]:
        """Return all of them, in the order in which they stop: whoever begins work first, the ledger's owner last."""
        return (
            self.watcher,
            self.checksummer,
            self.extractor,
            self.converter,
            self.uploader,
            self.registrar,
            self.progress,
        )

    @property
    def by_name(self) -> dict[str, Ref]:
        """Return all of them by their names."""
        return {ref.actor_class.__name__.lower(): ref for ref in self.everybody}
