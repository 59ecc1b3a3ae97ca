"""Fixtures of the actors' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.streams.inbox import Inbox
from tests.actors.among_listeners import InlinePool, Stage
from tests.actors.small_s3 import SmallS3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The watched directory."""
    path = tmp_path / "watched"
    path.mkdir()
    return path


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    opened = Inbox()
    yield opened
    opened.close()


@pytest.fixture
def pool(inbox: Inbox) -> InlinePool:
    return InlinePool(inbox)


@pytest.fixture
def s3() -> Iterator[SmallS3]:
    server = SmallS3()
    yield server
    server.close()
