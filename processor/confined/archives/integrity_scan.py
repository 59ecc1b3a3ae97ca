"""Check a compressed tar whole before its members count.

A tar has no checksums of its own and that of the compression comes last: a flipped byte may change a member long
before anything shows it. The delivery itself comes to that end, so members that can be held until then need no proof.
For others a thread decompresses the whole archive once beside the delivery (with isal at 500 MB/s and more, without the
GIL). The limits are counted here too, so that a bomb is refused before anything of it is complete.
"""

import threading
from collections.abc import Callable, Iterator

from processor.confined.archives.errors import CorruptError, broken, unreadable
from processor.confined.archives.limits import Meter
from processor.streams.threads import BoundedThread


class IntegrityScan:
    """Reads all pieces in a thread of its own, once it is begun."""

    def __init__(self, pieces: Iterator[bytes], meter: Meter, delivered: Callable[[], int]) -> None:
        """Prove `pieces`; `delivered` tells how many bytes of the same the delivery has come to."""
        self._pieces = pieces
        self._meter = meter
        self._delivered = delivered
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.done = False

    def begin(self) -> None:
        """Begin to read, unless that was done before."""
        if self._thread is None and not self.done:
            self._thread = BoundedThread(target=self._read, name="proof", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Return when the whole archive is proved. Raises BrokenArchiveError when it can not be."""
        self.begin()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        self.done = True

    def at_the_end(self) -> None:
        """Take note that the delivery has come to the archive's end and so has proved it. Raises like `wait`."""
        if self._thread is None:
            self._meter.check(self._meter.bytes_out + self._delivered())
            self.done = True
        self.wait()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self) -> None:
        try:
            for piece in self._pieces:
                self._meter.count(len(piece))
                if self._stop.is_set():
                    return
        except CorruptError as error:
            hint = "the archive is damaged or cut off: deliver it anew"
            self._error = broken("corrupt", str(error), hint)
        except OSError as error:
            self._error = unreadable(error)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
