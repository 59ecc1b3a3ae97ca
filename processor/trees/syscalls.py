"""Call openat2 and renameat2, or what stands in for them.

Numbers and structures are those of the Linux UAPI headers (asm/unistd.h, linux/openat2.h, linux/fs.h).
"""

import ctypes
import errno
import os
import platform
import stat
from functools import cache

_SYS_OPENAT2 = 437  # the same on every architecture
_SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "riscv64": 276}
_RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x04, 0x08
_RENAME_NOREPLACE = 1
_UNKNOWN = (errno.ENOSYS, errno.EINVAL)  # to the kernel, to the file system

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(directory_fd: int, path: bytes, flags: int) -> int:
    """Open what lies at `path` below an open directory; no component may be a link, nor lead up.

    With O_PATH and O_NOFOLLOW the last component may be a link, which is then opened itself. Raises OSError: ELOOP or
    ENOTDIR when a link is in the way.
    """
    if not path or any(name in (b"", b".", b"..") for name in path.split(b"/")):
        raise OSError(errno.EINVAL, "no path below a directory", path)
    if _has_openat2():
        return _openat2(directory_fd, path, flags, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)
    return _walk(directory_fd, path, flags)


def open_without_links(path: bytes, flags: int) -> int | None:
    """Open an absolute path no component of which is a link; None where one is, or where the kernel can not tell."""
    if not _has_openat2():
        return None
    try:
        return _openat2(-1, path, flags, _RESOLVE_NO_SYMLINKS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise


def rename_new(source_fd: int, name: bytes, target_fd: int, new_name: bytes, *, sole: bool) -> None:
    """Rename `name` in one open directory to `new_name` in another. Raises FileExistsError rather than replace.

    `sole`: nobody but this process makes names like `new_name` in the target. It decides what stands in for renameat2
    where that is missing: looking before renaming, else a link under the new name and the old name's removal. Raises
    OSError EXDEV where neither can be had.
    """
    number = _SYS_RENAMEAT2.get(platform.machine())
    if number is not None:
        done = _libc.syscall(ctypes.c_long(number), source_fd, name, target_fd, new_name, _RENAME_NOREPLACE)
        if done == 0:
            return
        if (code := ctypes.get_errno()) not in _UNKNOWN:
            raise OSError(code, os.strerror(code), name, None, new_name)
    _rename_otherwise(source_fd, name, target_fd, new_name, sole=sole)


def _rename_otherwise(source_fd: int, name: bytes, target_fd: int, new_name: bytes, *, sole: bool) -> None:
    status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
    if not sole and not stat.S_ISDIR(status.st_mode):
        _link_over(source_fd, name, target_fd, new_name)
        return
    # A directory has no second name; renamed onto anything but an empty directory it is refused by the kernel.
    if exists(target_fd, new_name):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name)
    os.rename(name, new_name, src_dir_fd=source_fd, dst_dir_fd=target_fd)


def _link_over(source_fd: int, name: bytes, target_fd: int, new_name: bytes) -> None:
    try:
        os.link(name, new_name, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    except PermissionError as error:
        # fs.protected_hardlinks: nobody links to what is another's. The caller copies, as between file systems.
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name) from error
    try:
        os.unlink(name, dir_fd=source_fd)
    except OSError:
        os.unlink(new_name, dir_fd=target_fd)
        raise


def exists(directory_fd: int, name: bytes) -> bool:
    """Tell whether anything, be it a link, bears this name in an open directory."""
    try:
        os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@cache
def _has_openat2() -> bool:
    try:
        os.close(_openat2(-1, b"/", os.O_PATH, 0))
    except OSError:
        return False  # Linux before 5.6, or forbidden by a seccomp profile
    return True


def _openat2(directory_fd: int, path: bytes, flags: int, resolve: int) -> int:
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    while True:
        size = ctypes.c_size_t(ctypes.sizeof(how))
        fd = int(_libc.syscall(ctypes.c_long(_SYS_OPENAT2), directory_fd, path, ctypes.byref(how), size))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code), path)


def _walk(directory_fd: int, path: bytes, flags: int) -> int:
    """Open each component by itself, so that none can be a link, not even one exchanged a moment ago."""
    *directories, last = path.split(b"/")
    here = os.dup(directory_fd)
    try:
        for name in directories:
            below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
