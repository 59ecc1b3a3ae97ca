"""The daemon and its bucket, as the end-to-end tests have them; what takes hours runs only when it is asked for."""

import os

import pytest

from tests.e2e.conftest import address, counting, daemon, make_daemon, objects

__all__ = ["address", "counting", "daemon", "make_daemon", "objects"]


@pytest.fixture
def is_warm() -> bool:
    """Start each daemon as an operator does: its memory, its threads and its death are what is looked at."""
    return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the `torture` tests out unless TORTURE is set."""
    if os.environ.get("TORTURE"):
        return
    for item in items:
        if item.get_closest_marker("torture"):
            item.add_marker(pytest.mark.skip(reason="takes long: set TORTURE=1"))
