"""Workers, the scheduler and the daemon die, are cut off and come back: nothing is lost, damaged, doubled or left."""

import os
import random
import signal
import zipfile
from pathlib import Path

import pytest

from processor.domain.errors import ErrorClass
from processor.remote.dask_engine import Cluster, ClusterAddress
from tests.cluster import certificates
from tests.cluster.conftest import MakeDaskDaemon
from tests.cluster.programs import ClusterPrograms
from tests.conftest import WaitUntil
from tests.contract.test_engines import ready
from tests.e2e.bucket import Bucket
from tests.e2e.counting import through
from tests.e2e.daemon import Daemon, StoreAddress
from tests.e2e.trees import BROKEN_JSON, MIB, write
from tests.faultproxy import Fault, FaultProxy, Seen
from tests.operate.conftest import command
from tests.operate.test_health import get

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_CSV = b"n,code\n" + b"".join(b"%d,%03d\n" % (n, n % 7) for n in range(200))
_HELD_SECONDS = 20.0


@pytest.fixture
def held(cluster: ClusterPrograms, counting: FaultProxy, address: StoreAddress) -> FaultProxy:
    """The workers' way to the store; the daemon's own is another. The second part of an upload waits there, once."""
    cluster.environment = {**cluster.environment, **through(counting, address).environment()}
    counting.on(lambda seen: seen.part == 2, Fault(delay_seconds=_HELD_SECONDS))
    return counting


def test_a_worker_killed_in_the_middle_of_an_upload_costs_one_try_and_leaves_nothing(
    make_dask_daemon: MakeDaskDaemon, cluster: ClusterPrograms, held: FaultProxy, objects: Bucket
) -> None:
    cluster.start_scheduler()
    cluster.start_workers(2)
    daemon = make_dask_daemon()
    content = _zip_with_large_member(daemon.watch / "z.zip", seed=1)
    daemon.start()
    daemon.until(lambda: _at_part_2(held), 120)

    cluster.busy().kill()
    daemon.until_at_rest(1, 180)

    assert objects.body("z.zip/large.bin") == content
    assert objects.table("z.zip/a.csv.parquet").num_rows == 200
    assert [(fields["code"], fields["tries"]) for fields in daemon.failures()] == [("cluster.worker-lost", 1)]
    assert objects.open_uploads() == []
    assert set(daemon.statuses().values()) == {"completed"}


def test_a_worker_that_was_cut_off_can_not_overwrite_what_came_after_it(
    make_dask_daemon: MakeDaskDaemon, cluster: ClusterPrograms, held: FaultProxy, objects: Bucket, wait_until: WaitUntil
) -> None:
    cluster.start_scheduler()
    cluster.start_workers(1)
    daemon = make_dask_daemon()
    _zip_with_large_member(daemon.watch / "z.zip", seed=1)
    daemon.start()
    daemon.until(lambda: _at_part_2(held), 120)
    old = cluster.busy()
    os.kill(old.process.pid, signal.SIGSTOP)
    assert cluster.scheduler is not None
    cluster.scheduler.kill()
    cluster.start_scheduler()
    cluster.start_workers(1)

    newer = _zip_with_large_member(daemon.watch / "z.zip", seed=2)
    daemon.until(lambda: _completed(daemon) and objects.body("z.zip/large.bin") == newer, 240)
    os.kill(old.process.pid, signal.SIGCONT)
    wait_until(lambda: not old.running, 180)

    assert objects.body("z.zip/large.bin") == newer
    assert objects.open_uploads() == []
    assert objects.manifest("z.zip")["sha256"] == daemon.rows()[0]["checksum"]
    assert daemon.rows()[0]["tries"] == 0


def test_the_daemon_killed_while_workers_upload_goes_on_and_leaves_nothing(
    make_dask_daemon: MakeDaskDaemon, cluster: ClusterPrograms, held: FaultProxy, objects: Bucket, wait_until: WaitUntil
) -> None:
    cluster.start_scheduler()
    cluster.start_workers(1)
    daemon = make_dask_daemon(shared=False)
    content = _zip_with_large_member(daemon.watch / "z.zip", seed=1)
    daemon.start()
    daemon.until(lambda: _at_part_2(held), 120)
    assert objects.keys("_staging/")

    daemon.kill()
    daemon.start()
    daemon.until_at_rest(1, 180)

    assert objects.body("z.zip/large.bin") == content
    wait_until(lambda: objects.open_uploads() == [], 2 * _HELD_SECONDS)
    assert objects.keys("_staging/") == set()
    assert daemon.failures() == []


def test_a_cluster_that_is_not_ready_is_waited_for_and_costs_no_file_a_try(
    make_dask_daemon: MakeDaskDaemon, cluster: ClusterPrograms, objects: Bucket
) -> None:
    cluster.start_scheduler()
    cluster.start_workers(1)
    daemon = make_dask_daemon(HTTP_LISTEN="127.0.0.1:0")
    mounted = Path(daemon.environment["PATH_MAP"].partition("=")[2])
    mounted.unlink()
    write(daemon.watch / "a.csv", _CSV)
    daemon.start()
    (told, *_) = daemon.until(lambda: list(daemon.events("cluster.outage")), 120)
    assert str(mounted) in told["message"]
    assert "PATH_MAP" in told["hint"]
    daemon.until(lambda: get(daemon, "/ready") == (503, "the cluster is out\n"))
    checked = command(daemon, "check")
    assert (checked.returncode, f"{mounted} is not there (mount it" in checked.stdout) == (1, True), checked.stdout

    mounted.symlink_to(daemon.watch)
    daemon.until_at_rest(1, 180)

    assert objects.delivered() == {"a.csv.parquet"}
    assert daemon.failures() == [] or {fields["code"] for fields in daemon.failures()} == {"cluster.not-ready"}
    assert daemon.rows()[0]["tries"] == 0
    assert len(cluster.workers) == 1


def test_nothing_is_lost_while_workers_the_scheduler_and_the_daemon_are_killed_again_and_again(
    make_dask_daemon: MakeDaskDaemon, cluster: ClusterPrograms, objects: Bucket
) -> None:
    cluster.start_scheduler()
    cluster.start_workers(2)
    rng = random.Random(7)
    daemon = make_dask_daemon(MAX_RETRIES=20)
    contents = _tree(daemon.watch, rng)
    daemon.start()
    for number in range(40 if os.environ.get("TORTURE") else 3):
        done = sum(status == "completed" for status in daemon.statuses().values())
        daemon.until(lambda: _done(daemon) > done or daemon.at_rest(len(contents)), 120)  # noqa: B023 - at once
        match number % 3:
            case 0:
                rng.choice([worker for worker in cluster.workers if worker.running]).kill()
                cluster.start_workers(1)
            case 1:
                daemon.kill()
                daemon.start()
            case 2:
                assert cluster.scheduler is not None
                cluster.scheduler.kill()
                cluster.start_scheduler()
                cluster.start_workers(2)
    daemon.until_at_rest(len(contents), 240)

    statuses = daemon.statuses()
    assert {name for name, status in statuses.items() if status == "failed"} == {"broken.json"}
    assert {name for name, status in statuses.items() if status == "completed"} == contents.keys() - {"broken.json"}
    for name, content in contents.items():
        if name.endswith(".bin"):
            assert objects.body(name) == content, name
        elif name.endswith(".csv"):
            assert objects.table(f"{name}.parquet").num_rows == 200, name
        elif name.endswith(".zip"):
            assert objects.keys(f"{name}/") == {f"{name}/{n}.csv.parquet" for n in range(4)}
    daemon.stop()
    daemon.once()
    assert objects.open_uploads() == []


def test_with_certificates_all_is_encrypted_and_whoever_has_none_is_refused(
    make_dask_daemon: MakeDaskDaemon, cluster: ClusterPrograms, objects: Bucket, tmp_path: Path
) -> None:
    cluster.tls = certificates.made(tmp_path / "tls")
    cluster.start_scheduler()
    cluster.start_workers(1)
    daemon = make_dask_daemon()
    write(daemon.watch / "a.csv", _CSV)

    assert daemon.once() == 0, daemon.tail()

    assert cluster.address.startswith("tls://")
    assert objects.table("a.csv.parquet").num_rows == 200
    stranger = certificates.made(tmp_path / "stranger")
    for files in (
        (stranger.ca, stranger.certificate, stranger.key),
        (cluster.tls.ca, stranger.certificate, stranger.key),
    ):
        outside = Cluster(ClusterAddress(cluster.address, *files), lambda: ready)
        refused = outside.problem()
        outside.stop()
        assert refused is not None
        assert (refused.error_class, refused.code) == (ErrorClass.OUTAGE, "cluster.unreachable")


def _zip_with_large_member(path: Path, seed: int) -> bytes:
    """Put a zip in place at once; its large member takes several parts."""
    content = random.Random(seed).randbytes(20 * MIB)
    beside = path.parent.parent / "being-made.zip"
    with zipfile.ZipFile(beside, "w") as archive:
        archive.writestr("a.csv", _CSV)
        archive.writestr("large.bin", content)
    beside.replace(path)
    return content


def _at_part_2(proxy: FaultProxy) -> bool:
    return any(_second(seen) for seen in list(proxy.seen))


def _second(seen: Seen) -> bool:
    return seen.part == 2


def _completed(daemon: Daemon) -> bool:
    return set(daemon.statuses().values()) == {"completed"}


def _done(daemon: Daemon) -> int:
    return sum(status == "completed" for status in daemon.statuses().values())


def _tree(watch: Path, rng: random.Random) -> dict[str, bytes]:
    contents: dict[str, bytes] = {"broken.json": BROKEN_JSON}
    for number in range(12):
        contents[f"t/{number}.csv"] = _CSV
        contents[f"b/{number}.bin"] = rng.randbytes(rng.randrange(1, 50_000))
    contents["b/large.bin"] = rng.randbytes(18 * MIB)
    for name, content in contents.items():
        write(watch / name, content)
    for number in range(4):
        name = f"z/{number}.zip"
        beside = watch.parent / "being-made.zip"
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in range(4):
                archive.writestr(f"{member}.csv", _CSV)
        (watch / "z").mkdir(exist_ok=True)
        beside.replace(watch / name)
        contents[name] = b""
    return contents
