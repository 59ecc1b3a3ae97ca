"""Pipes with larger buffers."""

import contextlib
import fcntl
import os

# What a process without privileges may ask for (pipe(7): /proc/sys/fs/pipe-max-size). Memory is taken as it fills.
_BYTES = 1 << 20


def wide_pipe() -> tuple[int, int]:
    """Return the read and the write end of a pipe as wide as the system lets it be."""
    read_end, write_end = os.pipe()
    with contextlib.suppress(OSError):  # this user has many wide ones already (pipe(7): pipe-user-pages-soft)
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _BYTES)
    return read_end, write_end
