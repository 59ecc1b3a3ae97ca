"""Write objects as files below a directory, under their keys.

The one place here that writes files, and only where the user said. Every directory on the way is opened by itself and
never through a link; a file appears under its name only when it is complete, and never in the place of another.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from processor.domain.errors import DeliveryError, refused, transient

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PartFile:
    """A file on its way to `key` below a directory."""

    def __init__(self, root: int, key: str, number: int) -> None:
        self._root = root
        self._key = key
        self._parent: int | None = None
        self._committed = ""
        self._name = f".processor-{os.getpid()}-{number}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _told(key):
            self._file = os.fdopen(os.open(self._name, flags, 0o666, dir_fd=root), "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append `data`."""
        view = memoryview(data)
        with _told(self._key):
            while view:
                view = view[self._file.write(view) :]

    def restart(self) -> None:
        """Void what was written so far."""
        self._file.seek(0)
        self._file.truncate()

    def commit(self, rules: "Overwriting") -> None:
        """Give the file its name. Raises DeliveryError when that can not be, or what has the name may not go."""
        *directories, name = self._key.split("/")
        with _told(self._key):
            self._file.close()
            self._parent = _make_directories(self._root, directories)
            if rules.force:
                rules.refuse_source(self._parent, name)
                os.rename(self._name, name, src_dir_fd=self._root, dst_dir_fd=self._parent)
                self._name = ""
            else:
                # A link, unlike a rename, never takes the place of another file.
                os.link(self._name, name, src_dir_fd=self._root, dst_dir_fd=self._parent, follow_symlinks=False)
            self._committed = name

    def settle(self) -> None:
        """Keep what was committed."""
        self._committed = ""
        self.discard()

    def discard(self) -> None:
        """Leave nothing behind, nor what was committed and not settled."""
        self._file.close()
        if self._name:
            os.unlink(self._name, dir_fd=self._root)
        if self._committed:
            os.unlink(self._committed, dir_fd=self._parent)
        if self._parent is not None:
            os.close(self._parent)


def _make_directories(root: int, names: list[str]) -> int:
    here = os.dup(root)
    try:
        for name in names:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
            below = os.open(name, _DIRECTORY_FLAGS, dir_fd=here)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


@contextmanager
def _told(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(key, error) from error


def _failure(key: str, error: OSError) -> DeliveryError:
    match error.errno:
        case errno.EEXIST:
            return refused("directory.exists", f"{key!r} exists already", "choose another place, or add --force")
        case errno.ENOTDIR | errno.ELOOP:
            return refused("directory.in-the-way", f"a file or link is in the way of {key!r}")
        case errno.ENAMETOOLONG:
            return refused("directory.name-too-long", f"no file can be called {key!r}")
        case _:
            return transient("directory.unwritable", f"{key!r} can not be written: {error.strerror}")


@dataclass(frozen=True, slots=True)
class Overwriting:
    """What may be overwritten: nothing, or with `force` whatever is not the source, under whichever name."""

    source: Path
    force: bool = False

    def refuse_source(self, directory_fd: int, name: str) -> None:
        """Raise DeliveryError when the name is one of the source, be it by a link. Nothing may have it, either."""
        source = os.stat(self.source)
        with suppress(FileNotFoundError):
            there = os.stat(name, dir_fd=directory_fd)
            if (there.st_dev, there.st_ino) == (source.st_dev, source.st_ino):
                raise refused("directory.is-source", f"{name!r} is what is being read", "choose another place")


class Directory:
    """A directory, which exists, and the files that are on their way into it."""

    def __init__(self, directory: Path, rules: Overwriting) -> None:
        self._rules = rules
        self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._number = 0
        self._parts: list[PartFile] = []

    def close(self) -> None:
        """Drop what is not complete."""
        self.drop()
        os.close(self._root)

    def claim(self, name: str) -> None:
        """Raise DeliveryError when a file may not have this name, before it is made."""
        with _told(name):
            self._rules.refuse_source(self._root, name)
            if not self._rules.force and os.path.lexists(f"/proc/self/fd/{self._root}/{name}"):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)

    def part(self, key: str) -> PartFile:
        """Begin a file."""
        self._number += 1
        part = PartFile(self._root, key, self._number)
        self._parts.append(part)
        return part

    def keep(self) -> None:
        """Give the files their names, all or none. Raises DeliveryError when one may not have its name."""
        for part in self._parts:
            part.commit(self._rules)
        while self._parts:
            self._parts.pop().settle()

    def drop(self) -> None:
        """Drop the files that were not kept."""
        while self._parts:
            self._parts.pop().discard()
