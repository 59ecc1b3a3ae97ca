"""A stranger exchanges names while the daemon moves files. Nothing outside changes, no honest file is lost."""

import contextlib
import ctypes
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.trees.held import ExchangedError, Seen
from tests.attacks.stage import CONTENT, MOVES, TIME_NS, Stage
from tests.attacks.test_moves import LEAVING
from tests.attacks.users import DAEMON, SENDER, STRANGER, as_user, meanwhile, need_root

pytestmark = [need_root, pytest.mark.usefixtures("kernel")]

_ROUNDS = 1000 if os.environ.get("TORTURE") else 60
_EXCHANGE = 2
_CURRENT_DIRECTORY = -100  # AT_FDCWD
_RENAMEAT2 = 316 if os.uname().machine == "x86_64" else 276
_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: str, other: str) -> None:
    """Swap two names at once, as only the kernel can."""
    exchange_at(_CURRENT_DIRECTORY, one, other)


def exchange_at(directory_fd: int, one: str, other: str) -> None:
    """Swap two names in an open directory."""
    _libc.syscall(_RENAMEAT2, directory_fd, one.encode(), directory_fd, other.encode(), _EXCHANGE)


def swapping(one: object, other: object) -> Callable[[], None]:
    return lambda: exchange(str(one), str(other))


def rounds(stage: Stage, move: str) -> int:
    """Move a new file again and again, as the daemon; return how often that was done."""

    def run() -> int:
        done = 0
        for _ in range(_ROUNDS):
            with contextlib.suppress(OSError, ExchangedError):
                stage.act_here(move)
                done += 1
            with contextlib.suppress(OSError):
                renew(stage)
        return done

    return int(as_user(DAEMON, run))


def renew(stage: Stage) -> None:
    """Put an honest file where it belongs, if none is there."""
    path = stage.watch / "d/a.csv"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    os.write(fd, CONTENT)
    os.utime(fd, ns=(TIME_NS, TIME_NS))
    os.close(fd)


@pytest.mark.parametrize("move", MOVES)
def test_the_files_directory_is_swapped_with_a_link_out(stage: Stage, move: str) -> None:
    os.symlink(stage.home, stage.watch / "link")
    with meanwhile(STRANGER, swapping(stage.watch / "d", stage.watch / "link")):
        assert rounds(stage, move) > 0
    home = stage._at_home()
    # A file that is renewed through the link would be the test's own doing: only new names may have come.
    assert {name: home[name] for name in stage._before} == stage._before


@pytest.mark.parametrize("move", MOVES)
def test_the_file_is_swapped_with_a_link_a_fifo_or_a_directory(stage: Stage, move: str) -> None:
    os.symlink(stage.home / "progress.db", stage.watch / "d/1")
    os.mkfifo(stage.watch / "d/2")
    stage.directory("watch/d/3", STRANGER, 0o777)

    def swap() -> None:
        exchange(str(stage.watch / "d/a.csv"), str(stage.watch / f"d/{random.randint(1, 3)}"))

    with meanwhile(STRANGER, swap):
        rounds(stage, move)
    stage.assert_home_untouched()
    kinds = sorted(
        mode_of(entry) for entry in os.scandir(stage.watch / "d") if not entry.is_file(follow_symlinks=False)
    )
    assert kinds == ["directory", "fifo", "link"], "each was put back"
    assert not any(entry.is_symlink() for top in (stage.errors, stage.done) for entry in walk(str(top)))


def walk(top: str) -> list["os.DirEntry[str]"]:
    found = []
    for entry in os.scandir(top):
        found.append(entry)
        if entry.is_dir(follow_symlinks=False):
            found += walk(entry.path)
    return found


def mode_of(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "link"
    return "directory" if entry.is_dir() else "fifo"


@pytest.mark.parametrize("move", MOVES)
def test_a_sender_replaces_his_file_at_that_moment(stage: Stage, move: str) -> None:
    """Whatever the daemon did, the version that it has not seen is still there, and no older one in its place."""
    stage.directory("new", SENDER, 0o755)
    go_fd, tell_fd = os.pipe()

    def replace_once() -> None:
        number = os.read(go_fd, 1)[0]
        path = stage.base / "new" / "a"
        path.write_bytes(b"version %d" % number)
        until = time.perf_counter_ns() + random.randint(0, 400_000)
        while time.perf_counter_ns() < until:
            pass
        os.rename(path, stage.watch / "d/a.csv")

    def run() -> None:
        for number in range(_ROUNDS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(stage.watch / "d/a.csv")
            renew(stage)
            seen = Seen.of(os.lstat(stage.watch / "d/a.csv"))
            os.write(tell_fd, bytes([number % 200]))
            time.sleep(random.random() * 0.0005)
            with contextlib.suppress(ExchangedError):
                stage.act_here(move, seen=seen)
            expect_newest(stage, b"version %d" % (number % 200))

    os.chmod(stage.watch / "d", 0o777)
    os.chown(stage.watch / "d", DAEMON, DAEMON)
    with meanwhile(SENDER, replace_once):
        as_user(DAEMON, run)


def expect_newest(stage: Stage, content: bytes) -> None:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = {entry.name: Path(entry.path).read_bytes() for entry in os.scandir(stage.watch / "d")}
        if content in found.values():
            for name in found:
                os.unlink(stage.watch / "d" / name)
            return
        time.sleep(0.0005)
    raise AssertionError(f"{content!r} is lost")


@pytest.mark.parametrize("other", ["link", "strangers"])
def test_the_error_directory_is_swapped(stage: Stage, other: str) -> None:
    """It lies in the watched directory, in which the stranger may rename whatever he likes."""
    stage.errors = stage.watch / "errors"
    stage.directory("watch/errors", DAEMON, 0o700)
    trap = stage.watch / "trap"
    if other == "link":
        trap.symlink_to(stage.home)
    else:
        stage.directory("watch/trap", STRANGER, 0o777)
    with meanwhile(STRANGER, swapping(stage.errors, trap)):
        rounds(stage, "aside")
    stage.assert_home_untouched()
    traps = [path for path in (stage.errors, trap) if not path.is_symlink() and path.stat().st_uid == STRANGER]
    assert stage.contents(*traps) == []


def test_directories_are_renamed_while_a_file_comes_back(stage: Stage) -> None:
    """It is at its place, or where it was; never in a directory of the stranger outside."""
    stage.directory("watch/e", STRANGER, 0o777)
    stage.directory("loot/d", STRANGER, 0o777)

    def rename_away() -> None:
        with contextlib.suppress(OSError):
            os.rename(stage.watch / "d", stage.loot / "taken")
        with contextlib.suppress(OSError):
            os.rename(stage.loot / "taken", stage.watch / "d")

    def run() -> None:
        for _ in range(_ROUNDS):
            with contextlib.suppress(OSError, ExchangedError):
                stage.act_here("aside")
            with contextlib.suppress(OSError, ExchangedError):
                stage.act_here("back")

    with meanwhile(STRANGER, rename_away):
        as_user(DAEMON, run)
    stage.assert_home_untouched()
    assert CONTENT in stage.contents(stage.watch, stage.errors, stage.loot / "taken")


def test_a_directory_is_swapped_with_a_link_out_while_a_file_comes_back(stage: Stage) -> None:
    (stage.home / "a.csv").unlink()
    stage._before = stage._at_home()
    os.symlink(stage.home, stage.watch / "link")

    def run() -> None:
        for _ in range(_ROUNDS):
            with contextlib.suppress(OSError, ExchangedError):
                stage.act_here("aside")
            with contextlib.suppress(OSError, ExchangedError):
                stage.act_here("back")

    with meanwhile(STRANGER, swapping(stage.watch / "d", stage.watch / "link")):
        as_user(DAEMON, run)
    stage.assert_home_untouched()
    assert CONTENT in stage.contents(stage.watch / "d", stage.watch / "link", stage.errors)


@pytest.mark.parametrize("move", MOVES)
def test_the_name_of_what_leaves_is_meddled_with(stage: Stage, move: str) -> None:
    leaving = stage.watch / "d" / LEAVING

    def meddle() -> None:
        with contextlib.suppress(OSError):
            os.symlink(stage.home / "progress.db", leaving)
        with contextlib.suppress(OSError):
            os.unlink(leaving)
        with contextlib.suppress(OSError):
            os.mkfifo(leaving)
        with contextlib.suppress(OSError):
            os.unlink(leaving)

    with meanwhile(STRANGER, meddle):
        rounds(stage, move)
    stage.assert_home_untouched()


@pytest.mark.parametrize("move", MOVES)
def test_the_watched_directory_is_swapped_with_a_link_out(stage: Stage, move: str) -> None:
    os.chown(stage.base, STRANGER, STRANGER)
    stage.directory("home/d", DAEMON, 0o755)
    stage.file("home/d/a.csv", DAEMON, CONTENT)
    os.symlink(stage.home, stage.base / "link")
    before = (stage.home / "d/a.csv").stat().st_ino

    def run() -> None:
        for _ in range(_ROUNDS):
            with contextlib.suppress(OSError, ExchangedError):
                stage.act_here(move)

    with meanwhile(STRANGER, swapping(stage.watch, stage.base / "link")):
        as_user(DAEMON, run)
    assert (stage.home / "d/a.csv").stat().st_ino == before
