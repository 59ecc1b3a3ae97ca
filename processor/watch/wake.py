"""Wait for the kernel or for another thread's wake-up."""

import os
import select
import threading


class Waker:
    """Lets one thread wait and any thread end that wait."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self._lock = threading.Lock()

    def wait(self, seconds: float, *readable: int) -> None:
        """Return when one of the descriptors is readable, after a call of `wake`, or when the time is over."""
        poller = select.poll()
        for fd in (self._fd, *readable):
            poller.register(fd, select.POLLIN)
        ready = poller.poll(max(0.0, seconds) * 1000)
        if any(fd == self._fd for fd, _ in ready):
            os.eventfd_read(self._fd)

    def wake(self) -> None:
        """End the wait that is going on, or else the next one. Without effect once closed."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._fd)
