"""Paths in the tree that are never delivered."""

import os
from collections.abc import Iterable
from contextlib import suppress

from processor.trees.beneath import enter_root


class Exclusions:
    """Paths that are neither watched nor delivered: by their place below the root and by what they are.

    `paths` are absolute and need not exist (yet). Their place is found as they are written and after resolving links;
    their identity (device and inode) finds them under another name too, such as a bind mount or a hard link. A link
    that strangers may have put is not followed: what it leads to would be left alone, and what it replaced would not.
    """

    def __init__(self, root: bytes, paths: Iterable[bytes]) -> None:
        self._root = root
        self._paths = tuple(paths)
        self._places: frozenset[bytes] = frozenset()
        self._identities: frozenset[tuple[int, int]] = frozenset()
        self.refresh()

    def refresh(self) -> None:
        """Find out anew where the paths lead and what is there."""
        real = _resolved(self._paths)
        self._places = frozenset(_below(self._root, (*self._paths, *real)))
        self._identities = frozenset(_identities(real))

    def covers(self, relative_path: bytes, identity: tuple[int, int]) -> bool:
        """Tell whether the entry at `relative_path` is to be left alone; what lies below it need not be asked for."""
        if relative_path in self._places:
            return True
        if identity not in self._identities:
            return False
        # Numbers of inodes are used again: what had this one may be gone.
        self._identities = frozenset(_identities(_resolved(self._paths)))
        return identity in self._identities


def _below(root: bytes, paths: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the places of the paths that are below `root`, as it is written or where it leads."""
    roots = {each.rstrip(b"/") + b"/" for each in (root, *_resolved([root]))}
    for path in paths:
        yield from (path.removeprefix(above) for above in roots if path.startswith(above))


def _resolved(paths: Iterable[bytes]) -> list[bytes]:
    """Return the paths after resolving links, without those on whose way strangers may have put one."""
    known: dict[bytes, bytes | None] = {}  # most of them share their directory
    return [real for path in paths if (real := _real(path, known)) is not None]


def _real(path: bytes, known: dict[bytes, bytes | None]) -> bytes | None:
    if path not in known:
        known[path] = _looked_up(path, known)
    return known[path]


def _looked_up(path: bytes, known: dict[bytes, bytes | None]) -> bytes | None:
    directory, name = os.path.split(path)
    try:
        return _closed(enter_root(path))
    except (FileNotFoundError, NotADirectoryError):
        pass  # a file, or nothing yet
    except OSError:
        return None
    above = _real(directory, known) if directory != path else None
    return None if above is None else above.rstrip(b"/") + b"/" + name


def _closed(directory_fd: int) -> bytes:
    try:
        return os.fsencode(os.readlink(f"/proc/self/fd/{directory_fd}"))
    finally:
        os.close(directory_fd)


def _identities(real_paths: Iterable[bytes]) -> Iterable[tuple[int, int]]:
    for path in real_paths:
        with suppress(OSError):
            status = os.stat(path, follow_symlinks=False)
            yield status.st_dev, status.st_ino
