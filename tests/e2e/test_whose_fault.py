"""Answers that say nothing of a file move no file to the error directory; what they say, `status` tells."""

import sqlite3

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import through
from tests.e2e.daemon import Daemon, StoreAddress
from tests.e2e.trees import write
from tests.faultproxy import Fault, FaultProxy, Seen
from tests.operate.conftest import command

PAGE = "<html><head><title>no</title></head><body><p>not here<br></body></html>"


def page(status: int, body: str = PAGE, header: str = "") -> Fault:
    head = f"HTTP/1.1 {status} Injected\r\n{header}Content-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return Fault(raw=(head + body).encode())


def coded(status: int, code: str) -> Fault:
    return Fault(answer=(status, code))


FAULTS = {
    "500-InternalError": coded(500, "InternalError"),
    "409-OperationAborted": coded(409, "OperationAborted"),
    "302": page(302, "", "Location: http://login.example/\r\n"),
    "307": page(307, "", "Location: http://other.example/\r\n"),
    "401": page(401),
    "405": page(405),
    "407": page(407),
    "410": page(410),
    "413": page(413),
    "404-page": page(404),
    "400-bare": page(400, ""),
    "KMS": coded(400, "KMS.DisabledException"),
    "class": coded(400, "InvalidStorageClass"),
    "quota": coded(403, "QuotaExceeded"),
    "200-bare": Fault(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
}


def test_no_answer_that_says_nothing_of_a_file_costs_it_a_try(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    """The probe is taken all along, so that only what the answers are worth decides."""
    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=0)
    for name, fault in FAULTS.items():

        def is_it(seen: Seen, name: str = name) -> bool:
            return seen.method == "PUT" and seen.target.endswith(f"/{name}")

        counting.on(is_it, fault, 2)
        write(daemon.watch / name, name.encode())

    assert daemon.once() == 0, daemon.failures()

    assert objects.delivered() == set(FAULTS)
    assert {objects.body(name) for name in FAULTS} == {name.encode() for name in FAULTS}


@pytest.mark.parametrize(
    ("fault", "named"),
    [(FAULTS["KMS"], "S3_SSE_KMS_KEY_ID"), (FAULTS["302"], "http://login.example/"), (FAULTS["quota"], "quota")],
    ids=["KMS", "redirect", "quota"],
)
def test_what_the_probe_meets_too_is_an_outage_that_says_what_is_missing(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy, fault: Fault, named: str
) -> None:
    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=0)
    daemon.start()
    counting.on(lambda seen: seen.method == "PUT", fault, 10**6)
    for number in range(20):
        write(daemon.watch / f"{number}.txt", b"%d" % number)

    outage = daemon.until(lambda: list(daemon.events("store.outage")))[0]
    assert named in outage["message"] + outage["hint"]
    # The outage is known a moment after it was logged.
    shown = daemon.until(lambda: told if named in (told := _status(daemon)) else "")
    assert "lose no try" in shown

    counting.heal()
    daemon.until_at_rest(20)
    assert set(daemon.statuses().values()) == {"completed"}
    assert len(objects.delivered()) == 20


def _status(daemon: Daemon) -> str:
    return " ".join(command(daemon, "status").stdout.split())


def test_deliveries_that_are_refused_while_probes_are_taken_are_paused(
    make_daemon: MakeDaemon, address: StoreAddress, counting: FaultProxy
) -> None:
    def is_data(seen: Seen) -> bool:
        return seen.method == "PUT" and "/_probe/" not in seen.target

    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=0)
    daemon.start()
    counting.on(is_data, coded(500, "InternalError"), 10**6)
    for number in range(100):
        write(daemon.watch / f"{number}.txt", b"%d" % number)

    daemon.until(lambda: list(daemon.events("store.outage")))
    counting.heal()

    daemon.until_at_rest(100)
    assert set(daemon.statuses().values()) == {"completed"}
    with sqlite3.connect(daemon.ledger) as ledger:
        assert ledger.execute("SELECT max(tries) FROM file_progress").fetchone() == (0,)


def test_verify_notices_a_delivery_of_which_nothing_is_left(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket
) -> None:
    daemon = make_daemon(store=address)
    for name in ("kept", "lost"):
        write(daemon.watch / f"sub/{name}", name.encode())
    assert daemon.once() == 0
    assert command(daemon, "verify", "--all").stdout == "2 ok\n"

    for key in ("sub/lost", "_manifests/sub/lost.json"):
        objects.client.delete_object(Bucket=address.bucket, Key=key)

    told = command(daemon, "verify", "--all")
    lost, counts = told.stdout.splitlines()
    assert (told.returncode, counts) == (1, "1 missing, 1 ok")
    assert "_manifests/sub/lost.json" in lost
