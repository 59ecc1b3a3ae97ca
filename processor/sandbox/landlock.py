"""Allow reading of some files only, by Landlock.

The kernel is asked which rights it knows, right by right, rather than by a table of its versions: one that is newer
than this program gives all that are named here. Constants are those of linux/landlock.h.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
# execute write read read-dir remove-dir remove-file make-char -dir -reg -sock -fifo -block -sym refer truncate
# ioctl-dev resolve-unix; tcp: bind connect; scopes: abstract sockets, signals
_FILE_RIGHTS, _NETWORK_RIGHTS, _SCOPES = 17, 2, 2
_SCOPE_SIGNALS = 1 << 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What Landlock holds back in this process."""

    files: bool
    signals: bool


def restrict(trusted: Iterable[str], roots: Iterable[str], below: str) -> Confinement:
    """Forbid this thread, for good, every write and all reading but of `trusted` paths and `below` each of the `roots`.

    Needs `no_new_privs`. `below` ("": all) belongs to strangers, so no link in it is followed.

    Processes outside can not be traced either, nor their memory or environment read (landlock(7)). What is not there,
    or can not be opened, is left out.
    """
    files, network, scopes = (_known(field) for field in range(3))
    if not files:
        return Confinement(files=False, signals=False)
    ruleset = _create(files, network, scopes)
    for path in trusted:
        _allow(ruleset, _opened(path), _READ_FILE | _READ_DIR)
    for root in roots:
        _allow(ruleset, _opened(root, *filter(None, below.split("/"))), _READ_FILE | _READ_DIR)
    _allow(ruleset, _opened("/dev/null"), _READ_FILE | _WRITE_FILE)
    confined = _libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return Confinement(files=confined, signals=confined and bool(scopes & _SCOPE_SIGNALS))


def _known(field: int) -> int:
    """Return the bits of a field of struct landlock_ruleset_attr that the kernel takes."""
    known = 0
    for bit in range((_FILE_RIGHTS, _NETWORK_RIGHTS, _SCOPES)[field]):
        values = [0, 0, 0]
        values[field] = 1 << bit
        ruleset = _create(*values)
        if ruleset >= 0:
            known |= 1 << bit
            os.close(ruleset)
    return known


def _create(files: int, network: int, scopes: int) -> int:
    """Return a new ruleset, or -1: the kernel refuses bits that it does not know, and takes zeros where it has none."""
    attributes = struct.pack("=QQQ", files, network, scopes)
    return int(_libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))


def _opened(path: str, *names: str) -> int | None:
    """Return a descriptor for what lies at `path`, then below it by `names`, none of which may be a link."""
    try:
        here = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    for name in names:
        try:
            below = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        except OSError:
            below = None
        os.close(here)
        if below is None:
            return None
        here = below
    return here


def _allow(ruleset: int, fd: int | None, access: int) -> None:
    if fd is None:
        return
    mode = os.fstat(fd).st_mode
    if not stat.S_ISDIR(mode):
        access &= ~_READ_DIR
    if not stat.S_ISLNK(mode):
        _libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", access, fd), 0)
    os.close(fd)
