"""A daemon's directories, a stranger who may do anything in the watched one, and a home that is none of his."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.trees import syscalls
from tests.attacks.stage import Stage
from tests.e2e.conftest import address, is_warm, make_daemon, objects

__all__ = ["address", "is_warm", "make_daemon", "objects"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    base = Path(tempfile.mkdtemp(prefix="attack-"))  # not below pytest's directory, which other users may not enter
    os.chmod(base, 0o755)
    try:
        yield Stage(base)
    finally:
        shutil.rmtree(base)


@pytest.fixture(params=["openat2", "walk"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Attack with the system calls of this kernel, and with what stands in for them on an older one."""
    if request.param == "walk":
        monkeypatch.setattr(syscalls, "_has_openat2", lambda: False)
        monkeypatch.setattr(syscalls, "_SYS_RENAMEAT2", {})
    return str(request.param)
