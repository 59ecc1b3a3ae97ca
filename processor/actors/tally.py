"""What has happened since the start, counted: for the summary at the end and for metrics."""

from collections import Counter
from dataclasses import dataclass, field

from processor.domain.errors import Failure
from processor.domain.jobs import Job
from processor.ledger.writer import Intake


@dataclass(slots=True)
class Tally:
    """Counters that only grow; written by Progress alone, read by anybody."""

    files_new: int = 0
    files_changed: int = 0
    completed: Counter[str] = field(default_factory=Counter)  # by type
    completed_bytes: Counter[str] = field(default_factory=Counter)  # source bytes, by type
    unchanged: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by error code
    retries: Counter[str] = field(default_factory=Counter)  # by error code
    objects: int = 0
    object_bytes: int = 0

    def count_found(self, intake: Intake) -> None:
        """Count a batch of found files."""
        self.files_new += intake.new
        self.files_changed += intake.changed

    def count_stored(self, size_bytes: int) -> None:
        """Count an object that is stored and verified."""
        self.objects += 1
        self.object_bytes += size_bytes

    def count_completed(self, job: Job, *, uploaded: bool) -> None:
        """Count a job that came home."""
        if not uploaded:
            self.unchanged += 1
            return
        self.completed[job.file.kind.type] += 1
        self.completed_bytes[job.file.kind.type] += job.file.size_bytes

    def count_failed(self, failure: Failure, *, final: bool) -> None:
        """Count a failed try."""
        (self.failed if final else self.retries)[failure.code] += 1
