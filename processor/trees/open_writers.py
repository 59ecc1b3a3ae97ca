"""Ask the kernel if a file is open for writing.

A read lease is given only while nobody has the file open for writing, nor mapped so (fcntl(2), "Leases"). It is given
back at once: whoever opens the file meanwhile waits for some microseconds.
"""

import fcntl
import os
import signal
import stat
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

# There a refusal says that the server gave us no delegation, not that somebody writes.
_SILENT = ("nfs", "cifs", "smb", "ceph", "afs", "9p", "virtiofs")
_CAP_LEASE = 28  # capabilities(7)
_silent_devices: dict[int, bool] = {}  # a mount is looked for once, not for each file


class Writers(Enum):
    """What the kernel says of a file's writers."""

    NONE = auto()
    SOME = auto()
    UNTOLD = auto()  # a file of another user without CAP_LEASE, or a file system that does not know


def writers_of(fd: int) -> Writers:
    """Return whether anybody has the file open for writing that is open as `fd`, for reading only."""
    try:
        # Whoever breaks a lease has a signal sent to its holder: SIGIO, which would end the process, unless told else.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return Writers.UNTOLD if _is_silent(fd) else Writers.SOME
    except OSError:
        return Writers.UNTOLD
    with suppress(OSError):  # broken already
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return Writers.NONE


def is_open_for_writing(fd: int) -> bool:
    """Tell whether the kernel says that somebody has the file open for writing."""
    return writers_of(fd) is Writers.SOME


def has_open_writer(path: bytes, device: int, inode: int) -> bool:
    """Tell whether somebody has the plain file open for writing that had this device and inode when it was seen.

    Where that is not told, or another lies there now, the answer is no. Nothing else is opened, whatever lies there.
    """
    try:
        place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        status = os.fstat(place)
        if (status.st_dev, status.st_ino) != (device, inode) or not stat.S_ISREG(status.st_mode):
            return False
        fd = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except BlockingIOError:
        return True  # under a lease to write, such as Samba takes for a client
    except OSError:
        return False
    finally:
        os.close(place)
    try:
        return is_open_for_writing(fd)
    finally:
        os.close(fd)


def file_system_of(fd: int) -> str:
    """Return the type of the file system of an open file, as /proc/mounts calls it; "" where it is not found."""
    try:
        lines = Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").splitlines()
        mount = next(line.split()[1] for line in lines if line.startswith("mnt_id:"))
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            if line.split(b" ", 1)[0] == mount.encode():
                return line.partition(b" - ")[2].split()[0].decode("ascii", "replace")
    except (OSError, StopIteration, IndexError):
        pass
    return ""


def hides_writers(file_system: str) -> bool:
    """Tell whether writers on other hosts are not told of on file systems of this type."""
    return file_system.startswith((*_SILENT, "fuse"))


def what_is_untold(directory: Path | bytes) -> str:
    """Return which writers of the files in a directory the kernel does not tell this process of; "": all are told."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        name = file_system_of(fd)
    finally:
        os.close(fd)
    if hides_writers(name):
        return f"writers on other hosts ({name})"
    return "" if _may_lease_all() else "writers of files that belong to other users (no CAP_LEASE)"


def _may_lease_all() -> bool:
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> _CAP_LEASE & 1)


def _is_silent(fd: int) -> bool:
    device = os.fstat(fd).st_dev
    if device not in _silent_devices:
        _silent_devices[device] = file_system_of(fd).startswith(_SILENT)
    return _silent_devices[device]
