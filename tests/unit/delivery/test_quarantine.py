"""Failed files: moved whole, each with its own reason, whatever was interrupted before."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from processor.delivery import quarantine
from processor.trees import moves
from processor.trees.held import ExchangedError, Seen
from processor.trees.moves import is_passing


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "in").mkdir()
    return os.fsencode(tmp_path / "in")


@pytest.fixture
def errors(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "errors")


def drop(root: bytes, name: bytes, content: bytes) -> None:
    with open(os.path.join(root, name), "wb") as file:
        file.write(content)


def seen(root: bytes, name: bytes) -> Seen:
    path = os.path.join(root, name)
    return Seen.of(os.stat(path)) if os.path.exists(path) else Seen(0, 0)


def set_aside(root: bytes, name: bytes, errors: bytes, reason: dict[str, Any]) -> bytes | None:
    """Set aside whatever lies there now."""
    return quarantine.set_aside(root, name, errors, reason, seen(root, name))


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def reason_of(path: bytes) -> Any:
    directory, name = os.path.split(path)
    return json.loads(read(os.path.join(directory, quarantine.reason_name(name))))


def test_a_second_file_of_the_same_name_keeps_the_first_and_its_reason(root: bytes, errors: bytes) -> None:
    drop(root, b"a", b"first")
    first = set_aside(root, b"a", errors, {"why": 1})
    drop(root, b"a", b"second")
    second = set_aside(root, b"a", errors, {"why": 2})

    assert first is not None
    assert second is not None
    assert (read(first), reason_of(first)) == (b"first", {"why": 1})
    assert (read(second), reason_of(second)) == (b"second", {"why": 2})
    assert not os.path.lexists(os.path.join(root, b"a"))


@pytest.mark.parametrize("name", [b"n" * 255, b"n" * 240, b"\xff" * 255, b"sub.csv"])
def test_a_name_of_any_length_can_be_set_aside_twice(root: bytes, errors: bytes, name: bytes) -> None:
    for content in (b"first", b"second"):
        drop(root, name, content)
        aside = set_aside(root, name, errors, {"why": content.decode()})
        assert aside is not None
        assert (read(aside), reason_of(aside)) == (content, {"why": content.decode()})


def test_done_again_after_a_crash_it_changes_nothing(root: bytes, errors: bytes) -> None:
    drop(root, b"a", b"first")
    set_aside(root, b"a", errors, {"why": 1})
    drop(root, b"a", b"second")
    set_aside(root, b"a", errors, {"why": 2})
    before = sorted((entry.name, read(entry.path)) for entry in os.scandir(errors))

    assert set_aside(root, b"a", errors, {"why": 2}) is None

    assert sorted((entry.name, read(entry.path)) for entry in os.scandir(errors)) == before


def test_interrupted_between_reason_and_move_it_goes_on(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(root, b"a", b"content")

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt("as if the power had gone")

    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "move_in", interrupted)
        with pytest.raises(KeyboardInterrupt):
            set_aside(root, b"a", errors, {"why": 1})

    aside = set_aside(root, b"a", errors, {"why": 1})
    assert aside is not None
    assert read(aside) == b"content"
    assert sorted(os.listdir(errors)) == [b"a", b"a.reason.json"]


def test_a_file_that_vanished_leaves_its_reason_beside_what_lies_there_already(root: bytes, errors: bytes) -> None:
    drop(root, b"a", b"first")
    set_aside(root, b"a", errors, {"why": 1})

    assert set_aside(root, b"a", errors, {"why": "vanished"}) is None

    assert reason_of(os.path.join(errors, b"a")) == {"why": 1}
    assert reason_of(os.path.join(errors, b"a~1")) == {"why": "vanished"}


def on_another_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse renames from one directory to another as the kernel does between file systems."""
    rename = moves.rename_new

    def refuse(source_fd: int, name: bytes, target_fd: int, new_name: bytes, *, sole: bool) -> None:
        if not os.path.samestat(os.fstat(source_fd), os.fstat(target_fd)):
            raise OSError(errno.EXDEV, "another file system")
        rename(source_fd, name, target_fd, new_name, sole=sole)

    monkeypatch.setattr(moves, "rename_new", refuse)


@pytest.mark.parametrize("function", ["fsync", "sendfile", "utime", "unlink"])
def test_a_file_that_can_not_be_moved_leaves_nothing_beside_which_it_would_lie(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    drop(root, b"a", b"content")
    on_another_file_system(monkeypatch)
    original = getattr(os, function)
    calls = 0

    def fails_for_the_file(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        # The reason is written by the same calls before.
        if function in ("sendfile", "utime") or calls == {"fsync": 3, "unlink": 3}[function]:
            raise OSError(errno.ENOSPC, "full")
        return original(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, function, fails_for_the_file)
        with pytest.raises(OSError, match="full"):
            set_aside(root, b"a", errors, {"why": function})
    assert os.listdir(errors) == []
    assert set_aside(root, b"a", errors, {"why": "at last"}) == os.path.join(errors, b"a")
    assert (os.listdir(root), read(os.path.join(errors, b"a"))) == ([], b"content")


@pytest.mark.parametrize("crash_at", range(1, 40))
@pytest.mark.parametrize("move", ["aside", "delete", "put", "back"])
def test_killed_at_any_call_it_is_done_when_repeated(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch, crash_at: int, move: str
) -> None:
    """Across file systems, where it takes the most calls."""
    drop(root, b"a", b"content")
    status = seen(root, b"a")
    if move == "back":
        quarantine.set_aside(root, b"a", errors, {"why": 1}, status)
    on_another_file_system(monkeypatch)

    with monkeypatch.context() as patched:
        crash_at_call(patched, crash_at)
        with suppress(KeyboardInterrupt):
            act(move, root, errors, status)
    kept = [read(os.path.join(top, name)) for top in (root, errors) if os.path.exists(top) for name in os.listdir(top)]
    assert b"content" in kept or move == "delete"
    act(move, root, errors, status)

    left = [name for name in os.listdir(root) if not is_passing(name)]
    if move == "delete":
        assert left == []
    elif move == "back":
        assert (left, read(os.path.join(root, b"a"))) == ([b"a"], b"content")
    else:
        assert (left, read(os.path.join(errors, b"a"))) == ([], b"content")
        assert sorted(os.listdir(errors)) == [b"a", b"a.reason.json"][: 2 if move == "aside" else 1], "nothing twice"
    assert not [name for name in os.listdir(root) if is_passing(name)]


@pytest.mark.parametrize("fails_at", range(1, 40))
@pytest.mark.parametrize("move", ["aside", "delete", "put", "back"])
@pytest.mark.parametrize("copied", [False, True])
def test_whichever_call_fails_nothing_is_lost_and_the_next_try_completes_it(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch, fails_at: int, move: str, *, copied: bool
) -> None:
    drop(root, b"a", b"content")
    status = seen(root, b"a")
    if move == "back":
        quarantine.set_aside(root, b"a", errors, {"why": 1}, status)
    if copied:
        on_another_file_system(monkeypatch)
    with monkeypatch.context() as patched:
        crash_at_call(patched, fails_at, OSError(errno.EIO, "of no use"))
        with suppress(OSError):
            act(move, root, errors, status)
    kept = [read(os.path.join(top, name)) for top in (root, errors) if os.path.exists(top) for name in os.listdir(top)]
    assert b"content" in kept or move == "delete"
    act(move, root, errors, status)

    left = [read(os.path.join(root, name)) for name in os.listdir(root)]
    assert left == ([b"content"] if move == "back" else [])
    if move == "aside":
        assert sorted(os.listdir(errors)) == [b"a", b"a.reason.json"]
        assert read(os.path.join(errors, b"a")) == b"content"


def act(move: str, root: bytes, errors: bytes, status: Seen) -> None:
    recorded = Seen(status.size_bytes, status.modified_ns)
    if move == "aside":
        quarantine.set_aside(root, b"a", errors, {"why": 1}, recorded)
    elif move == "back":
        quarantine.bring_back(root, b"a", errors)
    else:
        quarantine.put_away(root, b"a", errors if move == "put" else None, recorded)


def crash_at_call(patched: pytest.MonkeyPatch, number: int, error: OSError | None = None) -> None:
    """Let the n-th call that changes anything fail; without an error, as if the process was killed: none follows."""
    calls = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if error is None and calls >= number:
                raise KeyboardInterrupt
            if error is not None and calls == number:
                raise error
            return original(*arguments, **options)

        return call

    for function in ("mkdir", "unlink", "fsync", "sendfile", "fchmod", "utime"):
        patched.setattr(os, function, counted(getattr(os, function)))
    patched.setattr(moves, "rename_new", counted(moves.rename_new))


def test_of_several_that_failed_under_a_name_the_last_comes_back(root: bytes, errors: bytes) -> None:
    for name, content in ((b"a", b"first"), (b"a", b"second"), (b"a~1", b"another file")):
        drop(root, name, content)
        set_aside(root, name, errors, {"file": name.decode(), "why": content.decode()})

    quarantine.bring_back(root, b"a", errors)
    quarantine.bring_back(root, b"a~1", errors)

    assert read(os.path.join(root, b"a")) == b"second"
    assert read(os.path.join(root, b"a~1")) == b"another file"
    assert sorted(os.listdir(errors)) == [b"a", b"a.reason.json"]


def test_a_file_comes_back_without_its_reason(root: bytes, errors: bytes) -> None:
    drop(root, b"n" * 255, b"content")
    set_aside(root, b"n" * 255, errors, {"why": 1})

    quarantine.bring_back(root, b"n" * 255, errors)

    assert os.listdir(root) == [b"n" * 255]
    assert os.listdir(errors) == []


def test_a_file_that_is_newer_than_the_one_that_failed_stays(root: bytes, errors: bytes) -> None:
    drop(root, b"a", b"newer")
    with pytest.raises(ExchangedError):
        quarantine.set_aside(root, b"a", errors, {"why": 1}, Seen(1, 1))
    assert read(os.path.join(root, b"a")) == b"newer"
    assert not os.path.exists(errors)


def test_what_is_newer_than_a_copy_of_a_crash_is_neither_deleted_nor_lost(root: bytes) -> None:
    drop(root, b"a", b"delivered")
    delivered = seen(root, b"a")
    leaving = moves._passing_name(moves._LEAVING, b"a")
    os.rename(os.path.join(root, b"a"), os.path.join(root, leaving))
    drop(root, b"a", b"newer")

    with pytest.raises(ExchangedError):
        quarantine.put_away(root, b"a", None, delivered)

    assert {name: read(os.path.join(root, name)) for name in os.listdir(root)} == {b"a": b"newer"}


@pytest.mark.parametrize("move", ["aside", "delete", "put"])
def test_a_file_exchanged_during_the_move_is_put_back(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch, move: str
) -> None:
    drop(root, b"a", b"seen")
    status = seen(root, b"a")
    rename = moves.rename_new
    exchanged = False

    def exchange_first(source_fd: int, name: bytes, target_fd: int, new_name: bytes, *, sole: bool) -> None:
        nonlocal exchanged
        if name == b"a" and not exchanged:
            exchanged = True
            drop(root, b"b", b"exchanged")
            os.replace(os.path.join(root, b"b"), os.path.join(root, b"a"))
        rename(source_fd, name, target_fd, new_name, sole=sole)

    monkeypatch.setattr(moves, "rename_new", exchange_first)
    with pytest.raises(ExchangedError):
        act(move, root, errors, status)

    assert os.listdir(root) == [b"a"]
    assert read(os.path.join(root, b"a")) == b"exchanged"
    assert not os.path.exists(errors) or os.listdir(errors) == []


@pytest.mark.parametrize("move", ["aside", "delete", "put"])
@pytest.mark.parametrize("during", [False, True])
def test_a_file_that_is_open_for_writing_stays_where_it_is(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch, move: str, during: object
) -> None:
    drop(root, b"a", b"seen")
    status = seen(root, b"a")
    rename = moves.rename_new
    writers = [] if during else [os.open(os.path.join(root, b"a"), os.O_WRONLY)]

    def open_first(source_fd: int, name: bytes, target_fd: int, new_name: bytes, *, sole: bool) -> None:
        if not writers:
            writers.append(os.open(os.path.join(root, b"a"), os.O_WRONLY))
        rename(source_fd, name, target_fd, new_name, sole=sole)

    monkeypatch.setattr(moves, "rename_new", open_first)
    with pytest.raises(ExchangedError):
        act(move, root, errors, status)
    assert os.listdir(root) == [b"a"]
    assert not os.path.exists(errors) or os.listdir(errors) == []

    os.close(writers[0])
    act(move, root, errors, seen(root, b"a"))
    assert os.listdir(root) == []


def test_a_copy_is_never_setuid(root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(root, b"a", b"content")
    os.chmod(os.path.join(root, b"a"), 0o6777)
    on_another_file_system(monkeypatch)

    aside = set_aside(root, b"a", errors, {"why": 1})

    assert aside is not None
    assert os.stat(aside).st_mode & 0o7777 == 0o666


@pytest.mark.parametrize("copied", [False, True])
def test_a_file_never_comes_back_into_a_directory_that_was_moved_out(
    root: bytes, errors: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, copied: bool
) -> None:
    os.mkdir(os.path.join(root, b"d"))
    drop(root, b"d/a", b"content")
    set_aside(root, b"d/a", errors, {"why": 1})
    if copied:
        on_another_file_system(monkeypatch)
    rename = moves.rename_new

    def move_out_first(*arguments: Any, **options: Any) -> None:
        if os.path.exists(os.path.join(root, b"d")):
            os.rename(os.path.join(root, b"d"), tmp_path / "taken")
        rename(*arguments, **options)

    monkeypatch.setattr(moves, "rename_new", move_out_first)
    with pytest.raises(FileNotFoundError):
        quarantine.bring_back(root, b"d/a", errors)

    assert read(os.path.join(errors, b"d/a")) == b"content"
    assert sorted(os.listdir(os.path.join(errors, b"d"))) == [b"a", b"a.reason.json"]
    assert os.listdir(tmp_path / "taken") == []
