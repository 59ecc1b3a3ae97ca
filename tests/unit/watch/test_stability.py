from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from processor.watch.found import FoundFile
from processor.watch.stability import Settling

FILE = FoundFile(b"a", size_bytes=1, mtime_ns=1, ctime_ns=1, inode=1, device=1)
POLL, QUIET = 0.1, 2.0


def closed(_file: FoundFile) -> bool:
    return False


def opened(_file: FoundFile) -> bool:
    return True


def test_a_file_settles_when_nothing_about_it_has_changed_for_the_quiet_time() -> None:
    settling = Settling(POLL, limit=10)
    assert settling.track(FILE, QUIET, now=0.0)
    assert settling.looked(b"a", FILE, now=1.99, is_open=closed) is None
    assert settling.looked(b"a", FILE, now=2.0, is_open=closed) == FILE
    assert len(settling) == 0


def test_every_attribute_counts() -> None:
    for field in ("size_bytes", "mtime_ns", "ctime_ns", "inode", "device"):
        settling = Settling(POLL, limit=10)
        settling.track(FILE, QUIET, now=0.0)
        changed = replace(FILE, **{field: 2})
        assert settling.looked(b"a", changed, now=2.0, is_open=closed) is None
        assert settling.looked(b"a", changed, now=3.9, is_open=closed) is None
        assert settling.looked(b"a", changed, now=4.0, is_open=closed) == changed


def test_an_event_without_a_change_does_not_prolong_the_waiting() -> None:
    settling = Settling(POLL, limit=10)
    settling.track(FILE, QUIET, now=0.0)
    settling.track(FILE, QUIET, now=1.0)
    assert settling.looked(b"a", FILE, now=2.0, is_open=closed) == FILE


def test_a_file_that_its_writer_has_closed_needs_no_more_than_that() -> None:
    settling = Settling(POLL, limit=10)
    settling.track(FILE, 1.0, now=0.0)
    settling.track(FILE, 0.2, now=0.1)
    settling.track(FILE, 1.0, now=0.1)
    assert settling.looked(b"a", FILE, now=0.2, is_open=closed) == FILE


def test_a_file_that_stands_still_and_is_open_is_waited_for_and_counted() -> None:
    settling = Settling(POLL, limit=10)
    settling.track(FILE, QUIET, now=0.0)
    assert settling.looked(b"a", FILE, now=1.0, is_open=opened) is None
    assert settling.open_count == 0, "it has not stood still for long enough"
    assert settling.looked(b"a", FILE, now=9.0, is_open=opened) is None
    assert (settling.open_count, settling.open_seconds(b"a", 10.0)) == (1, 10.0)
    written = replace(FILE, size_bytes=2)
    assert settling.looked(b"a", written, now=11.0, is_open=opened) is None
    assert (settling.open_count, settling.open_seconds(b"a", 11.0)) == (0, None)
    assert settling.looked(b"a", written, now=12.0, is_open=closed) is None, "it was written to a second ago"
    assert settling.looked(b"a", written, now=13.0, is_open=closed) == written


def test_nobody_is_asked_about_a_file_that_was_closed_and_has_not_changed_since() -> None:
    settling = Settling(POLL, limit=10)
    settling.track(FILE, QUIET, now=0.0)
    settling.track(FILE, QUIET, now=0.5, closed=True)
    assert settling.looked(b"a", FILE, now=2.0, is_open=opened) == FILE
    settling.track(FILE, QUIET, now=3.0, closed=True)
    written = replace(FILE, size_bytes=2)
    assert settling.looked(b"a", written, now=4.0, is_open=opened) is None
    assert settling.looked(b"a", written, now=6.0, is_open=opened) is None
    assert settling.open_count == 1


def test_an_open_file_that_is_removed_is_no_longer_counted() -> None:
    for gone in (lambda each: each.looked(b"a", None, 4.0, opened), lambda each: each.forget(b"a")):
        settling = Settling(POLL, limit=10)
        settling.track(FILE, QUIET, now=0.0)
        settling.looked(b"a", FILE, now=3.0, is_open=opened)
        gone(settling)
        assert (settling.open_count, len(settling), settling.open_files()) == (0, 0, ())


def test_what_is_gone_is_forgotten() -> None:
    settling = Settling(POLL, limit=10)
    settling.track(FILE, QUIET, now=0.0)
    assert settling.looked(b"a", None, now=1.0, is_open=closed) is None
    assert (len(settling), settling.next_look()) == (0, None)


def test_there_is_room_for_so_many_and_no_more() -> None:
    settling = Settling(POLL, limit=2)
    files = [replace(FILE, relative_path=name) for name in (b"a", b"b", b"c")]
    assert [settling.track(file, QUIET, now=0.0) for file in files] == [True, True, False]
    assert settling.track(replace(files[0], size_bytes=9), QUIET, now=0.0)
    settling.forget(b"a")
    assert settling.track(files[2], QUIET, now=0.0)


def test_each_file_is_due_once_an_interval_and_all_in_turn() -> None:
    settling = Settling(POLL, limit=1000)
    names = [f"{i}".encode() for i in range(10)]
    for name in names:
        settling.track(replace(FILE, relative_path=name), QUIET, now=0.0)
    assert settling.due(now=0.05, limit=100) == []
    assert settling.due(now=0.1, limit=4) == names[:4]
    assert settling.due(now=0.1, limit=100) == names[4:]
    assert settling.due(now=0.1, limit=100) == []
    assert settling.next_look() == 0.2


def test_many_files_are_looked_at_less_often_so_that_looking_stays_cheap() -> None:
    settling = Settling(POLL, limit=20_000)
    for i in range(20_000):
        settling.track(replace(FILE, relative_path=b"%d" % i), 1e9, now=0.0)
    looks = sum(len(settling.due(now=tick / 100, limit=1000)) for tick in range(1000))
    assert looks <= 10 * 20_000 + 20_000


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, int | None]]:
    """Draw when a file changes and its size from then on; None: it is deleted."""
    gaps = draw(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=12))
    moments = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    return [(moment, draw(st.none() | st.integers(0, 3))) for moment in moments]


@given(histories(), st.booleans())
def test_a_file_settles_exactly_when_it_has_been_left_alone_long_enough(
    history: list[tuple[float, int | None]], told_by_events: object
) -> None:
    settling = Settling(POLL, limit=10)
    settled: list[tuple[float, FoundFile]] = []
    changes = iter([*history, (float("inf"), None)])
    moment, size = next(changes)
    current: FoundFile | None = FILE
    last_change = 0.0
    settling.track(FILE, QUIET, now=0.0)
    for tick in range(int((history[-1][0] + QUIET + 1) * 100)):
        now = tick / 100
        while moment <= now:
            stamp = round(moment * 1e9)
            current = None if size is None else replace(FILE, size_bytes=size, mtime_ns=stamp, ctime_ns=stamp)
            last_change = now
            if current and (told_by_events or size == 0):
                settling.track(current, QUIET, now)
            moment, size = next(changes)
        for path in settling.due(now, limit=10):
            file = settling.looked(path, current, now, is_open=closed)
            if file:
                assert file == current
                assert now - last_change >= QUIET - 1e-6
                settled.append((now, file))
    assert len(set(settled)) == len(settled)
    if told_by_events:
        assert (current is None) or settled[-1][1] == current
        assert len(settling) == 0
