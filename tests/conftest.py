"""Fixtures that every kind of test uses."""

import compileall
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

from processor.store.embedded import EmbeddedStore
from processor.store.probe import StoreProfile, adopt, probe
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings
from tests import boto_models, seaweed
from tests.examples import MANY, examples

_Value = TypeVar("_Value")
WaitUntil = Callable[..., object]
IN_CI = bool(os.environ.get("CI"))
HERE = Path(__file__).parent

# The machine is shared: how long one example takes says nothing. The suite tries the same examples every time, so that
# a change is judged by what it changes; `make heavy` searches for new ones.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=not MANY, max_examples=examples(100), database=None
)
hypothesis.settings.load_profile("suite")
boto_models.share()


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist hand out the files in the order in which they were collected; compile the product once."""
    config.option.loadscopereorder = False
    if not hasattr(config, "workerinput"):
        # What installing does. The programs write no bytecode: each of them would compile the product anew.
        compileall.compile_dir(HERE.parent / "processor", quiet=1)


# The first come first: a file that takes long and comes last leaves all processors but one idle.
ROOMS = (
    "deploy",
    "cluster",
    "faults",
    "e2e",
    "operate",
    "contract",
    "attacks",
    "certainty",
    "golden",
    "tools",
    "unit",
    "actors",
)
# These wait for processes, timers and sockets: on a machine that others load, too, one wait in thousands is too long.
WAITING = {
    "deploy": "waits for installed programs on a shared machine",
    "cluster": "waits for the programs of a cluster on a shared machine",
    "faults": "waits for real processes on a shared machine",
    "e2e": "waits for real processes on a shared machine",
    "operate": "waits for real processes on a shared machine",
    "attacks": "waits for real processes on a shared machine",
    "contract": "waits for a real store on a shared machine",
    "unit/watch": "waits for the kernel's events on a shared machine",
    "unit/engine": "waits for real processes on a shared machine",
    "unit/store": "waits for sockets on a shared machine",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files in order, the longest first, and mark the tests that wait for others.

    Without fast paths (PROCESSOR_FAST_PATHS=off) what tests them alone is skipped; all else must pass.
    """
    if os.environ.get("PROCESSOR_FAST_PATHS") == "off":
        for item in items:
            if item.path.parent.name == "fast" or item.get_closest_marker("fast_paths"):
                item.add_marker(pytest.mark.skip(reason="of the fast paths"))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, _room(item.path)))
    for item in items:
        _may_be_run_again(item)


def _may_be_run_again(item: pytest.Item) -> None:
    """Mark a test that waits for others; whoever is marked has a reason."""
    place = item.path.relative_to(HERE).parent.as_posix()
    reasons = [reason for room, reason in WAITING.items() if f"{place}/".startswith(f"{room}/")]
    if reasons:
        item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=2, condition=IN_CI, reason=reasons[0]))
    for marker in item.iter_markers("flaky"):
        assert marker.kwargs.get("reason"), f"{item.nodeid} is to be run again: why?"


def _room(path: Path) -> int:
    return ROOMS.index(path.relative_to(HERE).parts[0]) if path.parent != HERE else len(ROOMS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell which tests were run again: each is a weakness of its own."""
    again = Counter(report.nodeid for report in terminalreporter.stats.get("rerun", []))
    if IN_CI or again:
        terminalreporter.section("run again")
        terminalreporter.line(f"{sum(again.values())} times, {len(again)} tests")
        for nodeid, times in sorted(again.items()):
            terminalreporter.line(f"{times} {nodeid}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """One real S3 server for the whole session."""
    running = seaweed.started(tmp_path_factory.mktemp("store"))
    yield running
    running.stop(grace_seconds=0)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> StoreSettings:
    """The store under test: the one that TEST_S3_ENDPOINT, _ACCESS_KEY_ID and _SECRET_ACCESS_KEY name, else ours."""
    endpoint = os.environ.get("TEST_S3_ENDPOINT")
    if endpoint is None:
        return seaweed.settings_for(request.getfixturevalue("server"))
    return StoreSettings(
        bucket="",
        endpoint=endpoint,
        region=os.environ.get("TEST_S3_REGION", "us-east-1"),
        access_key_id=os.environ.get("TEST_S3_ACCESS_KEY_ID"),
        secret_access_key=os.environ.get("TEST_S3_SECRET_ACCESS_KEY"),
    )


@pytest.fixture(scope="session")
def profile(target: StoreSettings) -> StoreProfile:
    """What the store under test was found to do."""
    store = seaweed.fresh_bucket(target)
    found = probe(store)
    seaweed.drop_bucket(store)
    assert found.problem is None
    return found


@pytest.fixture
def bucket(target: StoreSettings, profile: StoreProfile) -> Iterator[S3Store]:
    """A store over a bucket of this test's own; `bucket.settings` has endpoint, name and credentials."""
    store = seaweed.fresh_bucket(target)
    adopt(store, profile)
    yield store
    seaweed.drop_bucket(store)


@pytest.fixture
def wait_until() -> WaitUntil:
    """Wait for a condition, never for a time: `wait_until(lambda: path.exists(), timeout=5)` returns its value."""

    def wait(condition: Callable[[], _Value], timeout: float = 10, every: float = 0.02) -> _Value:
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout} s: {condition}")
            time.sleep(every)
        return value

    return wait
