"""Directories that belong to the daemon's user alone.

Failed files and files put away after delivery lie in such: whatever is found there was put there by the daemon.
"""

import errno
import os
import pwd
import stat
from contextlib import suppress

from processor.domain.keys import escape
from processor.trees.beneath import make_child, open_child, open_root

# What is made is readable by the daemon's user alone; the operator may open it for others to read.
_MODE = 0o700
_INHERITED = 0o755
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class SharedDirectoryError(PermissionError):
    """A directory belongs to another user, or another user may write in it."""


def open_private(path: bytes) -> int:
    """Return a descriptor of the daemon's own directory at an absolute path; it and its parents are made if missing.

    Raises SharedDirectoryError, and OSError when it can not be made.
    """
    path = path.rstrip(b"/")
    try:
        return find_private(path)
    except FileNotFoundError:
        parent, _, name = path.rpartition(b"/")
        return _checked(_made(parent or b"/", name), path)


def find_private(path: bytes) -> int:
    """Do as `open_private`, but make nothing. Raises FileNotFoundError."""
    return _checked(open_root(path), path)


def open_private_below(directory_fd: int, relative_path: bytes) -> int:
    """Return a descriptor of the directory at `relative_path` below one of the daemon's own (b"": itself).

    What is missing is made, with the rights of its parent. Raises SharedDirectoryError when anything on the way is not
    the daemon's alone.
    """
    here, shown = os.dup(directory_fd), b""
    for name in relative_path.split(b"/") if relative_path else ():
        shown += b"/" + name
        try:
            below = make_child(here, name, stat.S_IMODE(os.fstat(here).st_mode) & _INHERITED)
        except OSError as error:
            raise _not_a_directory(error, shown) from error
        finally:
            os.close(here)
        here = _checked(below, shown)
    return here


def find_private_below(directory_fd: int, relative_path: bytes) -> int:
    """Do as `open_private_below`, but make nothing. Raises FileNotFoundError."""
    here = os.dup(directory_fd)
    for name in relative_path.split(b"/") if relative_path else ():
        try:
            below = open_child(here, name)
        finally:
            os.close(here)
        here = _checked(below, relative_path)
    return here


def problem_of_private(path: bytes) -> str | None:
    """Return why the directory at an absolute path is not the daemon's own; None: it is, or there is none yet."""
    try:
        os.close(find_private(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{escape(path)}: {error.strerror}"
    return None


def claim(path: bytes) -> str | None:
    """Make the directory at an absolute path, if its parent is there, before anybody else does.

    Return why it is not the daemon's own. That it can not be made yet is none of it: it is tried again when needed.
    """
    parent, _, name = path.rstrip(b"/").rpartition(b"/")
    with suppress(OSError):
        above = open_root(parent or b"/")
        try:
            os.close(make_child(above, name, _MODE))
        finally:
            os.close(above)
    return problem_of_private(path)


def _made(parent: bytes, name: bytes) -> int:
    try:
        above = open_root(parent)
    except FileNotFoundError:
        before, _, last = parent.rpartition(b"/")
        above = _made(before or b"/", last)
    try:
        return make_child(above, name, _MODE)
    finally:
        os.close(above)


def _checked(fd: int, path: bytes) -> int:
    """Return the descriptor of a directory that is the daemon's alone; close that of any other, and raise."""
    status = os.fstat(fd)
    problem = None
    if status.st_uid != os.geteuid():
        problem = f"belongs to {_user(status.st_uid)}, not to {_user(os.geteuid())}, whose own it must be"
    elif status.st_mode & _OTHERS_MAY_WRITE:  # what an ACL allows shows in the group's bits, too
        mode = stat.S_IMODE(status.st_mode)
        problem = f"may be written by others than {_user(status.st_uid)} (mode {mode:04o}): chmod go-w"
    if problem is None:
        return fd
    os.close(fd)
    raise SharedDirectoryError(errno.EPERM, problem, path)


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"


def _not_a_directory(error: OSError, path: bytes) -> OSError:
    return OSError(error.errno, error.strerror, path)
