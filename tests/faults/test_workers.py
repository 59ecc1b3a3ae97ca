"""Workers are not trusted: what they can not reach, and that what kills one costs nobody else anything."""

import os
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
import structlog.testing

from processor.domain.errors import DeliveryError
from processor.engine.pool import Pool
from processor.sandbox.channel import BrokenReplyError
from processor.sandbox.confine import Limits
from processor.store.s3 import S3Store
from processor.streams.inbox import Inbox
from processor.streams.worker_errors import WorkerDiedError
from tests.conftest import WaitUntil
from tests.e2e.daemon import ROOT, Daemon
from tests.faults import probes
from tests.processes import command_line, fork_servers

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
    assert not pool.protections().missing
    for path in (tmp_path / "ledger.db", Path("/etc/passwd"), Path(f"/proc/{os.getpid()}/environ")):
        assert pool.submit(probes.read, str(path)).result(_SECONDS).startswith("refused"), path


def test_no_secret_is_in_a_workers_environment_or_command_line(pool: Pool) -> None:
    assert "hush-hush" not in str(pool.submit(probes.environment, None).result(_SECONDS))
    confined = fork_servers()
    assert confined
    for each in confined:
        assert "hush-hush" not in str(each.environ())
        assert "hush-hush" not in command_line(each)


def test_a_worker_that_bloats_fails_alone(pool: Pool) -> None:
    with pytest.raises(MemoryError):
        pool.submit(probes.bloat, 4096).result(_SECONDS)
    assert pool.submit(probes.bloat, 10).result(_SECONDS) == 10 << 20


def test_a_worker_that_crashes_fails_alone(pool: Pool) -> None:
    doomed = pool.submit(probes.crash, None)
    fine = [pool.submit(probes.answer, None) for _ in range(20)]
    with pytest.raises(WorkerDiedError):
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
        for each in fork_servers():
            each.kill()
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
        assert secret not in command_line(each)
        assert not [name for name in each.environ() if name.startswith(("S3_", "AWS_"))]
    assert daemon.stop() == 0

    assert secret not in daemon.log.read_text()
    for path in (*daemon.errors.rglob("*"), *daemon.home.glob("ledger*")):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


@pytest.fixture
def senders(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / "senders" / name).mkdir(parents=True)
        (tmp_path / "senders" / name / "file").write_text(f"of {name}")
    (tmp_path / "senders/file").write_text("of nobody")
    return tmp_path / "senders"


@pytest.fixture
def shared(senders: Path) -> Iterator[Pool]:
    """One worker at a time for all senders."""
    inbox = Inbox()
    pool = Pool(1, Limits(1024, (str(senders),)), inbox.worker_end, probes.loaded)
    yield pool
    pool.stop()
    inbox.close()


def _read(pool: Pool, path: Path, below: str) -> str:
    return pool.submit(probes.read, str(path), below).result(_SECONDS)


def test_a_worker_reads_the_files_of_one_sender_and_another_is_made_for_the_next(shared: Pool, senders: Path) -> None:
    pids = {}
    for own, other in (("a", "b"), ("b", "a")):
        assert _read(shared, senders / own / "file", own) == f"succeeded: of {own}"
        for path in (senders / other / "file", senders / "file"):
            assert _read(shared, path, own).startswith("refused"), path
        pids[own] = {shared.submit(probes.process, None, own).result(_SECONDS) for _ in range(3)}
    assert [len(each) for each in pids.values()] == [1, 1], "a sender's files share a worker"
    assert pids["a"] != pids["b"]


def test_a_worker_may_be_given_one_file_alone(shared: Pool, senders: Path) -> None:
    assert _read(shared, senders / "a/file", "a/file") == "succeeded: of a"
    (senders / "a/second").write_text("another")
    assert _read(shared, senders / "a/second", "a/file").startswith("refused")


def test_a_directory_that_is_made_anew_can_be_read(shared: Pool, senders: Path) -> None:
    assert _read(shared, senders / "a/file", "a") == "succeeded: of a"
    (senders / "a").rename(senders / "old")
    (senders / "a").mkdir()
    (senders / "a/file").write_text("new")
    assert _read(shared, senders / "a/file", "a") == "succeeded: new"


def test_a_worker_that_may_not_read_a_file_is_not_asked_again(shared: Pool) -> None:
    """It may have been given its directory while another lay there for a moment."""
    pids = []
    for code in ("source.changed", "source.forbidden", ""):
        pids.append(shared.submit(probes.process, None, "a").result(_SECONDS))
        if code:
            with pytest.raises(DeliveryError):
                shared.submit(probes.refuse, code, "a").result(_SECONDS)
    assert pids[0] == pids[1] != pids[2]


def test_a_link_in_the_place_of_a_directory_leads_no_worker_elsewhere(shared: Pool, senders: Path) -> None:
    (senders / "link").symlink_to(senders / "b")
    assert _read(shared, senders / "link/file", "link").startswith("refused")
    assert _read(shared, senders / "b/file", "link").startswith("refused")


def test_an_answer_that_is_nonsense_costs_only_the_worker_that_gave_it(pool: Pool) -> None:
    with pytest.raises(BrokenReplyError):
        pool.submit(probes.say_nonsense, None).result(_SECONDS)
    assert [pool.submit(probes.answer, None).result(_SECONDS) for _ in range(4)] == ["here"] * 4


def test_what_workers_print_is_logged_line_by_line_and_bounded(pool: Pool, wait_until: WaitUntil) -> None:
    with structlog.testing.capture_logs() as lines:
        pool.submit(probes.chatter, 2000).result(_SECONDS)
        wait_until(lambda: len(lines) == 1000, timeout=_SECONDS)
    assert {line["event"] for line in lines} == {"worker.output"}
    assert all(len(line["text"]) <= 2000 for line in lines)


def test_a_fork_server_that_is_killed_is_replaced(pool: Pool, wait_until: WaitUntil) -> None:
    assert pool.submit(probes.answer, None).result(_SECONDS) == "here"
    for each in fork_servers():
        if each.ppid() == os.getpid():
            each.kill()
    wait_until(lambda: _answers(pool), timeout=_SECONDS)
