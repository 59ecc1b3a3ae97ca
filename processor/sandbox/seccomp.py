"""Filter system calls by a BPF program.

It is built for this machine and holds for all threads of a process. libseccomp would do the same, but it is a library
of the system that many containers lack; the program needs 40 lines. Constants are those of linux/seccomp.h,
linux/bpf_common.h, linux/sched.h and linux/prctl.h.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator, Sequence

from processor.sandbox.syscalls import ALLOWED, CONDITIONAL, MACHINES, Machine

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, value

LOAD, EQUAL, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
DENY, UNKNOWN = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1

_CLONE_THREAD = 0x10000
# What the C libraries give to clone(2) for a thread: VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID
# CHILD_CLEARTID DETACHED. Nothing else: no namespace, no pidfd, no signal at its end.
_THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | _CLONE_THREAD | 0x40000 | 0x80000 | 0x100000 | 0x200000 | 0x400000
_MAP_SHARED = 0x1
_PR_GET_NAME, _PR_SET_NAME, _PR_SET_VMA = 16, 15, 0x53564D41
_TTY_QUESTIONS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
# F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ: no locks, leases or signals.
_DESCRIPTOR_COMMANDS = (0, 1, 2, 3, 4, 1030, 1031, 1032)
_AF_UNIX, _SOCK_STREAM, _SOCK_CLOEXEC = 1, 1, 0o2000000


def install() -> bool:
    """Refuse, in this process and for good, every call that a worker does not need; tell whether it worked.

    Needs `no_new_privs`. Holds for threads that run already, too.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None or struct.calcsize("P") != 8:  # noqa: PLR2004 - bytes of a pointer
        return False
    return load(machine, program(machine, os.getpid()))


def load(machine: Machine, filter_: Sequence[Instruction]) -> bool:
    """Install a filter; tell whether the kernel took it."""
    code = b"".join(struct.pack("=HBBI", *each) for each in filter_)
    instructions = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("=H6xQ", len(filter_), ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(machine.seccomp, _SET_MODE_FILTER, _FLAG_TSYNC, fprog) == 0)


def program(machine: Machine, pid: int) -> list[Instruction]:
    """Return the filter for a process with this `pid`.

    Numbers of the x32 interface have a bit that none of the table has, so they are refused with the rest.
    """
    conditions = _conditions(pid)
    body: list[Instruction] = [(LOAD, 0, 0, _ARCHITECTURE), (EQUAL, 1, 0, machine.audit), (RETURN, 0, 0, DENY)]
    body.append((LOAD, 0, 0, _NUMBER))
    for name, numbers in CONDITIONAL.items():
        block = conditions[name]
        body += [(EQUAL, 0, len(block), numbers[machine.column]), *block]
    numbers_here = (numbers[machine.column] for numbers in ALLOWED.values())
    for number in sorted(number for number in numbers_here if number is not None):
        body += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    return [*body, (RETURN, 0, 0, DENY)]


def _conditions(pid: int) -> dict[str, list[Instruction]]:
    """Return, for each call, the instructions that decide about its arguments."""
    no_address = [(LOAD, 0, 0, _low(4)), (EQUAL, 0, 3, 0), (LOAD, 0, 0, _low(4) + 4), (EQUAL, 0, 1, 0)]
    unix_stream = [
        *[(LOAD, 0, 0, _low(0)), (EQUAL, 0, 4, _AF_UNIX)],
        *[(LOAD, 0, 0, _low(1)), (AND, 0, 0, 0xFFFFFFFF ^ _SOCK_CLOEXEC), (EQUAL, 0, 1, _SOCK_STREAM)],
    ]
    thread = [
        *[(LOAD, 0, 0, _low(0)), (ANY_BIT, 3, 0, 0xFFFFFFFF ^ _THREAD_FLAGS)],
        *[(ANY_BIT, 0, 2, _CLONE_THREAD), (ANY_BIT, 0, 1, 0x100)],
    ]
    return {
        "clone": [*thread, *_verdict()],
        "clone3": [(RETURN, 0, 0, UNKNOWN)],  # its flags are in memory, which no filter sees: clone is tried next
        "mmap": [(LOAD, 0, 0, _low(3)), (ANY_BIT, 0, 1, _MAP_SHARED), (RETURN, 0, 0, DENY), (RETURN, 0, 0, ALLOW)],
        "prctl": _one_of(0, (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA)),
        "prlimit64": _one_of(0, (0,)),
        "kill": _one_of(0, (pid,)),
        "tgkill": _one_of(0, (pid,)),
        "ioctl": _one_of(1, _TTY_QUESTIONS),
        "fcntl": _one_of(1, _DESCRIPTOR_COMMANDS),
        "socketpair": [*unix_stream, *_verdict()],
        "sendto": [*no_address, *_verdict()],
    }


def _one_of(argument: int, values: Sequence[int]) -> list[Instruction]:
    """Allow a call whose `argument` (its low 32 bits: all that the kernel reads of an int) is one of `values`."""
    last = len(values)
    tests = ((EQUAL, last - at, 0, value) for at, value in enumerate(values))
    return [(LOAD, 0, 0, _low(argument)), *tests, (RETURN, 0, 0, DENY), (RETURN, 0, 0, ALLOW)]


def _verdict() -> Iterator[Instruction]:
    yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, DENY


def _low(argument: int) -> int:
    """Return where the low half of an argument stands; both machines are little-endian."""
    return 16 + 8 * argument
