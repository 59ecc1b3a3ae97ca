"""The wall clock jumps, forwards and backwards, while files arrive and are delivered: nothing depends on it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.faults.checker import Checker

_SOURCE = Path(__file__).with_name("clock.c")
_YEAR = 365 * 24 * 3600

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that stands between a process and its wall clock; the monotonic one is left alone."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE], check=True)
    return library


class WallClock:
    """The wall clock of one daemon and its workers."""

    def __init__(self, daemon: Daemon, shim: Path) -> None:
        self._file = daemon.home / "clock"
        self.jump_to(0)
        daemon.environment |= {"LD_PRELOAD": str(shim), "CLOCK_OFFSET_FILE": str(self._file)}

    def jump_to(self, offset_seconds: int) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{offset_seconds:+d}\n")
        draft.rename(self._file)


@pytest.mark.parametrize("jump_seconds", [90, -90])
def test_a_clock_that_jumps_holds_up_nothing_and_takes_no_half_file(
    make_daemon: MakeDaemon, objects: Bucket, shim: Path, jump_seconds: int
) -> None:
    daemon = make_daemon(STABILITY_THRESHOLD=1500)
    clock = WallClock(daemon, shim)
    daemon.start()
    (daemon.watch / "before").write_bytes(b"before")
    daemon.until(lambda: daemon.statuses().get("before") == "completed")

    with (daemon.watch / "half").open("wb", buffering=0) as half:
        half.write(b"half ")
        clock.jump_to(jump_seconds)
        (daemon.watch / "after").write_bytes(b"after")
        (daemon.watch / "table.csv").write_bytes(b"a,b\n1,2\n")
        (daemon.watch / "broken.json").write_bytes(b"[{")
        half.write(b"and half")
    daemon.until_at_rest(5)
    clock.jump_to(0)
    (daemon.watch / "back").write_bytes(b"back")
    (daemon.watch / "before").write_bytes(b"changed")
    daemon.until(lambda: daemon.statuses().get("back") == "completed" and objects.body("before") == b"changed")
    daemon.until_at_rest(6)

    assert daemon.stop() == 0
    assert objects.body("half") == b"half and half"
    assert len(list(daemon.events("file.failed"))) == 1
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects).run() == []


@pytest.mark.parametrize("jump_seconds", [_YEAR, -_YEAR])
def test_a_clock_so_wrong_that_the_store_refuses_it_is_told_and_costs_no_file_its_tries(
    make_daemon: MakeDaemon, objects: Bucket, shim: Path, jump_seconds: int
) -> None:
    daemon = make_daemon(MAX_RETRIES=0)
    clock = WallClock(daemon, shim)
    daemon.start()
    daemon.until(lambda: list(daemon.events("watch.scanned")))
    clock.jump_to(jump_seconds)
    (daemon.watch / "a").write_bytes(b"a")
    (daemon.watch / "table.csv").write_bytes(b"a,b\n1,2\n")
    outage = daemon.until(lambda: list(daemon.events("store.outage")))
    assert "clock" in outage[0]["hint"]

    clock.jump_to(0)

    daemon.until(lambda: set(daemon.statuses().values()) == {"completed"}, timeout=60)
    assert daemon.stop() == 0
    assert len(daemon.statuses()) == 2
    assert Checker(daemon.watch, daemon.errors, daemon.ledger, objects).run() == []


def test_what_waits_for_a_time_is_due_when_the_clock_was_set_back_between_two_starts(
    make_daemon: MakeDaemon, objects: Bucket, shim: Path
) -> None:
    """A machine without a clock of its own may begin in any year."""
    daemon = make_daemon()
    clock = WallClock(daemon, shim)
    right, daemon.environment["S3_ENDPOINT"] = daemon.environment["S3_ENDPOINT"], "http://127.0.0.1:9"
    clock.jump_to(_YEAR)
    (daemon.watch / "a").write_bytes(b"a")
    daemon.start()
    daemon.until(lambda: daemon.statuses() == {"a": "pending"})
    daemon.kill()
    clock.jump_to(0)
    daemon.environment["S3_ENDPOINT"] = right
    daemon.start()

    daemon.until(lambda: daemon.statuses() == {"a": "completed"})

    assert daemon.stop() == 0
    assert objects.body("a") == b"a"
