"""Progress with a real ledger; the other actors only write down what they are told."""

import queue
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

import pykka
import pytest

from processor.actors.counters import Counters
from processor.actors.messages import (
    AbortOrphans,
    AbortUploads,
    Drain,
    FilePutAway,
    FilesFound,
    FileStored,
    HandedBack,
    KeysWanted,
    LookAgain,
    Meet,
    Obey,
    OrphansAborted,
    PartStored,
    ProbeStore,
    Process,
    PutFileAway,
    StepFailed,
    StepsCompleted,
    StoreProbed,
    Tick,
    UploadOpened,
    WatchIdle,
)
from processor.actors.progress import Progress, ProgressSettings
from processor.actors.routes import Routes
from processor.domain.errors import SOURCE_CHANGED, ErrorClass, Failure
from processor.domain.jobs import FIRST_STEPS, Job
from processor.domain.status import Order
from processor.domain.uploads import Part
from processor.ledger.records import Found
from processor.ledger.writer import Ledger

SECONDS = 60.0
SETTINGS = ProgressSettings(max_concurrency=4, max_retries=3, retry_delay_seconds=1.0)
HEARD = object()


class Listener(pykka.ThreadingActor):
    """Writes down what it is told, and gives it to who asks for HEARD."""

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if message is not HEARD:
            self.heard.append(message)
            return None
        heard, self.heard = self.heard, []
        return heard


@dataclass
class Ring:
    progress: Any
    others: dict[str, Any]
    counters: Counters
    idle: "queue.SimpleQueue[None]"
    deaths: "queue.SimpleQueue[tuple[str, BaseException]]" = field(default_factory=queue.SimpleQueue)

    def tell(self, *messages: Any) -> None:
        """Have the messages handled, and what they report recorded."""
        for message in messages:
            self.progress.tell(message)
        self.flights()

    def flights(self) -> tuple[Any, ...]:
        flights: tuple[Any, ...] = self.progress.ask(Obey(Order.FLIGHTS), timeout=SECONDS)
        return flights

    def told(self, name: str) -> list[Any]:
        heard: list[Any] = self.others[name].ask(HEARD, timeout=SECONDS)
        return heard

    def admitted(self) -> Job:
        """Return the one job that was sent to the Checksummer since the last look."""
        (message,) = [each for each in self.told("checksummer") if isinstance(each, Process)]
        job: Job = message.job
        return job


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    counters, idle = Counters(), queue.SimpleQueue[None]()
    deaths: queue.SimpleQueue[tuple[str, BaseException]] = queue.SimpleQueue()
    names = ("watcher", "checksummer", "extractor", "converter", "uploader", "registrar")
    others = {name: Listener.start() for name in names}
    ledger = Ledger(tmp_path / "progress.db", b"/in")
    progress = Progress.start(
        lambda name, error: deaths.put((name, error)), SETTINGS, ledger, counters, lambda: idle.put(None)
    )
    progress.tell(Meet(Routes(**others, progress=progress)))
    yield Ring(progress, others, counters, idle, deaths)
    refs: tuple[Any, ...] = (progress, *others.values())
    for ref in refs:
        ref.stop(timeout=SECONDS)


def found(name: bytes = b"a.bin", size: int = 1, at: int = 1) -> FilesFound:
    return FilesFound((Found(name, size, at),))


def hashed(job: Job, checksum: str = "ab" * 32) -> tuple[StepsCompleted, Job]:
    """Return what the Checksummer reports of a job, and the job as it goes on."""
    job = job.with_content(replace(job.file, checksum=checksum))
    return StepsCompleted(job, FIRST_STEPS), job.after(FIRST_STEPS[0]).after(FIRST_STEPS[1])


def admitted(ring: Ring) -> Job:
    ring.tell(OrphansAborted())
    assert ring.progress.ask(found(), timeout=SECONDS).new == 1
    return ring.admitted()


def test_nothing_is_begun_before_uploads_of_an_earlier_process_are_aborted(ring: Ring) -> None:
    ring.progress.ask(found(), timeout=SECONDS)
    assert ring.flights() == ()
    assert [type(each) for each in ring.told("uploader")] == [AbortOrphans]
    outage = Failure(ErrorClass.OUTAGE, "store.unreachable", "no answer")
    ring.tell(OrphansAborted(outage))
    assert ring.told("uploader") == [ProbeStore()]
    ring.tell(StoreProbed(None))
    assert [type(each) for each in ring.told("uploader")] == [AbortOrphans], "asked once more when the store is back"
    ring.tell(OrphansAborted())
    assert ring.admitted().attempt == 1


def test_a_file_that_was_stored_is_completed_once(ring: Ring) -> None:
    job = admitted(ring)
    steps, job = hashed(job)
    ring.tell(steps, FileStored(job, (1,)))
    ring.tell(FileStored(job, (1,)), WatchIdle())
    assert ring.flights() == ()
    assert sum(ring.counters.completed.values()) == 1
    ring.idle.get(timeout=SECONDS)
    assert ring.progress.ask(found(), timeout=SECONDS).known == 1
    assert ring.told("checksummer") == [], "it is not delivered again"


def test_reports_of_an_attempt_that_is_over_change_nothing_but_are_answered(ring: Ring) -> None:
    old = admitted(ring)
    ring.tell(HandedBack(old), Tick())
    new = ring.admitted()
    assert new.attempt == old.attempt + 1
    recorded, answer = Event(), queue.SimpleQueue[Failure | None]()
    steps, after = hashed(old)
    ring.tell(
        PartStored(old, "a.bin", Part(1, 1, "ab" * 32, "e"), recorded),
        KeysWanted(old, -1, ("a.bin",), answer),
        StepFailed(old, Failure(ErrorClass.PERMANENT, "store.denied", "no")),
        steps,
        FileStored(after, (1,)),
    )
    assert recorded.is_set()
    over = answer.get(timeout=SECONDS)
    assert over is not None
    assert over.code == "worker.silent"
    (flight,) = ring.flights()
    assert flight.job == new
    assert flight.uploaded_bytes == 0


def test_a_file_that_changed_during_its_upload_is_delivered_again_as_it_is_now(ring: Ring) -> None:
    job = admitted(ring)
    steps, after = hashed(job)
    ring.tell(steps, UploadOpened(after, "a.bin", "first"))
    assert ring.progress.ask(found(size=2, at=2), timeout=SECONDS).changed == 1
    assert len(ring.flights()) == 1, "one job a file"
    ring.told("uploader")
    ring.tell(StepFailed(after, Failure(ErrorClass.TRANSIENT, SOURCE_CHANGED, "it changed")), Tick())
    assert ring.told("watcher") == [LookAgain(b"a.bin")]
    ring.progress.ask(found(size=3, at=3), timeout=SECONDS)  # as it is found again, it waits out no delay
    again = ring.admitted()
    assert again.file.size_bytes == 3
    steps, _ = hashed(again, "cd" * 32)
    ring.tell(steps)
    (abort,) = [each for each in ring.told("uploader") if isinstance(each, AbortUploads)]
    assert [upload.resumption.upload_id for upload in abort.uploads] == ["first"]


def test_a_failed_file_is_put_away_once_and_the_end_waits_for_it(ring: Ring) -> None:
    job = admitted(ring)
    ring.tell(StepFailed(job, Failure(ErrorClass.PERMANENT, "csv.damaged", "no")), WatchIdle(), Tick())
    (put_away,) = ring.told("checksummer")
    assert isinstance(put_away, PutFileAway)
    assert ring.idle.empty()
    ring.tell(FilePutAway(put_away.file, gone=True, where="errors/a.bin"))
    ring.idle.get(timeout=SECONDS)
    ring.tell(Tick())
    assert ring.told("checksummer") == []


def test_a_failure_that_looks_like_an_outage_waits_for_a_probe_and_costs_no_try(ring: Ring) -> None:
    job = admitted(ring)
    ring.told("uploader")
    outage = Failure(ErrorClass.OUTAGE, "store.unreachable", "no answer")
    ring.tell(StepFailed(job, outage))
    assert ring.told("uploader") == [ProbeStore()]
    assert [flight.job for flight in ring.flights()] == [job], "nobody knows yet whose failure it is"
    ring.tell(StoreProbed(outage))
    assert ring.flights() == ()
    ring.progress.ask(found(b"b.bin"), timeout=SECONDS)
    assert ring.told("checksummer") == [], "nothing new is begun"
    assert sum(ring.counters.failed.values()) == 0


def test_a_stop_begins_nothing_and_ends_when_what_is_in_flight_has_ended(ring: Ring) -> None:
    job = admitted(ring)
    ring.tell(Drain())
    ring.progress.ask(found(b"b.bin"), timeout=SECONDS)
    ring.tell(Tick())
    assert ring.told("checksummer") == []
    assert ring.idle.empty()
    ring.tell(HandedBack(job))
    ring.idle.get(timeout=SECONDS)
    assert ring.flights() == ()


def test_an_order_holds_admission_until_it_is_released(ring: Ring) -> None:
    ring.tell(OrphansAborted())
    ring.progress.ask(Obey(Order.HOLD), timeout=SECONDS)
    ring.progress.ask(found(), timeout=SECONDS)
    assert ring.flights() == ()
    ring.progress.ask(Obey(Order.RELEASE), timeout=SECONDS)
    assert ring.admitted().file.relative_path == b"a.bin"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_death_is_told_with_its_reason(ring: Ring) -> None:
    ring.progress.tell(StepsCompleted(None, FIRST_STEPS))  # type: ignore[arg-type]
    name, error = ring.deaths.get(timeout=SECONDS)
    assert name == "progress"
    assert isinstance(error, AttributeError)
