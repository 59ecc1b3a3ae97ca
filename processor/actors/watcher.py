"""The Watcher: look at the tree, offer whole files."""

from collections.abc import Callable
from typing import Any

from processor.actors.base import BaseActor, DeathNotice
from processor.actors.messages import Drain, FilesFound, LookAgain, WatchIdle
from processor.domain.identity import Identity
from processor.domain.keys import escape
from processor.ledger.records import Found
from processor.watch.events import Level, WatchEvent
from processor.watch.found import FoundFile
from processor.watch.tree import Tree

# Progress may be waiting for room on the ledger's disk: the watcher waits with it.
_ASK_SECONDS = 3600.0
_LONGEST_LOOK_SECONDS = 0.5
_BATCH = 1000


class _Look:
    """Look at the tree: told by the Watcher to itself, for ever."""


class Watcher(BaseActor):
    """Owns `tree`; its thread waits in the kernel, at most half a second at a time."""

    def __init__(self, died: DeathNotice, tree: Tree, moved: Callable[[], None]) -> None:
        """Watch `tree`; call `moved` when its root is another than before, since workers may read only the old one."""
        super().__init__(died)
        self._tree = tree
        self._moved = moved
        self._looked = False
        self._draining = False
        self._told_idle = False

    def met(self) -> None:
        """Begin to look."""
        self.actor_ref.tell(_Look())

    def handle(self, message: Any) -> Any:
        """Look, unless we drain."""
        match message:
            case _Look():
                if not self._draining:
                    self._look()
                    self.actor_ref.tell(message)
            case LookAgain(relative_path):
                self._tree.look_at(relative_path)
            case Drain():
                self._draining = True

    def on_stop(self) -> None:
        """Give the watches back."""
        self._tree.close()

    def _look(self) -> None:
        before = self._tree.identity
        look = self._tree.look(_LONGEST_LOOK_SECONDS)
        if self._looked and self._tree.identity not in (None, before):
            self._moved()
        self._looked = True
        for note in look.notes:
            self._say(note)
        found = tuple(map(found_of, look.found))
        for start in range(0, len(found), _BATCH):
            self.routes.progress.ask(FilesFound(found[start : start + _BATCH]), timeout=_ASK_SECONDS)
        if self._tree.done and not self._told_idle:
            self._told_idle = True
            self.routes.progress.tell(WatchIdle())

    def _say(self, note: WatchEvent) -> None:
        say = {Level.INFO: self.log.info, Level.WARNING: self.log.warning, Level.ERROR: self.log.error}[note.level]
        say(note.event, path=escape(note.path), detail=note.detail, hint=note.hint)


def found_of(file: FoundFile) -> Found:
    """Return what the ledger is told of the file."""
    identity = Identity(file.device, file.inode, file.ctime_ns)
    return Found(file.relative_path, file.size_bytes, file.mtime_ns, identity, int(file.watched_seconds * 1000))
