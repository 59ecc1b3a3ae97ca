"""Cleanup of sources whose end is recorded."""

from processor.actors.messages import FilePutAway, PutFileAway
from processor.actors.progress_state import Effect, ProgressState, now_ms
from processor.domain.jobs import Status
from processor.domain.keys import escape

_AT_ONCE = 100


class SourceCleanup:
    """Has the Checksummer move failed files, and move or delete delivered ones; so many at once."""

    def __init__(self, state: ProgressState) -> None:
        self._state = state
        self._under_way: set[int] = set()

    @property
    def busy(self) -> bool:
        """Whether files are being put away."""
        return bool(self._under_way)

    def look(self) -> None:
        """Begin with files whose end is recorded; also with those that an earlier process left."""
        state = self._state
        for status in (Status.FAILED, Status.COMPLETED):
            for file in state.ledger.to_put_away(status, _AT_ONCE + len(self._under_way)):
                if file.row not in self._under_way and len(self._under_way) < _AT_ONCE:
                    self._under_way.add(file.row)
                    after_upload = state.after_upload(file.relative_path)
                    state.routes().checksummer.tell(PutFileAway(file, after_upload))

    def apply(self, message: FilePutAway) -> list[Effect]:
        """Record that a file was put away, or had to stay."""
        self._state.ledger.put_away(message.file, now_ms(), gone=message.gone, held=message.held)
        return [lambda: self._was_put_away(message)]

    def _was_put_away(self, message: FilePutAway) -> None:
        self._under_way.discard(message.file.row)
        if message.held or message.file.vanished:  # it may have come back meanwhile
            self._state.look_again(message.file)
        if message.where is not None:
            path = escape(message.file.relative_path)
            self._state.log.info("file.set-aside", path=path, where=message.where)
        self.look()
