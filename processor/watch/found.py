"""A file that has settled."""

import os
from dataclasses import dataclass, field


# Nobody changes one. Not frozen: a scan makes one of every file, and to make a frozen one takes three times as long.
@dataclass(slots=True, unsafe_hash=True)
class FoundFile:
    """One plain file as it was last seen: its place and what changes when its content does.

    `relative_path` is relative to the watched directory, the kernel's bytes; times are nanoseconds since the epoch.
    Two equal values mean that nobody has touched the file in between (within a tick of the file system's clock).
    `watched_seconds` is how long it was watched until it was whole.
    """

    relative_path: bytes
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    watched_seconds: float = field(default=0.0, compare=False)

    @property
    def identity(self) -> tuple[int, int]:
        """Return what names the file itself rather than its place: device and inode."""
        return self.device, self.inode


def found_file(relative_path: bytes, status: os.stat_result) -> FoundFile:
    """Return the file at `relative_path` whose lstat is `status`."""
    return FoundFile(
        relative_path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
    )
