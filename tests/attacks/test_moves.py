"""A stranger prepares the watched directory; then the daemon moves files. Nothing outside changes, nothing hangs."""

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path

import pytest

from processor.trees import moves
from processor.trees.beneath import open_root
from processor.trees.held import ExchangedError
from processor.trees.moves import is_passing
from processor.trees.ownership import SharedDirectoryError, problem_of_private
from processor.trees.syscalls import open_beneath
from tests.attacks.stage import CONTENT, MOVES, Stage
from tests.attacks.users import DAEMON, SENDER, STRANGER, as_user, meanwhile, need_root

pytestmark = [need_root, pytest.mark.usefixtures("kernel")]

LEAVING = os.fsdecode(moves._passing_name(moves._LEAVING, b"a.csv"))
PARTIAL_OF_REASON = os.fsdecode(moves._passing_name(moves._PARTIAL, b"a.csv.reason.json"))


def attempt(stage: Stage, move: str, relative_path: bytes = b"d/a.csv") -> None:
    """Move; to refuse is right, too."""
    with contextlib.suppress(OSError, ExchangedError):
        stage.act(move, relative_path)


def test_without_an_attack_each_move_works(stage: Stage) -> None:
    assert stage.act("aside") == os.fsencode(stage.errors / "d/a.csv")
    assert json.loads((stage.errors / "d/a.csv.reason.json").read_bytes())["why"] == "broken"
    assert stage.act("back") == len(CONTENT)
    stage.act("put")
    assert (stage.done / "d/a.csv").read_bytes() == CONTENT
    stage.file("watch/d/a.csv", SENDER, CONTENT)
    stage.act("delete")
    assert os.listdir(stage.watch / "d") == []


# What lies between the watched directory and the file


@pytest.mark.parametrize("move", MOVES)
def test_the_files_directory_is_a_link_out(stage: Stage, move: str) -> None:
    stage.replace("watch/d", stage.home)
    attempt(stage, move)
    stage.assert_home_untouched()
    assert stage.contents(stage.done) == []
    assert CONTENT not in stage.contents(stage.errors)


@pytest.mark.parametrize("move", MOVES)
def test_a_directory_above_the_files_is_a_link_out(stage: Stage, move: str) -> None:
    (stage.watch / "d/a.csv").rename(stage.watch / "honest")
    stage.directory("home/e", DAEMON, 0o755)
    inside = stage.file("home/e/a.csv", DAEMON, CONTENT)
    stage.replace("watch/d", stage.home)
    attempt(stage, move, b"d/e/a.csv")
    assert inside.read_bytes() == CONTENT
    assert (stage.watch / "honest").read_bytes() == CONTENT


@pytest.mark.parametrize("move", MOVES)
def test_the_file_is_a_link_to_one_outside(stage: Stage, move: str) -> None:
    stage.replace("watch/d/a.csv", stage.home / "progress.db")
    with pytest.raises(ExchangedError):
        stage.act(move)
    stage.assert_home_untouched()
    assert (stage.watch / "d/a.csv").is_symlink()


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("kind", ["fifo", "socket", "directory"])
def test_the_file_is_something_else(stage: Stage, move: str, kind: str) -> None:
    path = stage.watch / "d/a.csv"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    else:
        stage.directory("watch/d/a.csv", STRANGER, 0o777)
    with pytest.raises(ExchangedError):
        stage.act(move)
    assert path.exists()


@pytest.mark.parametrize("move", MOVES)
def test_the_file_is_a_second_name_of_one_outside(stage: Stage, move: str) -> None:
    path = stage.watch / "d/a.csv"
    path.unlink()
    path.hardlink_to(stage.home / "progress.db")
    stage.act(move)
    assert (stage.home / "progress.db").read_bytes() == CONTENT
    assert not path.exists()


@pytest.mark.parametrize("move", MOVES)
def test_a_lease_of_the_stranger_hangs_nobody(stage: Stage, move: str) -> None:
    stage.file("watch/d/a.csv", STRANGER, CONTENT)

    def hold_lease() -> None:
        fd = os.open(stage.watch / "d/a.csv", os.O_RDWR)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        while True:
            signal_ignored()

    with meanwhile(STRANGER, hold_lease):
        attempt(stage, move)
    assert CONTENT in stage.contents(stage.watch, stage.errors, stage.done) or move == "delete"


def signal_ignored() -> None:
    """Wait, and let the kernel's wish for the lease pass."""
    import signal  # noqa: PLC0415 - in the stranger's process only
    import time  # noqa: PLC0415

    signal.signal(signal.SIGIO, signal.SIG_IGN)
    time.sleep(0.05)


def test_the_strangers_file_may_not_be_read(stage: Stage) -> None:
    path = stage.file("watch/d/a.csv", STRANGER, CONTENT)
    path.chmod(0)
    assert stage.act("aside") == os.fsencode(stage.errors / "d/a.csv")


@pytest.mark.parametrize("move", MOVES)
def test_a_directory_from_which_the_daemon_may_not_take(stage: Stage, move: str) -> None:
    path = stage.file("watch/d/a.csv", STRANGER, CONTENT)
    (stage.watch / "d").chmod(0o1777)
    with pytest.raises(PermissionError):
        stage.act(move)
    assert path.read_bytes() == CONTENT
    assert stage.contents(stage.errors, stage.done) == []


@pytest.mark.parametrize("path", [b"../home/a.csv", b"d/../../home/a.csv", b"/etc/passwd", b"d//a.csv", b"", b"."])
def test_a_path_that_leads_up_is_none(stage: Stage, path: bytes) -> None:
    def try_it() -> None:
        open_beneath(open_root(os.fsencode(stage.watch)), path, os.O_PATH)

    with pytest.raises(OSError, match="no path below"):
        as_user(DAEMON, try_it)


@pytest.mark.parametrize("move", MOVES)
def test_the_watched_directory_itself_is_exchanged_for_a_link(stage: Stage, move: str) -> None:
    """It lies in a directory of the stranger."""
    os.chown(stage.base, STRANGER, STRANGER)
    as_user(STRANGER, lambda: os.rename(stage.watch, stage.loot / "watch"))
    as_user(STRANGER, lambda: os.symlink(stage.home, stage.watch))
    with pytest.raises(OSError, match="link"):
        stage.act(move, b"a.csv")
    stage.assert_home_untouched()


def test_links_of_the_operator_are_followed_where_nobody_else_can_make_any(stage: Stage) -> None:
    (stage.base / "shortcut").symlink_to("watch/../watch")
    (stage.base / "there").symlink_to(stage.base / "shortcut")
    os.close(as_user(DAEMON, open_root, os.fsencode(stage.base / "there")) and os.dup(0))

    os.symlink(stage.home, stage.watch / "out")
    os.lchown(stage.watch / "out", STRANGER, STRANGER)
    with pytest.raises(OSError, match="link"):
        as_user(DAEMON, open_root, os.fsencode(stage.watch / "out"))


# Where failed and delivered files go


@pytest.mark.parametrize("move", ["aside", "put"])
@pytest.mark.parametrize("kind", ["link", "strangers", "writable", "group", "file", "fifo"])
def test_the_directory_is_not_the_daemons_alone(stage: Stage, move: str, kind: str) -> None:
    stage.errors = stage.done = stage.watch / "errors"
    match kind:
        case "link":
            stage.replace("watch/errors", stage.home)
        case "strangers":
            stage.directory("watch/errors", STRANGER, 0o755)
        case "writable":
            stage.directory("watch/errors", DAEMON, 0o777)
        case "group":
            stage.directory("watch/errors", DAEMON, 0o2770)
        case "file":
            stage.file("watch/errors", STRANGER, b"")
        case _:
            os.mkfifo(stage.watch / "errors")
    problem = as_user(DAEMON, problem_of_private, os.fsencode(stage.errors))
    with pytest.raises(OSError, match=r".") as refused:
        stage.act(move)
    stage.assert_home_untouched()
    assert (stage.watch / "d/a.csv").read_bytes() == CONTENT
    assert problem is not None
    assert isinstance(refused.value, SharedDirectoryError) == (kind in ("strangers", "writable", "group"))


@pytest.mark.parametrize("move", ["aside", "put"])
@pytest.mark.parametrize("kind", ["link", "strangers", "fifo"])
def test_a_directory_below_is_not_the_daemons(stage: Stage, move: str, kind: str) -> None:
    """As one may lie there that was made while the directory was still everybody's."""
    for top in ("errors", "done"):
        if kind == "link":
            stage.replace(f"{top}/d", stage.home)
        elif kind == "strangers":
            stage.directory(f"{top}/d", STRANGER, 0o755)
        else:
            os.mkfifo(stage.base / top / "d")
    with pytest.raises(OSError, match=r"."):
        stage.act(move)
    stage.assert_home_untouched()
    assert (stage.watch / "d/a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory", "file"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.reason.json", PARTIAL_OF_REASON])
def test_something_bears_the_name_already(stage: Stage, kind: str, name: str) -> None:
    """As it may from the time when the directory was everybody's."""
    stage.directory("errors/d", DAEMON, 0o700)
    plant(stage, f"errors/d/{name}", kind)
    attempt(stage, "aside")
    stage.assert_home_untouched()
    assert stage.contents(stage.watch, stage.errors).count(CONTENT) == 1
    assert not (stage.home / "new").exists()


def plant(stage: Stage, name: str, kind: str) -> None:
    path = stage.base / name
    match kind:
        case "link":
            stage.replace(name, stage.home / "progress.db")
        case "dangling":
            stage.replace(name, stage.home / "new")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            stage.directory(name, STRANGER, 0o777)
        case _:
            stage.file(name, STRANGER, b"planted")
    os.lchown(path, STRANGER, STRANGER)


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory", "file"])
@pytest.mark.parametrize("move", MOVES)
def test_the_name_of_what_leaves_is_taken(stage: Stage, move: str, kind: str) -> None:
    plant(stage, f"watch/d/{LEAVING}", kind)
    attempt(stage, move)
    stage.assert_home_untouched()
    assert CONTENT in stage.contents(stage.watch, stage.errors, stage.done) or move == "delete"
    assert not (stage.home / "new").exists()


# The way back


def set_aside(stage: Stage) -> None:
    stage.act("aside")
    assert not (stage.watch / "d/a.csv").exists()


def test_back_into_a_directory_that_is_a_link_out(stage: Stage) -> None:
    set_aside(stage)
    (stage.home / "a.csv").unlink()
    stage._before = stage._at_home()
    stage.replace("watch/d", stage.home)
    attempt(stage, "back")
    stage.assert_home_untouched()
    assert (stage.errors / "d/a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory", "file"])
def test_back_to_a_name_that_is_taken(stage: Stage, kind: str) -> None:
    set_aside(stage)
    plant(stage, "watch/d/a.csv", kind)
    attempt(stage, "back")
    stage.assert_home_untouched()
    assert (stage.errors / "d/a.csv").read_bytes() == CONTENT
    assert not (stage.home / "new").exists()


@pytest.mark.parametrize("kind", ["fifo", "file"])
def test_back_into_what_is_no_directory(stage: Stage, kind: str) -> None:
    set_aside(stage)
    (stage.watch / "d").rmdir()
    plant(stage, "watch/d", kind)
    attempt(stage, "back")
    assert (stage.errors / "d/a.csv").read_bytes() == CONTENT


def test_back_from_a_directory_that_is_not_the_daemons(stage: Stage) -> None:
    """What is delivered as a failed file of others would be the stranger's, or one of the daemon's own."""
    stage.errors = stage.watch / "errors"
    stage.directory("watch/errors", STRANGER, 0o755)
    os.symlink(stage.home, stage.errors / "d")
    (stage.watch / "d/a.csv").unlink()
    with pytest.raises(SharedDirectoryError):
        stage.act("back")
    stage.assert_home_untouched()
    assert stage.contents(stage.watch) == []


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "file"])
def test_back_across_file_systems_over_a_planted_part(stage: Stage, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_aside(stage)
    separate_file_systems(monkeypatch)
    partial = os.fsdecode(moves._passing_name(moves._PARTIAL, b"a.csv"))
    plant(stage, f"watch/d/{partial}", kind)
    (stage.watch / "d").chmod(0o3777)  # nobody but its owner may remove it
    attempt(stage, "back")
    stage.assert_home_untouched()
    assert CONTENT in stage.contents(stage.watch, stage.errors)
    assert not (stage.home / "new").exists()


@pytest.mark.parametrize("move", MOVES)
def test_across_file_systems_the_links_are_not_followed_either(
    stage: Stage, move: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    separate_file_systems(monkeypatch)
    stage.replace("watch/d", stage.home)
    attempt(stage, move)
    stage.assert_home_untouched()
    assert stage.contents(stage.done) == []


def separate_file_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    rename = moves.rename_new

    def refuse(source_fd: int, name: bytes, target_fd: int, new_name: bytes, *, sole: bool) -> None:
        if not os.path.samestat(os.fstat(source_fd), os.fstat(target_fd)):
            raise OSError(18, "Invalid cross-device link")
        rename(source_fd, name, target_fd, new_name, sole=sole)

    monkeypatch.setattr(moves, "rename_new", refuse)


def test_names_on_the_way_are_recognised() -> None:
    assert is_passing(os.fsencode(LEAVING))
    assert not is_passing(b".processor-leaving-x")
    assert not is_passing(os.fsencode(Path(LEAVING).with_suffix(".csv")))
