"""Many files at once: none is missed, and the main process does not grow with them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from processor.store.embedded import free_ports
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon

MIB = 1 << 20
MOST_RSS_BYTES = 100 * MIB
_QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
# In a user namespace of its own a process can lower what it is given without taking it from others.
_FEW_WATCHES = (
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 40 > /proc/sys/user/max_inotify_watches && exec "$@"',
    "sh",
)


def rss(daemon: Daemon) -> int:
    return psutil.Process(daemon.pid).memory_info().rss


def cpu_seconds(daemon: Daemon) -> float:
    times = psutil.Process(daemon.pid).cpu_times()
    return times.user + times.system


def known(daemon: Daemon) -> int:
    return sum(row["n"] for row in daemon.rows("SELECT count(*) AS n FROM file_progress"))


@contextmanager
def queued_events(limit: int) -> Iterator[None]:
    """Have inotify instances that are made meanwhile hold so few events."""
    before = _QUEUED_EVENTS.read_text()
    try:
        _QUEUED_EVENTS.write_text(str(limit))
    except OSError:
        pytest.skip("needs root and a writable /proc/sys")
    try:
        yield
    finally:
        _QUEUED_EVENTS.write_text(before)


def without_store(make_daemon: MakeDaemon, **settings: object) -> Daemon:
    """Return a daemon whose store does not answer: whatever it finds waits."""
    return make_daemon(S3_ENDPOINT=f"http://127.0.0.1:{free_ports(1)[0]}", **settings)


def burst(daemon: Daemon, files: int) -> None:
    for number in range(files):
        if number % 200 == 0:
            (daemon.watch / f"{number // 200}").mkdir()
        (daemon.watch / f"{number // 200}/{number}.txt").write_bytes(b"%d" % number)


@pytest.mark.parametrize(
    "files", [20_000, pytest.param(100_000, marks=pytest.mark.torture)], ids=lambda files: f"{files}-files"
)
def test_a_burst_beyond_the_event_queue_is_known_completely_and_costs_no_memory(
    make_daemon: MakeDaemon, files: int
) -> None:
    daemon = make_daemon()
    daemon.start()
    daemon.until(lambda: list(daemon.events("watch.scanned")))
    began = time.monotonic()
    burst(daemon, files)
    written = time.monotonic() - began

    daemon.until(lambda: known(daemon) == files, timeout=900, every=0.5)

    all_known = time.monotonic() - began
    print(
        f"{files} files written in {written:.1f} s, known after {all_known:.1f} s,"
        f" {cpu_seconds(daemon):.1f} CPU s, {rss(daemon) // MIB} MiB"
    )
    assert rss(daemon) < MOST_RSS_BYTES
    assert daemon.stop() == 0
    assert not set(daemon.statuses().values()) & {"failed"}


@pytest.mark.parametrize(
    "files", [3_000, pytest.param(100_000, marks=pytest.mark.torture)], ids=lambda files: f"{files}-files"
)
def test_nothing_is_missed_when_the_event_queue_is_short(make_daemon: MakeDaemon, files: int) -> None:
    daemon = without_store(make_daemon)
    for directory in range(10):
        (daemon.watch / f"{directory}").mkdir()
    with queued_events(64):
        daemon.start()
        daemon.until(lambda: list(daemon.events("watch.scanned")))
    daemon.signal(signal.SIGSTOP)
    for number in range(files):
        (daemon.watch / f"{number % 10}/{number}.txt").write_bytes(b"%d" % number)
    daemon.signal(signal.SIGCONT)

    daemon.until(lambda: known(daemon) == files, timeout=900, every=0.5)

    scans = len(list(daemon.events("watch.scanned")))
    print(f"{scans} scans, {cpu_seconds(daemon):.1f} CPU s, {rss(daemon) // MIB} MiB")
    assert scans > 1, "events were lost: only a scan can have found those files"
    assert daemon.stop() == 0


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_a_million_waiting_files_cost_neither_memory_nor_a_late_start(make_daemon: MakeDaemon) -> None:
    million = int(os.environ.get("TORTURE_FILES", "1_000_000"))
    daemon = without_store(make_daemon)
    for directory in range(million // 1000):
        below = daemon.watch / f"arrived-{directory:05d}"
        below.mkdir()
        for number in range(1000):
            (below / f"measurement-{number:06d}.bin").touch()
    highest: list[int] = []

    def took(condition: Callable[[], bool], what: str) -> None:
        began, cpu = time.monotonic(), cpu_seconds(daemon)

        def met() -> bool:
            highest.append(rss(daemon))
            return condition()

        daemon.until(met, timeout=3600, every=0.5)
        seconds, cpu = time.monotonic() - began, cpu_seconds(daemon) - cpu
        print(f"{what}: {seconds:.1f} s, {cpu:.1f} CPU s, {max(highest) // MIB} MiB at most")

    daemon.start(ready=False)
    took(lambda: known(daemon) == million, f"{million} files found and recorded")
    daemon.kill()
    began = time.monotonic()
    since = daemon.log.stat().st_size
    daemon.start()
    print(f"killed; started again after {time.monotonic() - began:.1f} s, {cpu_seconds(daemon):.1f} CPU s")
    took(lambda: any(daemon.events("watch.scanned", since=since)), "all of it looked through again")
    print(list(daemon.events("watch.scanned", since=since)))
    print(f"ledger: {daemon.ledger.stat().st_size / million:.0f} bytes a file, names of {len(_a_path(daemon))} bytes")
    assert daemon.stop() == 0
    assert known(daemon) == million
    assert max(highest) < MOST_RSS_BYTES


def _a_path(daemon: Daemon) -> str:
    return str(daemon.rows("SELECT file_path FROM file_progress LIMIT 1")[0]["file_path"])


@pytest.mark.parametrize(
    "directories",
    [2_000, pytest.param(50_000, marks=pytest.mark.torture)],
    ids=lambda directories: f"{directories}-directories",
)
def test_many_directories_are_watched_each_and_what_arrives_in_any_is_found(
    make_daemon: MakeDaemon, directories: int
) -> None:
    daemon = make_daemon()
    for number in range(directories):
        (daemon.watch / f"{number % 100}" / f"{number}").mkdir(parents=True)
    began = time.monotonic()
    daemon.start()
    daemon.until(lambda: list(daemon.events("watch.scanned")), timeout=300)
    print(
        f"watched after {time.monotonic() - began:.1f} s, {cpu_seconds(daemon):.1f} CPU s, {rss(daemon) // MIB} MiB:"
        f" {next(daemon.events('watch.scanned'))['detail']}"
    )
    assert not list(daemon.events("watch.limit-reached"))
    for number in range(0, directories, directories // 50):
        (daemon.watch / f"{number % 100}" / f"{number}" / "file").write_bytes(b"%d" % number)

    daemon.until_at_rest(50)

    assert len(list(daemon.events("watch.scanned"))) == 1, "the kernel told of them, no scan was needed"
    assert rss(daemon) < MOST_RSS_BYTES
    assert daemon.stop() == 0


def test_too_few_watches_are_told_with_the_remedy_and_rescans_find_the_rest(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(RESCAN_INTERVAL=1000)
    for number in range(100):
        (daemon.watch / f"{number}").mkdir()
    daemon.start(prefix=_FEW_WATCHES, ready=False)
    daemon.until(lambda: list(daemon.events("watch.scanned")) or not daemon.running)
    if not daemon.running and "unshare" in daemon.tail():
        pytest.skip("user namespaces are not allowed here")
    [told] = daemon.events("watch.limit-reached")
    assert told["level"] == "error"
    assert "fs.inotify.max_user_watches" in told["hint"]
    for number in range(100):
        (daemon.watch / f"{number}" / "file").write_bytes(b"%d" % number)

    daemon.until_at_rest(100)

    assert set(daemon.statuses().values()) == {"completed"}
    assert len(list(daemon.events("watch.limit-reached"))) == 1, "once, not at every scan"
    assert daemon.stop() == 0


def test_temporary_files_by_the_ten_thousand_do_no_harm(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    (daemon.watch / "stays").write_bytes(b"stays")
    paths = [os.fsencode(daemon.watch / f".tmp{number}") for number in range(1000)]
    began, cpu, made = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < 5:
        for path in paths:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.unlink(path)
        made += len(paths)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(
        f"{made / seconds:.0f} temporary files a second ({made / cpu:.0f} a CPU second of their maker);"
        f" daemon: {cpu_seconds(daemon):.1f} CPU s, {rss(daemon) // MIB} MiB"
    )

    daemon.until(lambda: daemon.statuses().get("stays") == "completed")

    (daemon.watch / "after").write_bytes(b"after")
    daemon.until(lambda: daemon.statuses().get("after") == "completed")
    assert rss(daemon) < MOST_RSS_BYTES
    assert made > 5000
    assert daemon.stop() == 0
