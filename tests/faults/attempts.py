"""Everything that a worker which was taken over might try; each attempt does it, or raises OSError.

`ATTEMPTS` are tried twice: by a process that is not confined, where they should succeed (so that a refusal means
something), and by a worker: see try_attempts.
"""

import ctypes
import fcntl
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_X86 = platform.machine() == "x86_64"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What attempts are aimed at; all of it belongs to the user that runs the workers."""

    sender: str  # the directory that the worker may read
    file: str  # in it
    other: str  # another sender's file
    ledger: str
    control: str  # a Unix socket that listens
    port: int  # of a TCP server
    victim: int  # a process


Attempt = Callable[[Target], object]
ATTEMPTS: dict[str, Attempt] = {}
# These can fail without confinement, too: not in this kernel, or for root alone.
MAY_FAIL: set[str] = set()


def attempt(name: str, *, sure: bool = True) -> Callable[[Attempt], Attempt]:
    def add(function: Attempt) -> Attempt:
        ATTEMPTS[name] = function
        if not sure:
            MAY_FAIL.add(name)
        return function

    return add


def call(x86: int, arm: int, *arguments: object) -> int:
    """Make a system call by its number. Raises OSError."""
    result = int(_libc.syscall(x86 if _X86 else arm, *arguments))
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def tried(request: tuple[str, Target]) -> str:
    """Return `done` or why it was refused."""
    name, target = request
    try:
        ATTEMPTS[name](target)
    except (OSError, ValueError) as error:
        return f"refused: {error}"
    return "done"


def _simple(*entries: tuple[str, Attempt]) -> None:
    for name, function in entries:
        attempt(name)(function)


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags, 0o600))


_simple(
    ("write a file of the sender", lambda t: _open(t.file, os.O_WRONLY)),
    ("append to a file of the sender", lambda t: _open(t.file, os.O_WRONLY | os.O_APPEND)),
    ("empty a file by opening it", lambda t: _open(t.other, os.O_WRONLY | os.O_TRUNC)),
    ("truncate a file", lambda t: os.truncate(t.file, 1)),
    ("make a file", lambda t: _open(f"{t.sender}/new", os.O_WRONLY | os.O_CREAT)),
    ("make a file in /tmp", lambda t: _open(f"/tmp/{os.getpid()}-{id(t)}", os.O_WRONLY | os.O_CREAT)),
    ("make a file in /dev/shm", lambda t: _open(f"/dev/shm/{os.getpid()}-{id(t)}", os.O_WRONLY | os.O_CREAT)),
    ("make a nameless file", lambda t: _open(t.sender, os.O_WRONLY | os.O_TMPFILE)),
    ("write the ledger", lambda t: _open(t.ledger, os.O_RDWR)),
    ("make a directory", lambda t: os.mkdir(f"{t.sender}/directory")),
    ("make a pipe with a name", lambda t: os.mkfifo(f"{t.sender}/fifo")),
    ("make a symbolic link", lambda t: os.symlink("/etc", f"{t.sender}/link")),
    ("make a hard link", lambda t: os.link(t.file, f"{t.sender}/hard")),
    ("rename a file", lambda t: os.rename(t.file, t.file)),
    ("remove a file", lambda t: os.unlink(f"{t.sender}/spare")),
    ("remove a directory", lambda t: os.rmdir(f"{t.sender}/empty")),
    ("change the mode of a file", lambda t: os.chmod(t.file, 0o644)),
    ("change the mode of the ledger", lambda t: os.chmod(t.ledger, 0o600)),
    ("change the mode of what it may read", lambda t: _with_fd(t.file, lambda fd: os.fchmod(fd, 0o644))),
    ("change the owner of a file", lambda t: os.chown(t.file, os.geteuid(), -1)),
    ("change the owner of what it may read", lambda t: _with_fd(t.file, lambda fd: os.fchown(fd, os.geteuid(), -1))),
    ("change the times of a file", lambda t: os.utime(t.file, (1, 1))),
    ("change the times of what it may read", lambda t: _with_fd(t.file, lambda fd: os.utime(fd, (1, 1)))),
    ("set an attribute of a file", lambda t: os.setxattr(t.file, "user.x", b"1")),
    ("set an attribute of what it may read", lambda t: _with_fd(t.file, lambda fd: os.setxattr(fd, "user.y", b"1"))),
    ("read an attribute of the ledger", lambda t: os.listxattr(t.ledger)),
    ("read the ledger", lambda t: Path(t.ledger).read_bytes()),
    ("read the file of another sender", lambda t: Path(t.other).read_bytes()),
    ("list the directory of another sender", lambda t: os.listdir(Path(t.other).parent)),
    ("read by way of a link", lambda t: Path(f"{t.sender}/to-other").read_bytes()),
    ("read the users of the host", lambda _: Path("/etc/passwd").read_bytes()),
    ("list the root", lambda _: os.listdir("/")),
    ("list all processes", lambda _: os.listdir("/proc")),
    ("read the environment of a process", lambda t: Path(f"/proc/{t.victim}/environ").read_bytes()),
    ("read the memory of a process", lambda t: _open(f"/proc/{t.victim}/mem", os.O_RDONLY)),
    ("write to memory of its own by a file", lambda _: _open("/proc/self/mem", os.O_RDWR)),
    ("go to another directory", lambda _: os.chdir("/")),
)


def _with_fd(path: str, action: Callable[[int], object]) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        action(fd)
    finally:
        os.close(fd)


def _unix(kind: int, target: Target) -> None:
    with socket.socket(socket.AF_UNIX, kind) as end:
        end.connect(target.control)


def _connected(port: int) -> None:
    with socket.socket() as end:
        end.connect((b"127.0.0.1", port))


def _abstract() -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(f"\0{os.getpid()}")


def _bound(target: Target) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(f"{target.sender}/socket")


def _send_from_a_pair(target: Target) -> None:
    """Datagram pairs can be sent elsewhere: the only socket that a worker may make must not be one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        path = f"{target.sender}/datagrams"
        server.bind(path)
        ours.sendto(b"x", path)


def _open_socket(family: int, kind: int, protocol: int = 0) -> None:
    socket.socket(family, kind, protocol).close()


_simple(
    ("connect to a TCP server", lambda t: _connected(t.port)),
    ("connect to the control socket", lambda t: _unix(socket.SOCK_STREAM, t)),
    ("make a Unix socket with a name", _bound),
    ("make an abstract Unix socket", lambda _: _abstract()),
    ("send from a pair of sockets to a name", _send_from_a_pair),
    ("open a UDP socket", lambda _: _open_socket(socket.AF_INET, socket.SOCK_DGRAM)),
    ("open a netlink socket", lambda _: _open_socket(socket.AF_NETLINK, socket.SOCK_RAW)),
)
attempt("open a netfilter socket", sure=False)(lambda _: _open_socket(socket.AF_NETLINK, socket.SOCK_RAW, 12))
attempt("open a packet socket", sure=False)(lambda _: _open_socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
attempt("open an IPv6 socket", sure=False)(lambda _: _open_socket(socket.AF_INET6, socket.SOCK_STREAM))
attempt("open a vsock socket", sure=False)(lambda _: _open_socket(40, socket.SOCK_STREAM))
attempt("open a socket of the kernel's ciphers", sure=False)(lambda _: _open_socket(38, socket.SOCK_SEQPACKET))


def _forked() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _outlives() -> None:
    """Have a grandchild that stays when its parents are gone."""
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            os.setsid()
        os._exit(0)
    os.waitpid(pid, 0)


def _queued(target: Target) -> None:
    """Have the kernel send a signal to a process for us."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fcntl.fcntl(ours, fcntl.F_SETOWN, target.victim)


def _child_of(number: tuple[int, int], *arguments: object) -> None:
    pid = call(*number, *arguments)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


_simple(
    ("fork", lambda _: _forked()),
    ("leave a grandchild behind", lambda _: _outlives()),
    ("clone without being a thread", lambda _: _child_of((56, 220), signal.SIGCHLD, 0, 0, 0, 0)),
    ("clone3", lambda _: _child_of((435, 435), struct.pack("=8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)),
    ("run a program", lambda _: subprocess.run(["/bin/true"], check=True)),
    ("become a program", lambda _: os.execv("/bin/true", ["true"])),
    ("ask whether a process lives", lambda t: os.kill(t.victim, 0)),
    ("signal its own group", lambda _: os.kill(0, 0)),
    ("signal everybody", lambda _: os.kill(-1, 0)),
    ("signal a thread of a process", lambda t: call(234, 131, t.victim, t.victim, 0)),
    ("queue a signal for a process", lambda t: call(129, 138, t.victim, 0, struct.pack("=iii", 0, 0, -1) + bytes(116))),
    ("have the kernel signal a process", _queued),
    ("open a process", lambda t: os.close(os.pidfd_open(t.victim))),
    ("change the limits of a process", lambda t: resource.prlimit(t.victim, resource.RLIMIT_NOFILE, (64, 64))),
    ("change the scheduler of a process", lambda t: os.sched_setscheduler(t.victim, os.SCHED_BATCH, os.sched_param(0))),
    ("change the processors of a process", lambda t: os.sched_setaffinity(t.victim, {0})),
    ("change the priority of a process", lambda t: os.setpriority(os.PRIO_PROCESS, t.victim, 10)),
    ("live on without the daemon", lambda _: _controlled(1, 0)),
    ("be dumped again", lambda _: _controlled(4, 1)),
    ("begin a session", lambda _: os.setpgid(0, 0)),
)
attempt("trace a process", sure=False)(lambda t: _traced(t.victim))
attempt("read the memory of a process by a call", sure=False)(lambda t: call(310, 270, t.victim, 0, 0, 0, 0, 0))
attempt("write the memory of a process by a call", sure=False)(lambda t: call(311, 271, t.victim, 0, 0, 0, 0, 0))
attempt("compare processes", sure=False)(lambda t: call(312, 272, os.getpid(), t.victim, 1, 0, 0))


def _controlled(option: int, value: int) -> None:
    call(157, 167, option, value, 0, 0, 0)


def _traced(pid: int) -> None:
    call(101, 117, 0x4206, pid, 0, 0)  # PTRACE_SEIZE


def _grow_a_limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


_simple(
    ("have a file in memory", lambda _: os.close(os.memfd_create("x"))),
    ("have shared memory", lambda _: call(31, 195, call(29, 194, 0, 4096, 0o1600), 0, 0)),
    ("have memory that no limit counts", lambda _: mmap.mmap(-1, 4096).close()),
    ("have semaphores", lambda _: call(66, 191, call(64, 190, 0, 1, 0o1600), 0, 0)),
    ("have a queue of messages", lambda _: call(71, 187, call(68, 186, 0, 0o1600), 0, 0)),
    ("write a file after all", lambda _: _grow_a_limit()),
    ("lock a file against its writers", lambda t: _with_fd(t.file, lambda fd: fcntl.fcntl(fd, 1024, fcntl.F_RDLCK))),
    ("lock a file", lambda t: _with_fd(t.file, lambda fd: fcntl.flock(fd, fcntl.LOCK_EX))),
    ("watch a directory", lambda _: os.close(call(294, 26, 0))),
    ("change the personality", lambda _: call(135, 92, 0xFFFFFFFF)),
    ("give a right up, or get it back", lambda _: call(126, 91, struct.pack("=Ii", 0x20080522, 0), bytes(24))),
)
_root_only: dict[str, Attempt] = {
    "have namespaces": lambda _: call(272, 97, 0x10000000),
    "mount": lambda t: call(165, 40, b"none", t.sender.encode(), b"tmpfs", 0, 0),
    "unmount": lambda t: call(166, 39, t.sender.encode(), 0),
    "change the root": lambda t: os.chroot(t.sender),
    "exchange the root": lambda t: call(155, 41, t.sender.encode(), t.sender.encode()),
    "become another user": lambda _: os.setuid(65533),
    "become another group": lambda _: os.setgid(65533),
    "have other groups": lambda _: os.setgroups([1]),
    "make a device": lambda t: os.mknod(f"{t.sender}/null", 0o020600, os.makedev(1, 3)),
    "enter a namespace": lambda t: _with_fd(f"/proc/{t.victim}/ns/net", lambda fd: call(308, 268, fd, 0)),
    "load a program into the kernel": lambda _: call(321, 280, 0, bytes(128), 128),
    "measure the kernel": lambda _: call(298, 241, bytes(128), 0, -1, -1, 0),
    "handle faults of pages": lambda _: os.close(call(323, 282, 1)),
    "have a ring of calls": lambda _: os.close(call(425, 425, 4, ctypes.create_string_buffer(120))),
    "have a key": lambda _: call(250, 219, 0, -3, 1),
    "add a key": lambda _: call(248, 217, b"user", b"x", b"y", 1, -3),
    "watch all files": lambda _: os.close(call(300, 262, 0, 0)),
    "have the handle of a file": lambda t: call(303, 264, -100, t.file.encode(), bytes(136), bytes(4), 0),
    "read the kernel's log": lambda _: call(103, 116, 10, 0, 0),
    "lock memory": lambda _: call(151, 230, 1),
    "write what a terminal reads": lambda _: fcntl.ioctl(0, 0x5412, b"x"),
    "call by the numbers of x32": lambda _: call(0x40000000 + 39, 0x40000000 + 172),
}
for _name, _function in _root_only.items():
    attempt(_name, sure=False)(_function)


def loaded() -> None:
    """Import this module where workers are forked: they may not read it."""
