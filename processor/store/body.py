"""Request bodies: bytes, or a range of a file."""

import hashlib
import os
from collections.abc import Iterator

from processor.domain.errors import transient

_PIECE_BYTES = 256 << 10  # stays in the processor's cache between reading and sending


class FilePart:
    """A stretch of the file open as `fd`: read anew, piece by piece, each time it is gone through.

    Every piece is the same memory: look at it, or copy it, before the next; never join or keep them.
    """

    def __init__(self, fd: int, offset: int, size_bytes: int) -> None:
        self._fd = fd
        self._offset = offset
        self._size_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[memoryview]:
        """Yield `pieces` of a size that suits sending."""
        return self.pieces(_PIECE_BYTES)

    def pieces(self, piece_bytes: int) -> Iterator[memoryview]:
        """Yield pieces of at most `piece_bytes`; each is void when the next is asked for.

        Raises DeliveryError `source.changed` when the file has become shorter, `source.unreadable`.
        """
        buffer = memoryview(bytearray(min(piece_bytes, self._size_bytes)))
        done = 0
        while done < self._size_bytes:
            room = buffer[: min(piece_bytes, self._size_bytes - done)]
            size = self._read(room, self._offset + done)
            yield room[:size]
            done += size

    def whole(self) -> bytearray:
        """Return all of it, in memory of its own: for a client that can not send pieces."""
        content = bytearray(self._size_bytes)
        at = 0
        for piece in self:
            content[at : at + len(piece)] = piece
            at += len(piece)
        return content

    def sha256(self) -> bytes:
        """Return the digest of what is there now."""
        digest = hashlib.sha256()
        for piece in self:
            digest.update(piece)
        return digest.digest()

    def _read(self, room: memoryview, offset: int) -> int:
        try:
            size = os.preadv(self._fd, [room], offset)
        except OSError as error:
            raise transient("source.unreadable", f"reading stopped at byte {offset}: {error.strerror}") from error
        if size == 0:
            raise transient("source.changed", f"the file ended at byte {offset} while it was read", "it is taken again")
        return size


Body = bytes | memoryview | FilePart
