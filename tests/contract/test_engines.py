"""What every engine promises: the same suite for one that runs inline, the pool, and a cluster of other programs."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import Any

import pytest

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.engine.pool import Pool
from processor.engine.seam import Engine
from processor.remote.dask_engine import Cluster, ClusterAddress
from processor.sandbox.confine import Limits
from processor.streams.inbox import Inbox
from processor.streams.object_stream import worker_failed
from tests.cluster.programs import ClusterPrograms
from tests.contract import engine_work as work
from tests.e2e.daemon import ROOT

_SECONDS = 120.0


class Inline:
    """The simplest engine: whoever submits does it."""

    def submit(self, function: Callable[[Any], Any], request: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(function(request))
        except Exception as error:  # noqa: BLE001 - handed back, as every engine does
            done.set_exception(error)
        return done

    def slots(self) -> int:
        return 1

    def stop(self) -> None:
        pass


def ready() -> Failure | None:
    return None


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterPrograms]:
    cluster = ClusterPrograms(tmp_path_factory.mktemp("cluster"), {})
    cluster.start_scheduler()
    cluster.start_workers(3)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def readable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readable")


def engines(request: pytest.FixtureRequest, name: str) -> Iterator[Engine]:
    match name:
        case "inline":
            yield Inline()
        case "pool":
            inbox = Inbox()
            readable = request.getfixturevalue("readable")
            pool = Pool(2, Limits(1024, (str(ROOT), str(readable))), inbox.worker_end)
            yield pool
            pool.stop()
            inbox.close()
        case "cluster":
            programs = request.getfixturevalue("programs")
            missing = 3 - programs.known()
            if missing:
                programs.start_workers(missing)
            cluster = Cluster(ClusterAddress(programs.address), lambda: ready)
            assert cluster.problem() is None
            yield cluster
            cluster.stop()


@pytest.fixture(params=["inline", "pool", "cluster"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from engines(request, request.param)


@pytest.fixture(params=["pool", "cluster"])
def distant(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine whose workers are other processes."""
    yield from engines(request, request.param)


def failure_of(future: "Future[Any]") -> Failure:
    error = future.exception(_SECONDS)
    assert isinstance(error, Exception), "it succeeded"
    return error.failure if isinstance(error, DeliveryError) else worker_failed(error).failure


def test_each_of_many_requests_is_answered_with_its_own_result(engine: Engine) -> None:
    futures = [engine.submit(work.doubled, number) for number in range(50)]
    assert [future.result(_SECONDS) for future in futures] == [2 * number for number in range(50)]


def test_an_expected_failure_comes_back_as_the_value_it_was(engine: Engine) -> None:
    assert failure_of(engine.submit(work.refuse, None)) == work.REFUSAL


def test_a_bug_comes_back_as_a_bug_and_harms_nobody_else(engine: Engine) -> None:
    failure = failure_of(engine.submit(work.stumble, None))
    assert (failure.error_class, failure.code) == (ErrorClass.TRANSIENT, "worker.bug")
    assert "ZeroDivisionError" in failure.message
    assert engine.submit(work.doubled, 4).result(_SECONDS) == 8


def test_an_engine_tells_how_much_it_does_at_once(engine: Engine) -> None:
    assert engine.slots() >= 1


def test_work_is_done_by_another_process(distant: Engine) -> None:
    assert distant.submit(work.process, None).result(_SECONDS) != os.getpid()


def test_the_death_of_a_worker_costs_its_own_request_one_infrastructure_try_and_no_other(
    distant: Engine, readable: Path, request: pytest.FixtureRequest
) -> None:
    flag = readable / f"go-{abs(hash(request.node.name))}"
    bystander = distant.submit(work.wait_for, str(flag))
    victim = distant.submit(work.die, None)

    assert failure_of(victim).error_class is ErrorClass.INFRASTRUCTURE

    flag.touch()
    assert bystander.result(_SECONDS) == str(flag)
    assert distant.submit(work.doubled, 1).result(_SECONDS) == 2


def test_a_request_that_was_given_up_is_not_answered_and_holds_up_nobody(
    distant: Engine, readable: Path, request: pytest.FixtureRequest
) -> None:
    flag = readable / f"never-{abs(hash(request.node.name))}"
    given_up = distant.submit(work.wait_for, str(flag))

    assert given_up.cancel()

    with pytest.raises(CancelledError):
        given_up.result(_SECONDS)
    assert distant.submit(work.doubled, 3).result(_SECONDS) == 6
    flag.touch()


def test_a_cluster_never_tries_a_request_again_by_itself(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for cluster in engines(request, "cluster"):
        noted = tmp_path / "noted"
        failure = failure_of(cluster.submit(work.note_and_die, str(noted)))
        assert (failure.error_class, failure.code) == (ErrorClass.INFRASTRUCTURE, "cluster.worker-lost")
        assert noted.read_text() == "x"
        assert [cluster.submit(work.doubled, n).result(_SECONDS) for n in range(4)] == [0, 2, 4, 6]
        assert noted.read_text() == "x"


def test_a_worker_of_another_version_is_noticed_and_refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cluster in engines(request, "cluster"):
        assert isinstance(cluster, Cluster)
        monkeypatch.setattr("processor.remote.dask_engine.PROTOCOL", 99)

        refused = failure_of(cluster.submit(work.doubled, 1))
        problem = cluster.problem()

        assert problem is not None
        for failure in (refused, problem):
            assert (failure.error_class, failure.code) == (ErrorClass.OUTAGE, "cluster.version")
            assert "protocol 1, the daemon protocol 99" in failure.message
        assert "tcp://" in problem.message, "which worker it is"


def test_a_frozen_worker_is_no_problem_of_the_cluster(
    request: pytest.FixtureRequest, programs: ClusterPrograms
) -> None:
    for cluster in engines(request, "cluster"):
        assert isinstance(cluster, Cluster)
        frozen = next(worker for worker in programs.workers if worker.running)
        os.kill(frozen.process.pid, signal.SIGSTOP)
        try:
            assert cluster.problem() is None
        finally:
            frozen.kill()


def test_a_scheduler_that_is_lost_is_an_outage_and_one_that_is_back_is_joined_again(tmp_path: Path) -> None:
    programs = ClusterPrograms(tmp_path, {})
    programs.start_scheduler()
    programs.start_workers(1)
    cluster = Cluster(ClusterAddress(programs.address), lambda: ready)
    try:
        assert cluster.problem() is None
        waiting = cluster.submit(work.wait_for, str(tmp_path / "never"))
        wait([waiting], 0.5)
        assert programs.scheduler is not None
        programs.scheduler.kill()

        assert (failure_of(waiting).error_class, failure_of(waiting).code) == (
            ErrorClass.OUTAGE,
            "cluster.unreachable",
        )
        lost = cluster.problem()
        assert lost is not None
        assert lost.code == "cluster.unreachable"
        with pytest.raises(DeliveryError, match="can not be reached"):
            cluster.submit(work.doubled, 1)

        programs.start_scheduler()
        empty = cluster.problem()
        assert empty is not None
        assert empty.code == "cluster.no-workers"
        programs.start_workers(1)
        assert cluster.problem() is None
        assert cluster.submit(work.doubled, 1).result(_SECONDS) == 2
    finally:
        (tmp_path / "never").touch()
        cluster.stop()
        programs.stop()
