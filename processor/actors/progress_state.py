"""State that the parts of Progress share."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pykka
from structlog.typing import FilteringBoundLogger

from processor.actors.counters import Counters
from processor.actors.messages import LookAgain
from processor.actors.routes import Routes
from processor.domain.feeds import AfterUpload, Feeds, feed_name
from processor.domain.files import FileMetadata, FileType
from processor.domain.jobs import Job
from processor.ledger.records import PutAway
from processor.ledger.writer import Ledger

Effect = Callable[[], None]


@dataclass(slots=True)
class Flight:
    """A job on its way, as far as it was heard of."""

    job: Job
    cost: int
    since: float = field(default_factory=time.monotonic)
    step_since: float = field(default_factory=time.monotonic)
    uploaded_bytes: int = 0
    objects: int = 0  # stored so far, as an archive has many


@dataclass(slots=True)
class ProgressState:
    """The ledger, the jobs on their way, and what holds for all files. Only Progress's thread touches it.

    `routes` returns the actors, which are known from `Meet` on. `may_be_due`: a look into the ledger may find a file to
    admit. `clean`: no uploads of an earlier process are left. `ended` are the jobs that come to their end in the group
    of reports that is being recorded: they are in `flights` until it is committed.
    """

    ledger: Ledger
    counters: Counters
    log: FilteringBoundLogger
    routes: Callable[[], Routes]
    feeds: Feeds
    default_after_upload: AfterUpload
    flights: dict[int, Flight] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    may_be_due: bool = True
    clean: bool = False
    draining: bool = False

    def after_upload(self, path: bytes) -> AfterUpload:
        """Return what becomes of the source, by the feeds that are in force now."""
        return self.feeds.delivery_of(path).after_upload or self.default_after_upload

    def more_may_be_due(self) -> None:
        """Look into the ledger at the next admission."""
        self.may_be_due = True

    def look_again(self, file: FileMetadata | PutAway) -> None:
        """Have the Watcher look at the file's place."""
        with contextlib.suppress(pykka.ActorDeadError):  # it ends before we do
            self.routes().watcher.tell(LookAgain(file.relative_path))


def own_feed(job: Job) -> str | None:
    """Return the feed that counts the file itself; an archive is counted by its members."""
    return None if job.file.kind.type is FileType.ARCHIVE else feed_name(job.file.feed)


def now_ms() -> int:
    """Return the time of day, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
