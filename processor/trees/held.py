"""A plain file, held open while it moves."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Self

from processor.domain.identity import Identity, is_still
from processor.trees.open_writers import is_open_for_writing
from processor.trees.syscalls import open_beneath


class ExchangedError(Exception):
    """It is another file than was seen, has changed since or is open for writing: it is found again by itself."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The file as it was when its end was decided; an identity that was not recorded is not compared."""

    size_bytes: int
    modified_ns: int
    identity: Identity | None = None

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return all that a status tells."""
        return cls(status.st_size, status.st_mtime_ns, Identity.of(status))

    def is_still(self, status: os.stat_result, *, renamed: bool = False) -> bool:
        """Tell whether a status is of the same file, unchanged; `renamed` since by ourselves, which changes ctime."""
        known = self.identity
        if renamed and known is not None:
            known = replace(known, changed_ns=status.st_ctime_ns)
        return stat.S_ISREG(status.st_mode) and is_still(self.size_bytes, self.modified_ns, known, status)


@dataclass(frozen=True, slots=True)
class Held:
    """An open file and the open directory it was found in. What has its name now may be another: see `is_at`."""

    directory_fd: int
    name: bytes
    fd: int  # readable, or O_PATH where this user may not read the file

    def is_at(self, directory_fd: int, name: bytes) -> bool:
        """Tell whether this very file has this name in an open directory."""
        own = os.fstat(self.fd)
        try:
            there = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)


def last_look(held: Held, seen: Seen, *, renamed: bool = False) -> None:
    """Look at a file once more, by its descriptor. Raises ExchangedError when it is not as it was seen, or is open.

    The one check before a source goes: called immediately before each rename of it, and with `renamed` immediately
    after, which is before anything is deleted.
    """
    # Its writers first: what they write after this look shows in the status.
    if is_open_for_writing(held.fd) or not seen.is_still(os.fstat(held.fd), renamed=renamed):
        raise ExchangedError


@contextmanager
def hold(directory_fd: int, name: bytes) -> Iterator[Held]:
    """Hold the plain file of this name in an open directory.

    Raises FileNotFoundError, and ExchangedError when it is a link, a directory or anything else. Never waits, whatever
    lies there: a fifo is not opened, nor a file on which another process has a lease.
    """
    fd = open_beneath(directory_fd, name, os.O_PATH | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ExchangedError
        fd = _readable(fd)
        yield Held(directory_fd, name, fd)
    finally:
        os.close(fd)


def _readable(path_fd: int) -> int:
    """Return a readable descriptor in place of one that only names the file; that one where reading is forbidden."""
    # By way of /proc it is this very file that is opened, whatever has its name meanwhile.
    with suppress(PermissionError, FileNotFoundError):  # the latter where /proc is missing
        fd = os.open(f"/proc/self/fd/{path_fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.close(path_fd)
        return fd
    return path_fd
