"""Buffers for the parts of an upload."""

import mmap
import queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from processor.domain.uploads import Part

_SMALL_BYTES = 64 * 1024
_FIRST_BYTES = 16 * 1024  # of what nobody knows the size of: most is small


class PartBuffer:
    """Room for one part, used again for the next.

    A large one is memory of the kernel's that counts only as far as it is used, and goes back at once.
    """

    def __init__(self, capacity_bytes: int, expected_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        first = _FIRST_BYTES if expected_bytes is None else max(1, expected_bytes)
        self._bytes = _memory(min(first, capacity_bytes))
        self.filled_bytes = 0

    @property
    def full(self) -> bool:
        """Whether it holds a whole part."""
        return self.filled_bytes == self.capacity_bytes

    def take(self, data: memoryview) -> int:
        """Copy as much of `data` as there is room for; return how much that was."""
        size = min(len(data), self.capacity_bytes - self.filled_bytes)
        self._grow(self.filled_bytes + size)
        self._bytes[self.filled_bytes : self.filled_bytes + size] = data[:size]
        self.filled_bytes += size
        return size

    def space(self) -> memoryview:
        """Return the free rest, to be read into; tell `filled` how much came."""
        if self.filled_bytes == len(self._bytes):
            self._grow(min(self.capacity_bytes, 2 * len(self._bytes)))
        return memoryview(self._bytes)[self.filled_bytes :]

    def filled(self, size_bytes: int) -> None:
        """Take note that `size_bytes` were read into `space`."""
        self.filled_bytes += size_bytes

    def view(self) -> memoryview:
        """Return what it holds."""
        return memoryview(self._bytes)[: self.filled_bytes]

    def clear(self) -> None:
        """Forget the content, keep the room."""
        self.filled_bytes = 0

    def free(self) -> None:
        """Give the memory back; it can not be used again."""
        self._bytes = bytearray()
        self.filled_bytes = 0

    def _grow(self, needed_bytes: int) -> None:
        """Make room by moving: a view that somebody still holds keeps the old memory and stays valid."""
        if needed_bytes > len(self._bytes):
            old = self._bytes
            self._bytes = _memory(min(self.capacity_bytes, max(needed_bytes, 2 * len(old))))
            self._bytes[: self.filled_bytes] = memoryview(old)[: self.filled_bytes]


def _memory(size_bytes: int) -> bytearray | mmap.mmap:
    return bytearray(size_bytes) if size_bytes <= _SMALL_BYTES else mmap.mmap(-1, size_bytes)


class PartSender:
    """Sends parts, `in_flight` at a time; with one, in the caller's own thread and from its only buffer.

    Whoever submits waits while twice as many wait or are sent, so that he hears early of a failure, and of a stop.
    Memory is bounded by `in_flight` + 1 buffers (one buffer when `in_flight` is 1).
    """

    def __init__(
        self,
        send: Callable[[int, PartBuffer], Part],
        new_buffer: Callable[[], PartBuffer],
        in_flight: int,
    ) -> None:
        self._send = send
        self._new_buffer = new_buffer
        self._in_flight = in_flight
        self._threads: ThreadPoolExecutor | None = None
        self._sent: list[Part] = []
        self._on_the_way: deque[Future[Part]] = deque()
        self._free: queue.SimpleQueue[PartBuffer] = queue.SimpleQueue()
        self._buffers = 1

    def submit(self, number: int, buffer: PartBuffer) -> PartBuffer:
        """Send a part and return an empty buffer for the next. Raises what an earlier part's sending raised."""
        if self._in_flight == 1:
            self._sent.append(self._send(number, buffer))
            buffer.clear()
            return buffer
        self._in_thread(lambda: self._send_and_free(number, buffer))
        return self._next_buffer()

    def submit_file(self, send: Callable[[], Part]) -> None:
        """Send a part that needs no buffer. Raises what an earlier part's sending raised."""
        if self._in_flight == 1:
            self._sent.append(send())
        else:
            self._in_thread(send)

    def drain(self) -> list[Part]:
        """Wait for all parts submitted since the last time; return them in order or raise what sending them raised."""
        wait(self._on_the_way)  # every one has ended before anything is raised: none is sent behind our back
        while self._on_the_way:
            self._collect_first()
        sent, self._sent = self._sent, []
        return sent

    def close(self) -> None:
        """Wait for what is being sent and end the threads; results are forgotten."""
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None
        self._on_the_way.clear()
        self._sent = []

    def _in_thread(self, send: Callable[[], Part]) -> None:
        while self._on_the_way and (self._on_the_way[0].done() or len(self._on_the_way) >= 2 * self._in_flight):
            self._collect_first()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._in_flight, thread_name_prefix="part")
        self._on_the_way.append(self._threads.submit(send))

    def _collect_first(self) -> None:
        self._sent.append(self._on_the_way.popleft().result())

    def _send_and_free(self, number: int, buffer: PartBuffer) -> Part:
        try:
            return self._send(number, buffer)
        finally:
            buffer.clear()
            self._free.put(buffer)

    def _next_buffer(self) -> PartBuffer:
        if self._buffers <= self._in_flight:
            self._buffers += 1
            return self._new_buffer()
        return self._free.get()
