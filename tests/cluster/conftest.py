"""A daemon, a bucket and a cluster whose scheduler and workers are programs of their own."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processor.store.settings import StoreSettings
from tests.cluster.programs import ClusterPrograms
from tests.e2e.conftest import MakeDaemon, address, counting, daemon, is_warm, make_daemon, objects
from tests.e2e.daemon import Daemon, StoreAddress

__all__ = ["address", "counting", "daemon", "is_warm", "make_daemon", "objects"]

MakeDaskDaemon = Callable[..., Daemon]


@pytest.fixture
def cluster(tmp_path: Path, target: StoreSettings) -> Iterator[ClusterPrograms]:
    """A cluster of this test's own, not yet started."""
    with cluster_at(tmp_path / "cluster", target) as programs:
        yield programs


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, target: StoreSettings) -> Iterator[ClusterPrograms]:
    """A scheduler and three workers for all tests of a module: none of them may harm it."""
    with cluster_at(tmp_path_factory.mktemp("running") / "cluster", target) as programs:
        programs.start_scheduler()
        programs.start_workers(3)
        yield programs


@contextmanager
def cluster_at(home: Path, target: StoreSettings) -> Iterator[ClusterPrograms]:
    """Yield a cluster not yet started; the workers' hosts know the way to the store, and nothing else."""
    home.mkdir()
    assert target.endpoint
    assert target.access_key_id
    assert target.secret_access_key
    address = StoreAddress(target.endpoint, "other", target.access_key_id, target.secret_access_key)
    programs = ClusterPrograms(home, address.environment())
    try:
        yield programs
    finally:
        programs.stop()


@pytest.fixture
def make_dask_daemon(request: pytest.FixtureRequest, make_daemon: MakeDaemon) -> MakeDaskDaemon:
    """Make daemons with ENGINE=dask; `shared` says whether workers see the watched directory."""
    name = "running" if "running" in request.fixturenames else "cluster"
    cluster: ClusterPrograms = request.getfixturevalue(name)

    def make(name: str = "home", *, shared: bool = True, **settings: object) -> Daemon:
        made = make_daemon(name, ENGINE="dask", WORKERS=1, DASK_MIN_SIZE=0, **settings)
        made.environment["DASK_SCHEDULER"] = cluster.address
        if cluster.tls is not None:
            made.environment |= cluster.tls.settings()
        if shared:
            # The workers find it elsewhere, as over NFS.
            mounted = made.home / "mounted"
            mounted.symlink_to(made.watch)
            made.environment["PATH_MAP"] = f"{made.watch}={mounted}"
        return made

    return make


def other_store(address: StoreAddress, **changes: str) -> StoreAddress:
    return dataclasses.replace(address, **changes)
