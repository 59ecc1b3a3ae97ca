"""Real supervisord with the program's real configuration."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.store.s3 import S3Store

from .conftest import Host, gone, has_object

pytestmark = pytest.mark.slow

WaitUntil = Callable[..., object]


def deliver(host: Host, bucket: S3Store, wait_until: WaitUntil, name: str) -> None:
    (host.incoming / name).write_bytes(name.encode())
    wait_until(lambda: has_object(bucket, name), timeout=120)


def test_the_daemon_delivers_stops_gracefully_and_starts_again_and_its_log_is_rotated(
    trial: Host, bucket: S3Store, wait_until: WaitUntil, tmp_path: Path
) -> None:
    trial.ctl("update")
    deliver(trial, bucket, wait_until, "one.bin")
    family = trial.family()
    trial.ctl("stop", "processor")
    assert trial.status() == "STOPPED"
    assert "exit status 0" in (trial.prefix / "supervisord.log").read_text()
    wait_until(lambda: gone(family), timeout=120)
    trial.ctl("start", "processor")
    deliver(trial, bucket, wait_until, "two.bin")
    if shutil.which("logrotate"):
        no_line_is_lost_when_the_log_is_rotated(trial, bucket, wait_until, tmp_path / "state")
    # A signal to the whole group ends it gracefully too.
    family = trial.family()
    for each in family:
        each.send_signal(signal.SIGTERM)
    wait_until(lambda: gone(family), timeout=120)
    wait_until(lambda: "exit status 0; expected" in (trial.prefix / "supervisord.log").read_text(), timeout=120)


def no_line_is_lost_when_the_log_is_rotated(host: Host, bucket: S3Store, wait_until: WaitUntil, state: Path) -> None:
    command = ["logrotate", "--force", "--state", state, host.prefix / "etc/logrotate.d/processor"]
    subprocess.run(command, check=True, env=host.environment)
    wait_until(host.log.exists, timeout=120)
    deliver(host, bucket, wait_until, "after.bin")
    rotated = host.log.with_name("processor.log.1")
    assert "two.bin" in rotated.read_text()
    wait_until(lambda: "after.bin" in host.log.read_text(), timeout=120)
    assert "after.bin" not in rotated.read_text()


def test_wrong_settings_end_the_daemon_once_and_it_is_not_tried_again(trial: Host, wait_until: WaitUntil) -> None:
    trial.configure(S3_BUCKET="", MAX_RETRIES="many")
    trial.ctl("update")
    wait_until(lambda: trial.status() == "EXITED", timeout=120)
    log = (trial.prefix / "supervisord.log").read_text()
    assert "exit status 78; expected" in log
    assert log.count("spawned: 'processor'") == 1
    said = trial.log.read_text()
    assert "S3_BUCKET" in said
    assert "MAX_RETRIES" in said


def test_a_killed_daemon_is_started_again_and_leaves_no_worker_behind(
    trial: Host, bucket: S3Store, wait_until: WaitUntil
) -> None:
    trial.ctl("update")
    (trial.incoming / "table.csv").write_text("a,b\n1,2\n")
    wait_until(lambda: has_object(bucket, "table.csv.parquet"), timeout=120)
    family = trial.family()
    assert len(family) > 1
    family[0].kill()
    wait_until(lambda: gone(family), timeout=120)
    wait_until(lambda: trial.pid() not in (0, family[0].pid), timeout=120)
    deliver(trial, bucket, wait_until, "after.bin")


def test_a_daemon_that_dies_again_and_again_is_given_a_pause_but_never_given_up(
    trial: Host, wait_until: WaitUntil
) -> None:
    current = trial.prefix / "opt/processor/current"
    current.unlink()
    (current / "bin").mkdir(parents=True)
    (current / "bin/processor").write_text("#!/bin/sh\nexit 1\n")
    (current / "bin/processor").chmod(0o755)
    trial.ctl("update")
    log = trial.prefix / "supervisord.log"
    wait_until(lambda: log.read_text().count("exit status 1; not expected") >= 3, timeout=120)
    assert trial.status() in ("RUNNING", "STARTING")
    assert log.read_text().count("spawned: 'processor'") <= 5
