"""Mistakes that take an operator end with their name and 78, never with a traceback."""

import contextlib
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon, StoreAddress
from tests.operate.conftest import command


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("AWS_PROFILE", "nobody", "AWS_PROFILE"),
        ("S3_TAGS", "x", "S3_TAGS"),
        ("S3_ENDPOINT", "http://127.0.0.1:9/?x=1", "S3_ENDPOINT"),
        ("S3_ENDPOINT", "http://user:hidden-password@127.0.0.1:9", "S3_ENDPOINT"),
        ("S3_ENDPOINT", "http://127.0.0.1:port", "S3_ENDPOINT"),
        ("S3_ENDPOINT", "https", "http://"),  # the plain port, below
    ],
)
def test_a_mistake_is_named_and_ends_with_78(
    make_daemon: MakeDaemon, address: StoreAddress, setting: str, value: str, named: str
) -> None:
    if value == "https":
        value = address.endpoint.replace("http://", "https://")
    daemon = make_daemon(**{setting: value})
    told = command(daemon, "run", "--once")
    said = told.stdout + told.stderr
    assert told.returncode == 78, said
    assert named in told.stderr
    assert "Traceback" not in said
    assert "hidden-password" not in said


def test_no_process_but_the_daemon_knows_the_secret(daemon: Daemon) -> None:
    (daemon.watch / "a.csv").write_text("a,b\n1,2\n")
    daemon.start()
    daemon.until_at_rest(1)
    secret = daemon.environment["S3_SECRET_ACCESS_KEY"].encode()
    children = psutil.Process(daemon.pid).children(recursive=True)
    for child in children:
        with contextlib.suppress(FileNotFoundError):
            assert secret not in Path(f"/proc/{child.pid}/environ").read_bytes(), child.cmdline()
