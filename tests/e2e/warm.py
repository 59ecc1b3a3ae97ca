"""`processor` as a fork of a process that has imported it: the same program, a second of CPU time sooner."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from tests.faults.orphans import adopt_orphans

ROOT = Path(__file__).parents[2]


class Forked:
    """What of `subprocess.Popen` the tests use, for a process that we adopted."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("processor", timeout or 0)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _line() -> socket.socket:
    """Start the server, once for the process that tests; it ends with us."""
    adopt_orphans()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        # Its command line says what its forks are, so that one that is left over is found.
        subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.warm_server", "-m processor"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdin=its,
            stdout=subprocess.DEVNULL,
        )
    return ours


def prepare() -> None:
    """Have the server there before a test looks at whose children there are."""
    _line()


def start(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], output: IO[bytes], error: IO[bytes]
) -> Forked:
    """Start it in a session of its own, without any input."""
    line = _line()
    request = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment)}
    with open(os.devnull, "rb") as nothing:
        descriptors = [each.fileno() for each in (nothing, output, error)]
        socket.send_fds(line, [json.dumps(request).encode()], descriptors)
    return Forked(int.from_bytes(line.recv(8), "little"))


def run(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end, as `subprocess.run` does."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        process = start(arguments, cwd, environment, output, error)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        said = [_text(each) for each in (output, error)]
    return subprocess.CompletedProcess(["processor", *arguments], code, *said)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
