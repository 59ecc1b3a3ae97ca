"""Processes that outlive their parent come to us: a leftover worker can not hide."""

import contextlib
import ctypes
import os
from collections.abc import Collection

import psutil

from tests.processes import command_line

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_SECONDS = 3.0


def adopt_orphans() -> None:
    """Have every orphan below this process become its child (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def own_children() -> frozenset[int]:
    """Return the pids of the children that are ours by birth; to be asked before a daemon starts."""
    return frozenset(each.pid for each in psutil.Process().children())


def strays(own: frozenset[int] = frozenset()) -> list[str]:
    """Return the command lines of processes that run our interpreter and outlived their daemon; waits a moment."""
    adopted = [each for each in psutil.Process().children() if each.pid not in own and _is_processor(each)]
    _gone, alive = psutil.wait_procs(adopted, timeout=_PATIENCE_SECONDS)
    return [f"{each.pid}: {command_line(each)}" for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def end_with_children(pid: int) -> None:
    """Kill a process and all below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def reap(awaited: Collection[int]) -> None:
    """Let adopted zombies go, all but the children that somebody waits for: those are not orphans."""
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.Error, ChildProcessError):
            if each.pid not in awaited and each.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(each.pid, os.WNOHANG)


def _is_processor(process: psutil.Process) -> bool:
    command = command_line(process)
    return "fork_server" in command or "-m processor" in command
