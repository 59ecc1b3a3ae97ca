"""Fixtures that every kind of test uses."""

import os
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import hypothesis
import pytest

from processor.store.embedded import EmbeddedStore
from processor.store.probe import StoreProfile, adopt, probe
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings
from tests import seaweed

_Value = TypeVar("_Value")
WaitUntil = Callable[..., object]

# The machine is shared: how long one example takes says nothing.
hypothesis.settings.register_profile("shared-machine", deadline=None)
hypothesis.settings.load_profile("shared-machine")


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist hand out the files in the order in which they were collected."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: one that comes last leaves all processors but one idle.

    Without fast paths (PROCESSOR_FAST_PATHS=off) what tests them alone is skipped; all else must pass.
    """
    if os.environ.get("PROCESSOR_FAST_PATHS") == "off":
        for item in items:
            if item.path.parent.name == "fast" or item.get_closest_marker("fast_paths"):
                item.add_marker(pytest.mark.skip(reason="of the fast paths"))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
