"""A daemon, its commands and its dashboard, as an operator has them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e import warm
from tests.e2e.conftest import MakeDaemon, address, counting, daemon, is_warm, make_daemon, objects
from tests.e2e.daemon import Daemon

__all__ = ["address", "counting", "daemon", "is_warm", "make_daemon", "objects"]

StartDashboard = Callable[..., str]


def command(home: Daemon, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `processor ...` beside the daemon, with its settings."""
    return warm.run(arguments, home.home, home.environment | {"COLUMNS": "400"} | environment)


def answer(home: Daemon, *arguments: str) -> Any:
    """Return what a command says with --json."""
    result = command(home, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def start_dashboard(make_daemon: MakeDaemon) -> Iterator[StartDashboard]:
    """Start `processor dashboard` with a daemon's settings and return its URL."""
    del make_daemon  # ends after us
    running: list[subprocess.Popen[str]] = []

    def start(home: Daemon, *arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "processor", "dashboard", "--listen", "127.0.0.1:0", *arguments],
            cwd=home.home,
            env=home.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().split()[0]

    yield start
    for process in running:
        process.kill()
        process.communicate()
