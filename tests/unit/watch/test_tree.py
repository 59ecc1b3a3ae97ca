import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.watch import watches
from processor.watch.tree import Clock

from .conftest import Watching

Watch = Callable[..., Watching]


def make_old(path: Path) -> None:
    """Give it the time stamps of an hour ago, as far as the kernel allows: the change time stays."""
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago), follow_symlinks=False)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_files_that_lie_there_at_the_start_are_found_once(root: Path, watch: Watch) -> None:
    (root / "a").write_bytes(b"a")
    (root / "d").mkdir()
    (root / "d" / "b").write_bytes(b"bb")
    watching = watch()
    watching.until_idle()
    assert sorted((file.relative_path, file.size_bytes) for file in watching.found) == [(b"a", 1), (b"d/b", 2)]
    assert "watch.scanned" in watching.events


def test_a_found_file_carries_what_lstat_says(root: Path, watch: Watch) -> None:
    (root / "a").write_bytes(b"abc")
    watching = watch()
    watching.until_idle()
    status = (root / "a").lstat()
    [found] = watching.found
    assert (found.size_bytes, found.mtime_ns, found.ctime_ns) == (3, status.st_mtime_ns, status.st_ctime_ns)
    assert found.identity == (status.st_dev, status.st_ino)


def test_a_directory_path_of_seven_levels_with_a_file_is_never_missed(root: Path, watch: Watch) -> None:
    watching = watch()
    watching.until_idle()
    stop = threading.Event()
    expected = {f"{i}/b/c/d/e/f/g/file".encode() for i in range(300)}

    def writer() -> None:
        for path in sorted(expected):
            file = root / os.fsdecode(path)
            file.parent.mkdir(parents=True)
            file.write_bytes(b"x")
        stop.set()

    thread = threading.Thread(target=writer)
    thread.start()
    watching.until(stop.is_set)
    thread.join()
    watching.until_idle()
    assert set(watching.paths) == expected
    assert watching.tree.counters().overflows == 0
    assert watching.tree.counters().watches == 300 * 7 + 1


def test_a_file_written_slowly_is_taken_once_and_whole(root: Path, watch: Watch) -> None:
    watching = watch(settle_seconds=0.3)
    watching.until_idle()
    with (root / "slow").open("wb", buffering=0) as file:
        for _ in range(15):
            file.write(b"x" * 10)
            watching.for_seconds(0.1)
        assert watching.found == []
    watching.until_idle()
    assert [(file.relative_path, file.size_bytes) for file in watching.found] == [(b"slow", 150)]


def test_a_file_that_was_being_written_before_the_start_is_taken_whole(root: Path, watch: Watch) -> None:
    with (root / "slow").open("wb", buffering=0) as file:
        file.write(b"x")
        watching = watch(settle_seconds=0.3)
        for _ in range(10):
            file.write(b"x")
            watching.for_seconds(0.1)
        assert watching.found == []
    watching.until_idle()
    assert [file.size_bytes for file in watching.found] == [11]


def test_a_file_with_an_old_modification_time_is_waited_for_all_the_same(root: Path, watch: Watch) -> None:
    with (root / "slow").open("wb", buffering=0) as file:
        file.write(b"x")
        make_old(root / "slow")
        watching = watch(settle_seconds=0.3)
        for _ in range(5):
            file.write(b"x")
            make_old(root / "slow")
            watching.for_seconds(0.1)
            assert watching.found == []


def test_without_a_threshold_a_file_is_found_as_soon_as_it_is_renamed_into_place(
    root: Path, tmp_path: Path, watch: Watch
) -> None:
    watching = watch(settle_seconds=0.0)
    watching.until_idle()
    (tmp_path / "new").write_bytes(b"x")
    (tmp_path / "new").rename(root / "new")
    watching.look(timeout_seconds=5)
    assert watching.paths == [b"new"]


def test_without_a_threshold_a_file_is_not_found_before_its_writer_closes_it(root: Path, watch: Watch) -> None:
    watching = watch(settle_seconds=0.0)
    watching.until_idle()
    with (root / "a").open("wb") as file:
        file.write(b"x")
        watching.for_seconds(0.2)
        assert watching.found == []
    watching.until(lambda: bool(watching.found), timeout_seconds=0.5)


@pytest.mark.parametrize("settle_seconds", [0.0, 0.1])
def test_a_hard_link_is_found(root: Path, tmp_path: Path, watch: Watch, settle_seconds: float) -> None:
    watching = watch(settle_seconds=settle_seconds)
    watching.until_idle()
    (tmp_path / "original").write_bytes(b"x")
    (root / "link").hardlink_to(tmp_path / "original")
    watching.until_idle()
    assert watching.paths == [b"link"]


def test_a_changed_file_is_found_again(root: Path, watch: Watch) -> None:
    watching = watch()
    (root / "a").write_bytes(b"1")
    watching.until_idle()
    (root / "a").write_bytes(b"22")
    watching.until_idle()
    os.utime(root / "a", (1, 1))
    watching.until_idle()
    assert [(file.size_bytes, file.mtime_ns == 10**9) for file in watching.found] == [(1, False), (2, False), (2, True)]


def test_a_file_that_vanishes_is_forgotten(root: Path, watch: Watch) -> None:
    watching = watch(settle_seconds=30)
    watching.until_idle()
    (root / "a").write_bytes(b"1")
    watching.until(lambda: watching.tree.counters().unsettled == 1)
    (root / "a").unlink()
    watching.until_idle()
    assert watching.found == []


def test_all_is_done_in_bounded_time_although_a_file_goes_on_changing(root: Path, watch: Watch) -> None:
    (root / "whole").write_bytes(b"1")
    (root / "log").write_bytes(b"1")
    watching = watch(settle_seconds=0.4)
    with (root / "log").open("ab", buffering=0) as log:

        def write_on() -> bool:
            log.write(b"more")
            return watching.tree.done

        watching.until(write_on)
        assert watching.paths == [b"whole"]
        assert not watching.tree.idle
        assert watching.tree.restless() == (b"log",)
    watching.until_idle()
    assert watching.tree.restless() == ()
    assert watching.paths == [b"whole", b"log"]


def test_time_in_which_nobody_looked_does_not_end_the_waiting_for_a_file(root: Path, watch: Watch) -> None:
    """As when the ledger's disk holds up whoever looks."""
    skipped = 0.0
    watching = watch(Clock(monotonic=lambda: time.monotonic() + skipped), settle_seconds=60)
    (root / "a").write_bytes(b"1")
    watching.until(lambda: watching.tree.counters().unsettled == 1)
    watching.look(0)
    skipped = 1000.0
    assert not watching.tree.done
    watching.until(lambda: watching.tree.done)
    assert watching.paths == [b"a"]


def test_a_path_is_looked_at_without_an_event(root: Path, watch: Watch) -> None:
    watching = watch()
    (root / "a").write_bytes(b"1")
    watching.until_idle()
    for path in (b"a", b"nothing", b""):
        watching.tree.look_at(path)
    watching.until_idle()
    assert watching.paths == [b"a", b"a"]


def test_a_moved_in_tree_is_found_even_when_its_files_are_old(root: Path, tmp_path: Path, watch: Watch) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a").write_bytes(b"x")
    watching = watch(ignore_initial=True)
    watching.until_idle()
    (tmp_path / "in").rename(root / "in")
    watching.until_idle()
    (root / "in" / "deep" / "b").write_bytes(b"x")
    watching.until_idle()
    assert watching.paths == [b"in/deep/a", b"in/deep/b"]


def test_a_renamed_directory_goes_on_being_watched_under_its_new_name(root: Path, watch: Watch) -> None:
    (root / "old" / "deep").mkdir(parents=True)
    watching = watch()
    watching.until_idle()
    (root / "old").rename(root / "new")
    watching.until_idle()
    (root / "new" / "deep" / "a").write_bytes(b"x")
    (root / "old").mkdir()
    (root / "old" / "b").write_bytes(b"x")
    watching.until_idle()
    assert sorted(watching.paths) == [b"new/deep/a", b"old/b"]
    assert watching.tree.counters().watches == 4


def test_directories_that_change_places_are_told_apart(root: Path, watch: Watch) -> None:
    for name in ("a", "b"):
        (root / name / "x").mkdir(parents=True)
    watching = watch()
    watching.until_idle()
    (root / "a").rename(root / "b" / "a")
    (root / "b" / "x").rename(root / "x")
    (root / "b").rename(root / "x" / "b")
    watching.until_idle()
    (root / "x/b/a/x/file").write_bytes(b"x")
    watching.until_idle()
    assert watching.paths == [b"x/b/a/x/file"]
    assert watching.tree.counters().watches == 5


def test_a_directory_that_leaves_the_tree_is_watched_no_more(root: Path, tmp_path: Path, watch: Watch) -> None:
    (root / "d" / "deep").mkdir(parents=True)
    watching = watch()
    watching.until_idle()
    (root / "d").rename(tmp_path / "gone")
    watching.until_idle()
    assert watching.tree.counters().watches == 1
    (tmp_path / "gone" / "deep" / "a").write_bytes(b"x")
    (root / "d" / "deep").mkdir(parents=True)
    watching.until_idle()
    events = watching.tree.counters().events
    (tmp_path / "gone" / "deep" / "b").write_bytes(b"x")
    watching.for_seconds(0.1)
    assert watching.found == []
    assert watching.tree.counters().events == events


def test_a_directory_that_leaves_and_comes_back_is_found_again(root: Path, tmp_path: Path, watch: Watch) -> None:
    (root / "d" / "deep").mkdir(parents=True)
    watching = watch()
    watching.until_idle()
    (root / "d").rename(tmp_path / "out")
    (tmp_path / "out" / "deep" / "a").write_bytes(b"x")
    (tmp_path / "out").rename(root / "d")
    watching.until_idle()
    (root / "d" / "deep" / "b").write_bytes(b"x")
    watching.until_idle()
    assert sorted(watching.paths) == [b"d/deep/a", b"d/deep/b"]


def test_deleted_directories_leave_no_watch_behind(root: Path, watch: Watch) -> None:
    watching = watch()
    watching.until_idle()
    for i in range(50):
        (root / f"{i}" / "x").mkdir(parents=True)
    watching.until(lambda: watching.tree.counters().watches == 101)
    for i in range(50):
        (root / f"{i}" / "x").rmdir()
        (root / f"{i}").rmdir()
    watching.until(lambda: watching.tree.counters().watches == 1)


def test_names_may_be_any_bytes(root: Path, watch: Watch) -> None:
    names = [b"\xff\xfe", b"new\nline", b"quote'\"", "ümläut 😀".encode(), b" ", b"-rf", b"\\", b"a" * 255, b"%20"]
    watching = watch()
    watching.until_idle()
    for name in names:
        directory = root / os.fsdecode(name)
        directory.mkdir()
        (directory / os.fsdecode(name)).write_bytes(b"x")
    watching.until_idle()
    assert sorted(watching.paths) == sorted(name + b"/" + name for name in names)


def test_links_are_reported_once_and_never_followed(root: Path, tmp_path: Path, watch: Watch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"x")
    (root / "directory-link").symlink_to(outside)
    (root / "file-link").symlink_to(outside / "secret")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "fifo")
    watching = watch(rescan_seconds=0.1)
    watching.until(lambda: watching.events.count("watch.scanned") >= 3)
    (root / "late").symlink_to(outside)
    (outside / "more").write_bytes(b"x")
    watching.until_idle()
    assert watching.found == []
    links = [note.path for note in watching.notes if note.event == "watch.link-skipped"]
    assert sorted(links) == [b"dangling", b"directory-link", b"file-link", b"late"]
    assert watching.events.count("watch.special-skipped") == 1


def test_excluded_paths_are_neither_watched_nor_found(root: Path, tmp_path: Path, watch: Watch) -> None:
    errors, ledger = root / "sub" / "errors", root / "ledger.db"
    (root / "sub").mkdir()
    (tmp_path / "alias").symlink_to(root)
    watching = watch(excluded=(os.fsencode(errors), os.fsencode(tmp_path / "alias" / "ledger.db")))
    ledger.write_bytes(b"x")
    watching.until_idle()
    errors.mkdir()
    (errors / "deep").mkdir()
    (errors / "deep" / "failed").write_bytes(b"x")
    ledger.write_bytes(b"xx")
    os.link(ledger, root / "also-the-ledger")
    (root / "ledger.db.other").write_bytes(b"x")
    watching.until_idle()
    assert watching.paths == [b"ledger.db.other"]
    assert watching.tree.counters().watches == 2


def test_an_inode_that_was_excluded_once_is_not_excluded_for_ever(root: Path, watch: Watch) -> None:
    ledger = root / "db"
    ledger.write_bytes(b"x")
    watching = watch(excluded=(os.fsencode(ledger),))
    watching.until_idle()
    ledger.rename(root / "file")
    watching.until_idle()
    assert watching.paths == [b"file"]


def test_a_root_that_does_not_exist_yet_is_waited_for(root: Path, watch: Watch) -> None:
    root.rmdir()
    watching = watch(ignore_initial=True)
    watching.for_seconds(1.2)
    assert watching.events == ["watch.root-missing"]
    assert watching.tree.idle
    root.mkdir()
    (root / "a").write_bytes(b"x")
    watching.until(lambda: watching.paths == [b"a"])
    assert "watch.root-found" in watching.events


@pytest.mark.parametrize("how", ["moved away", "deleted"])
def test_a_root_that_goes_and_comes_back_is_watched_again(root: Path, tmp_path: Path, watch: Watch, how: str) -> None:
    (root / "d").mkdir()
    watching = watch()
    watching.until_idle()
    if how == "moved away":
        root.rename(tmp_path / "elsewhere")
    else:
        (root / "d").rmdir()
        root.rmdir()
        watching.until(lambda: not watching.tree.present)
    root.mkdir()
    (root / "d").mkdir()
    watching.until(lambda: watching.events.count("watch.scanned") == 2)
    (root / "d" / "a").write_bytes(b"x")
    watching.until(lambda: watching.paths == [b"d/a"])


def test_what_lies_there_at_the_start_is_left_alone_when_asked(root: Path, watch: Watch) -> None:
    for name in ("old", "touched", "changed", "renamed"):
        (root / name).write_bytes(b"x")
    # Whether a file was there at the start is told from its time stamp: let the start be a second later than it is.
    clock = Clock(wall_ns=lambda: time.time_ns() + 10**9)
    watching = watch(clock=clock, ignore_initial=True, rescan_seconds=0.1)
    watching.until_idle()
    assert watching.found == []
    (root / "touched").chmod(0o600)
    (root / "changed").write_bytes(b"xx")
    (root / "renamed").rename(root / "other-name")
    (root / "new").write_bytes(b"x")
    watching.until(lambda: len(set(watching.paths)) >= 3)
    watching.for_seconds(0.5)
    assert set(watching.paths) == {b"changed", b"other-name", b"new"}


def test_after_an_overflow_nothing_is_missing(root: Path, watch: Watch) -> None:
    watching = watch()
    watching.until_idle()
    (root / "d").mkdir()
    for i in range(20_000):
        (root / "d" / f"{i}").touch()
        if i == 100:
            (root / "d" / "sub").mkdir()
            watching.look()
    (root / "d" / "sub" / "x").touch()
    watching.until_idle(timeout_seconds=60)
    assert watching.tree.counters().overflows >= 1
    assert set(watching.paths) == {b"d/sub/x"} | {f"d/{i}".encode() for i in range(20_000)}


def test_more_files_than_may_be_waited_for_are_found_in_the_end(root: Path, watch: Watch) -> None:
    watching = watch(unsettled_limit=100)
    watching.until_idle()
    for i in range(1000):
        (root / f"{i}").touch()
        if not i % 50:
            watching.look()
            assert watching.tree.counters().unsettled <= 100
    watching.until_idle(timeout_seconds=60)
    assert watching.tree.counters().turned_away > 0
    assert set(watching.paths) == {f"{i}".encode() for i in range(1000)}


def test_temporary_files_by_the_thousand_leave_nothing_behind(root: Path, watch: Watch) -> None:
    watching = watch()
    watching.until_idle()
    for i in range(5000):
        (root / f"{i}.tmp").touch()
        (root / f"{i}.tmp").unlink()
        if not i % 100:
            watching.look()
    watching.until_idle()
    assert watching.found == []
    assert watching.tree.counters().unsettled == 0


def test_a_path_longer_than_the_kernel_takes_is_reported_and_costs_the_others_nothing(root: Path, watch: Watch) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)
    (root / "z").touch()
    watching = watch()
    watching.until_idle()
    depths = [path.count(b"/") for path in watching.paths]
    assert sorted(depths) == list(range(max(depths) + 1))
    assert max(depths) >= 18
    assert "watch.unreadable" in watching.events


def test_a_deep_tree_is_walked_with_few_descriptors(root: Path, watch: Watch) -> None:
    deep = root.joinpath(*["d"] * 500)
    deep.mkdir(parents=True)
    (deep / "a").touch()
    (deep.parent / "b").touch()
    before = open_descriptors()
    watching = watch()
    most = 0
    while not watching.tree.idle:
        watching.look(0.01)
        most = max(most, open_descriptors() - before)
    assert sorted(watching.paths) == [b"d/" * 499 + b"b", b"d/" * 500 + b"a"]
    assert most < 40


def test_when_the_kernel_gives_no_more_watches_scans_find_the_rest(
    root: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(20):
        (root / f"{i}" / "deep").mkdir(parents=True)
    real = watches.INotify.add_watch
    given: set[int] = set()

    def add_watch(self: watches.INotify, path: str, mask: int) -> int:
        if len(given) >= 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        given.add(wd := real(self, path, mask))
        return int(wd)

    monkeypatch.setattr(watches.INotify, "add_watch", add_watch)
    watching = watch(rescan_seconds=0.2)
    watching.until_idle()
    [note] = [note for note in watching.notes if note.event == "watch.limit-reached"]
    assert "fs.inotify.max_user_watches" in note.hint
    assert watching.tree.counters().unwatched == 41 - watching.tree.counters().watches
    for i in range(20):
        (root / f"{i}" / "deep" / "a").touch()
    watching.until(lambda: len(set(watching.paths)) == 20)


def test_without_inotify_scans_find_everything(root: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(watches, "INotify", lambda **_: refuse())
    watching = watch(rescan_seconds=0.2)
    watching.until_idle()
    (root / "a").touch()
    watching.until(lambda: b"a" in watching.paths)
    [note] = [note for note in watching.notes if note.event == "watch.no-inotify"]
    assert "max_user_instances" in note.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's place")
@pytest.mark.parametrize("mode", [0o000, 0o744, 0o711])
def test_an_unreadable_directory_is_reported_and_read_when_it_may_be(root: Path, watch: Watch, mode: int) -> None:
    for parent in (*root.parents, root):
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    (root / "closed" / "deep").mkdir(parents=True)
    (root / "closed" / "deep" / "a").touch()
    (root / "closed" / "b").touch()
    (root / "open").touch()
    (root / "closed").chmod(mode)
    os.seteuid(65534)
    try:
        watching = watch()
        watching.until_idle()
        assert watching.paths == [b"open"]
        assert b"closed" in [note.path for note in watching.notes if note.event == "watch.unreadable"]
        os.seteuid(0)
        (root / "closed").chmod(0o755)
        os.seteuid(65534)
        watching.until_idle()
        assert sorted(watching.paths) == [b"closed/b", b"closed/deep/a", b"open"]
    finally:
        os.seteuid(0)


def test_a_look_ends_when_another_thread_says_so(watch: Watch) -> None:
    watching = watch()
    watching.until_idle()
    waker = threading.Timer(0.05, watching.tree.wake)
    waker.start()
    began = time.monotonic()
    watching.tree.look(60)
    assert time.monotonic() - began < 30
    watching.tree.close()
    watching.tree.wake()


def test_closing_gives_every_descriptor_back(root: Path, watch: Watch) -> None:
    for i in range(30):
        (root / f"{i}" / "x").mkdir(parents=True)
        (root / f"{i}" / "x" / "a").touch()
    before = open_descriptors()
    watching = watch()
    watching.look()
    watching.tree.close()
    assert open_descriptors() == before
