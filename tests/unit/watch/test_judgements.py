"""The small pure parts: age, rescans, the initial files, notes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.watch.age import Age
from processor.watch.events import EventLog, Level, WatchEvent
from processor.watch.found import FoundFile
from processor.watch.initial import InitialFiles
from processor.watch.rescans import Rescans

SECOND = 10**9
WALL = 1_700_000_000 * SECOND
FILE = FoundFile(b"a", size_bytes=1, mtime_ns=WALL, ctime_ns=WALL, inode=1, device=1)


def age(now: float = 100.0, wall_ns: int = WALL) -> Age:
    judge = Age(quiet_seconds=2.0)
    judge.clock(now, wall_ns)
    return judge


@pytest.mark.parametrize(
    ("mtime", "ctime", "old"),
    [(-8, -8, True), (-8, -1, False), (-1, -8, False), (-6, -6, False), (3600, -8, False), (-8, 3600, False)],
)
def test_a_file_is_old_when_both_stamps_are_well_in_the_past(mtime: int, ctime: int, old: object) -> None:
    file = replace(FILE, mtime_ns=WALL + mtime * SECOND, ctime_ns=WALL + ctime * SECOND)
    assert age().is_old(file) is old


def test_a_clock_that_jumps_forward_makes_no_file_old() -> None:
    judge = age()
    assert not judge.is_old(FILE)
    judge.clock(101.0, WALL + 3600 * SECOND)
    assert not judge.is_old(FILE)
    judge.clock(107.9, WALL + 3607 * SECOND)
    assert not judge.is_old(FILE)
    judge.clock(109.0, WALL + 3608 * SECOND)
    assert judge.is_old(FILE)


def test_a_clock_that_jumps_back_makes_no_file_old() -> None:
    judge = age()
    judge.clock(101.0, WALL - 3600 * SECOND)
    judge.clock(120.0, WALL - 3581 * SECOND)
    assert not judge.is_old(FILE)


@given(st.lists(st.tuples(st.floats(0.001, 30), st.integers(-7200, 7200)), max_size=20))
def test_no_history_of_the_clock_makes_a_file_old_before_its_time(steps: list[tuple[float, int]]) -> None:
    """A file is written just before each jump; until the quiet time is over it must not pass for old."""
    judge, now, offset = Age(quiet_seconds=2.0), 0.0, WALL
    judge.clock(now, offset)
    for passed, jump in steps:
        now += passed
        stamp = round(now * SECOND) + offset
        written, file = now, replace(FILE, mtime_ns=stamp, ctime_ns=stamp)
        offset += jump * SECOND
        for later in (0.0, 0.5, 1.0, 1.9):
            judge.clock(written + later, round((written + later) * SECOND) + offset)
            assert not judge.is_old(file)
        now += 1.9


def test_the_first_scan_begins_at_once_and_later_ones_after_their_interval() -> None:
    rescans = Rescans(interval_seconds=60.0)
    assert not rescans.is_due(0.0)
    rescans.restart()
    assert rescans.is_due(0.0)
    rescans.start(0.0)
    assert not rescans.is_due(1000.0)
    assert rescans.finish(2.0) == 2.0
    assert (rescans.is_due(61.9), rescans.is_due(62.0)) == (False, True)


def test_a_scan_wanted_during_a_scan_follows_after_a_pause_as_long_as_the_scan() -> None:
    rescans = Rescans(interval_seconds=0.0)
    rescans.restart()
    rescans.start(0.0)
    rescans.want()
    rescans.finish(7.0)
    assert not rescans.settled
    assert (rescans.is_due(13.9), rescans.is_due(14.0)) == (False, True)
    rescans.start(14.0)
    rescans.finish(15.0)
    assert rescans.settled
    assert rescans.next_due() == float("inf")


def test_what_is_doubtful_is_scanned_again_even_without_an_interval() -> None:
    rescans = Rescans(interval_seconds=0.0)
    rescans.restart()
    rescans.start(0.0)
    rescans.doubt()
    rescans.finish(1.0)
    assert rescans.settled
    assert rescans.next_due() == 31.0
    rescans.start(31.0)
    rescans.doubt()
    rescans.finish(41.0)
    assert rescans.next_due() == 141.0


def test_a_long_ago_scan_delays_nothing() -> None:
    rescans = Rescans(interval_seconds=0.0)
    rescans.restart()
    rescans.start(0.0)
    rescans.finish(5.0)
    rescans.want()
    assert rescans.is_due(100.0)


def test_initial_files_are_known_as_they_were_and_under_their_name_only() -> None:
    initial = InitialFiles()
    files = [replace(FILE, relative_path=b"%d" % i, inode=i) for i in range(10_000)]
    for file in files:
        initial.add(file)
    assert len(initial) == len(files)
    assert all(file in initial for file in files)
    assert replace(files[7], ctime_ns=0) in initial
    for change in ({"relative_path": b"x"}, {"size_bytes": 2}, {"mtime_ns": 0}, {"inode": 10_001}, {"device": 2}):
        assert replace(files[7], **change) not in initial


def note(path: bytes) -> WatchEvent:
    return WatchEvent("watch.link-skipped", Level.WARNING, path, "a symbolic link")


def test_a_note_is_told_once_until_it_is_recanted() -> None:
    notes = EventLog()
    notes.tell_once(note(b"a"))
    notes.tell_once(note(b"a"))
    notes.tell_once(note(b"b"))
    assert notes.take() == (note(b"a"), note(b"b"))
    assert notes.was_told("watch.link-skipped", b"a")
    notes.recant("watch.link-skipped", b"a")
    notes.tell_once(note(b"a"))
    assert notes.take() == (note(b"a"),)


def test_a_flood_of_notes_ends_with_one_that_says_so() -> None:
    notes = EventLog()
    for i in range(20_000):
        notes.tell_once(note(b"%d" % i))
    told = notes.take()
    assert len(told) == 10_001
    assert told[-1].event == "watch.reports-suppressed"
