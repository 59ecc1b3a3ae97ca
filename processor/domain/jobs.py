"""Jobs and their routing slips."""

from dataclasses import dataclass, replace
from enum import StrEnum

from processor.domain.files import FileMetadata, FileType
from processor.domain.status import Status as Status  # noqa: PLC0414 - a job's word, too
from processor.domain.timeline import NO_TIMELINE, Milestone, Timeline, now_ms


class Step(StrEnum):
    """The stops of a job, in their order."""

    CHECKSUM_CALCULATION = "checksum_calculation"
    TYPE_DETECTION = "type_detection"
    ARCHIVE_EXTRACTION = "archive_extraction"
    PARQUET_CONVERSION = "parquet_conversion"
    STREAMING = "streaming"
    INTEGRITY_VERIFICATION = "integrity_verification"
    PROGRESS_UPDATE = "progress_update"


class Delivered(StrEnum):
    """How much of the content that `checksum` names is in the store."""

    NOTHING = ""
    OBJECTS = "objects"  # every object, verified; the manifest is due
    MANIFEST = "manifest"  # all of it


FIRST_STEPS = (Step.CHECKSUM_CALCULATION, Step.TYPE_DETECTION)
_DELIVERY = (Step.STREAMING, Step.INTEGRITY_VERIFICATION, Step.PROGRESS_UPDATE)


def slip_for(file_type: FileType) -> tuple[Step, ...]:
    """Return the steps that lie ahead once the type is known. Every slip ends in `progress_update`."""
    match file_type:
        case FileType.ARCHIVE:
            return (Step.ARCHIVE_EXTRACTION, *_DELIVERY)
        case FileType.DATABASE:
            return (Step.PARQUET_CONVERSION, *_DELIVERY)
        case FileType.REGULAR:
            return _DELIVERY


@dataclass(frozen=True, slots=True)
class Job:
    """A file on its way: at most 1 KB of memory, immutable, told from actor to actor.

    `row` is the file's id in the ledger and `attempt` the number of this try, from 1: reports of an older attempt are
    recognised by it and ignored. `known_checksum`, `delivered` and `stored_members` tell what earlier tries reached:
    they hold only while the content still has that checksum. `stored_members` are ranges `(first, past_last)`.
    `was_begun`: objects of this content may be in the store of which nobody told. `started_ns` is monotonic.
    """

    id: str
    row: int
    file: FileMetadata
    attempt: int
    started_ns: int
    slip: tuple[Step, ...] = FIRST_STEPS
    done: tuple[Step, ...] = ()
    known_checksum: str | None = None
    delivered: Delivered = Delivered.NOTHING
    stored_members: tuple[tuple[int, int], ...] = ()
    was_begun: bool = False
    timeline: Timeline = NO_TIMELINE

    @property
    def current(self) -> Step:
        """Return the step that is next, or being done."""
        return self.slip[0]

    @property
    def may_supersede(self) -> bool:
        """Tell whether something of the file may have been delivered before."""
        return self.attempt > 1 or self.known_checksum is not None

    def after(self, step: Step) -> "Job":
        """Return the job with `step`, which must be the next one, done."""
        assert self.slip[:1] == (step,), f"{step} is not the next of {self.slip}"
        return replace(self, slip=self.slip[1:], done=(*self.done, step))

    def reached(self, milestone: Milestone, at_ms: int | None = None) -> "Job":
        """Return the job with this milestone passed, now unless said otherwise."""
        return replace(self, timeline=self.timeline.reached(milestone, now_ms() if at_ms is None else at_ms))

    def with_content(self, file: FileMetadata) -> "Job":
        """Return the job with its file's checksum and kind known, so with the rest of its slip.

        Content that is in the store already goes home at once; content that changed forgets what was reached.
        """
        same = file.checksum is not None and file.checksum == self.known_checksum
        delivered = self.delivered if same else Delivered.NOTHING
        # A first try that was killed recorded no checksum; where one was delivered before, all is wanted once more.
        killed = self.attempt > 1 and self.known_checksum is None and self.delivered is Delivered.NOTHING
        slip = slip_for(file.kind.type) if delivered is Delivered.NOTHING else (Step.PROGRESS_UPDATE,)
        return replace(
            self,
            file=file,
            slip=(*(step for step in self.slip if step in FIRST_STEPS), *slip),
            delivered=delivered,
            stored_members=self.stored_members if same else (),
            was_begun=same or killed,
        )
