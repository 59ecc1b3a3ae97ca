"""Fixtures that every kind of test uses."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from processor.store.embedded import EmbeddedStore
from processor.store.s3 import S3Store
from tests import seaweed

_Value = TypeVar("_Value")
WaitUntil = Callable[..., object]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """One real S3 server for the whole session."""
    running = seaweed.started(tmp_path_factory.mktemp("store"))
    yield running
    running.stop(grace_seconds=0)


@pytest.fixture
def bucket(server: EmbeddedStore) -> Iterator[S3Store]:
    """A store over a bucket of this test's own; `bucket.settings` has endpoint, name and credentials."""
    store = seaweed.fresh_bucket(server)
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
