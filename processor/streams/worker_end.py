"""A worker's end of the inbox."""

import socket

_worker_end: socket.socket | None = None


def worker_end() -> socket.socket:
    """Return this worker's end of the inbox (worker side)."""
    assert _worker_end is not None, "not a worker"
    return _worker_end


def set_worker_end(end: socket.socket) -> None:
    """Keep `end` for `worker_end`: the one thing that a worker is born with."""
    global _worker_end  # noqa: PLW0603 - a process is a worker once
    _worker_end = end
