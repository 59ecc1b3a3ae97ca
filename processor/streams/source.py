"""Sources of bytes, readable again and again from the start."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol, runtime_checkable

from processor.domain.errors import (
    SOURCE_FORBIDDEN,
    SOURCE_NO_ROOT,
    SOURCE_VANISHED,
    DeliveryError,
    ErrorClass,
    Failure,
    refused,
    still_open,
    transient,
)
from processor.trees.beneath import enter_root

_NO_ROOT = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP)


class Source(Protocol):
    """Bytes with a name.

    `name` is for messages and never a path to open. `size_bytes` is None where only reading tells.
    `path_fd` is the open descriptor of a plain file that holds exactly these bytes, or None: a reader that wants
    to seek (DuckDB) opens `/dev/fd/N` of it; everybody else calls `open`.
    """

    @property
    def name(self) -> str:
        """Name for messages."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """Length, where it is known."""
        ...

    @property
    def path_fd(self) -> int | None:
        """Descriptor of a plain file with these bytes, if there is one."""
        ...

    def open(self) -> BinaryIO:
        """Return a new unbuffered reader at byte 0; the caller closes it."""
        ...


@runtime_checkable
class Estimated(Protocol):
    """A source that has an idea of its length where only reading tells it."""

    @property
    def about_bytes(self) -> int | None:
        """Length, as far as it can be guessed."""
        ...


def about_bytes(source: Source) -> int | None:
    """Return the length of `source` where it is known, else a guess where there is one."""
    if source.size_bytes is not None:
        return source.size_bytes
    return source.about_bytes if isinstance(source, Estimated) else None


@dataclass(frozen=True, slots=True)
class FileSource:
    """A plain file, held open; made by `open_file`."""

    name: str
    size_bytes: int
    path_fd: int

    def open(self) -> BinaryIO:
        """Return a reader of its own: another position, the same inode."""
        return io.FileIO(f"/proc/self/fd/{self.path_fd}", "rb")


@dataclass(frozen=True, slots=True)
class BytesSource:
    """A buffer in memory: a small member of an archive, or a test."""

    name: str
    data: bytes
    path_fd: None = None

    @property
    def size_bytes(self) -> int:
        """Length of the buffer."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """Return a reader over the buffer; nothing is copied."""
        return io.BytesIO(self.data)


@contextmanager
def open_file(root: bytes, relative_path: bytes) -> Iterator[FileSource]:
    """Open the plain file at `root`/`relative_path` without following any symbolic link below `root`.

    Raises DeliveryError: `source.vanished`, `source.forbidden`, `source.unreadable`, `source.not-a-file`,
    `source.no-root`.
    """
    name = PurePosixPath(os.fsdecode(relative_path)).name
    fd = open_beneath(root, relative_path)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise refused("source.not-a-file", f"{name} is not a plain file", "only plain files are delivered")
        yield FileSource(name, status.st_size, fd)
    finally:
        os.close(fd)


def open_beneath(root: bytes, relative_path: bytes) -> int:
    """Return a descriptor open for reading; every component is opened by itself and none may be a link.

    Links on the way to `root` are followed only where nobody but root and this user could have put them.

    A directory that is exchanged for a link between two looks can therefore not lead out of `root`. Directories are
    entered, not read (O_PATH): a confined worker may not list those of other senders.
    """
    *directories, last = relative_path.split(b"/")
    try:
        here = _enter(root)
    except OSError as error:
        if error.errno in _NO_ROOT:
            raise DeliveryError(no_root(root, error)) from error
        raise _cannot_open(relative_path, error) from error
    try:
        for directory in directories:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(directory, flags, dir_fd=here)
            os.close(here)
            here = below
        # O_NONBLOCK: a fifo that took the file's place must not hang the opener.
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    except OSError as error:
        raise _cannot_open(relative_path, error) from error
    finally:
        os.close(here)


def _enter(directory: bytes) -> int:
    here = enter_root(directory)
    if not os.access(b".", os.X_OK, dir_fd=here):
        os.close(here)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return here


def no_root(root: bytes, error: OSError) -> Failure:
    """Return what is wrong when the watched directory can not be entered: nothing below it has vanished by that."""
    text = f"{os.fsdecode(root)!r} can not be entered: {error.strerror}"
    return Failure(ErrorClass.OUTAGE, SOURCE_NO_ROOT, text, "see to WATCH_PATH; its files wait until it is there again")


def _cannot_open(relative_path: bytes, error: OSError) -> DeliveryError:
    shown = os.fsdecode(relative_path)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return refused(SOURCE_VANISHED, f"{shown!r} vanished before it was delivered", "nothing is left to deliver")
    if isinstance(error, BlockingIOError):
        return still_open(relative_path)  # under a lease to write, such as Samba takes for a client
    if isinstance(error, PermissionError):
        hint = "give the daemon's user read permission; it is delivered then"
        return transient(SOURCE_FORBIDDEN, f"{shown!r} may not be read", hint)
    return DeliveryError(Failure(ErrorClass.TRANSIENT, "source.unreadable", f"{shown!r}: {error.strerror}"))
