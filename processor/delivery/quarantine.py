"""Move failed, delivered and retried files.

Every function may be repeated after a crash at any point, none overwrites anything, and none follows a link below the
watched directory: see `processor.trees`.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import orjson

from processor.domain.keys import escape
from processor.trees.beneath import GONE, make_below, open_below, open_root, status_below
from processor.trees.held import ExchangedError, Held, Seen, hold
from processor.trees.moves import delete, discard, move_in, move_out, read_small, resume, variants, write_new
from processor.trees.ownership import find_private, find_private_below, open_private, open_private_below
from processor.trees.syscalls import exists

REASON_SUFFIX = b".reason.json"
_LONGEST_NAME_BYTES = 235  # of which the reason's name is made without a digest; files lie in the field by this rule
_MODE = 0o777  # of directories that are made again in the watched directory, less the umask


def set_aside(
    root: bytes, relative_path: bytes, error_directory: bytes, reason: dict[str, Any], seen: Seen
) -> bytes | None:
    """Move the file to the same place below `error_directory`, `<name>.reason.json` beside it; return where it is now.

    Return None when there is nothing (any more) to move; the reason is written all the same. Where another file or
    another reason lies already, `~1`, `~2` ... is added to the name. Raises OSError when it can not be moved; then it
    still lies where it was. Raises ExchangedError when what lies there is not what was seen.
    """
    parent, _, name = relative_path.rpartition(b"/")
    with _at_home(root, relative_path, seen) as held, _private(error_directory, parent) as directory_fd:
        # The reason first: whoever sees the file there sees why.
        chosen = _give_reason(directory_fd, name, reason)
        if held is None:
            return None
        where = os.path.join(error_directory, parent, chosen)
        if exists(directory_fd, chosen):
            return where if _finish(held, seen, directory_fd, chosen) else None
        try:
            move_in(held, seen, directory_fd, chosen)
        except FileNotFoundError:
            return None
        except (OSError, ExchangedError):
            if not exists(directory_fd, chosen):
                discard(directory_fd, reason_name(chosen))  # it would lie beside nothing
            raise
        return where


def leave_reason(relative_path: bytes, error_directory: bytes, reason: dict[str, Any]) -> None:
    """Write the reason of a file that is gone: what lies in its place by now has another story. Raises OSError."""
    parent, _, name = relative_path.rpartition(b"/")
    with _private(error_directory, parent) as directory_fd:
        _give_reason(directory_fd, name, reason)


def reason_name(name: bytes) -> bytes:
    """Return the name of the reason beside a file; of a long name, its beginning and a digest."""
    if len(name) > _LONGEST_NAME_BYTES:
        name = name[: _LONGEST_NAME_BYTES - 17] + b"~" + hashlib.sha256(name).hexdigest()[:16].encode()
    return name + REASON_SUFFIX


def put_away(root: bytes, relative_path: bytes, directory: bytes | None, seen: Seen) -> None:
    """Delete a delivered file, or move it below `directory`. Does nothing when it is gone already.

    Raises ExchangedError when another lies there, and OSError when it can not be moved; then it lies where it was.
    """
    parent, _, name = relative_path.rpartition(b"/")
    with _at_home(root, relative_path, seen) as held:
        if held is None:
            return
        if directory is None:
            with suppress(FileNotFoundError):
                delete(held, seen)
            return
        with _private(directory, parent) as directory_fd:
            _move_to_a_free_name(held, seen, directory_fd, name)


def bring_back(root: bytes, relative_path: bytes, error_directory: bytes) -> os.stat_result:
    """Move a failed file back to where it came from and drop the reason; return the status of what lies there now.

    Of several that failed under this name it is the last. A file that lies there again meanwhile is newer: it stays,
    and so do those in the error directory. Raises OSError: FileNotFoundError when there is none to move, or when
    somebody took the place or the file meanwhile.
    """
    with ExitStack() as opened:
        root_fd = _closing(opened, open_root(root))
        with suppress(FileNotFoundError, NotADirectoryError):
            return status_below(root_fd, relative_path)
        try:
            _bring_back(root_fd, relative_path, error_directory)
        except ExchangedError as error:
            raise FileNotFoundError(errno.ENOENT, "it was exchanged while it was moved back", relative_path) from error
        return status_below(root_fd, relative_path)


def lies_at(relative_path: bytes, error_directory: bytes) -> bytes:
    """Return where the file lies that failed last under this name. Raises OSError when there is none to be seen."""
    parent, _, name = relative_path.rpartition(b"/")
    with ExitStack() as opened:
        errors_fd = _closing(opened, find_private(error_directory))
        directory_fd = _closing(opened, find_private_below(errors_fd, parent))
        return os.path.join(error_directory, parent, _last_aside(directory_fd, name, relative_path))


def _bring_back(root_fd: int, relative_path: bytes, error_directory: bytes) -> None:
    parent, _, name = relative_path.rpartition(b"/")
    with ExitStack() as opened:
        errors_fd = _closing(opened, find_private(error_directory))
        directory_fd = _closing(opened, find_private_below(errors_fd, parent))
        aside = _last_aside(directory_fd, name, relative_path)
        held = opened.enter_context(hold(directory_fd, aside))
        move_out(held, root_fd, relative_path, _closing(opened, make_below(root_fd, parent, _MODE)))
        discard(directory_fd, reason_name(aside))


@contextmanager
def _at_home(root: bytes, relative_path: bytes, seen: Seen) -> Iterator[Held | None]:
    """Hold the file where it was found; None when nothing lies there. Raises ExchangedError, OSError."""
    with ExitStack() as opened:
        held = _find(opened, _closing(opened, open_root(root)), relative_path, seen)
        if held is not None and not seen.is_still(os.fstat(held.fd)):
            raise ExchangedError
        yield held


def _find(opened: ExitStack, root_fd: int, relative_path: bytes, seen: Seen) -> Held | None:
    parent, _, name = relative_path.rpartition(b"/")
    try:
        directory_fd = _closing(opened, open_below(root_fd, parent))
        resume(directory_fd, name, seen)
        return opened.enter_context(hold(directory_fd, name))
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


@contextmanager
def _private(directory: bytes, relative_path: bytes) -> Iterator[int]:
    """Open a directory below one of the daemon's own; what is missing is made."""
    with ExitStack() as opened:
        top_fd = _closing(opened, open_private(directory))
        yield _closing(opened, open_private_below(top_fd, relative_path))


def _closing(opened: ExitStack, fd: int) -> int:
    opened.callback(os.close, fd)
    return fd


def _give_reason(directory_fd: int, name: bytes, reason: dict[str, Any]) -> bytes:
    """Write the reason, unless it is there; return the name under which the file belongs beside it."""
    written = orjson.dumps(reason, option=orjson.OPT_INDENT_2) + b"\n"
    chosen = _place(directory_fd, name, written)
    if not exists(directory_fd, reason_name(chosen)):
        write_new(directory_fd, reason_name(chosen), written)
    return chosen


def _place(directory_fd: int, name: bytes, reason: bytes) -> bytes:
    """Return the name under which a file that failed for `reason` belongs: that of before a crash, else a free one."""
    for candidate in variants(name):
        beside = reason_name(candidate)
        if exists(directory_fd, beside):
            if read_small(directory_fd, beside) == reason:
                return candidate
        elif not exists(directory_fd, candidate):
            return candidate
    raise _crowded(name)


def _finish(held: Held, seen: Seen, directory_fd: int, name: bytes) -> bool:
    """End a move that a crash interrupted: the copy is whole, as its reason tells; the source is still to go."""
    copy = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    if (copy.st_size, copy.st_mtime_ns) != (seen.size_bytes, seen.modified_ns):
        return False
    delete(held, seen)
    return True


def _last_aside(directory_fd: int, name: bytes, relative_path: bytes) -> bytes:
    """Return the name of the file that failed last under this one. `a~1` may be of `a` or of a file of that name."""
    last = None
    for candidate in variants(name):
        if exists(directory_fd, candidate):
            if _failed_as(directory_fd, candidate, relative_path, untold=candidate == name):
                last = candidate
        elif candidate != name:
            break
    if last is None:
        raise FileNotFoundError(f"{escape(relative_path)} is not in the error directory")
    return last


def _failed_as(directory_fd: int, aside: bytes, relative_path: bytes, *, untold: bool) -> bool:
    """Tell by the reason beside it whether it failed under this name; `untold`: what to believe without a reason."""
    reason = read_small(directory_fd, reason_name(aside))
    if reason is None:
        return untold
    try:
        return bool(orjson.loads(reason)["file"] == escape(relative_path))
    except (ValueError, LookupError, TypeError):
        return untold


def _move_to_a_free_name(held: Held, seen: Seen, directory_fd: int, name: bytes) -> None:
    for candidate in variants(name):
        with suppress(FileExistsError):
            with suppress(FileNotFoundError):
                move_in(held, seen, directory_fd, candidate)
            return
    raise _crowded(name)


def _crowded(name: bytes) -> FileExistsError:
    return FileExistsError(f"{escape(name)}: too many files of this name were set aside; clear them away")
