"""Failed files: moved whole, each with its own reason, whatever was interrupted before."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processor.delivery import quarantine


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


def set_aside(root: bytes, name: bytes, errors: bytes, reason: dict[str, Any]) -> bytes | None:
    """Set aside whatever lies there now."""
    status = os.stat(path) if os.path.exists(path := os.path.join(root, name)) else None
    size, modified = (status.st_size, status.st_mtime_ns) if status else (0, 0)
    return quarantine.set_aside(root, name, errors, reason, size_bytes=size, modified_ns=modified)


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def reason_of(path: bytes) -> Any:
    return json.loads(read(quarantine.reason_path(path)))


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

    def interrupted(_source: bytes, _target: bytes) -> None:
        raise KeyboardInterrupt("as if the power had gone")

    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "_move", interrupted)
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


def test_a_file_that_can_not_be_moved_leaves_nothing_beside_which_it_would_lie(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(root, b"a", b"content")
    rename = os.rename

    def as_on_another_file_system(source: bytes, target: bytes) -> None:
        if source.startswith(root):
            raise OSError(errno.EXDEV, "another file system")
        rename(source, target)

    def fails(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "rename", as_on_another_file_system)
    for module, function in ((os, "fsync"), (quarantine.shutil, "copy2"), (os, "unlink")):
        with monkeypatch.context() as patched:
            patched.setattr(quarantine, "_write_durably", drop_reason)
            patched.setattr(module, function, _once(fails, getattr(module, function)))
            with pytest.raises(OSError, match="full"):
                set_aside(root, b"a", errors, {"why": function})
        assert (os.listdir(root), os.listdir(errors)) == ([b"a"], []), function
    assert set_aside(root, b"a", errors, {"why": "at last"}) == os.path.join(errors, b"a")


def drop_reason(path: bytes, content: bytes) -> None:
    drop(os.path.dirname(path), os.path.basename(path), content)


def _once(first: Callable[..., None], then: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter([first])

    def call(*arguments: Any, **options: Any) -> Any:
        return next(calls, then)(*arguments, **options)

    return call


def test_of_several_that_failed_under_a_name_the_last_comes_back(root: bytes, errors: bytes) -> None:
    for name, content in ((b"a", b"first"), (b"a", b"second"), (b"a~1", b"another file")):
        drop(root, name, content)
        set_aside(root, name, errors, {"file": name.decode(), "why": content.decode()})

    assert quarantine.bring_back(root, b"a", errors)
    assert quarantine.bring_back(root, b"a~1", errors)

    assert read(os.path.join(root, b"a")) == b"second"
    assert read(os.path.join(root, b"a~1")) == b"another file"
    assert sorted(os.listdir(errors)) == [b"a", b"a.reason.json"]


def test_a_file_comes_back_without_its_reason(root: bytes, errors: bytes) -> None:
    drop(root, b"n" * 255, b"content")
    set_aside(root, b"n" * 255, errors, {"why": 1})

    assert quarantine.bring_back(root, b"n" * 255, errors)

    assert os.listdir(root) == [b"n" * 255]
    assert os.listdir(errors) == []


def test_a_file_that_is_newer_than_the_one_that_failed_stays(root: bytes, errors: bytes) -> None:
    drop(root, b"a", b"newer")
    with pytest.raises(quarantine.NewerFileError):
        quarantine.set_aside(root, b"a", errors, {"why": 1}, size_bytes=1, modified_ns=1)
    assert read(os.path.join(root, b"a")) == b"newer"
    assert not os.path.exists(errors)


def test_a_file_exchanged_during_the_move_is_brought_back(
    root: bytes, errors: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(root, b"a", b"failed")
    status = os.stat(os.path.join(root, b"a"))
    move = quarantine._move

    def exchange_first(source: bytes, target: bytes) -> None:
        drop(root, b"b", b"exchanged")
        os.replace(os.path.join(root, b"b"), source)
        move(source, target)

    monkeypatch.setattr(quarantine, "_move", exchange_first)
    with pytest.raises(quarantine.NewerFileError):
        quarantine.set_aside(root, b"a", errors, {"w": 1}, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)

    assert read(os.path.join(root, b"a")) == b"exchanged"
    assert os.listdir(errors) == []
