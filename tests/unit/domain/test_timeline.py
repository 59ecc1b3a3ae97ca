"""Times of a file's way: what is passed, written, and read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.timeline import (
    NO_TIMELINE,
    Milestone,
    Timeline,
    timeline_fields,
    timeline_from,
    timeline_of_fields,
)

AT = 1_790_000_000_000
_times = st.lists(st.none() | st.integers(AT, AT + 10**9), max_size=len(Milestone)).map(tuple)


def test_milestones_are_told_in_order_with_what_each_took() -> None:
    way = Timeline((AT, AT + 2000)).reached(Milestone.BEGUN, AT + 2005).reached(Milestone.STORED, AT + 2100)
    passed = [(each.milestone, each.at_ms - AT, each.milliseconds) for each in way.passed()]
    assert passed == [
        (Milestone.SEEN, 0, 0),
        (Milestone.WHOLE, 2000, 2000),
        (Milestone.BEGUN, 2005, 5),
        (Milestone.STORED, 2100, 95),
    ]


def test_another_try_forgets_how_far_the_one_before_came() -> None:
    way = Timeline((AT, AT)).reached(Milestone.BEGUN, AT + 1).reached(Milestone.STORED, AT + 9)
    assert way.reached(Milestone.BEGUN, AT + 50).times == (AT, AT, AT + 50)


@given(_times)
def test_what_is_written_is_read_again_and_is_short(times: tuple[int | None, ...]) -> None:
    way = Timeline(times)
    assert timeline_from(way.encoded()).times == times or not any(times)
    assert len(way.encoded()) <= 100
    assert list(timeline_of_fields(timeline_fields(way)).passed()) == list(way.passed())


def test_nothing_is_known_of_files_of_earlier_versions() -> None:
    assert timeline_from(None) == timeline_from("") == NO_TIMELINE
    assert list(timeline_of_fields({}).passed()) == []


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        timeline_of_fields({"seen": "yesterday"})
