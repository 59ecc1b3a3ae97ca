"""Prove a compressed tar before any of its members is called complete.

A tar has no checksums of its own and that of the compression comes last: a flipped byte may change a member long
before anything shows it. So a thread decompresses the whole archive once beside the delivery (with isal at 500 MB/s and
more, without the GIL); it holds up nobody until the first member is about to be completed. The limits are counted
here too, so that a bomb is refused before anything of it is complete.
"""

import threading
from collections.abc import Iterator

from processor.steps.extraction.meter import Meter
from processor.steps.extraction.problems import CorruptError, broken, unreadable


class Proof:
    """Reads all pieces in a thread of its own."""

    def __init__(self, pieces: Iterator[bytes], meter: Meter) -> None:
        self._pieces = pieces
        self._meter = meter
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="proof", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when the whole archive is proved. Raises BrokenArchiveError when it can not be."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
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
