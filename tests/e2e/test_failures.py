"""A file that can not be delivered ends in the error directory, with the reason beside it; the others go on."""

import json
import os
import shutil
import time
from typing import Any

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import through, uploads
from tests.e2e.daemon import Daemon, StoreAddress
from tests.e2e.test_feeds import command
from tests.e2e.trees import BROKEN_JSON, MIB, write
from tests.faultproxy import Fault, FaultProxy


def reason_of(daemon: Daemon, relative: str) -> Any:
    return json.loads((daemon.errors / f"{relative}.reason.json").read_bytes())


def test_a_broken_file_is_set_aside_with_its_reason_and_costs_the_others_nothing(
    daemon: Daemon, objects: Bucket
) -> None:
    write(daemon.watch / "sub/broken.json", BROKEN_JSON)
    write(daemon.watch / "sub/good.json", b'[{"a":1}]')
    write(daemon.watch / "regular", b"bytes")

    assert daemon.once() == 1

    assert (daemon.errors / "sub/broken.json").read_bytes() == BROKEN_JSON
    assert not (daemon.watch / "sub/broken.json").exists()
    reason = reason_of(daemon, "sub/broken.json")
    assert reason["file"] == "sub/broken.json"
    assert reason["error_class"] == "permanent"
    assert reason["step"] == "parquet_conversion"
    assert reason["tries"] == 1
    assert reason["code"] == "json.syntax"
    assert reason["message"]
    assert reason["first_seen"] <= reason["failed_at"]
    assert len(reason["sha256"]) == 64
    assert objects.delivered() == {"sub/good.json.parquet", "regular"}
    assert daemon.once() == 0, "what has failed is not tried again by itself"


def test_a_store_that_refuses_one_file_is_tried_max_retries_times_more(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=2)
    counting.on(lambda seen: seen.method == "PUT" and "/cursed" in seen.target, Fault(answer=(400, "BadDigest")), 10**6)
    write(daemon.watch / "cursed", b"nobody takes this")
    write(daemon.watch / "blessed", b"this is taken")

    assert daemon.once() == 1, daemon.failures()

    assert objects.delivered() == {"blessed"}
    assert reason_of(daemon, "cursed")["tries"] == 3
    assert len(list(daemon.events("file.retry"))) == 2


def test_a_failure_that_passes_costs_a_file_nothing_but_time(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    counting.on(lambda seen: seen.method == "PUT" and "/a.bin" in seen.target, Fault(reset_after_bytes=10), 2)
    write(daemon.watch / "a.bin", b"a" * 100_000)

    assert daemon.once() == 0, daemon.failures()

    assert objects.body("a.bin") == b"a" * 100_000


def test_a_manifest_that_is_refused_at_first_is_written_later_and_its_object_is_sent_once(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    counting.on(
        lambda seen: seen.method == "PUT" and "/_manifests/" in seen.target, Fault(answer=(400, "BadDigest")), 10
    )
    write(daemon.watch / "a.bin", b"a" * 1000)

    assert daemon.once() == 0, daemon.failures()

    assert objects.body("a.bin") == b"a" * 1000
    assert len(list(daemon.events("file.retry"))) > 0, "so often is not asked in one try"
    assert uploads(counting, address.bucket) == {"a.bin": 1, "_manifests/a.bin.json": 11}


def test_an_outage_of_the_store_costs_no_file_its_tries(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=0)
    daemon.start()
    counting.on(lambda _seen: True, Fault(answer=(503, "ServiceUnavailable")), 10**6)
    for number in range(30):
        write(daemon.watch / f"{number}.txt", b"%d" % number)
    daemon.until(lambda: list(daemon.events("store.outage")))

    counting.heal()

    daemon.until_at_rest(30)
    assert set(daemon.statuses().values()) == {"completed"}
    assert objects.delivered() == {f"{number}.txt" for number in range(30)}


def test_content_that_denies_its_name_is_delivered_as_it_is_and_marked(daemon: Daemon, objects: Bucket) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"pixels"
    write(daemon.watch / "picture.csv", picture)
    write(daemon.watch / "empty.zip", b"")

    assert daemon.once() == 0, daemon.failures()

    assert objects.body("picture.csv") == picture
    assert objects.head("picture.csv")["Metadata"]["type-mismatch"]
    assert objects.body("empty.zip") == b""
    assert len(list(daemon.events("file.type-mismatch"))) == 2


def test_a_key_that_another_file_owns_is_refused_and_never_overwritten(daemon: Daemon, objects: Bucket) -> None:
    write(daemon.watch / "a.csv", b"n,code\n1,001\n2,002\n")
    assert daemon.once() == 0
    before = objects.body("a.csv.parquet")

    write(daemon.watch / "a.csv.parquet", b"not what the CSV became")
    assert daemon.once() == 1

    assert objects.body("a.csv.parquet") == before
    assert "a.csv" in reason_of(daemon, "a.csv.parquet")["message"]
    assert (daemon.errors / "a.csv.parquet").read_bytes() == b"not what the CSV became"


def test_a_file_that_is_replaced_while_it_fails_is_delivered_in_its_new_state(daemon: Daemon, objects: Bucket) -> None:
    daemon.start()
    for number in range(10):
        exchange(daemon, BROKEN_JSON + b" " * number)
        before = daemon.log.stat().st_size
        daemon.until(lambda since=before: list(daemon.events("file.failed", since=since)), every=0.001)
        exchange(daemon, b'[{"a":%d}]' % number)
        daemon.until(lambda wanted=number: _value(objects) == wanted)
    assert (daemon.watch / "same.json").exists()


def exchange(daemon: Daemon, content: bytes) -> None:
    """Put a new file in the place of the old one, in one step."""
    write(daemon.home / "next", content)
    (daemon.home / "next").replace(daemon.watch / "same.json")


def _value(objects: Bucket) -> int | None:
    if "same.json.parquet" not in objects.delivered():
        return None
    return int(objects.table("same.json.parquet").to_pylist()[0]["a"])


def test_a_file_somebody_goes_on_writing_after_a_pause_is_never_set_aside(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon(STABILITY_THRESHOLD=100, MAX_RETRIES=1, RETRY_DELAY=10)
    daemon.start()
    with (daemon.watch / "log.txt").open("wb", buffering=0) as file:
        for number in range(40):
            file.write(b"line %d\n" % number)
            time.sleep(0.15 if number % 4 else 0.02)  # pauses around the threshold: taken, then written on
    daemon.until(lambda: daemon.at_rest(1) and objects.body("log.txt") == (daemon.watch / "log.txt").read_bytes())
    assert daemon.statuses() == {"log.txt": "completed"}
    assert not list(daemon.events("file.failed"))


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and to give it up")
def test_a_file_that_may_not_be_read_waits_until_it_may(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(MAX_RETRIES=0)
    write(daemon.watch / "secret", b"somebody else's")
    write(daemon.watch / "open", b"everybody's")
    (daemon.watch / "secret").chmod(0o600)
    os.chown(daemon.watch / "secret", 65534, 65534)

    # Root without the capabilities that let it read everything.
    powerless = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    assert daemon.once(prefix=powerless) == 75, daemon.tail()
    assert [fields["path"] for fields in daemon.events("file.left")] == ["secret"]

    daemon.start(prefix=powerless)
    daemon.until(lambda: json.loads(command(daemon, "status", "--json"))["watch"]["unreadable_files"] == ["secret"])
    assert "source.forbidden" in command(daemon, "why", "secret")
    (daemon.watch / "secret").chmod(0o644)
    daemon.until(lambda: objects.delivered() == {"open", "secret"})
    daemon.until(lambda: json.loads(command(daemon, "status", "--json"))["watch"]["unreadable"] == 0)
    assert daemon.stop() == 0
    assert not list(daemon.events("file.failed"))


def test_a_watched_directory_that_is_not_there_yet_or_goes_away_is_waited_for(daemon: Daemon, objects: Bucket) -> None:
    daemon.watch.rmdir()
    daemon.start()
    daemon.until(lambda: list(daemon.events("watch.root-missing")))

    write(daemon.watch / "first", b"1")
    daemon.until(lambda: "first" in objects.delivered())
    (daemon.watch / "first").unlink()
    daemon.watch.rmdir()
    write(daemon.watch / "second", b"2")

    daemon.until(lambda: "second" in objects.delivered())
    assert daemon.stop() == 0


def test_a_watched_directory_that_goes_away_with_files_waiting_costs_none_of_them_a_try(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon(MAX_BANDWIDTH=2 * MIB)
    names = [f"{n}.bin" for n in range(20)]
    for name in names:
        write(daemon.watch / name, bytes(MIB // 4))
    daemon.start()
    daemon.until(objects.delivered)
    daemon.watch.rename(daemon.home / "unmounted")

    daemon.until(lambda: [each for each in daemon.events("file.retry") if each["code"] == "source.no-root"])
    (daemon.home / "unmounted").rename(daemon.watch)

    daemon.until(lambda: daemon.statuses() == dict.fromkeys(names, "completed"), timeout=90)
    assert {row["tries"] for row in daemon.rows()} == {0}
    assert daemon.stop() == 0


def test_nothing_is_uploaded_twice_when_nothing_is_interrupted(
    make_daemon: MakeDaemon, address: StoreAddress, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address), RESCAN_INTERVAL=200)
    daemon.start()
    for number in range(100):
        write(daemon.watch / f"{number % 9}/{number}.bin", os.urandom(number * 100))
    daemon.until_at_rest(100)
    os.utime(daemon.watch / "1/1.bin")
    daemon.until(lambda: list(daemon.events("file.unchanged")))

    assert set(uploads(counting, address.bucket).values()) == {1}
