"""Try all attempts as the user that runs this program: outside of a worker, then in one."""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

from processor.engine.pool import Pool
from processor.sandbox import seccomp
from processor.sandbox.confine import Limits
from processor.sandbox.syscalls import MACHINES
from processor.streams.inbox import Inbox
from tests.faults.attempts import ATTEMPTS, Target, call, loaded, tried

_SECONDS = 60.0
_UNSHARE = {"x86_64": 272, "aarch64": 97}


def prepared(directory: Path, port: int, victim: int) -> Target:
    """Make in `directory` what attempts are aimed at."""
    sender = directory / "watched/sender"
    (sender / "empty").mkdir(parents=True)
    other = directory / "watched/other/file"
    other.parent.mkdir()
    for path in (sender / "file", sender / "spare", other, directory / "ledger.db"):
        path.write_text("content")
    (sender / "to-other").symlink_to(other)
    ledger, control = str(directory / "ledger.db"), str(directory / "control")
    return Target(str(sender), str(sender / "file"), str(other), ledger, control, port, victim)


def _without_namespaces() -> None:
    """Refuse them to this process and its children, as some kernels and containers do."""
    machine = MACHINES[platform.machine()]
    program = [
        (seccomp.LOAD, 0, 0, 0),
        (seccomp.EQUAL, 0, 1, _UNSHARE[platform.machine()]),
        (seccomp.RETURN, 0, 0, seccomp.DENY),
        (seccomp.RETURN, 0, 0, seccomp.ALLOW),
    ]
    call(157, 167, 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    assert seccomp.load(machine, program)


def _outside(name: str, target: Target) -> str:
    """Try it in a child that is not confined."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            os.write(write_end, tried((name, target)).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said or "done: it is another process now"


def main() -> None:
    """Print, for each attempt, what came of it outside and in a worker, and what protections are missing."""
    directory, mode = Path(sys.argv[1]), sys.argv[2]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as control:
        victim = subprocess.Popen(["sleep", "600"])
        control.bind(str(directory / "control"))
        control.listen()
        target = prepared(directory, server.getsockname()[1], victim.pid)
        outside = {} if mode == "no-namespaces" else {name: _outside(name, target) for name in ATTEMPTS}
        for lost in (directory / "watched/sender/file", directory / "watched/sender/spare"):
            lost.write_text("content")
        if mode == "no-namespaces":
            _without_namespaces()
        print("\n" + json.dumps({"outside": outside, **_inside(directory, target), "victim": victim.poll()}))
        victim.kill()
        victim.wait()


def _inside(directory: Path, target: Target) -> dict[str, object]:
    inbox = Inbox()
    pool = Pool(1, Limits(1024, (str(directory / "watched"),)), inbox.worker_end, loaded)
    before = _state(directory)
    try:
        works: dict[str, Future[str]] = {n: pool.submit(tried, (n, target), "sender") for n in ATTEMPTS}
        inside = {}
        for name, work in works.items():
            try:
                inside[name] = work.result(_SECONDS)
            except Exception as error:  # noqa: BLE001 - a worker that is gone did not reach anything
                inside[name] = f"died: {error!r}"
        return {"inside": inside, "missing": pool.protections().missing, "changed": before != _state(directory)}
    finally:
        pool.stop()
        inbox.close()


def _state(directory: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns))
    return found


if __name__ == "__main__":
    main()
