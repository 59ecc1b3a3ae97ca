"""Open directories below the root without following links."""

import errno
import os

# There is no directory (any more) at a path: nothing, something else, or a link.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_root(root: bytes) -> int:
    """Return a descriptor of the root, which may itself be reached through links."""
    return os.open(root, _FLAGS)


def open_child(directory_fd: int, name: bytes) -> int:
    """Return a descriptor of the directory `name` in an open directory. Raises OSError, also when it is a link."""
    return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=directory_fd)


def open_directory(root: bytes, relative_path: bytes) -> int:
    """Return a descriptor of the directory at `relative_path` below `root` (b"": the root itself).

    Each component is opened by itself, so none can be a link, not even one exchanged a moment ago. Raises OSError.
    """
    here = open_root(root)
    for name in relative_path.split(b"/") if relative_path else ():
        try:
            below = open_child(here, name)
        finally:
            os.close(here)
        here = below
    return here
