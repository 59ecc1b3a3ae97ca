"""Messages between actors.

A past participle tells a fact, a verb asks for something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event

from processor.actors.routes import Routes
from processor.domain.declarations import Drift
from processor.domain.errors import Failure
from processor.domain.feeds import AfterUpload, FeedMark, Feeds
from processor.domain.jobs import Job, Step
from processor.domain.status import Order
from processor.domain.tables import Batch, Registration, TableObject
from processor.domain.uploads import FileDigests, Part
from processor.ledger.records import BadMembers, Found, PutAway, UnfinishedUpload
from processor.remote.tasks import Work
from processor.streams.object_stream import ObjectStream


@dataclass(frozen=True, slots=True)
class Meet:
    """Here is everybody: sent by app to each actor, before anything else."""

    routes: Routes


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you answering? Asked by app and the supervisor."""


@dataclass(frozen=True, slots=True)
class FilesFound:
    """These files are whole: asked by the Watcher, whom the answer (Intake) paces."""

    files: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class FeedsRead:
    """From now on these feeds are in force: told to Progress by app, after a SIGHUP."""

    feeds: Feeds


@dataclass(frozen=True, slots=True)
class WatchIdle:
    """What lay there at the start was reported, but for files that go on changing: told by the Watcher, once."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Look what lies there: told to the Watcher by Progress, who has forgotten the file or met another in its place."""

    relative_path: bytes


@dataclass(frozen=True, slots=True)
class Process:
    """Take the job's current step: told from stop to stop along the slip.

    `streams` are what workers make of the file meanwhile, `works` what workers of a cluster are to do with it,
    `digests` those of a file that is sent as it is, in several parts; only the Uploader is told any. `resumable` are
    uploads that an earlier try left open.
    """

    job: Job
    streams: tuple[ObjectStream, ...] = ()
    resumable: tuple[UnfinishedUpload, ...] = ()
    digests: FileDigests | None = None
    works: tuple[Work, ...] = ()


@dataclass(frozen=True, slots=True)
class StepsCompleted:
    """These steps are done; `job` is as it was with them still ahead. Told to Progress by whoever did them."""

    job: Job
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The job's current step failed. Told to Progress, which decides what becomes of the job.

    `judged`: it is known whose failure it is, so no probe is asked once more.
    """

    job: Job
    failure: Failure
    bad_members: BadMembers = ()
    judged: bool = False


@dataclass(frozen=True, slots=True)
class HandedBack:
    """Nobody works on the job any more, since the daemon stops: told by the Checksummer; the next start begins anew."""

    job: Job


@dataclass(frozen=True, slots=True)
class UploadOpened:
    """A multipart upload was begun: told by the Uploader before its first part."""

    job: Job
    key: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class PartStored:
    """The store has taken and verified a part: told by the Uploader, which goes on when `recorded` is set.

    So at most the parts in flight are sent again after a crash.
    """

    job: Job
    key: str
    part: Part
    recorded: Event


@dataclass(frozen=True, slots=True)
class UploadClosed:
    """The upload was completed or aborted: told by the Uploader."""

    job: Job
    key: str


@dataclass(frozen=True, slots=True)
class ObjectStored:
    """An object is stored and verified; `details` is what the manifest will say of it. Told by the Uploader."""

    job: Job
    member: int
    content: int
    details: Mapping[str, object]
    size_bytes: int
    feed: FeedMark | None = None
    rejected: int = 0  # lines in the rejects of this table
    notes: int = 0


@dataclass(frozen=True, slots=True)
class FileStored:
    """A file of one or two small objects is stored and verified, its manifest too. Told by the Uploader.

    Little of it was recorded on its way: should this be lost, they may be stored once more. `job` is as it was with the
    storing still ahead, `sizes` are those of the objects, in bytes.
    """

    job: Job
    sizes: tuple[int, ...]
    tables: tuple[TableObject, ...] = ()  # those of the objects that belong to tables
    rejected: int = 0  # lines in the rejects of the tables
    notes: int = 0


@dataclass(frozen=True, slots=True)
class Drifted:
    """A file, or a member, is delivered and was not quite as its feed declares: told by the Uploader."""

    feed: str
    path: bytes
    drift: tuple[tuple[Drift, str], ...]


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """Keys that a template made are about to be written: told by the Uploader, who waits for the answer.

    `answer` is given None when they are the member's (-1: the file's), else the reason why they are not.
    """

    job: Job
    member: int
    keys: tuple[str, ...]
    answer: SimpleQueue[Failure | None]


@dataclass(frozen=True, slots=True)
class StoreManifest:
    """Every object of the job is recorded: write its manifest. Told by Progress to the Uploader."""

    job: Job


@dataclass(frozen=True, slots=True)
class AbortUploads:
    """These uploads belong to content that is no more: told by Progress to the Uploader."""

    uploads: tuple[UnfinishedUpload, ...]


@dataclass(frozen=True, slots=True)
class UploadsAborted:
    """These uploads are gone from the store: told by the Uploader to Progress."""

    uploads: tuple[UnfinishedUpload, ...]


@dataclass(frozen=True, slots=True)
class AbortOrphans:
    """Find and abort unrecorded uploads at `places`; told by Progress to the Uploader before anything is admitted."""

    places: tuple[str, ...]
    recorded: frozenset[str]


@dataclass(frozen=True, slots=True)
class OrphansAborted:
    """None is left; `failure` tells why the store could not be asked. Told by the Uploader to Progress."""

    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ProbeStore:
    """Is the store back? Told by Progress to the Uploader during an outage."""


@dataclass(frozen=True, slots=True)
class StoreProbed:
    """The answer: None when the store works. Told by the Uploader to Progress."""

    failure: Failure | None


@dataclass(frozen=True, slots=True)
class PutFileAway:
    """The file's end is recorded; move or delete it. Told by Progress to the Checksummer."""

    file: PutAway
    after_upload: AfterUpload


@dataclass(frozen=True, slots=True)
class FilePutAway:
    """It is gone from the watched directory, or had to stay (`gone` is False). Told by the Checksummer to Progress.

    `where` it lies now, escaped; None when nothing was moved. `held`: somebody has it open for writing, or it is
    another by now; it stays until it is found again.
    """

    file: PutAway
    gone: bool
    where: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class BringBack:
    """Move these failed files back to where they came from. Told by Progress to the Checksummer."""

    files: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """The file of this row lies where it was again: told by the Checksummer to Progress."""

    row: int
    found: Found


@dataclass(frozen=True, slots=True)
class Register:
    """Commit this batch to its table: told by Progress to the Registrar, one at a time."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Registered:
    """The batch came to its end: told by the Registrar to Progress."""

    batch: Batch
    result: Registration


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """It is not known what became of the batch; it is to be sent again. Told by the Registrar to Progress."""

    batch: Batch
    failure: Failure


@dataclass(frozen=True, slots=True)
class Obey:
    """An operator's order: asked by the control socket. `path` is absolute; None means all. `feed`: all of it.

    `table` is of TABLES: refused objects of that one, or of all, wait again.
    """

    order: Order
    path: bytes | None = None
    since_ms: int | None = None
    feed: str | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class NoticesTaken:
    """The receiver took events, up to this number: told to Progress by the notifier, who waits for the next ones."""

    last: int
    count: int


@dataclass(frozen=True, slots=True)
class NoticesRefused:
    """A request was not taken, and why: told to Progress by the notifier, who tries again after a while."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: told by the supervisor several times a second."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Begin nothing more, and hash no large file: told by the supervisor to Watcher, Progress and Checksummer."""
