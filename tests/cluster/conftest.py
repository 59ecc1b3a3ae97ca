"""A daemon, a bucket and a cluster whose scheduler and workers are programs of their own."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.programs import ClusterPrograms
from tests.e2e.conftest import MakeDaemon, address, counting, daemon, make_daemon, objects
from tests.e2e.daemon import Daemon, StoreAddress

__all__ = ["address", "counting", "daemon", "make_daemon", "objects"]

MakeDaskDaemon = Callable[..., Daemon]


@pytest.fixture
def cluster(tmp_path: Path, address: StoreAddress) -> Iterator[ClusterPrograms]:
    """Not yet started; the workers' hosts know the way to the store, and nothing else."""
    home = tmp_path / "cluster"
    home.mkdir()
    programs = ClusterPrograms(home, {**address.environment(), "S3_BUCKET": "other"})
    yield programs
    programs.stop()


@pytest.fixture
def running(cluster: ClusterPrograms) -> ClusterPrograms:
    """A scheduler and three workers."""
    cluster.start_scheduler()
    cluster.start_workers(3)
    return cluster


@pytest.fixture
def make_dask_daemon(make_daemon: MakeDaemon, cluster: ClusterPrograms) -> MakeDaskDaemon:
    """Make daemons with ENGINE=dask; `shared` says whether workers see the watched directory."""

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
