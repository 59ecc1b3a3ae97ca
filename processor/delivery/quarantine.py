"""Move failed, delivered and retried files.

Every function may be repeated after a crash at any point, and none overwrites anything.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import orjson

from processor.domain.keys import escape

REASON_SUFFIX = b".reason.json"
_PARTIAL = b".partial"
_NAME_MAX = 255  # limits.h
_LONGEST_NAME_BYTES = _NAME_MAX - len(REASON_SUFFIX) - len(_PARTIAL)
_MOST_NUMBERS = 10_000


class NewerFileError(Exception):
    """Another file lies there than the one that failed: it is found, and delivered, by itself."""


def set_aside(
    root: bytes,
    relative_path: bytes,
    error_directory: bytes,
    reason: dict[str, Any],
    *,
    size_bytes: int,
    modified_ns: int,
) -> bytes | None:
    """Move the file to the same place below `error_directory`, `<name>.reason.json` beside it; return where it is now.

    Return None when there is nothing (any more) to move; the reason is written all the same. Where another file or
    another reason lies already, `~1`, `~2` ... is added to the name. Raises OSError when it can not be moved; then it
    still lies where it was. Raises NewerFileError when what lies there has not this size and time.
    """
    source = os.path.join(root, relative_path)
    if os.path.lexists(source) and not unchanged(root, relative_path, size_bytes, modified_ns):
        raise NewerFileError
    written = orjson.dumps(reason, option=orjson.OPT_INDENT_2) + b"\n"
    target = _place(os.path.join(error_directory, relative_path), written)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    # The reason first: whoever sees the file there sees why.
    _write_durably(reason_path(target), written)
    if os.path.lexists(target) or not os.path.lexists(source):
        return None
    try:
        _move(source, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(reason_path(target))  # a reason beside nothing; the next try writes its own
        raise
    if not unchanged(b"/", target, size_bytes, modified_ns):
        # It was exchanged between our look and the move.
        with contextlib.suppress(FileExistsError):
            os.link(target, source)
            os.unlink(target)
            os.unlink(reason_path(target))
            raise NewerFileError
    return target


def reason_path(target: bytes) -> bytes:
    """Return where the reason for `target` lies: beside it; the head of a name that leaves no room, and its digest."""
    directory, name = os.path.split(target)
    if len(name) > _LONGEST_NAME_BYTES:
        name = name[: _LONGEST_NAME_BYTES - 17] + b"~" + hashlib.sha256(name).hexdigest()[:16].encode()
    return os.path.join(directory, name + REASON_SUFFIX)


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

    Of several that failed under this name it is the last. A file that lies there again meanwhile is newer: it stays,
    and so do those in the error directory.
    """
    home = os.path.join(root, relative_path)
    aside = _last_aside(error_directory, relative_path)
    if os.path.lexists(home) or aside is None:
        return False
    os.makedirs(os.path.dirname(home), exist_ok=True)
    _move(aside, home)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(reason_path(aside))
    return True


def unchanged(root: bytes, relative_path: bytes, size_bytes: int, modified_ns: int) -> bool:
    """Tell whether the plain file that was delivered still lies there as it was."""
    try:
        status = os.lstat(os.path.join(root, relative_path))
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size_bytes, modified_ns)


def _place(target: bytes, reason: bytes) -> bytes:
    """Return where a file that failed for `reason` belongs: where it was brought before a crash, else a free place."""
    for candidate in _variants(target):
        there = os.path.lexists(candidate)
        beside = reason_path(candidate)
        if os.path.lexists(beside):
            with open(beside, "rb") as file:
                if file.read() == reason:
                    return candidate
        elif not there:
            return candidate
    raise _crowded(target)


def _last_aside(error_directory: bytes, relative_path: bytes) -> bytes | None:
    """Return where the file lies that failed last under this name. `a~1` may be of `a` or of a file of that name."""
    first = os.path.join(error_directory, relative_path)
    last = None
    for candidate in _variants(first):
        if os.path.lexists(candidate):
            if _failed_as(candidate, relative_path, untold=candidate == first):
                last = candidate
        elif candidate != first:
            break
    return last


def _failed_as(aside: bytes, relative_path: bytes, *, untold: bool) -> bool:
    """Tell by the reason beside it whether it failed under this name; `untold`: what to believe without a reason."""
    try:
        with open(reason_path(aside), "rb") as file:
            return bool(orjson.loads(file.read())["file"] == escape(relative_path))
    except (OSError, ValueError, LookupError, TypeError):
        return untold


def _free(target: bytes) -> bytes:
    """Return `target`, or its first numbered variant under which nothing lies."""
    for candidate in _variants(target):
        if not os.path.lexists(candidate):
            return candidate
    raise _crowded(target)


def _variants(target: bytes) -> Iterator[bytes]:
    yield target
    directory, name = os.path.split(target)
    for number in range(1, _MOST_NUMBERS):
        mark = b"~%d" % number
        yield os.path.join(directory, name[: _NAME_MAX - len(mark)] + mark)


def _crowded(target: bytes) -> FileExistsError:
    return FileExistsError(f"{escape(target)}: {_MOST_NUMBERS} files of this name were set aside; clear them away")


def _move(source: bytes, target: bytes) -> None:
    try:
        os.rename(source, target)
    except OSError:
        # Another file system: copy whole, make it durable, only then let go of the source.
        _copy_durably(source, target)
        try:
            os.unlink(source)
        except FileNotFoundError:
            pass
        except OSError:
            os.unlink(target)
            raise
    _sync(os.path.dirname(target))
    _sync(os.path.dirname(source))


def _copy_durably(source: bytes, target: bytes) -> None:
    partial = _partial(target)
    try:
        shutil.copy2(source, partial, follow_symlinks=False)
        descriptor = os.open(partial, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(partial, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def _write_durably(path: bytes, content: bytes) -> None:
    partial = _partial(path)
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(partial, path)


def _partial(path: bytes) -> bytes:
    directory, name = os.path.split(path)
    return os.path.join(directory, name[: _NAME_MAX - len(_PARTIAL)] + _PARTIAL)


def _sync(directory: bytes) -> None:
    """Make renames in `directory` durable; best effort where the file system can not."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
