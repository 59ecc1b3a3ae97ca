"""Metrics, health and systemd's watchdog: of a live daemon, and of actors that really hang."""

import http.client
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pykka
import pytest
from prometheus_client.parser import text_string_to_metric_families

from processor.daemon.liveness import LOST_SECONDS, SLOW_SECONDS, Liveness
from processor.domain.codes import CODES
from processor.domain.declarations import Drift
from processor.domain.files import FileType
from processor.domain.jobs import Step
from tests.conftest import WaitUntil
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faultproxy import Fault, FaultProxy
from tests.operate.conftest import command
from tests.operate.sources import ROOT

OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")


def get(daemon: Daemon, path: str) -> tuple[int, str]:
    """Ask the daemon over HTTP, at the port that its log tells."""
    port = next(iter(daemon.events("metrics.listening")))["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def scrape(daemon: Daemon) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample, as Prometheus' own parser reads them."""
    status, text = get(daemon, "/metrics")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scrape_tells_what_happened_and_every_metric_is_documented(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(HTTP_LISTEN="127.0.0.1:0", MALFORMED_ROWS="reject-object", CSV_NOTES="recognise")
    (daemon.watch / "table.csv").write_text("# by hand\n# of a day\nid,name\n1,ab\n2,cd\n3,ef\n4,d,x\n5,gh\n")
    (daemon.watch / "text.txt").write_text("text")
    (daemon.watch / "bad.json").write_text('{"a": 1')
    daemon.start()
    daemon.until_at_rest(3)

    assert get(daemon, "/live") == (200, "live\n")
    assert get(daemon, "/ready") == (200, "ready\n")
    assert get(daemon, "/else")[0] == 404
    samples = scrape(daemon)
    assert samples["processor_files_total", (("outcome", "completed"), ("type", "database"))] == 1
    assert samples["processor_files_total", (("outcome", "completed"), ("type", "regular"))] == 1
    assert samples["processor_failures_total", (("code", "json.syntax"),)] == 1
    assert samples["processor_rejected_rows_total", ()] == 1
    assert samples["processor_notes_total", ()] == 2
    assert samples["processor_source_bytes_total", (("type", "regular"),)] == 4
    assert samples["processor_ledger_files", (("status", "completed"),)] == 2
    assert samples["processor_store_available", ()] == 1
    assert samples["processor_worker_deaths_total", ()] == 0
    assert samples["processor_step_seconds_count", (("step", "streaming"),)] == 2
    assert samples["processor_watched_directories", ()] >= 1
    assert 10e6 < samples["processor_resident_bytes", ()] < 300e6
    assert samples["processor_oldest_waiting_seconds", ()] == 0

    now = time.time()
    assert now - 600 < samples["processor_last_arrival_timestamp_seconds", ()] < now + 1
    assert now - 600 < samples["processor_last_completion_timestamp_seconds", ()] < now + 1
    assert samples["process_start_time_seconds", ()] < samples["processor_last_completion_timestamp_seconds", ()]
    assert [key[1] for key in samples if key[0] == "processor_build_info"] == [
        (("version", version("data-file-processor")),)
    ]

    names = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name, _ in samples}
    documented = {
        name.partition("{")[0] for name in re.findall(r"`(process(?:or)?_[a-z_]+(?:\{[a-z,]+\})?)`", OPERATIONS)
    }
    of_feeds = {"processor_feed_files_total", "processor_feed_drift_total"}
    of_feeds |= {f"processor_table_{name}" for name in ("lag_seconds", "waiting", "refused")}
    assert names == documented - of_feeds, "no feed is declared"


def test_every_label_of_a_counter_is_there_from_the_start_with_0(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(HTTP_LISTEN="127.0.0.1:0", FEEDS="feeds.toml")
    (daemon.home / "feeds.toml").write_text('[[feed]]\nname="a"\nmatch=["a/*"]\n[feed.columns]\nid="BIGINT"\n')
    daemon.start()
    samples = scrape(daemon)
    counted = {
        "processor_failures_total": [{"code": code} for code in CODES],
        "processor_retries_total": [{"code": code} for code in CODES],
        "processor_source_bytes_total": [{"type": str(each)} for each in FileType],
        "processor_step_seconds_count": [{"step": str(each)} for each in Step],
        "processor_files_total": [
            *({"type": str(each), "outcome": "completed"} for each in FileType),
            *({"type": "any", "outcome": outcome} for outcome in ("failed", "unchanged")),
        ],
        "processor_feed_files_total": [{"feed": "a", "outcome": outcome} for outcome in ("completed", "failed")],
        "processor_feed_drift_total": [
            {"feed": "a", "kind": "missing", "column": "id"},
            *({"feed": "a", "kind": str(kind), "column": ""} for kind in Drift),
        ],
    }
    for name, label_sets in counted.items():
        expected = {tuple(sorted(labels.items())) for labels in label_sets}
        assert {labels for key, labels in samples if key == name} == expected, name
        assert all(samples[name, labels] == 0 for labels in expected), name


def test_a_ledger_that_can_not_be_read_costs_a_scrape_and_nothing_else(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(HTTP_LISTEN="127.0.0.1:0")
    daemon.start()
    daemon.ledger.rename(daemon.home / "elsewhere.db")
    status, text = get(daemon, "/metrics")
    assert (status, "there is no ledger" in text) == (500, True)
    (daemon.home / "elsewhere.db").rename(daemon.ledger)
    assert get(daemon, "/metrics")[0] == 200
    assert "Traceback" not in daemon.tail()


def test_a_store_that_is_out_makes_it_unready_but_not_dead_until_it_is_back(
    make_daemon: MakeDaemon, address: StoreAddress, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=replace(address, endpoint=counting.endpoint), HTTP_LISTEN="127.0.0.1:0")
    daemon.start()
    counting.on(lambda _seen: True, Fault(answer=(503, "ServiceUnavailable")), times=1_000_000)
    (daemon.watch / "waits.txt").write_text("text")

    daemon.until(lambda: get(daemon, "/ready")[0] == 503, timeout=60)
    assert "the store is out: " in get(daemon, "/ready")[1]
    assert "injected" in get(daemon, "/ready")[1], "it says why"
    assert get(daemon, "/live")[0] == 200
    samples = scrape(daemon)
    assert samples["processor_store_available", ()] == 0
    assert "the store is out: " in command(daemon, "status").stdout

    counting.heal()
    daemon.until(lambda: get(daemon, "/ready")[0] == 200, timeout=90)
    daemon.until_at_rest(1)
    assert daemon.statuses() == {"waits.txt": "completed"}


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "127.0.0.1:http", "192.0.2.1:9464"])
def test_an_address_that_can_not_be_listened_on_ends_with_78_and_says_why(make_daemon: MakeDaemon, listen: str) -> None:
    daemon = make_daemon(HTTP_LISTEN=listen)
    daemon.start(ready=False)
    assert daemon.wait() == 78
    assert f"HTTP_LISTEN='{listen}'" in daemon.tail()
    assert "Traceback" not in daemon.tail()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def _heard(systemd: socket.socket, word: str) -> list[str]:
    """Return what was said up to the message that holds `word`."""
    said: list[str] = []
    while not said or word not in said[-1]:
        said.append(systemd.recv(4096).decode())
    return said


def test_systemd_hears_ready_then_the_watchdog_then_stopping(
    make_daemon: MakeDaemon, systemd: socket.socket, tmp_path: Path
) -> None:
    daemon = make_daemon()
    daemon.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    daemon.start()
    assert _heard(systemd, "READY=1") == [f"READY=1\nSTATUS=delivering {daemon.watch}"]
    assert _heard(systemd, "WATCHDOG=1") == ["WATCHDOG=1"]
    daemon.signal(signal.SIGTERM)
    assert _heard(systemd, "STOPPING=1")[-1] == "STOPPING=1"
    assert daemon.wait() == 0


class _Hangs(pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(self, go_on: threading.Event) -> None:
        super().__init__()
        self._go_on = go_on

    def on_receive(self, message: Any) -> Any:
        del message
        self._go_on.wait()
        return True


def test_an_actor_that_hangs_is_told_slow_then_lost_and_forgiven_when_it_answers(wait_until: WaitUntil) -> None:
    go_on = threading.Event()
    ref = _Hangs.start(go_on)
    excuse = [False]
    liveness = Liveness({"hangs": ref}, 1000.0, lambda: excuse[0])

    liveness.beat(1003.0)  # asks, and does not wait
    assert liveness.silent(1000.0 + SLOW_SECONDS) == ()
    assert liveness.silent(1001.0 + SLOW_SECONDS) == ("hangs",)
    assert liveness.silent(1001.0 + SLOW_SECONDS, LOST_SECONDS) == ()
    assert liveness.silent(1001.0 + LOST_SECONDS, LOST_SECONDS) == ("hangs",)

    excuse[0] = True
    liveness.beat(2000.0)
    assert liveness.silent(2001.0) == (), "there is a known reason"
    excuse[0] = False
    go_on.set()
    wait_until(_beaten(liveness, lambda: liveness.silent(3000.0) == (), at=3000.0))
    ref.stop()


def test_a_dead_actor_never_counts_as_answering() -> None:
    dead = _Hangs.start(threading.Event())
    dead.stop()
    liveness = Liveness({"dead": dead}, time.monotonic())
    now = time.monotonic()
    for second in range(60):
        liveness.beat(now + second)
    assert liveness.silent(now + 60) == ("dead",)


def _beaten(liveness: Liveness, condition: Callable[[], bool], at: float) -> Callable[[], bool]:
    def beat() -> bool:
        liveness.beat(at)
        return condition()

    return beat


def test_the_log_level_is_read_again_on_sighup(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(LOG_LEVEL="")
    (daemon.home / ".env").write_text("LOG_LEVEL=info\n")
    daemon.start()
    (daemon.home / ".env").write_text("LOG_LEVEL=debug\n")
    os.kill(daemon.pid, signal.SIGHUP)
    daemon.until(lambda: list(daemon.events("settings.reread")))
    (daemon.watch / "text.txt").write_text("text")
    daemon.until(lambda: list(daemon.events("file.admitted")))
