"""The Registrar: what it reports of batches, and of the death of the catalog's process."""

import os
import queue
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from processor.actors.messages import NotRegistered, Register, Registered
from processor.actors.registrar import Registrar
from processor.config.choices import CatalogType
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.feeds import FeedTable
from processor.domain.tables import Batch, Registration
from processor.ledger.writer import Ledger
from processor.store.settings import StoreSettings
from processor.tables.catalog_process import CatalogProcess
from processor.tables.requests import CommitBatch
from processor.tables.settings import CatalogSettings
from tests.actors.among_listeners import SECONDS, Stage

BATCH = Batch("batch-1", 1, FeedTable("sales.orders"), "writer")


class SmallCatalog:
    """Commits what it is asked to, or refuses; `answers` are taken in their order."""

    def __init__(self, *answers: Registration | Failure | BaseException) -> None:
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for each in answers:
            self.answers.put(each)
        self.asked: list[Any] = []
        self.stopped = False

    def ask(self, request: Any) -> Registration:
        self.asked.append(request)
        answer = self.answers.get(timeout=SECONDS)
        if isinstance(answer, Failure):
            raise DeliveryError(answer)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Registration)
        return answer

    def stop(self) -> None:
        self.stopped = True


def test_batches_are_committed_one_after_the_other(stage: Stage) -> None:
    done = Registration(7, {}, added_rows=2)
    out = Failure(ErrorClass.OUTAGE, "catalog.unreachable", "no answer")
    catalog = SmallCatalog(out, done)
    stage.enter("registrar", Registrar, catalog)
    stage.tell(Register(BATCH))
    assert stage.hear("progress", NotRegistered) == NotRegistered(BATCH, out)
    stage.tell(Register(BATCH))
    assert stage.hear("progress", Registered) == Registered(BATCH, done)
    assert catalog.asked == [CommitBatch(BATCH), CommitBatch(BATCH)]
    stage.ref.stop(timeout=SECONDS)
    assert catalog.stopped


def test_a_bug_is_told_as_its_death(stage: Stage) -> None:
    stage.enter("registrar", Registrar, SmallCatalog(ZeroDivisionError("a bug")))
    stage.tell(Register(BATCH))
    name, error = stage.died.get(timeout=SECONDS)
    assert (name, str(error)) == ("registrar", "a bug")


def test_without_a_catalog_it_starts_and_stops(stage: Stage) -> None:
    stage.enter("registrar", Registrar, None)
    stage.ref.stop(timeout=SECONDS)
    assert stage.died.empty()


def test_when_the_catalog_s_process_is_killed_the_batch_is_not_known_to_be_committed(
    stage: Stage, tmp_path: Path
) -> None:
    pytest.importorskip("pyiceberg")
    Ledger(tmp_path / "progress.db", os.fsencode(tmp_path)).close()
    store = StoreSettings(bucket="bucket", endpoint="http://127.0.0.1:9", access_key_id="a", secret_access_key="b")
    settings = CatalogSettings(
        CatalogType.SQL, "sqlite://", "s3://bucket/tables", store, tmp_path / "progress.db", os.fsencode(tmp_path)
    )
    catalog = CatalogProcess(settings, 1024)
    stage.enter("registrar", Registrar, catalog)
    stage.tell(Register(BATCH))
    deadline = time.monotonic() + SECONDS
    while (pid := catalog.pid) is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    assert stage.hear("progress", NotRegistered).failure.code == "catalog.died"
    assert catalog.pid is None, "the next batch starts another"
