"""Run functions as other users of this host, as the kernel sees them."""

import contextlib
import os
import pickle
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

# Made-up users: nothing else on the host is theirs.
DAEMON, STRANGER, SENDER = 61_001, 61_002, 61_003
SHARED_GROUP = 61_009
_LONGEST_SECONDS = 20.0

need_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two other users; CI does")


def as_user(uid: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `function` returns in a process of that user, or raise what it raises. To hang is to fail."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read_fd)
        _become(uid)
        _answer(write_fd, function, arguments)
    os.close(write_fd)
    try:
        answer = b""
        while True:
            if not select.select([read_fd], [], [], _LONGEST_SECONDS)[0]:
                pytest.fail(f"{getattr(function, '__name__', function)} hangs")
            if not (piece := os.read(read_fd, 1 << 16)):
                break
            answer += piece
    finally:
        os.close(read_fd)
        _end(pid)
    value, error = pickle.loads(answer)
    if error is not None:
        raise error
    return value


@contextlib.contextmanager
def meanwhile(uid: int, act: Callable[[], None]) -> Iterator[None]:
    """Have a process of that user do something again and again; what fails is tried again."""
    ready_fd, tell_fd = os.pipe()
    pid = os.fork()
    if not pid:
        _become(uid)
        os.write(tell_fd, b"!")
        while True:
            with contextlib.suppress(OSError):
                act()
    os.close(tell_fd)
    try:
        os.read(ready_fd, 1)
        yield
    finally:
        os.close(ready_fd)
        _end(pid)


def _become(uid: int) -> None:
    signal.alarm(int(_LONGEST_SECONDS * 3))  # should the test die, this process does not stay
    os.setgroups([SHARED_GROUP])
    os.setgid(uid)
    os.setuid(uid)
    os.umask(0o022)


def _answer(write_fd: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> NoReturn:
    try:
        answer = pickle.dumps((function(*arguments), None))
    except BaseException as error:  # noqa: BLE001 - it is handed over to who asked
        error.add_note(traceback.format_exc())
        try:
            answer = pickle.dumps((None, error))
        except Exception:  # noqa: BLE001 - some errors can not be pickled
            answer = pickle.dumps((None, RuntimeError(traceback.format_exc())))
    while answer:
        answer = answer[os.write(write_fd, answer) :]
    os._exit(0)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
