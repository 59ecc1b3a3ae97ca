"""Starting: settings judged all at once, one daemon a ledger, the log level and the stacks on a signal."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.trees import MIB, write, write_large

CONFIGURATION = 78


@pytest.fixture
def is_warm() -> bool:
    """Start each daemon as an operator does: how it starts is what is looked at."""
    return False


def test_every_mistake_in_the_settings_is_told_at_once(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(
        MAX_CONCURRENCY="many",
        PARQUET_COMPRESSION="LZO",
        S3_ENDPOINT="ftp://example",
        S3_SECRET_ACCESS_KEY="hush-hush",
        STABILITY_THRESHOLD="-1",
    )
    del daemon.environment["WATCH_PATH"]

    assert daemon.once() == CONFIGURATION

    said = daemon.tail()
    for name in ("MAX_CONCURRENCY", "PARQUET_COMPRESSION", "S3_ENDPOINT", "STABILITY_THRESHOLD", "WATCH_PATH"):
        assert name in said
    assert "many" in said
    assert "hush-hush" not in said
    assert "Traceback" not in said


def test_the_error_directory_is_made_at_once_and_is_the_daemons_alone(daemon: Daemon) -> None:
    assert daemon.once() == 0
    assert stat.S_IMODE(daemon.errors.stat().st_mode) == 0o700

    daemon.errors.chmod(0o2770)
    assert daemon.once() == CONFIGURATION
    assert f"ERROR_DIRECTORY={daemon.errors}: may be written by others" in daemon.tail()
    assert "Traceback" not in daemon.tail()

    daemon.errors.chmod(0o755)  # to let others read is the operator's business
    assert daemon.once() == 0


def test_two_daemons_never_work_on_one_ledger(daemon: Daemon, make_daemon: MakeDaemon) -> None:
    daemon.start()
    second = make_daemon("second", PROGRESS_DB_PATH=daemon.ledger)

    assert second.once() not in (0, None)
    daemon.ledger.with_name(f"{daemon.ledger.name}.lock").unlink()
    assert second.once() not in (0, None), "a lock file that somebody removed lets nobody in"

    assert second.tail().count("another processor") == 2
    assert "Traceback" not in second.tail()
    assert daemon.running
    assert daemon.stop() == 0


def test_settings_in_another_encoding_are_told_plainly(daemon: Daemon) -> None:
    (daemon.home / ".env").write_text("S3_BUCKET=b\u00fccher\n", "latin-1")
    assert daemon.once() == CONFIGURATION
    assert ".env is no UTF-8" in daemon.tail()
    assert "Traceback" not in daemon.tail()


@pytest.mark.parametrize("setting", ["PROCESSOR_ENV_FILE", "PROGRESS_DB_PATH"])
def test_secrets_where_workers_could_read_them_are_refused(daemon: Daemon, objects: Bucket, setting: str) -> None:
    write(daemon.watch / "ours/secret", b"MAX_RETRIES=1\n")
    write(daemon.watch / "a", b"a")
    daemon.environment[setting] = str(daemon.watch / "ours/secret")
    assert daemon.once() == 78
    assert "lies in WATCH_PATH, where workers could read it" in daemon.log.read_text()
    assert objects.delivered() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_is_refused_unless_it_is_allowed(daemon: Daemon) -> None:
    daemon.environment["ALLOW_ROOT"] = "false"
    assert daemon.once() == 78
    assert "ALLOW_ROOT=true" in daemon.log.read_text()


@pytest.mark.parametrize("setting", ["WATCH_PATH", "S3_PREFIX"])
def test_a_ledger_of_another_directory_or_store_is_refused_and_nothing_overwritten(
    daemon: Daemon, objects: Bucket, setting: str
) -> None:
    write(daemon.watch / "a", b"first")
    assert daemon.once() == 0
    write(daemon.home / "other" / "a", b"second")
    before = daemon.environment.get(setting, "")
    daemon.environment[setting] = (
        str(daemon.home / "other")[1:] if setting == "S3_PREFIX" else str(daemon.home / "other")
    )

    assert daemon.once() == CONFIGURATION
    assert f"is the ledger of {setting}={before} " in daemon.tail()
    assert objects.body("a") == b"first"

    daemon.environment[setting] = before
    assert daemon.once() == 0


@pytest.mark.parametrize("redirection", [">/dev/full", "<&- >&- 2>&-"])
def test_a_log_that_can_not_be_written_keeps_no_file_from_its_delivery(daemon: Daemon, redirection: str) -> None:
    write(daemon.watch / "a", b"a")
    program = ["sh", "-c", f'exec "$0" -m processor run --once {redirection}', sys.executable]
    ended = subprocess.run(
        program, cwd=daemon.home, env=daemon.environment, stderr=subprocess.PIPE, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert daemon.statuses() == {"a": "completed"}


def test_once_with_nothing_to_do_ends_well(daemon: Daemon) -> None:
    assert daemon.once() == 0
    assert daemon.statuses() == {}


def test_once_without_the_watched_directory_is_no_success(daemon: Daemon) -> None:
    daemon.watch.rmdir()
    assert daemon.once() == 1
    assert list(daemon.events("watch.root-missing"))


def test_ledger_socket_and_lock_are_for_the_owner_alone(daemon: Daemon) -> None:
    write(daemon.watch / "a", b"a")
    daemon.start()
    daemon.until_at_rest(1)

    for path in daemon.home.glob("ledger*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert daemon.stop() == 0


def test_the_log_level_is_reread_on_sighup(daemon: Daemon) -> None:
    settings = daemon.home / ".env"
    settings.write_text("LOG_LEVEL=error\n")
    daemon.start(ready=False)
    daemon.until(daemon.ledger.exists)
    write(daemon.watch / "quiet", b"q")
    daemon.until_at_rest(1)
    assert not list(daemon.events("file.completed"))

    settings.write_text("LOG_LEVEL=info\n")
    daemon.signal(signal.SIGHUP)
    daemon.until(lambda: list(daemon.events("settings.reread")))
    write(daemon.watch / "loud", b"l")

    daemon.until(lambda: [each["path"] for each in daemon.events("file.completed")] == ["loud"])
    assert daemon.stop() == 0


def test_stacks_of_all_threads_are_written_on_sigusr1(daemon: Daemon) -> None:
    daemon.start()
    daemon.signal(signal.SIGUSR1)
    daemon.until(lambda: len(re.findall(r"^(?:Current thread|Thread) 0x", daemon.tail(100_000), re.MULTILINE)) >= 6)
    assert daemon.stop() == 0


def test_a_second_signal_ends_at_once(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(MAX_BANDWIDTH=MIB, SHUTDOWN_TIMEOUT=60_000)
    write_large(daemon.watch / "large.bin", 40 * MIB, seed=1)
    daemon.start()
    daemon.until(lambda: daemon.statuses() == {"large.bin": "in_progress"})
    daemon.signal(signal.SIGTERM)
    daemon.until(lambda: list(daemon.events("daemon.stopping")))

    daemon.signal(signal.SIGTERM)

    assert daemon.wait(30) == -signal.SIGTERM, "neither the upload nor the time for it is waited for: both take longer"


def test_a_damaged_ledger_is_made_again_and_nothing_is_delivered_twice(daemon: Daemon) -> None:
    for number in range(20):
        write(daemon.watch / f"{number}.txt", b"%d" % number)
    assert daemon.once() == 0
    for suffix in ("-wal", "-shm"):
        daemon.ledger.with_name(daemon.ledger.name + suffix).unlink(missing_ok=True)
    with daemon.ledger.open("r+b") as ledger:
        ledger.write(b"garbage" * 600)
    daemon.log.unlink()

    assert daemon.once() == 0, daemon.tail()

    assert set(daemon.statuses().values()) == {"completed"}
    assert len(daemon.statuses()) == 20
    assert list(daemon.events("ledger.rebuilt"))
    assert not list(daemon.events("file.completed")), "it was delivered before"


def test_a_lost_ledger_leads_to_the_same_objects_again(daemon: Daemon) -> None:
    write(daemon.watch / "a.txt", b"a")
    assert daemon.once() == 0
    for path in daemon.home.glob("ledger*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert list(daemon.events("ledger.empty")) == [], "the first time it was new"
    assert daemon.once() == 0, daemon.tail()
    assert daemon.statuses() == {"a.txt": "completed"}
    assert [event["manifest"] for event in daemon.events("ledger.empty")] == ["_manifests/a.txt.json"]
