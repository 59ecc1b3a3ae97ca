"""A place to run the daemon in, against the session's real store; nothing of it survives the test."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processor.store.s3 import S3Store
from tests.e2e import warm
from tests.e2e.bucket import Bucket
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faultproxy import FaultProxy
from tests.faults.orphans import adopt_orphans, end_with_children, own_children, strays

MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def address(bucket: S3Store) -> StoreAddress:
    """The test's own bucket."""
    return address_of(bucket)


def address_of(bucket: S3Store) -> StoreAddress:
    """Return where a bucket is, and the keys to it."""
    settings = bucket.settings
    assert settings.endpoint
    assert settings.access_key_id
    assert settings.secret_access_key
    return StoreAddress(settings.endpoint, settings.bucket, settings.access_key_id, settings.secret_access_key)


@pytest.fixture
def objects(address: StoreAddress) -> Bucket:
    """What lies in the bucket."""
    return Bucket(address)


@pytest.fixture
def is_warm() -> bool:
    """Tell whether daemons may be forks of a process that has imported the product."""
    return True


@pytest.fixture
def make_daemon(tmp_path: Path, address: StoreAddress, is_warm: bool) -> Iterator[MakeDaemon]:
    """Make daemons; at the end each is gone, with all its processes."""
    adopt_orphans()
    if is_warm:
        warm.prepare()
    own = own_children()
    made: list[Daemon] = []

    def make(name: str = "home", *, store: StoreAddress = address, **settings: object) -> Daemon:
        made.append(Daemon(tmp_path / name, store, warm=is_warm, **settings))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.running:
            end_with_children(daemon.pid)
            daemon.wait()
        if daemon.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
    assert strays(own) == [], "processes of the daemon are left"


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    """One daemon that is not yet started."""
    return make_daemon()


@pytest.fixture
def counting(address: StoreAddress) -> Iterator[FaultProxy]:
    """Stand between the daemon and its store: every request is seen, and may be made to fail."""
    with FaultProxy(int(address.endpoint.rpartition(":")[2])) as proxy:
        yield proxy
