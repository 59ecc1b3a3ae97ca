"""Threads of a process whose memory is bounded."""

import mmap
import threading

_NEEDED_BYTES = 24 << 20  # a stack of 8 MiB, and what its first calls allocate


class BoundedThread(threading.Thread):
    """A thread whose start fails where there is no memory for it.

    A plain one ends before it can say that it has begun, and `start` waits for ever
    (https://github.com/python/cpython/issues/140746).
    """

    def start(self) -> None:
        """Start the thread. Raises MemoryError where there is no room for one."""
        try:
            mmap.mmap(-1, _NEEDED_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        except OSError as error:
            raise MemoryError(f"no room for the thread {self.name}") from error
        super().start()
