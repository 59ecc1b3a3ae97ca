"""The filter decides as it should on both machines, as told by an interpreter of the program."""

import errno
import struct
from itertools import product

import pytest

from processor.sandbox import seccomp
from processor.sandbox.syscalls import ALLOWED, CONDITIONAL, MACHINES

_PID = 4242
_OTHER = 4243
_THREAD = 0x3D0F00  # what glibc gives to clone for a thread


def verdict(machine: str, number: int, arguments: tuple[int, ...] = (), audit: int | None = None) -> int:
    """Run the filter over a struct seccomp_data; return what the kernel would."""
    of = MACHINES[machine]
    full = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, of.audit if audit is None else audit, 0, *full)
    program = seccomp.program(of, _PID)
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        match code:
            case seccomp.LOAD:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case seccomp.EQUAL:
                at += if_true if accumulator == value else if_false
            case seccomp.ANY_BIT:
                at += if_true if accumulator & value else if_false
            case seccomp.AND:
                accumulator &= value
            case seccomp.RETURN:
                return value


def conditional(machine: str, name: str, *arguments: int) -> int:
    return verdict(machine, CONDITIONAL[name][MACHINES[machine].column], arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_the_table_are_allowed_and_all_others_refused(machine: str) -> None:
    column = MACHINES[machine].column
    allowed = {numbers[column] for numbers in ALLOWED.values()}
    decided = {numbers[column] for numbers in CONDITIONAL.values()}
    for number in range(600):
        if number not in decided:
            assert verdict(machine, number) == (seccomp.ALLOW if number in allowed else seccomp.DENY), number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_are_refused(machine: str) -> None:
    i386, x32 = 0x40000003, 0x40000000
    read = ALLOWED["read"][MACHINES[machine].column]
    assert read is not None
    assert verdict(machine, read) == seccomp.ALLOW
    assert verdict(machine, read, audit=i386) == seccomp.DENY
    assert verdict(machine, read | x32) == seccomp.DENY


ALLOWED_WITH = [
    ("clone", (_THREAD,)),
    ("mmap", (0, 4096, 3, 0x22)),
    ("prctl", (15,)),
    ("prlimit64", (0, 7)),
    ("kill", (_PID, 9)),
    ("tgkill", (_PID, 1, 9)),
    ("ioctl", (1, 0x5401)),
    ("fcntl", (1, 1031, 1 << 20)),
    ("socketpair", (1, 1 | 0o2000000, 0)),
    ("sendto", (3, 0, 10, 0, 0, 0)),
]
REFUSED_WITH = [
    ("clone", (17,)),  # SIGCHLD: a process
    ("clone", (_THREAD | 0x10000000,)),  # CLONE_NEWUSER
    ("clone", (_THREAD & ~0x10000,)),
    ("clone", (_THREAD | 17,)),
    ("mmap", (0, 4096, 3, 0x21)),  # MAP_SHARED | MAP_ANONYMOUS
    ("mmap", (0, 4096, 3, 0x23)),  # MAP_SHARED_VALIDATE
    ("prctl", (1, 0)),  # PR_SET_PDEATHSIG
    ("prctl", (4, 1)),  # PR_SET_DUMPABLE
    ("prlimit64", (_OTHER, 7)),
    ("kill", (_OTHER, 9)),
    ("kill", (0, 9)),
    ("kill", (0xFFFFFFFF, 9)),
    ("tgkill", (_OTHER, _OTHER, 9)),
    ("ioctl", (0, 0x5412)),  # TIOCSTI
    ("fcntl", (1, 8, _OTHER)),  # F_SETOWN
    ("fcntl", (1, 1024, 0)),  # F_SETLEASE
    ("fcntl", (1, 6)),  # F_SETLK
    ("socketpair", (1, 2, 0)),  # SOCK_DGRAM
    ("socketpair", (16, 1, 0)),  # AF_NETLINK
    ("sendto", (3, 0, 10, 0, 0x7FFF0000, 16)),
    ("sendto", (3, 0, 10, 0, 0x7FFF00000000, 16)),
]


@pytest.mark.parametrize(("machine", "call"), list(product(MACHINES, ALLOWED_WITH)), ids=str)
def test_a_call_is_allowed_with_harmless_arguments(machine: str, call: tuple[str, tuple[int, ...]]) -> None:
    assert conditional(machine, call[0], *call[1]) == seccomp.ALLOW


@pytest.mark.parametrize(("machine", "call"), list(product(MACHINES, REFUSED_WITH)), ids=str)
def test_a_call_is_refused_with_others(machine: str, call: tuple[str, tuple[int, ...]]) -> None:
    assert conditional(machine, call[0], *call[1]) == seccomp.DENY


@pytest.mark.parametrize("machine", MACHINES)
def test_clone3_is_unknown_so_that_the_library_tries_clone(machine: str) -> None:
    assert conditional(machine, "clone3") & 0xFFFF == errno.ENOSYS
