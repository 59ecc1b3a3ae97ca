"""Rename, copy, delete and write files, whatever strangers do.

A name is only a name: between a look at a file and its rename another file may take it. So a file is held open, its
name is moved out of reach first, and only then is it known which file that was; another one is put back.
"""

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress

from processor.trees.beneath import status_below, sync, try_sync
from processor.trees.held import ExchangedError, Held, Seen, hold, last_look
from processor.trees.syscalls import exists, rename_new

NAME_MAX = 255  # limits.h
_MOST_NUMBERS = 10_000
_MODE = 0o640
_MOST_READ_BYTES = 16 << 20
_PIECE_BYTES = 16 << 20
_LEAVING, _PARTIAL = b".processor-leaving-", b".processor-partial-"
_PASSING = re.compile(rb"\.processor-(leaving|partial)-[0-9a-f]{32}")


def is_passing(name: bytes) -> bool:
    """Tell whether a name is one that files bear for a moment, on their way in or out."""
    return name.startswith(b".processor-") and _PASSING.fullmatch(name) is not None


def variants(name: bytes) -> Iterator[bytes]:
    """Yield a name, then `~1`, `~2` ... added to it."""
    yield name
    for number in range(1, _MOST_NUMBERS):
        mark = b"~%d" % number
        yield name[: NAME_MAX - len(mark)] + mark


def delete(held: Held, seen: Seen) -> None:
    """Delete a file, and only the one that was seen. Raises ExchangedError, FileNotFoundError, OSError."""
    last_look(held, seen)
    leaving = _renamed_aside(held)
    _verify(held, seen, held.directory_fd, leaving)
    try:
        os.unlink(leaving, dir_fd=held.directory_fd)
    except OSError:
        _put_back(held.directory_fd, leaving, held.directory_fd, held.name)
        raise
    try_sync(held.directory_fd)


def move_in(held: Held, seen: Seen, target_fd: int, name: bytes) -> None:
    """Move a file into one of the daemon's own directories, and only the one that was seen.

    Raises ExchangedError, FileNotFoundError, FileExistsError, OSError; then it lies where it lay.
    """
    last_look(held, seen)
    try:
        rename_new(held.directory_fd, held.name, target_fd, name, sole=True)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_in(held, seen, target_fd, name)
        return
    _verify(held, seen, target_fd, name)
    # The new name first: a file is rather found twice after a power failure than not at all.
    try_sync(target_fd)
    try_sync(held.directory_fd)


def move_out(held: Held, root_fd: int, relative_path: bytes, target_fd: int) -> None:
    """Move a file from one of the daemon's own directories to `relative_path` below an open root.

    `target_fd` is its directory there, where others may do as they like. Raises FileExistsError, ExchangedError when
    the file did not come to that place, OSError; then it lies where it lay.
    """
    name = relative_path.rpartition(b"/")[2]
    try:
        rename_new(held.directory_fd, held.name, target_fd, name, sole=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_out(held, root_fd, relative_path, target_fd)
        return
    try:
        _arrived(held, root_fd, relative_path)
    except ExchangedError:
        # Its directory has been moved to another place; or somebody was quick, and the file is his.
        if held.is_at(target_fd, name):
            rename_new(target_fd, name, held.directory_fd, held.name, sole=True)
        raise
    try_sync(target_fd)
    try_sync(held.directory_fd)


def _copy_out(held: Held, root_fd: int, relative_path: bytes, target_fd: int) -> None:
    name = relative_path.rpartition(b"/")[2]
    fd = _copy(held, target_fd, name, sole=False)
    copy = Held(target_fd, name, fd)
    try:
        _arrived(copy, root_fd, relative_path)
        sync(target_fd)
        os.unlink(held.name, dir_fd=held.directory_fd)
    except (OSError, ExchangedError):
        if copy.is_at(target_fd, name):
            discard(target_fd, name)
        raise
    finally:
        os.close(fd)
    try_sync(held.directory_fd)


def resume(directory_fd: int, name: bytes, seen: Seen) -> None:
    """Give a file its name back that a crash has left on its way out. Does nothing where there is none."""
    leaving = _passing_name(_LEAVING, name)
    with suppress(FileNotFoundError):
        status = os.stat(leaving, dir_fd=directory_fd, follow_symlinks=False)
        if seen.is_still(status, renamed=True) and exists(directory_fd, name):
            os.unlink(leaving, dir_fd=directory_fd)  # it was to go, and a newer one has come since
        else:
            _put_back(directory_fd, leaving, directory_fd, name)


def write_new(directory_fd: int, name: bytes, content: bytes) -> None:
    """Write a new file into one of the daemon's own directories; never part of it. Raises FileExistsError, OSError."""

    def fill(fd: int) -> None:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(content)
        os.fchmod(fd, _MODE)

    os.close(_create(directory_fd, name, fill, sole=True))


def discard(directory_fd: int, name: bytes) -> None:
    """Delete what the daemon itself wrote into one of its own directories, if that can be done."""
    with suppress(OSError):
        os.unlink(name, dir_fd=directory_fd)


def read_small(directory_fd: int, name: bytes) -> bytes | None:
    """Return the content of a plain file; None where there is none, where it is something else, or far too large."""
    try:
        with hold(directory_fd, name) as held, open(os.dup(held.fd), "rb") as file:
            content = file.read(_MOST_READ_BYTES + 1)
    except (OSError, ExchangedError):
        return None
    return content if len(content) <= _MOST_READ_BYTES else None


def _renamed_aside(held: Held) -> bytes:
    """Give a file a name in its directory that nobody else uses; return it."""
    leaving = _passing_name(_LEAVING, held.name)
    try:
        rename_new(held.directory_fd, held.name, held.directory_fd, leaving, sole=True)
    except FileExistsError:  # somebody wants to keep us from deleting
        leaving = _LEAVING + secrets.token_hex(16).encode()
        rename_new(held.directory_fd, held.name, held.directory_fd, leaving, sole=True)
    return leaving


def _verify(held: Held, seen: Seen, target_fd: int, name: bytes) -> None:
    """See that it was the file held that was renamed to `name`, and that it is unchanged. Else put back what was."""
    try:
        _look_at(held, seen, target_fd, name)
    except (OSError, ExchangedError):
        with suppress(FileNotFoundError):  # whoever took it has it
            _put_back(target_fd, name, held.directory_fd, held.name)
        raise


def _look_at(held: Held, seen: Seen, target_fd: int, name: bytes) -> None:
    if not held.is_at(target_fd, name):
        raise ExchangedError
    last_look(held, seen, renamed=True)


def _put_back(source_fd: int, name: bytes, directory_fd: int, old_name: bytes) -> None:
    """Rename to the old name again; to a variant of it if that has been taken meanwhile."""
    for candidate in variants(old_name):
        with suppress(FileExistsError):
            _rename_back(source_fd, name, directory_fd, candidate)
            try_sync(directory_fd)
            return


def _rename_back(source_fd: int, name: bytes, directory_fd: int, old_name: bytes) -> None:
    try:
        rename_new(source_fd, name, directory_fd, old_name, sole=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        rename_new(source_fd, name, directory_fd, old_name, sole=True)  # an older kernel; what is moved must not stay


def _copy_in(held: Held, seen: Seen, target_fd: int, name: bytes) -> None:
    """Copy to another file system; the source goes when the copy is durable, and only if it is what was copied.

    A copy may be there already: of a daemon that was killed before the source went.
    """
    if not _is_copied(held, target_fd, name):
        os.close(_copy(held, target_fd, name, sole=True, check=lambda: last_look(held, seen)))
    try:
        sync(target_fd)
        delete(held, seen)
    except FileNotFoundError:
        pass  # somebody removed it meanwhile; the copy stays
    except (OSError, ExchangedError):
        os.unlink(name, dir_fd=target_fd)
        raise


def _is_copied(held: Held, target_fd: int, name: bytes) -> bool:
    """Tell whether a file in one of our own directories has the time and every byte of this one."""
    try:
        with hold(target_fd, name) as there:
            ours, its = os.fstat(held.fd), os.fstat(there.fd)
            if (ours.st_size, ours.st_mtime_ns) != (its.st_size, its.st_mtime_ns):
                return False
            places = range(0, ours.st_size, _PIECE_BYTES)
            pieces = ((os.pread(fd, _PIECE_BYTES, at) for fd in (held.fd, there.fd)) for at in places)
            return all(len(set(pair)) == 1 for pair in pieces)
    except (OSError, ExchangedError):
        return False


def _copy(held: Held, target_fd: int, name: bytes, *, sole: bool, check: Callable[[], None] = lambda: None) -> int:
    """Copy a file and return the copy's descriptor; `check` may still refuse it, before it has its name."""
    status = os.fstat(held.fd)

    def fill(fd: int) -> None:
        offset = 0
        while offset < status.st_size:
            # Not a byte more than it had: whoever goes on appending would keep us here.
            sent = os.sendfile(fd, held.fd, offset, min(_PIECE_BYTES, status.st_size - offset))
            if not sent:
                raise ExchangedError
            offset += sent
        os.fchmod(fd, status.st_mode & 0o666)  # never setuid: the copy is the daemon's
        os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
        check()

    return _create(target_fd, name, fill, sole=sole)


def _create(directory_fd: int, name: bytes, fill: Callable[[int], None], *, sole: bool) -> int:
    """Make a file that has its name only when it is whole and durable; return its descriptor.

    The name itself is durable when the caller has synced the directory.
    """
    partial = _passing_name(_PARTIAL, name)
    with suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=directory_fd)  # left by a crash
    fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory_fd)
    try:
        fill(fd)
        os.fsync(fd)
        rename_new(directory_fd, partial, directory_fd, name, sole=sole)
    except BaseException:
        os.close(fd)
        discard(directory_fd, partial)
        raise
    return fd


def _arrived(held: Held, root_fd: int, relative_path: bytes) -> None:
    """See that a path below the root leads to the file that was moved there."""
    own = os.fstat(held.fd)
    try:
        there = status_below(root_fd, relative_path)
    except OSError as error:
        raise ExchangedError from error
    if (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino):
        raise ExchangedError


def _passing_name(prefix: bytes, name: bytes) -> bytes:
    return prefix + hashlib.sha256(name).hexdigest()[:32].encode()
