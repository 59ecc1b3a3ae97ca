"""Inotify watches and their places in the tree.

A watch belongs to a directory, not to a path: it goes along when the directory is renamed. So the tree is kept as the
kernel sees it, each watch with its name and the watch of its parent, and a path is put together when it is asked for;
renaming a directory of 50,000 others changes one entry. Adding a watch where there is one returns that one, which is
how a directory is recognised at its new place.
"""

import errno
import os
from collections import deque
from contextlib import suppress

from inotify_simple import Event, INotify, flags

from processor.trees.beneath import GONE, open_directory

UNWATCHED = 0  # in place of a watch; the kernel counts from 1

# MOVE_SELF tells of a directory that leaves the tree. Its deletion ends the watch, which the kernel always reports.
_MASK = (
    flags.CLOSE_WRITE
    | flags.MOVED_TO
    | flags.CREATE
    | flags.ATTRIB
    | flags.MOVE_SELF
    | flags.ONLYDIR
    | flags.EXCL_UNLINK
)
_PARENT_BYTES = 4
_DEEPEST = 4096  # more levels than a path can name: the places contradict each other

# inotify_add_watch(2): the user's limit, and no memory for one more.
LIMIT_ERRORS = (errno.ENOSPC, errno.ENOMEM)


class Watches:
    """One inotify instance for the tree at `root`. Raises OSError when there are too many instances (EMFILE)."""

    def __init__(self, root: bytes, *, tell_of_writing: bool = False) -> None:
        """`tell_of_writing`: also of each change of a file's content."""
        self._root = root
        self._mask = _MASK | flags.MODIFY if tell_of_writing else _MASK
        self._inotify = INotify(nonblocking=True)
        # Watch -> its parent's watch (4 bytes) and its name, in one object: half the memory of a tuple.
        self._places: dict[int, bytes] = {}
        self._left: set[int] = set()
        self._unread: deque[Event] = deque()
        self._root_watch = UNWATCHED
        self.root_lost = False  # the root was moved or deleted, or its file system is gone

    def __len__(self) -> int:
        """Return the number of directories watched."""
        return len(self._places)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there are events."""
        return int(self._inotify.fileno())

    def close(self) -> None:
        """Give all watches back."""
        self._inotify.close()

    def add(self, directory_fd: int, parent: int, name: bytes) -> int | None:
        """Watch the open directory, known as `name` in the one that `parent` watches, and return its watch.

        None: it has left the tree since it was opened. The root has the parent `UNWATCHED`; any other must be one that
        `knows`. Raises OSError; see LIMIT_ERRORS.
        """
        # By way of /proc it is this very directory that is watched, whatever has come to its path meanwhile.
        watch = int(self._inotify.add_watch(f"/proc/self/fd/{directory_fd}", self._mask))
        self._left.discard(watch)
        if parent == UNWATCHED:
            self._root_watch = watch
        elif not self._lies_in_the_tree(directory_fd):
            self._places.pop(watch, None)
            self._give_back(watch)
            return None
        self._places[watch] = parent.to_bytes(_PARENT_BYTES) + name
        return watch

    def _lies_in_the_tree(self, directory_fd: int) -> bool:
        """Tell whether what an open and watched directory lies in is watched too; from now on we hear when it leaves.

        Of a move before its watch was there nobody tells, unless it was to where we watch.
        """
        try:
            above = int(self._inotify.add_watch(f"/proc/self/fd/{directory_fd}/..", self._mask))
        except OSError:
            return True  # it may not be read any more, or is one too many; nothing says that it is another
        if above not in self._places:
            self._give_back(above)
            return False
        return True

    def _give_back(self, watch: int) -> None:
        with suppress(OSError):
            self._inotify.rm_watch(watch)

    def knows(self, watch: int) -> bool:
        """Tell whether the watch is in use: its directory has not left the tree."""
        return watch in self._places

    def path(self, watch: int) -> bytes | None:
        """Return the path below the root of the directory watched; None when it is not part of the tree any more."""
        names: list[bytes] = []
        while (place := self._places.get(watch)) is not None and len(names) < _DEEPEST:
            watch = int.from_bytes(place[:_PARENT_BYTES])
            if watch == UNWATCHED:
                return b"/".join(reversed(names))
            names.append(place[_PARENT_BYTES:])
        return None

    def ended(self, watch: int) -> None:
        """Take note that the kernel has ended a watch: its directory is gone."""
        self._places.pop(watch, None)
        self.root_lost |= watch == self._root_watch

    def arrived(self, parent: int, name: bytes) -> None:
        """Take note that a directory has been moved to `name` in the one that `parent` watches.

        Raises OSError when it is there and can not be watched.
        """
        path = self.path(parent)
        if path is not None:
            self._add_at(path + b"/" + name if path else name, parent, name)

    def moved(self, watch: int) -> None:
        """Take note that a directory has been moved; when it is not where it was last seen, `sweep` gives it up.

        Raises OSError when that can not be found out.
        """
        if watch == self._root_watch:
            self.root_lost = True
            return
        place, path = self._places.get(watch), self.path(watch)
        if place is None:
            return
        self._left.add(watch)
        if path:
            self._add_at(path, int.from_bytes(place[:_PARENT_BYTES]), place[_PARENT_BYTES:])

    def _add_at(self, path: bytes, parent: int, name: bytes) -> None:
        try:
            fd = open_directory(self._root, path)
        except OSError as error:
            if error.errno in GONE:
                return
            raise
        try:
            self.add(fd, parent, name)
        finally:
            os.close(fd)

    def sweep(self) -> None:
        """Give back the watches of what has been moved out of the tree."""
        if not self._left:
            return
        gone = [watch for watch in self._places if self._is_gone(watch)]
        self._left.clear()
        for watch in gone:
            del self._places[watch]
            self._give_back(watch)

    def _is_gone(self, watch: int) -> bool:
        for _ in range(_DEEPEST):
            if watch in self._left:
                return True
            place = self._places.get(watch)
            if place is None:
                return watch != UNWATCHED
            watch = int.from_bytes(place[:_PARENT_BYTES])
        return True

    @property
    def has_unread(self) -> bool:
        """Tell whether `events` has some that the descriptor does not announce any more."""
        return bool(self._unread)

    def events(self, limit: int) -> list[tuple[int, int, bytes]]:
        """Return up to `limit` events as watch, mask and name; none when there are none. Never blocks."""
        if not self._unread:
            self._unread.extend(self._inotify.read(timeout=0))
        count = min(limit, len(self._unread))
        events = (self._unread.popleft() for _ in range(count))
        return [(event.wd, event.mask, os.fsencode(event.name)) for event in events]
