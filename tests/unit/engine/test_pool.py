"""When the pool has processes, and when it does without."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from processor.commands.plan import PlanRequest
from processor.confined.entrypoint import ConvertRequest, ExtractRequest
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import ConversionOptions
from processor.domain.files import FileMetadata
from processor.engine.pool import Budgeted, Pool
from processor.sandbox.confine import Limits
from processor.streams.inbox import Inbox
from processor.streams.worker_errors import WorkerCpuTimeError
from tests.processes import fork_servers


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


def _workers() -> int:
    return sum(each.ppid() == os.getpid() for each in fork_servers())


def test_a_pool_that_is_not_to_be_warm_has_no_process_before_its_first_work(inbox: Inbox, tmp_path: Path) -> None:
    pool = Pool(1, Limits(1024, (str(tmp_path),)), inbox.worker_end)
    try:
        assert _workers() == 0
        assert pool.submit(os.path.basename, "a/b").result(60) == "b"
        assert _workers() == 1
    finally:
        pool.stop()
    assert _workers() == 0


def test_a_pool_that_never_worked_can_be_renewed_and_stopped(inbox: Inbox, tmp_path: Path) -> None:
    pool = Pool(1, Limits(1024, (str(tmp_path),)), inbox.worker_end)
    pool.renew()
    pool.stop()
    assert _workers() == 0


def test_what_waits_for_a_worker_when_the_pool_is_stopped_is_not_waited_for_any_longer(
    inbox: Inbox, tmp_path: Path
) -> None:
    pool = Pool(1, Limits(1024, (str(tmp_path),)), inbox.worker_end)
    assert pool.submit(os.path.basename, "a/b").result(60) == "b"
    works = [pool.submit(time.sleep, 600) for _ in range(20)]
    pool.stop()
    for work in works:
        with pytest.raises(CancelledError):
            work.result(10)


@dataclass(frozen=True, slots=True)
class Busy:
    cpu_seconds: float


def spin(_request: Busy) -> None:
    while True:
        pass


def rest(_request: Busy) -> str:
    time.sleep(1)  # longer than the CPU time it has, but without using any
    return "rested"


def test_a_task_that_takes_more_cpu_time_than_it_may_is_ended_and_costs_no_other_anything(inbox: Inbox) -> None:
    functions_here = str(Path(__file__).parents[2])
    pool = Pool(1, Limits(1024, (functions_here,)), inbox.worker_end)
    try:
        assert pool.submit(rest, Busy(0)).result(60) == "rested"  # no limit: it imports this module first
        resting, busy, behind = pool.submit(rest, Busy(0.4)), pool.submit(spin, Busy(0.4)), pool.submit(rest, Busy(0))
        assert resting.result(60) == "rested"
        with pytest.raises(WorkerCpuTimeError):
            busy.result(60)
        assert behind.result(60) == "rested"
    finally:
        pool.stop()


def test_requests_for_files_are_budgeted_by_size() -> None:
    file = FileMetadata(b"/d/a", b"a", 500, 0, 0)
    convert = ConvertRequest("", b"/d", file, ConversionOptions(cpu_seconds_per_mb=3), ())
    extract = ExtractRequest("", b"/d", replace(file, size_bytes=10**7), ExtractionOptions(), ())
    planned = PlanRequest(b"/d", file, convert.options)
    assert all(isinstance(each, Budgeted) for each in (convert, extract, planned))
    assert (convert.cpu_seconds, extract.cpu_seconds, planned.cpu_seconds) == (6, 300, 6)
