"""All protections of a worker, in the order that works.

Needs no privileges: every protection is tried, and what the kernel refuses is reported, not hidden. `prepare` is for
the parent of all workers, which forks; `enter` for each of them, first thing. Constants are those of linux/prctl.h
and linux/sched.h.
"""

import ctypes
import functools
import os
import resource
import signal
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from processor.sandbox import capabilities, landlock, seccomp

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_OPEN_FILES = 512
_MORE_THREADS = 1000  # beyond those that the user has when workers begin: theirs, and whatever else is started
_ENVIRONMENT_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "VIRTUAL_ENV", "PROCESSOR_FAST_PATHS")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """What workers may use: `memory_mb` of private memory each, and what lies below the `readable` paths.

    `required`: a worker that lacks a protection is given no work.
    """

    memory_mb: int
    readable: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Protections:
    """Which protections are on in a process."""

    environment_scrubbed: bool
    no_file_growth: bool
    no_core_dumps: bool
    memory_limited: bool
    dies_with_parent: bool
    no_network: bool
    no_capabilities: bool
    file_system_confined: bool
    signals_confined: bool
    system_calls_filtered: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of those that are off."""
        return tuple(name for name in self.__slots__ if not getattr(self, name))


def prepare() -> bool:
    """Enter, with all children to come, an empty network namespace and a session; tell whether there is no network.

    As root directly, else inside a user namespace where the kernel allows it. Signals to the daemon's group (Ctrl-C, a
    supervisor's SIGTERM) are for the daemon: it drains, then ends its workers.
    """
    try:
        os.setsid()
    except PermissionError:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # already a leader of its own group
    no_network = _libc.unshare(_CLONE_NEWNET) == 0 or _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    _limit(resource.RLIMIT_NPROC, _own_threads() + _MORE_THREADS)  # root has no such limit (clone(2))
    return bool(no_network)


def enter(parent: int, limits: Limits, below: str, *, no_network: bool) -> Protections:
    """Confine this process for good; called once, first thing, while it has one thread.

    `parent` is the pid of the process that must be alive for this one to have a purpose; it called `prepare`. Of what
    the limits let workers read, this one may read what lies at `below` ("": all).
    """
    dies = _die_with(parent)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    rlimits = {
        "no_file_growth": _limit(resource.RLIMIT_FSIZE, 0),
        "no_core_dumps": _limit(resource.RLIMIT_CORE, 0),
        "memory_limited": _limit(resource.RLIMIT_DATA, limits.memory_mb << 20),
    }
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    confined = landlock.restrict({*interpreter_paths(), f"/proc/{os.getpid()}"}, limits.readable, below)
    no_capabilities = capabilities.drop(keep_reading=confined.files)
    filtered = seccomp.install()
    return Protections(
        environment_scrubbed=not set(os.environ) - set(clean_environment()),
        dies_with_parent=dies,
        no_network=no_network or filtered,
        no_capabilities=no_capabilities,
        file_system_confined=confined.files,
        signals_confined=confined.signals or filtered,
        system_calls_filtered=filtered,
        **rlimits,
    )


def clean_environment() -> dict[str, str]:
    """Return the part of the environment that a worker may see: no credential, no setting."""
    return {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}


def _die_with(parent: int) -> bool:
    done = bool(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)
    return done


def _limit(what: int, value: int) -> bool:
    """Set a limit that nobody can raise again; one that is lower already stays."""
    _soft, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(what, (value, value))
    except (OSError, ValueError):
        return False
    return True


def _own_threads() -> int:
    """Count the threads of this user."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if process.stat().st_uid == os.geteuid():
                found += len(os.listdir(process / "task"))
    return found


@functools.cache
def interpreter_paths() -> frozenset[str]:
    """Return the paths that Python, its libraries and DuckDB read."""
    own = {sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), *sysconfig.get_paths().values()}
    system = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom"}
    # DuckDB asks for the memory and the processors it has.
    kernel = {"/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/sys/fs/cgroup", "/sys/devices/system"}
    return frozenset(own | system | kernel)
