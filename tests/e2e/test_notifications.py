"""Others are told: at least once, in order, signed, whatever becomes of the receiver or of us."""

import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from processor.delivery.webhook import SIGNATURE, Webhook, signature
from processor.domain.notices import EventType, Notice
from tests.conftest import WaitUntil
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import StoreAddress
from tests.e2e.receiver import Receiver
from tests.faultproxy import Fault, FaultProxy
from tests.operate.conftest import command
from tests.operate.sources import ROOT

_NOTICE = Notice(1, 1000, EventType.COMPLETED, "a", "{}")
COMPLETED, FAILED = "processor.file.completed", "processor.file.failed"


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(**how: int) -> Receiver:
        made.append(Receiver(**how))
        return made[-1]

    yield make
    for each in made:
        if each.hold is not None:
            each.hold.set()
        each.close()


def _outbox(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as ledger:
        return int(ledger.execute("SELECT count(*) FROM outbox").fetchone()[0])


def test_events_tell_what_happened_signed_and_are_forgotten_when_taken(
    make_daemon: MakeDaemon, receivers: Callable[..., Receiver]
) -> None:
    receiver = receivers()
    daemon = make_daemon(NOTIFY_URL=receiver.url, NOTIFY_SECRET="secret", FEEDS="feeds.toml", S3_PREFIX="host/")
    (daemon.home / "feeds.toml").write_text(
        '[[feed]]\nname="f"\nmatch=["f/*.csv"]\n[feed.columns]\nid="BIGINT"\nname="VARCHAR"\non_missing="null"\n'
    )
    (daemon.watch / "f").mkdir()
    (daemon.watch / "f/drifts.csv").write_text("id\n1\n")
    (daemon.watch / "good.txt").write_text("text")
    (daemon.watch / "bad.csv").write_text("a,b\n1,2\n1,2,3\n")
    assert daemon.once() == 1, "one file failed"

    assert sorted((each["type"], each["subject"]) for each in receiver.taken) == [
        ("processor.feed.drift", "f/drifts.csv"),
        (COMPLETED, "f/drifts.csv"),
        (COMPLETED, "good.txt"),
        (FAILED, "bad.csv"),
    ]
    by_subject = {(each["type"], each["subject"]): each for each in receiver.taken}
    good = by_subject[COMPLETED, "good.txt"]
    assert good["source"].startswith("s3://")
    assert good["source"].endswith("/host/")
    assert good["specversion"] == "1.0"
    assert {name: good["data"][name] for name in ("path", "key", "manifest", "type", "size_bytes")} == {
        "path": "good.txt",
        "key": "good.txt",
        "manifest": "_manifests/good.txt.json",
        "type": "regular",
        "size_bytes": 4,
    }
    assert by_subject[FAILED, "bad.csv"]["data"]["code"] == "csv.malformed-rows"
    assert by_subject[COMPLETED, "f/drifts.csv"]["data"]["feed"] == "f"
    assert by_subject["processor.feed.drift", "f/drifts.csv"]["data"] == {
        "feed": "f",
        "kind": "missing",
        "column": "name",
    }
    for headers, body in receiver.requests:
        assert headers["Content-Type"] == "application/cloudevents-batch+json"
        told = re.fullmatch(r"t=(\d+),v1=[0-9a-f]{64}", headers[SIGNATURE])
        assert told is not None
        assert signature(b"secret", int(told[1]), body) == headers[SIGNATURE]
        assert abs(time.time() - int(told[1])) < 600
    assert _outbox(daemon.ledger) == 0
    assert "secret" not in daemon.log.read_text()


def test_a_receiver_that_refuses_is_asked_again_in_order_and_delays_no_delivery(
    make_daemon: MakeDaemon, receivers: Callable[..., Receiver], wait_until: WaitUntil
) -> None:
    receiver = receivers(refuse=3)
    receiver.hold = threading.Event()
    daemon = make_daemon(NOTIFY_URL=receiver.url)
    daemon.start()
    for size in (1, 2, 3):  # each is another content of the same file
        (daemon.watch / "a.txt").write_text("x" * size)
        daemon.until(
            partial(daemon.rows, "SELECT 1 FROM file_progress WHERE status='completed' AND size_bytes=?", size)
        )
    assert receiver.taken == [], "all was delivered while the receiver held its answer"
    receiver.hold.set()
    wait_until(lambda: len(receiver.taken) == 3)
    assert [each["data"]["size_bytes"] for each in receiver.taken] == [1, 2, 3]
    assert len({each["id"] for each in receiver.taken}) == 3
    daemon.until(lambda: _outbox(daemon.ledger) == 0)
    assert [each["reason"] for each in daemon.events("notify.failed")] == [
        f"127.0.0.1:{receiver.port} answers 500 Internal Server Error"
    ]
    daemon.until(lambda: list(daemon.events("notify.back")))


def test_what_waited_when_we_were_killed_is_told_by_the_next_start(
    make_daemon: MakeDaemon, receivers: Callable[..., Receiver]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    daemon = make_daemon(NOTIFY_URL=f"http://127.0.0.1:{port}/")
    daemon.start()
    for name in ("a.txt", "b.txt"):
        (daemon.watch / name).write_text(name)
    daemon.until_at_rest(2)
    daemon.until(lambda: list(daemon.events("notify.failed")))
    daemon.kill()
    receiver = receivers(port=port)
    assert daemon.once() == 0
    assert {each["subject"] for each in receiver.taken} == {"a.txt", "b.txt"}
    first = {each["id"] for each in receiver.taken}

    receiver.hold = threading.Event()  # it takes the event, and we die before we hear of it
    daemon.start()
    (daemon.watch / "c.txt").write_text("c")
    daemon.until(lambda: b"c.txt" in receiver.requests[-1][1])
    daemon.kill()
    receiver.hold.set()
    receiver.hold = None
    assert daemon.once() == 0
    again = [each["id"] for each in receiver.taken if each["subject"] == "c.txt"]
    assert len(again) >= 1
    assert len(set(again)) == 1, "sent again it is the same event"
    assert not first & set(again)
    assert _outbox(daemon.ledger) == 0


def test_an_outage_is_told_when_it_begins_and_ends(
    make_daemon: MakeDaemon, receivers: Callable[..., Receiver], address: StoreAddress, counting: FaultProxy
) -> None:
    receiver = receivers()
    daemon = make_daemon(
        store=replace(address, endpoint=counting.endpoint), NOTIFY_URL=receiver.url, NOTIFY_EVENTS="outage"
    )
    daemon.start()
    counting.on(lambda _seen: True, Fault(answer=(503, "ServiceUnavailable")), times=1_000_000)
    (daemon.watch / "waits.txt").write_text("text")
    daemon.until(lambda: len(receiver.taken) == 1, timeout=90)
    counting.heal()
    daemon.until_at_rest(1, timeout=90)
    daemon.until(lambda: len(receiver.taken) == 2)
    begun, ended = receiver.taken
    assert (begun["type"], ended["type"]) == ("processor.outage.begun", "processor.outage.ended")
    assert begun["data"]["of"] == ended["data"]["of"] == "store"
    assert begun["data"]["code"] == "store.unavailable"
    assert ended["data"]["seconds"] >= 0
    assert daemon.stop() == 0


def test_check_tries_the_receiver(make_daemon: MakeDaemon, receivers: Callable[..., Receiver]) -> None:
    receiver = receivers()
    daemon = make_daemon(NOTIFY_URL=receiver.url)
    assert f"notify: ok, 127.0.0.1:{receiver.port} takes events" in command(daemon, "check").stdout
    assert [each["type"] for each in receiver.taken] == ["processor.check"]
    receiver.refuse = 1
    refused = command(daemon, "check")
    assert "answers 500" in refused.stdout
    assert refused.returncode == 1


def test_the_receiver_of_the_documentation_keeps_each_event_once_and_refuses_others(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    page = (ROOT / "docs/NOTIFICATIONS.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 20
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", code.replace("8080", str(port))],
        cwd=tmp_path,
        env={"NOTIFY_SECRET": "right"},
        stderr=subprocess.DEVNULL,
    )
    try:
        webhook = Webhook(f"http://127.0.0.1:{port}", "right", "s3://bucket/")
        wait_until(lambda: webhook.try_out() is None)
        with closing(sqlite3.connect(tmp_path / "events.db")) as kept:
            for number in (1, 1, 2):
                event = replace(_NOTICE, id=number)
                assert webhook.send((event, event)) is None
            wrong = Webhook(f"http://127.0.0.1:{port}", "wrong", "s3://bucket/").send((replace(_NOTICE, id=3),))
            assert wrong is not None
            assert "401" in wrong
            rows = kept.execute("SELECT event FROM events WHERE event LIKE '%completed%'").fetchall()
        assert [json.loads(event)["id"] for (event,) in rows] == ["3e8-1", "3e8-2"]
    finally:
        process.kill()
        process.wait()
