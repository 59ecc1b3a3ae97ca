"""Directories below a root: no link is followed, with this kernel's calls and without them."""

import errno
import os
from pathlib import Path

import pytest

from processor.trees import syscalls
from processor.trees.beneath import make_below, open_directory, open_root, status_below
from processor.trees.syscalls import open_beneath, rename_new


@pytest.fixture(params=["openat2", "walk"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "walk":
        monkeypatch.setattr(syscalls, "_has_openat2", lambda: False)
        monkeypatch.setattr(syscalls, "_SYS_RENAMEAT2", {})


@pytest.fixture
def root_fd(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_RDONLY)


def test_a_directory_is_opened_made_and_looked_at(root_fd: int, tmp_path: Path) -> None:
    made = make_below(root_fd, b"a/b", 0o700)
    again = make_below(root_fd, b"a/b", 0o700)
    opened = open_directory(os.fsencode(tmp_path), b"a/b")
    assert os.path.samestat(os.fstat(made), os.fstat(opened))
    assert os.path.samestat(os.fstat(made), os.fstat(again))
    assert os.path.samestat(os.fstat(made), status_below(root_fd, b"a/b"))


@pytest.mark.parametrize("path", [b"link", b"link/b", b"a/link", b"a/link/x"])
def test_a_link_is_never_gone_through(root_fd: int, tmp_path: Path, path: bytes) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "a/link").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"symbolic links|Not a directory") as refused:
        open_beneath(root_fd, path, os.O_RDONLY | os.O_DIRECTORY)
    assert refused.value.errno in (errno.ELOOP, errno.ENOTDIR)
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        make_below(root_fd, path + b"/new", 0o700)
    assert os.listdir(tmp_path / "a/b") == []


def test_a_link_can_itself_be_looked_at(root_fd: int, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert status_below(root_fd, b"link").st_ino == os.lstat(tmp_path / "link").st_ino


def test_a_name_that_is_taken_is_never_replaced(root_fd: int, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    for sole in (True, False):
        with pytest.raises(FileExistsError):
            rename_new(root_fd, b"a", root_fd, b"b", sole=sole)
        rename_new(root_fd, b"a", root_fd, b"c", sole=sole)
        rename_new(root_fd, b"c", root_fd, b"a", sole=sole)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "a", "b": "b"}


def test_a_path_of_the_operator_may_lead_through_links_that_only_he_can_make(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "one").symlink_to("there/../there")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "round").symlink_to("round")
    fd = open_root(os.fsencode(tmp_path / "two"))
    assert os.path.samestat(os.fstat(fd), os.stat(tmp_path / "there"))
    with pytest.raises(OSError, match=r"link"):
        open_root(os.fsencode(tmp_path / "round"))
    tmp_path.chmod(0o777)
    with pytest.raises(OSError, match=r"another user"):
        open_root(os.fsencode(tmp_path / "two"))
    tmp_path.chmod(0o1777)
    os.close(open_root(os.fsencode(tmp_path / "two")))
