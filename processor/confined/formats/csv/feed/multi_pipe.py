"""Feed one text through several pipes, for several threads.

DuckDB reads one pipe with one thread, but several files with several, and keeps their rows in order. So each pipe gets
some MB of whole rows: one thread takes them into its buffer at once and parses them while the next pipe is filled for
another. Only a few pipes are open at a time. Their names come round again: as soon as a pipe has been given all that it
is to hold, which is more than the kernel keeps of it, DuckDB has opened it, and its name is given to a new one.
"""

import math
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from processor.streams.threads import BoundedThread

# What one pipe gets, and the buffer that DuckDB reads it with. A share that fits in is read at once: so no thread of
# DuckDB's that has come upon an error leaves one half read while another waits for the next.
SHARE_BYTES = 4 << 20
BUFFER_BYTES = SHARE_BYTES + (1 << 20)
_SMALLEST_BYTES = SHARE_BYTES * 15 // 16  # a share ends with a row of the piece that would go beyond it
_SHARES_OF_UNKNOWN = 32  # each costs a millisecond, also when nothing is left for it; the last takes all that is left
_AHEAD = 4  # pipes that are open beside one for each thread: DuckDB opens a file before it reads it
# After an error in opening a file that may happen nevertheless. A store that is so slow makes no error either: the text
# is read in another way.
_STALLED_SECONDS = 60


class RelayError(Exception):
    """The text can not be passed on in this way."""


@contextmanager
def relayed(
    pieces: Iterator[bytes], behind_a_row: Callable[[bytes], int], about_bytes: int | None, threads: int
) -> Iterator[list[str]]:
    """Write `pieces` from a thread; yields the paths of the pipes, as a list of files for DuckDB.

    `about_bytes` is what is known of their length; of a longer text the rest is read by one thread. `behind_a_row`
    tells where in the last piece a row begins, 0 where that is not known. Whoever reads may leave before the end. A
    failure of the pieces is raised on leaving, until then pipes that ended early look like ones that are whole; so is
    RelayError, for shares that can not be cut and for a reader that does not read.
    """
    shares = _SHARES_OF_UNKNOWN if about_bytes is None else math.ceil(about_bytes / _SMALLEST_BYTES) + 1
    relay = _Relay(pieces, behind_a_row, shares, threads + _AHEAD)
    relay.start()
    try:
        yield relay.paths()
    except Exception as error:
        if relay.error is not None:
            raise relay.error from error
        raise
    finally:
        relay.close()
        relay.join()
    if relay.error is not None:
        raise relay.error


class _Relay(BoundedThread):
    def __init__(self, pieces: Iterator[bytes], behind_a_row: Callable[[bytes], int], shares: int, pipes: int) -> None:
        super().__init__(name="relay", daemon=True)
        self.error: Exception | None = None
        self._pieces = pieces
        self._behind_a_row = behind_a_row
        self._shares = shares
        self._share = 0
        self._written = 0
        self._closed = False
        self._lock = threading.Lock()  # a name is not given to another pipe while the names are closed
        ends = [_pipe() for _ in range(min(pipes, shares))]
        self._read_ends = [read_end for read_end, _ in ends]
        self._write_ends = [write_end for _, write_end in ends]

    def paths(self) -> list[str]:
        """Return a path for each share."""
        return [f"/dev/fd/{self._read_ends[share % len(self._read_ends)]}" for share in range(self._shares)]

    def run(self) -> None:
        """Write all pieces."""
        try:
            for piece in self._pieces:
                self._take(memoryview(piece), piece)
        except BrokenPipeError:
            pass  # the reader has had enough
        except Exception as error:  # noqa: BLE001 - handed to the reading's thread
            self.error = error
        finally:
            for write_end in self._write_ends:
                os.close(write_end)

    def close(self) -> None:
        """Let nobody read any more."""
        with self._lock:
            self._closed = True
            for read_end in self._read_ends:
                os.close(read_end)

    def _take(self, view: memoryview, piece: bytes) -> None:
        """Write the next piece, what follows its last row to the next pipe when this one has its share."""
        is_last = self._share + 1 >= self._shares
        if not is_last and self._written + len(view) >= SHARE_BYTES:
            if row := self._behind_a_row(piece):
                self._write(view[:row])
                self._next_share()
                view = view[row:]
            elif self._written + len(view) > BUFFER_BYTES:
                raise RelayError("no row ends where a share has to")
        self._write(view)

    def _write(self, data: memoryview) -> None:
        write_end = self._write_ends[self._share % len(self._write_ends)]
        self._written += len(data)
        while data:
            try:
                data = data[os.write(write_end, data) :]
            except BlockingIOError:
                if not _is_taken(write_end):
                    raise RelayError("nobody reads") from None

    def _next_share(self) -> None:
        """Go on with the next pipe, and put a new one in the place of the last."""
        place = self._share % len(self._read_ends)
        with self._lock:
            if self._closed:
                raise BrokenPipeError
            read_end, write_end = _pipe()
            os.dup2(read_end, self._read_ends[place], inheritable=False)
            os.close(read_end)
            os.close(self._write_ends[place])
            self._write_ends[place] = write_end
        self._share += 1
        self._written = 0


def _is_taken(write_end: int) -> bool:
    poll = select.poll()
    poll.register(write_end, select.POLLOUT)
    return bool(poll.poll(_STALLED_SECONDS * 1000))


def _pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    return read_end, write_end
