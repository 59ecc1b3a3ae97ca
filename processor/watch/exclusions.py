"""Paths in the tree that are never delivered."""

import os
from collections.abc import Iterable
from contextlib import suppress


class Exclusions:
    """Paths that are neither watched nor delivered: by their place below the root and by what they are.

    `paths` are absolute and need not exist (yet). Their place is found after resolving links; their identity (device
    and inode) finds them under another name too, such as a bind mount or a hard link.
    """

    def __init__(self, root: bytes, paths: Iterable[bytes]) -> None:
        self._root = root
        self._paths = tuple(paths)
        self._places: frozenset[bytes] = frozenset()
        self._identities: frozenset[tuple[int, int]] = frozenset()
        self.refresh()

    def refresh(self) -> None:
        """Find out anew where the paths lead and what is there."""
        self._places = frozenset(_below(os.path.realpath(self._root), self._paths))
        self._identities = frozenset(_identities(self._paths))

    def covers(self, relative_path: bytes, identity: tuple[int, int]) -> bool:
        """Tell whether the entry at `relative_path` is to be left alone; what lies below it need not be asked for."""
        if relative_path in self._places:
            return True
        if identity not in self._identities:
            return False
        # Numbers of inodes are used again: what had this one may be gone.
        self._identities = frozenset(_identities(self._paths))
        return identity in self._identities


def _below(root: bytes, paths: Iterable[bytes]) -> Iterable[bytes]:
    prefix = root.rstrip(b"/") + b"/"
    for path in paths:
        real = os.path.realpath(path)
        if real.startswith(prefix):
            yield real.removeprefix(prefix)


def _identities(paths: Iterable[bytes]) -> Iterable[tuple[int, int]]:
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            yield status.st_dev, status.st_ino
