"""When the pool has processes, and when it does without."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from processor.engine.pool import Pool
from processor.sandbox.confine import Limits
from processor.streams.inbox import Inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


def _workers() -> int:
    alive = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return sum("fork_server" in " ".join(child.cmdline()) for child in alive)


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
