"""Open directories below a root, never through a link."""

import errno
import os
import stat
from collections import deque
from contextlib import suppress

from processor.trees.syscalls import open_beneath, open_without_links

# There is no directory (any more) at a path: nothing, something else, or a link.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LINKS = 40  # path_resolution(7)
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def open_root(path: bytes) -> int:
    """Return a descriptor of a directory that the operator named; `path` is absolute.

    A link on the way is followed only if nobody but root and this user could have put it there. Raises OSError: ELOOP
    for any other link.
    """
    fd = open_without_links(path, _DIRECTORY)
    if fd is not None:
        return fd
    here = _follow(path)
    try:
        return os.open(b".", _DIRECTORY, dir_fd=here)
    finally:
        os.close(here)


def enter_root(path: bytes) -> int:
    """Do as `open_root`; what is returned leads further, and can not be listed (O_PATH)."""
    fd = open_without_links(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return _follow(path) if fd is None else fd


def open_child(directory_fd: int, name: bytes) -> int:
    """Return a descriptor of the directory `name` in an open directory. Raises OSError, also when it is a link."""
    return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory_fd)


def open_below(root_fd: int, relative_path: bytes) -> int:
    """Return a descriptor of the directory at `relative_path` below an open one (b"": itself). Raises OSError."""
    return open_beneath(root_fd, relative_path, _DIRECTORY) if relative_path else os.dup(root_fd)


def open_directory(root: bytes, relative_path: bytes) -> int:
    """Return a descriptor of the directory at `relative_path` below `root` (b"": the root itself). Raises OSError."""
    root_fd = open_root(root)
    try:
        return open_below(root_fd, relative_path)
    finally:
        os.close(root_fd)


def status_below(root_fd: int, relative_path: bytes) -> os.stat_result:
    """Return the status of what lies at `relative_path`: of a link its own. Raises OSError."""
    fd = open_beneath(root_fd, relative_path, _LOOK)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def make_below(root_fd: int, relative_path: bytes, mode: int) -> int:
    """Return a descriptor of the directory at `relative_path`; what is missing of it is made, durably.

    Raises OSError: ELOOP or ENOTDIR when something else is in the way.
    """
    here = os.dup(root_fd)
    for name in relative_path.split(b"/") if relative_path else ():
        try:
            below = make_child(here, name, mode)
        finally:
            os.close(here)
        here = below
    return here


def make_child(directory_fd: int, name: bytes, mode: int) -> int:
    """Return a descriptor of the directory `name` in an open one; it is made, durably, if nothing is there."""
    try:
        return open_child(directory_fd, name)
    except FileNotFoundError:
        pass
    try:
        os.mkdir(name, mode, dir_fd=directory_fd)
    except FileExistsError:
        pass
    else:
        sync(directory_fd)
    return open_child(directory_fd, name)


def sync(directory_fd: int) -> None:
    """Make what was renamed, made or deleted in an open directory durable, where its file system can."""
    try:
        os.fsync(directory_fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise


def try_sync(directory_fd: int) -> None:
    """Do as `sync` where nothing is lost if it fails: a file then has its old name or its new one."""
    with suppress(OSError):
        sync(directory_fd)


def _follow(path: bytes) -> int:
    """Walk to an absolute path; return a descriptor (O_PATH) of the directory it leads to."""
    names = deque(path.split(b"/"))
    here, trusted, links = os.open(b"/", _LOOK), True, 0
    try:
        while names:
            name = names.popleft()
            if name in (b"", b"."):
                continue
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            trusted = trusted and _is_safe(os.fstat(here), status)
            if not stat.S_ISLNK(status.st_mode):
                here = _replaced(here, os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=here))
                continue
            links += 1
            target = _target(here, name, follow=trusted and links <= _MOST_LINKS)
            names.extendleft(reversed(target.split(b"/")))
            if target.startswith(b"/"):
                here = _replaced(here, os.open(b"/", _LOOK))
    except OSError:
        os.close(here)
        raise
    return here


def _target(directory_fd: int, name: bytes, *, follow: bool) -> bytes:
    if not follow:
        raise OSError(errno.ELOOP, "a link that another user may have put there, or one too many", name)
    return os.readlink(name, dir_fd=directory_fd)


def _is_safe(directory: os.stat_result, entry: os.stat_result) -> bool:
    """Tell whether nobody but root and this user could have put the entry into the directory."""
    ours = (0, os.geteuid())
    if directory.st_uid not in ours:
        return False
    if not directory.st_mode & _OTHERS_MAY_WRITE:
        return True
    return bool(directory.st_mode & stat.S_ISVTX) and entry.st_uid in ours


def _replaced(old_fd: int, new_fd: int) -> int:
    os.close(old_fd)
    return new_fd
