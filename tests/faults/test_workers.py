"""Workers are not trusted: what they can not reach, and that what kills one costs nobody else anything."""

import os
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pebble
import psutil
import pytest

from processor.engine.pool import Pool
from processor.store.s3 import S3Store
from processor.streams.inbox import Inbox
from processor.streams.sandbox import Limits
from tests.conftest import WaitUntil
from tests.e2e.daemon import ROOT, Daemon
from tests.faults import probes

_SECONDS = 60


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """The one directory that workers may read."""
    directory = tmp_path / "readable"
    directory.mkdir()
    (directory / "file").write_text("to be converted")
    return directory


@pytest.fixture
def pool(readable: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Two workers, born of a process that holds a secret."""
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    inbox = Inbox()
    pool = Pool(2, Limits(1024, (str(readable), str(ROOT / "tests"))), inbox.worker_end)
    yield pool
    pool.stop()
    inbox.close()


def test_a_worker_can_not_reach_the_network(pool: Pool, bucket: S3Store) -> None:
    port = int(str(bucket.settings.endpoint).rpartition(":")[2])
    assert probes.connect(port).startswith("succeeded"), "the probe itself works"
    assert pool.submit(probes.connect, port).result(_SECONDS).startswith("refused")


def test_a_worker_can_not_write_a_byte_into_any_file(pool: Pool, readable: Path, tmp_path: Path) -> None:
    for path in (readable / "new", readable / "file", tmp_path / "new", Path("/tmp/stolen"), Path("/dev/shm/stolen")):
        assert pool.submit(probes.write, str(path)).result(_SECONDS).startswith("refused"), path
    assert (readable / "file").read_text() == "to be converted"
    assert probes.write(str(tmp_path / "new")).startswith("succeeded"), "the probe itself works"


def test_a_worker_reads_what_it_is_to_convert_and_nothing_of_ours(pool: Pool, readable: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("ours")
    assert pool.submit(probes.read, str(readable / "file")).result(_SECONDS) == "succeeded: to be converted"
    if "file_system_confined" in pool.submit(probes.missing_protections, None).result(_SECONDS):
        pytest.skip("this kernel has no Landlock")
    for path in (tmp_path / "ledger.db", Path("/etc/passwd"), Path(f"/proc/{os.getpid()}/environ")):
        assert pool.submit(probes.read, str(path)).result(_SECONDS).startswith("refused"), path


def test_no_secret_is_in_a_workers_environment_or_command_line(pool: Pool) -> None:
    assert "hush-hush" not in str(pool.submit(probes.environment, None).result(_SECONDS))
    for child in psutil.Process().children(recursive=True):
        if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline()):
            assert "hush-hush" not in str(child.environ())
            assert "hush-hush" not in " ".join(child.cmdline())


def test_a_worker_that_bloats_fails_alone(pool: Pool) -> None:
    with pytest.raises(MemoryError):
        pool.submit(probes.bloat, 4096).result(_SECONDS)
    assert pool.submit(probes.bloat, 10).result(_SECONDS) == 10 << 20


def test_a_worker_that_crashes_fails_alone(pool: Pool) -> None:
    doomed = pool.submit(probes.crash, None)
    fine = [pool.submit(probes.answer, None) for _ in range(20)]
    with pytest.raises(pebble.ProcessExpired):
        doomed.result(_SECONDS)
    assert [each.result(_SECONDS) for each in fine] == ["here"] * 20


def test_a_worker_that_hangs_is_ended_when_its_task_is_cancelled(pool: Pool, wait_until: WaitUntil) -> None:
    hanging = [pool.submit(probes.hang, None) for _ in range(2)]
    wait_until(lambda: all(each.running() for each in hanging), timeout=_SECONDS)
    for each in hanging:
        each.cancel()
    for each in hanging:
        with pytest.raises(CancelledError):
            each.result(_SECONDS)
    assert pool.submit(probes.answer, None).result(_SECONDS) == "here"


def test_workers_killed_while_they_have_nothing_to_do_are_replaced(pool: Pool, wait_until: WaitUntil) -> None:
    assert pool.submit(probes.answer, None).result(_SECONDS) == "here"
    for _ in range(3):
        for child in psutil.Process().children():
            if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline()):
                child.kill()
        wait_until(lambda: _answers(pool), timeout=_SECONDS)


def _answers(pool: Pool) -> bool:
    try:
        return pool.submit(probes.answer, None).result(_SECONDS) == "here"
    except Exception:  # noqa: BLE001 - the pool was given up with the task in it: a try like any other
        return False


def test_no_secret_is_told_by_the_daemon_or_held_by_its_workers(daemon: Daemon) -> None:
    secret = daemon.environment["S3_SECRET_ACCESS_KEY"]
    daemon.environment["LOG_LEVEL"] = "debug"
    (daemon.watch / "table.csv").write_bytes(b"n,code\n1,001\n2,002\n")
    (daemon.watch / "broken.json").write_bytes(b"[{")
    daemon.start()
    daemon.until_at_rest(2)
    workers = daemon.workers()
    assert workers
    for each in workers:
        assert secret not in str(each.environ())
        assert secret not in " ".join(each.cmdline())
        assert not [name for name in each.environ() if name.startswith(("S3_", "AWS_"))]
    assert daemon.stop() == 0

    assert secret not in daemon.log.read_text()
    for path in (*daemon.errors.rglob("*"), *daemon.home.glob("ledger*")):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
