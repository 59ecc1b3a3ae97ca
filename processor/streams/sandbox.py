"""Confine a worker process.

Needs no privileges: every protection is tried, and what the kernel refuses is reported (`processor check` shows it),
not hidden. Constants are those of the Linux UAPI headers (prctl.h, sched.h, landlock.h).
"""

import ctypes
import os
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FS_ACCESS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many of the access bits each ABI knows
_NET_BIND_TCP, _NET_CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL = 1 << 0, 1 << 1
_ABI_WITH_NETWORK, _ABI_WITH_SCOPES = 4, 6

_OPEN_FILES = 512
_ENVIRONMENT_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "VIRTUAL_ENV")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may use: `memory_mb` of private memory, and files below the `readable` directories."""

    memory_mb: int
    readable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Protections:
    """Which protections are on in this process."""

    environment_scrubbed: bool
    no_file_growth: bool
    no_core_dumps: bool
    memory_limited: bool
    dies_with_parent: bool
    no_network: bool
    file_system_confined: bool
    signals_confined: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of those that are off."""
        return tuple(name for name in self.__slots__ if not getattr(self, name))


_entered: Protections | None = None


def enter(parent: int, limits: Limits) -> Protections:
    """Confine this process for good; called once, first thing, while it has one thread.

    `parent` is the pid of the process that must be alive for this one to have a purpose.
    """
    global _entered  # noqa: PLW0603 - a process is confined once
    dies = _die_with(parent)
    _leave_process_group()
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    no_network = _leave_network()
    abi = _confine_files(limits.readable)
    _entered = Protections(
        environment_scrubbed=not set(os.environ) - set(clean_environment()),
        no_file_growth=_limit(resource.RLIMIT_FSIZE, 0),
        no_core_dumps=_limit(resource.RLIMIT_CORE, 0),
        memory_limited=_limit(resource.RLIMIT_DATA, limits.memory_mb << 20),
        dies_with_parent=dies,
        no_network=no_network,
        file_system_confined=abi > 0,
        signals_confined=abi >= _ABI_WITH_SCOPES,
    )
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    return _entered


def protections() -> Protections:
    """Return what `enter` reached in this process."""
    assert _entered is not None, "this process never entered the sandbox"
    return _entered


def clean_environment() -> dict[str, str]:
    """Return the part of the environment that a worker may see: no credential, no setting."""
    return {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}


def _die_with(parent: int) -> bool:
    done = bool(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)
    return done


def _leave_process_group() -> None:
    """Signals to the daemon's group (Ctrl-C, a supervisor's SIGTERM) are for the daemon: it drains, then ends us."""
    try:
        os.setsid()
    except PermissionError:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # already a leader of its own group


def _limit(what: int, value: int) -> bool:
    try:
        resource.setrlimit(what, (value, value))
    except (OSError, ValueError):
        return False
    return True


def _leave_network() -> bool:
    """Enter an empty network namespace: as root directly, else inside a user namespace where the kernel allows it."""
    if _libc.unshare(_CLONE_NEWNET) == 0:
        return True
    return int(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)) == 0


def _confine_files(readable: Iterable[str]) -> int:
    """Forbid every write and all reading outside `readable` and the interpreter's own files.

    Return the Landlock ABI in force, 0 where the kernel has none. A confined process can not trace, nor read the memory
    or environment of, any process outside (landlock(7)).
    """
    abi = max(0, _libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION))
    if abi == 0:
        return 0
    handled = (1 << _FS_ACCESS_BY_ABI.get(abi, 16)) - 1
    network = (_NET_BIND_TCP | _NET_CONNECT_TCP) if abi >= _ABI_WITH_NETWORK else 0
    scopes = (_SCOPE_ABSTRACT_UNIX_SOCKET | _SCOPE_SIGNAL) if abi >= _ABI_WITH_SCOPES else 0
    attributes = struct.pack("=QQQ", handled, network, scopes)
    size = 24 if abi >= _ABI_WITH_SCOPES else 16 if abi >= _ABI_WITH_NETWORK else 8
    ruleset = _libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, attributes, size, 0)
    if ruleset < 0:
        return 0
    read = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
    for path in {*readable, *_interpreter_paths()}:
        _allow(ruleset, path, read)
    _allow(ruleset, "/dev/null", _FS_READ_FILE | _FS_WRITE_FILE)
    confined = _libc.syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return abi if confined else 0


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no permission
    if not Path(path).is_dir():
        access &= ~_FS_READ_DIR
    _libc.syscall(_SYS_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, struct.pack("=Qi", access, fd), 0)
    os.close(fd)


def _interpreter_paths() -> set[str]:
    own = {sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), *sysconfig.get_paths().values()}
    system = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/zero", "/dev/fd"}
    # DuckDB asks for the memory and the processors it has.
    kernel = {
        f"/proc/{os.getpid()}",
        "/proc/meminfo",
        "/proc/cpuinfo",
        "/proc/stat",
        "/sys/fs/cgroup",
        "/sys/devices/system",
    }
    return own | system | kernel
