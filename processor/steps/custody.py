"""What becomes of a file at its end: set aside with the reason, put away after delivery, brought back for a retry.

Every function may be repeated after a crash at any point, and none overwrites anything.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import orjson

from processor.domain.keys import escape

REASON_SUFFIX = b".reason.json"
_MOST_NUMBERS = 10_000


def set_aside(root: bytes, relative_path: bytes, error_directory: bytes, reason: dict[str, Any]) -> bytes | None:
    """Move the file to the same place below `error_directory`, `<name>.reason.json` beside it; return where it is now.

    Return None when there is nothing (any more) to move; the reason is written all the same. Where another file lies
    already, `~1`, `~2` ... is added to the name. Raises OSError when it can not be moved; then it still lies where it
    was.
    """
    source = os.path.join(root, relative_path)
    there = os.path.lexists(source)
    target = (
        _free(os.path.join(error_directory, relative_path)) if there else os.path.join(error_directory, relative_path)
    )
    os.makedirs(os.path.dirname(target), exist_ok=True)
    # The reason first: whoever sees the file there sees why.
    _write_durably(target + REASON_SUFFIX, orjson.dumps(reason, option=orjson.OPT_INDENT_2) + b"\n")
    if not there:
        return None
    _move(source, target)
    return target


def put_away(root: bytes, relative_path: bytes, directory: bytes | None) -> None:
    """Delete a delivered file, or move it below `directory`. The caller has made sure that it has not changed."""
    source = os.path.join(root, relative_path)
    if directory is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(source)
        _sync(os.path.dirname(source))
        return
    target = _free(os.path.join(directory, relative_path))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        _move(source, target)


def bring_back(root: bytes, relative_path: bytes, error_directory: bytes) -> bool:
    """Move a failed file back to where it came from and drop the reason; False when there is nothing to move.

    A file that lies there again meanwhile is newer: it stays, and so does the one in the error directory.
    """
    home = os.path.join(root, relative_path)
    aside = os.path.join(error_directory, relative_path)
    if os.path.lexists(home) or not os.path.lexists(aside):
        return False
    os.makedirs(os.path.dirname(home), exist_ok=True)
    _move(aside, home)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside + REASON_SUFFIX)
    return True


def unchanged(root: bytes, relative_path: bytes, size_bytes: int, modified_ns: int) -> bool:
    """Tell whether the plain file that was delivered still lies there as it was."""
    try:
        status = os.lstat(os.path.join(root, relative_path))
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size_bytes, modified_ns)


def _free(target: bytes) -> bytes:
    """Return `target`, or its first numbered variant under which nothing lies."""
    candidates = (target, *(b"%s~%d" % (target, number) for number in range(1, _MOST_NUMBERS)))
    for candidate in candidates:
        if not os.path.lexists(candidate):
            return candidate
    raise FileExistsError(f"{escape(target)}: {_MOST_NUMBERS} files of this name were set aside; clear them away")


def _move(source: bytes, target: bytes) -> None:
    try:
        os.rename(source, target)
    except OSError:
        # Another file system: copy whole, make it durable, only then let go of the source.
        partial = target + b".partial"
        shutil.copy2(source, partial, follow_symlinks=False)
        descriptor = os.open(partial, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(partial, target)
        os.unlink(source)
    _sync(os.path.dirname(target))
    _sync(os.path.dirname(source))


def _write_durably(path: bytes, content: bytes) -> None:
    partial = Path(os.fsdecode(path + b".partial"))
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(os.fsdecode(path))


def _sync(directory: bytes) -> None:
    """Make renames in `directory` durable; best effort where the file system can not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
