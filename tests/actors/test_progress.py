"""Progress with a real ledger; the other actors only write down what they are told."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
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
    BringBack,
    BroughtBack,
    Drain,
    Drifted,
    FeedsRead,
    FilePutAway,
    FilesFound,
    FileStored,
    HandedBack,
    KeysWanted,
    LookAgain,
    Meet,
    NotRegistered,
    Obey,
    ObjectStored,
    OrphansAborted,
    PartStored,
    ProbeStore,
    Process,
    PutFileAway,
    Register,
    Registered,
    StepFailed,
    StepsCompleted,
    StoreManifest,
    StoreProbed,
    Tick,
    UploadClosed,
    UploadOpened,
    UploadsAborted,
    WatchIdle,
)
from processor.actors.notifier import Notifier
from processor.actors.progress import Progress, ProgressSettings
from processor.actors.routes import Routes
from processor.delivery.webhook import Webhook
from processor.domain.declarations import Drift
from processor.domain.errors import SOURCE_CHANGED, ErrorClass, Failure
from processor.domain.feeds import NO_FEEDS, AfterUpload, Feed, FeedMark, Feeds, FeedTable
from processor.domain.jobs import FIRST_STEPS, Job, Step
from processor.domain.notices import EventType
from processor.domain.status import Order
from processor.domain.tables import Registration, TableObject
from processor.domain.uploads import Part
from processor.feeds.patterns import path_patterns
from processor.ledger.database import LedgerFullError
from processor.ledger.records import Found
from processor.ledger.writer import Ledger
from tests.e2e.receiver import Receiver

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


class Gate:
    """In the place of an event that Progress sets: it is busy until the gate is opened."""

    def __init__(self) -> None:
        self.reached, self.open = Event(), Event()

    def set(self) -> None:
        self.reached.set()
        assert self.open.wait(SECONDS)


@dataclass
class Ring:
    progress: Any
    others: dict[str, Any]
    counters: Counters
    idle: "queue.SimpleQueue[None]"
    deaths: "queue.SimpleQueue[tuple[str, BaseException]]" = field(default_factory=queue.SimpleQueue)
    ledger: Ledger | None = None

    def tell(self, *messages: Any) -> None:
        """Have the messages handled, and what they report recorded."""
        for message in messages:
            self.progress.tell(message)
        self.flights()

    def tell_as_one_group(self, job: Job, *messages: Any) -> None:
        """Have the messages recorded in one transaction: they come while Progress, which has this job, is busy."""
        gate = Gate()
        self.progress.tell(PartStored(job, "no such upload", Part(1, 1, "ab" * 32, "e"), gate))  # type: ignore[arg-type]
        assert gate.reached.wait(SECONDS)
        for message in messages:
            self.progress.tell(message)
        gate.open.set()
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
def settings() -> ProgressSettings:
    return SETTINGS


@pytest.fixture
def notifier() -> Notifier | None:
    return None


@pytest.fixture
def ring(tmp_path: Path, settings: ProgressSettings, notifier: Notifier | None) -> Iterator[Ring]:
    with started(tmp_path, settings, notifier) as opened:
        yield opened


@contextmanager
def started(tmp_path: Path, settings: ProgressSettings = SETTINGS, notifier: Notifier | None = None) -> Iterator[Ring]:
    counters, idle = Counters(), queue.SimpleQueue[None]()
    deaths: queue.SimpleQueue[tuple[str, BaseException]] = queue.SimpleQueue()
    names = ("watcher", "checksummer", "extractor", "converter", "uploader", "registrar")
    others = {name: Listener.start() for name in names}
    ledger = Ledger(tmp_path / "progress.db", b"/in")
    ledger.recover(0)
    ledger.commit()
    progress = Progress.start(
        lambda name, error: deaths.put((name, error)),
        settings,
        ledger,
        counters,
        lambda: idle.put(None),
        NO_FEEDS,
        notifier,
    )
    progress.tell(Meet(Routes(**others, progress=progress)))
    yield Ring(progress, others, counters, idle, deaths, ledger)
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


DAMAGED = Failure(ErrorClass.PERMANENT, "csv.damaged", "no")
RESET = Failure(ErrorClass.TRANSIENT, "store.reset", "no")
STORING = (Step.STREAMING, Step.INTEGRITY_VERIFICATION)


def stored(job: Job) -> FileStored:
    return FileStored(hashed(job)[1], (1,))


@pytest.mark.parametrize("settings", [replace(SETTINGS, retry_delay_seconds=SECONDS * 10)])
@pytest.mark.parametrize("first", ["stored", "failed for good", "to be tried again", "handed back", "as an outage"])
@pytest.mark.parametrize("second", ["stored", "failed for good", "handed back"])
def test_the_second_final_report_of_an_attempt_changes_nothing(ring: Ring, first: str, second: str) -> None:
    job = admitted(ring)
    outage = Failure(ErrorClass.OUTAGE, "store.unreachable", "no answer")
    reports = {
        "stored": stored(job),
        "failed for good": StepFailed(job, DAMAGED),
        "to be tried again": StepFailed(job, RESET),
        "handed back": HandedBack(job),
        "as an outage": StepFailed(job, outage),
    }
    ring.tell_as_one_group(job, reports[first], reports[second])
    assert ring.deaths.empty()
    counted = (ring.counters.completed.total(), ring.counters.failed.total(), ring.counters.retries.total())
    assert counted == {"stored": (1, 0, 0), "failed for good": (0, 1, 0), "to be tried again": (0, 0, 1)}.get(
        first, (0, 0, 0)
    )
    assert len(ring.flights()) == (first == "as an outage")
    ring.tell(reports[second], Tick())
    assert ring.deaths.empty(), "nor does it in a group of its own"


def test_the_step_that_ends_a_job_and_its_failure_in_one_group_end_it_once(ring: Ring) -> None:
    job = admitted(ring)
    ring.tell(hashed(job)[0], stored(job))
    ring.progress.ask(found(at=2), timeout=SECONDS)
    again = ring.admitted()
    steps, _ = hashed(again)  # the content is in the store already: with this it is home
    ring.tell_as_one_group(again, steps, steps, StepFailed(again, DAMAGED))
    assert ring.deaths.empty()
    assert (ring.flights(), ring.counters.unchanged, ring.counters.failed.total()) == ((), 1, 0)


def test_a_group_that_met_a_full_disk_is_recorded_once_there_is_room(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor.actors.group_commit._FULL_PAUSE_SECONDS", 0.01)
    job = admitted(ring)
    assert ring.ledger is not None
    commit, full = ring.ledger.commit, iter([True, True])

    def once_there_is_room() -> None:
        if next(full, False):
            raise LedgerFullError("no space left")
        commit()

    monkeypatch.setattr(ring.ledger, "commit", once_there_is_room)
    ring.tell(hashed(job)[0], stored(job))
    assert (ring.flights(), ring.counters.completed.total(), ring.counters.ledger_full) == ((), 1, False)
    assert ring.progress.ask(found(), timeout=SECONDS).known == 1


def test_a_large_file_is_completed_by_its_manifest_after_all_is_recorded(ring: Ring) -> None:
    job = admitted(ring)
    steps, after = hashed(job)
    recorded = Event()
    part = Part(1, 5, "ab" * 32, "etag")
    ring.tell(steps, UploadOpened(after, "a.bin", "id"), PartStored(after, "a.bin", part, recorded))
    assert recorded.is_set()
    assert ring.flights()[0].uploaded_bytes == 5
    ring.tell(PartStored(after, "a.bin", part, recorded), UploadClosed(after, "a.bin"), UploadClosed(after, "a.bin"))
    entered = ObjectStored(after, -1, 0, {"key": "a.bin"}, 5)
    ring.tell(entered, entered, StepsCompleted(after, STORING))
    (manifest,) = [each for each in ring.told("uploader") if isinstance(each, StoreManifest)]
    assert manifest.job.current is Step.PROGRESS_UPDATE
    assert len(ring.flights()) == 1, "its manifest is still to be stored"
    ring.tell(Process(manifest.job), Process(manifest.job))
    assert (ring.flights(), ring.counters.completed.total()) == ((), 1)
    assert ring.deaths.empty()


def test_after_a_restart_a_job_goes_on_with_the_upload_that_is_open(tmp_path: Path) -> None:
    with started(tmp_path) as ring:
        job = admitted(ring)
        steps, after = hashed(job)
        part = Part(1, 5, "ab" * 32, "etag")
        ring.tell(steps, UploadOpened(after, "a.bin", "id"), PartStored(after, "a.bin", part, Event()))
    with started(tmp_path) as ring:
        ring.flights()
        assert [type(each) for each in ring.told("uploader")] == [AbortOrphans]
        ring.tell(OrphansAborted(), OrphansAborted())
        (message,) = [each for each in ring.told("checksummer") if isinstance(each, Process)]
        assert (message.job.attempt, message.job.row) == (2, job.row)
        (open_,) = message.resumable
        assert (open_.key, open_.resumption.upload_id, open_.resumption.parts) == ("a.bin", "id", {1: part})
        late = FileStored(after, (1,))
        ring.tell(late)
        assert [flight.job.attempt for flight in ring.flights()] == [2], "what the dead one would say counts no more"


def test_uploads_that_were_aborted_are_asked_for_no_more(tmp_path: Path) -> None:
    with started(tmp_path) as ring:
        job = admitted(ring)
        steps, after = hashed(job)
        ring.tell(steps, UploadOpened(after, "a.bin", "id"), StepFailed(after, DAMAGED))
    with started(tmp_path) as ring:
        ring.flights()
        (abort,) = [each for each in ring.told("uploader") if isinstance(each, AbortUploads)]
        assert [upload.resumption.upload_id for upload in abort.uploads] == ["id"]
        ring.tell(UploadsAborted(abort.uploads), UploadsAborted(abort.uploads))
    with started(tmp_path) as ring:
        ring.flights()
        assert [type(each) for each in ring.told("uploader")] == [AbortOrphans]


def test_a_failed_file_that_was_brought_back_is_tried_once_with_all_its_tries(ring: Ring) -> None:
    job = admitted(ring)
    ring.tell(StepFailed(job, DAMAGED))
    (put_away,) = [each for each in ring.told("checksummer") if isinstance(each, PutFileAway)]
    ring.tell(FilePutAway(put_away.file, gone=True, where="errors/a.bin"))
    ring.tell(FilePutAway(put_away.file, gone=True, where="errors/a.bin"))
    assert ring.progress.ask(Obey(Order.RETRY), timeout=SECONDS) == 1
    assert ring.told("checksummer") == [BringBack(((job.row, b"a.bin"),))]
    back = BroughtBack(job.row, Found(b"a.bin", 1, 1))
    ring.tell(back, Tick())
    again = ring.admitted()
    assert again.attempt == job.attempt + 1
    ring.tell(back, Tick())
    assert [flight.job for flight in ring.flights()] == [again], "told twice, it does not begin another"
    assert ring.told("checksummer") == []


@pytest.mark.parametrize("settings", [replace(SETTINGS, after_upload=AfterUpload.DELETE)])
def test_a_delivered_file_is_put_away_as_the_settings_say(ring: Ring) -> None:
    job = admitted(ring)
    ring.tell(hashed(job)[0], stored(job))
    (put_away,) = [each for each in ring.told("checksummer") if isinstance(each, PutFileAway)]
    assert put_away.after_upload is AfterUpload.DELETE
    ring.tell(WatchIdle(), FilePutAway(put_away.file, gone=False, held=True))
    assert ring.told("watcher") == [LookAgain(b"a.bin")]
    ring.idle.get(timeout=SECONDS)


TABLE = FeedTable("sales.orders")
ORDERS = Feed("orders", path_patterns("*.csv"), table=TABLE)


@pytest.mark.parametrize("settings", [replace(SETTINGS, table_commit_seconds=0.0)])
def test_a_table_gets_one_batch_at_a_time_and_the_same_one_until_its_end_is_known(ring: Ring) -> None:
    ring.tell(FeedsRead(Feeds((ORDERS,))), OrphansAborted())
    ring.progress.ask(found(b"a.csv"), timeout=SECONDS)
    job = ring.admitted()
    assert job.file.feed == ORDERS
    steps, after = hashed(job)
    ring.tell(steps, FileStored(after, (1,), (TableObject(TABLE, "a.csv.parquet", "cd" * 32, 1, 1),)), WatchIdle())
    (first,) = [each.batch for each in ring.told("registrar") if isinstance(each, Register)]
    assert ring.idle.empty(), "it is waited for"
    out = Failure(ErrorClass.OUTAGE, "catalog.unreachable", "no answer")
    ring.tell(NotRegistered(first, out), NotRegistered(first, out))
    assert ring.counters.catalog_problem
    batches: list[Any] = []
    for _ in range(int(SECONDS / 0.05)):
        if batches := [each.batch for each in ring.told("registrar") if isinstance(each, Register)]:
            break
        Event().wait(0.05)  # its pause is at most a second
        ring.tell(Tick())
    assert batches == [first]
    done = Registration(7, {}, added_rows=1)
    ring.tell(Registered(first, done), Registered(first, done), NotRegistered(first, out))
    assert (ring.counters.table_commits, ring.counters.catalog_problem) == (1, "")
    ring.idle.get(timeout=SECONDS)


def test_drift_is_counted_and_an_unknown_name_is_no_label(ring: Ring) -> None:
    ring.tell(Drifted("orders", b"a.csv", ((Drift.MISSING, "id"), (Drift.EXTRA, "a stranger's"))))
    assert ring.progress.ask(Obey(Order.DRIFT), timeout=SECONDS) == [
        ("orders", Drift.EXTRA, "", 1),
        ("orders", Drift.MISSING, "id", 1),
    ]


def test_a_member_of_a_feed_counts_once_whatever_lies_beside_it(ring: Ring) -> None:
    job = admitted(ring)
    mark = FeedMark("orders", "digest")
    entered = [ObjectStored(job, 0, content, {}, 1, mark, 2, 1) for content in (1, 2)]
    ring.tell(*entered)
    assert ring.counters.feed_files["orders", "completed"] == 1
    assert (ring.counters.objects, ring.counters.rejected_rows) == (2, 4)
    assert ring.flights()[0].objects == 2


@pytest.mark.parametrize("settings", [replace(SETTINGS, events=frozenset(EventType))])
def test_events_are_told_to_a_receiver_and_forgotten(tmp_path: Path, settings: ProgressSettings) -> None:
    receiver = Receiver()
    notifier = Notifier(Webhook(receiver.url, "", "s3://bucket/"), 0.01)
    with started(tmp_path, settings, notifier) as ring:
        job = admitted(ring)
        ring.tell(hashed(job)[0], stored(job), WatchIdle())
        ring.idle.get(timeout=SECONDS)
        assert ring.counters.notices_taken == 1, "the end waits for a receiver that answers"
        ring.tell(Tick())
        assert ring.counters.outbox == 0
    assert [event["subject"] for event in receiver.taken] == ["a.bin"]
    receiver.close()
