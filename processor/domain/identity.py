"""Recognise a file by what changes with its content."""

import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Identity:
    """Device, inode and change time: what size and modification time leave in doubt.

    Programs keep those two when they replace a content (`cp -p`, `rsync -t`, `touch -r`); nobody can set the change
    time (inode(7)). `changed_ns` is nanoseconds since the epoch.
    """

    device: int
    inode: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the identity of the file whose status this is."""
        return cls(status.st_dev, status.st_ino, status.st_ctime_ns)


def is_still(size_bytes: int, modified_ns: int, identity: Identity | None, status: os.stat_result) -> bool:
    """Tell whether a status is of the file that was seen; an `identity` that was not recorded is not compared."""
    if (size_bytes, modified_ns) != (status.st_size, status.st_mtime_ns):
        return False
    return identity is None or identity == Identity.of(status)
