"""Stop a process before each call that changes files or reaches the store: seccomp's user notification.

`install` is what a fork of `warm_server` does before it becomes the product; `Watched` is the other end.
The kernel numbers the calls of all threads in one order, and no call is missed, whichever library makes it.
"""

import contextlib
import ctypes
import fcntl
import os
import platform
import select
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from processor.sandbox import seccomp
from processor.sandbox.syscalls import MACHINES

LISTENER = 3  # the first free descriptor of a fork that has closed all others
MARK = "PROCESSOR_TEST_CALLS"  # in the environment of a process whose calls are to be watched

# Numbers on x86-64 and arm64. What only reads is left out: a death before it leaves what the one before left.
CALLS: dict[str, tuple[int | None, int | None]] = {
    "copy_file_range": (326, 285),
    "fallocate": (285, 47),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fdatasync": (75, 83),
    "fsync": (74, 82),
    "ftruncate": (77, 46),
    "link": (86, None),
    "linkat": (265, 37),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "pwrite64": (18, 68),
    "pwritev": (296, 70),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "rmdir": (84, None),
    "sendfile": (40, 71),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "utimensat": (280, 88),
    "write": (1, 64),
    "writev": (20, 66),
}
_OPENAT = (257, 56)
_ON_FILES = frozenset({"write", "writev"})  # counted where they go to a plain file; else they wake threads
_NOTIFY, _NEW_LISTENER, _NO_NEW_PRIVS = 0x7FC00000, 8, 38
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_PIDFD_GETFD = 438


def install() -> None:
    """Have every call of the table wait for the other end; for this process and all that it starts."""
    machine = MACHINES[platform.machine()]
    program = [(seccomp.LOAD, 0, 0, 0)]
    for numbers in CALLS.values():
        number = numbers[machine.column]
        if number is not None:
            program += [(seccomp.EQUAL, 0, 1, number), (seccomp.RETURN, 0, 0, _NOTIFY)]
    flags = 16 + 8 * 2
    program += [(seccomp.EQUAL, 0, 3, _OPENAT[machine.column]), (seccomp.LOAD, 0, 0, flags)]
    program += [(seccomp.ANY_BIT, 0, 1, os.O_CREAT), (seccomp.RETURN, 0, 0, _NOTIFY)]
    program += [(seccomp.RETURN, 0, 0, seccomp.ALLOW)]
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    held = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    fprog = struct.pack("=H6xQ", len(program), ctypes.addressof(held))
    listener = libc.syscall(machine.seccomp, 1, _NEW_LISTENER, fprog)
    assert listener == LISTENER, f"seccomp: {listener}, errno {ctypes.get_errno()}"


@dataclass
class Watched:
    """The process `pid`, whose calls wait for us; `before_call` is told the number and the name of each."""

    pid: int
    before_call: Callable[[int, str], None]
    counted: Counter[str] = field(default_factory=Counter)

    def until_it_is_gone(self, timeout: float = 120) -> None:
        """Let call after call pass until the process and all it has started have ended."""
        deadline = time.monotonic() + timeout
        names = _names()
        with os.fdopen(self._listener(deadline), "rb", buffering=0) as listener:
            poll = select.poll()
            poll.register(listener, select.POLLIN)
            while True:
                assert time.monotonic() < deadline, "it does not end"
                happened = dict(poll.poll(1000)).get(listener.fileno(), 0)
                if happened & select.POLLIN:
                    self._one(listener.fileno(), names)
                elif happened & select.POLLHUP:
                    return

    def _one(self, listener: int, names: dict[int, str]) -> None:
        message = bytearray(80)
        with contextlib.suppress(FileNotFoundError):  # it was killed meanwhile
            fcntl.ioctl(listener, _RECEIVE, message)
            identity, thread, _flags, number = struct.unpack_from("=QIIi", message)
            (descriptor,) = struct.unpack_from("=Q", message, 32)
            name = names[number]
            if self._counts(thread, name, descriptor):
                self.counted[name] += 1
                self.before_call(self.counted.total(), name)
            fcntl.ioctl(listener, _SEND, struct.pack("=QqiI", identity, 0, 0, _CONTINUE))

    def _counts(self, thread: int, name: str, descriptor: int) -> bool:
        if not os.path.exists(f"/proc/{self.pid}/task/{thread}"):
            return False  # a worker's
        if name not in _ON_FILES:
            return True
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{self.pid}/fd/{descriptor}")
            return target.startswith("/") and not target.endswith(".log")
        return False

    def _listener(self, deadline: float) -> int:
        """Take the descriptor over as soon as it is there."""
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(self.pid)
        try:
            while True:
                assert time.monotonic() < deadline, "it never asked"
                with contextlib.suppress(OSError):
                    if "seccomp" in os.readlink(f"/proc/{self.pid}/fd/{LISTENER}"):
                        taken = libc.syscall(_PIDFD_GETFD, pidfd, LISTENER, 0)
                        assert taken >= 0, f"pidfd_getfd: errno {ctypes.get_errno()}"
                        return int(taken)
                time.sleep(0.002)
        finally:
            os.close(pidfd)


def _names() -> dict[int, str]:
    column = MACHINES[platform.machine()].column
    known = {numbers[column]: name for name, numbers in CALLS.items() if numbers[column] is not None}
    return {**{number: name for number, name in known.items() if number is not None}, _OPENAT[column]: "openat"}
