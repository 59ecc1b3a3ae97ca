"""The kernel says no: errors injected into the system calls of the daemon and of its workers, full and read-only disks.

The promise is the same each time: what could be delivered is, the rest is told, nothing is damaged; and a start
without faults completes it.
"""

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.faults.checker import Checker
from tests.faults.contents import Fate, good
from tests.faults.generator import sha256

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# strace counts the calls of each thread by itself. The first few are enough for every day.
FAULTS = (
    "fsync,fdatasync:error=EIO:when=5+40",
    "pwrite64:error=ENOSPC:when=20+60",
    "openat:error=EMFILE:when=1200+90",
    "renameat2:error=EIO:when=1+3",
    "pread64:error=EIO:when=4+9",
    "sendto,sendmsg:error=ECONNRESET:when=8+9",
    "read:error=EINTR:when=100+50",
    "read:error=EIO:when=900+700",
    "fsync,fdatasync:error=ENOSPC:when=9+30",
    "pwrite64:error=EIO:when=30+90",
    "openat:error=ENFILE:when=1300+70",
    "openat:error=EACCES:when=1400+150",
    "mmap:error=ENOMEM:when=250+120",
    "connect:error=ECONNREFUSED:when=2+3",
    "socket:error=ENOMEM:when=3+2",
    "recvfrom:error=ECONNRESET:when=8+9",
    "clone,clone3:error=EAGAIN:when=20+9",
)
_EVERY_DAY = 5


def fill(daemon: Daemon, seed: int, count: int = 16) -> dict[str, Fate]:
    rng = random.Random(seed)
    fates = {}
    for number in range(count):
        content = good(rng)
        (daemon.watch / f"{number}{content.suffix}").write_bytes(content.data)
        fates[sha256(content.data)] = content.fate
    (daemon.watch / "broken.json").write_bytes(b"[{")
    return fates | {sha256(b"[{"): Fate.FAILED}


def retry_what_failed(daemon: Daemon) -> None:
    """Do what an operator does after trouble: put failed files back where they were."""
    for reason in daemon.errors.rglob("*.reason.json"):
        failed = reason.with_name(reason.name.removesuffix(".reason.json"))
        if failed.exists():
            failed.rename(daemon.watch / failed.relative_to(daemon.errors))
        reason.unlink()


def violations(daemon: Daemon, objects: Bucket, fates: dict[str, Fate]) -> list[str]:
    return Checker(daemon.watch, daemon.errors, daemon.ledger, objects, fates).run()


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [*FAULTS[:_EVERY_DAY], *(pytest.param(fault, marks=pytest.mark.torture) for fault in FAULTS[_EVERY_DAY:])],
)
def test_errors_of_the_kernel_damage_nothing_and_the_next_start_completes_it(
    make_daemon: MakeDaemon, objects: Bucket, fault: str
) -> None:
    daemon = make_daemon(WORKERS=1, MAX_RETRIES=1)
    fates = fill(daemon, seed=FAULTS.index(fault))
    trace = daemon.home / "trace"
    inject = (
        "strace",
        "-f",
        "-qq",
        "-o",
        str(trace),
        "-e",
        f"trace={fault.split(':', maxsplit=1)[0]}",
        "-e",
        f"inject={fault}",
    )

    daemon.start("--once", prefix=inject, ready=False)
    with contextlib.suppress(AssertionError):
        daemon.wait(40)  # it may wait for a disk that gets no better
    if daemon.running:
        for child in reversed(daemon.descendants()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, 9)
        daemon.wait()
    assert "(INJECTED)" in trace.read_text(errors="replace"), "the fault never struck"

    before = {key: objects.body(key) for key in objects.delivered()}
    daemon.once()  # what could not even be set aside is now
    retry_what_failed(daemon)
    assert daemon.once() == 1, "the broken file fails again, and it alone"
    assert violations(daemon, objects, fates) == []
    assert {key: objects.body(key) for key in before} == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of sixteen mebibytes."""
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@needs_root
def test_a_full_disk_under_the_ledger_is_waited_out(make_daemon: MakeDaemon, objects: Bucket, small_disk: Path) -> None:
    daemon = make_daemon(PROGRESS_DB_PATH=small_disk / "ledger.db")
    daemon.ledger = small_disk / "ledger.db"
    daemon.start()
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(b"x" * (free.f_bavail * free.f_bsize - 65536))
    for number in range(300):
        (daemon.watch / f"{'long-name-' * 15}{number}.txt").write_bytes(b"%d" % number)
    daemon.until(lambda: list(daemon.events("ledger.full")))
    assert daemon.running

    filler.unlink()

    daemon.until_at_rest(300)
    assert daemon.stop() == 0
    assert len(objects.delivered()) == 300
    assert set(daemon.statuses().values()) == {"completed"}


@needs_root
def test_a_read_only_watched_directory_is_delivered_and_its_failures_stay_where_they_are(
    make_daemon: MakeDaemon, objects: Bucket, tmp_path: Path
) -> None:
    daemon = make_daemon()
    (daemon.watch / "good").write_bytes(b"good")
    (daemon.watch / "bad.json").write_bytes(b"[{")
    bound = subprocess.run(["mount", "--bind", str(daemon.watch), str(daemon.watch)], check=False)
    if bound.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(daemon.watch)], check=True)
        assert daemon.once() == 1
        assert objects.delivered() == {"good"}
        assert daemon.statuses() == {"good": "completed", "bad.json": "failed"}
        assert list(daemon.events("file.not-put-away"))
    finally:
        subprocess.run(["umount", "-l", str(daemon.watch)], check=True)
    assert daemon.once() == 0, "the failure was told before"
    assert (daemon.errors / "bad.json").exists(), "what could not be moved then is moved now"
    assert (daemon.errors / "bad.json.reason.json").exists()
    assert not (daemon.watch / "bad.json").exists()
    assert tmp_path.exists()
