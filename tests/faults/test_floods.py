"""Many files at once: none is missed, and the main process does not grow with them."""

import os
import time

import psutil
import pytest

from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon

MIB = 1 << 20
MOST_RSS_BYTES = 100 * MIB


def rss(daemon: Daemon) -> int:
    return psutil.Process(daemon.pid).memory_info().rss


def known(daemon: Daemon) -> int:
    return int(daemon.rows("SELECT count(*) AS n FROM file_progress")[0]["n"])


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
    for number in range(files):
        if number % 200 == 0:
            (daemon.watch / f"{number // 200}").mkdir()
        (daemon.watch / f"{number // 200}/{number}.txt").write_bytes(b"%d" % number)
    written = time.monotonic() - began

    daemon.until(lambda: known(daemon) == files, timeout=300, every=0.5)

    all_known = time.monotonic() - began
    print(f"{files} files written in {written:.1f} s, known after {all_known:.1f} s, {rss(daemon) // MIB} MiB")
    assert rss(daemon) < MOST_RSS_BYTES
    assert daemon.stop() == 0
    assert not set(daemon.statuses().values()) & {"failed"}


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_million_waiting_files_cost_neither_memory_nor_a_late_start(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    for directory in range(1000):
        below = daemon.watch / str(directory)
        below.mkdir()
        for number in range(1000):
            (below / f"{number}.bin").touch()
    began = time.monotonic()
    daemon.start()
    daemon.until(lambda: known(daemon) == 1_000_000, timeout=1800, every=2)
    took = time.monotonic() - began
    print(f"known in {took:.0f} s; {rss(daemon) // MIB} MiB; {daemon.ledger.stat().st_size / 1e6:.0f} bytes a file")
    assert rss(daemon) < MOST_RSS_BYTES
    daemon.kill()
    began = time.monotonic()
    daemon.start()
    print(f"started again in {time.monotonic() - began:.1f} s")
    assert daemon.stop() == 0


def test_temporary_files_by_the_ten_thousand_do_no_harm(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.start()
    (daemon.watch / "stays").write_bytes(b"stays")
    began, made = time.monotonic(), 0
    while time.monotonic() - began < 5:
        path = daemon.watch / f".tmp{made % 1000}"
        path.touch()
        os.unlink(path)
        made += 1
    print(f"{made / 5:.0f} temporary files a second")

    daemon.until(lambda: daemon.statuses().get("stays") == "completed")

    (daemon.watch / "after").write_bytes(b"after")
    daemon.until(lambda: daemon.statuses().get("after") == "completed")
    assert rss(daemon) < MOST_RSS_BYTES
    assert made > 5000
    assert daemon.stop() == 0
