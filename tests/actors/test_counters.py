"""Counters: each event is counted once, where the metrics and the summary look for it."""

from dataclasses import replace

import pytest

from processor.actors.counters import Counters, Spread
from processor.domain.declarations import Declaration, Drift
from processor.domain.errors import SOURCE_CHANGED, SOURCE_FORBIDDEN, ErrorClass, Failure
from processor.domain.feeds import Feed, Feeds
from processor.domain.files import FileMetadata
from processor.domain.jobs import Job
from processor.ledger.records import Intake

JOB = Job("id", 7, FileMetadata(b"/in/a.bin", b"a.bin", 5, 1, 1), 1, 0)


def failure(code: str) -> Failure:
    return Failure(ErrorClass.TRANSIENT, code, "no")


def test_durations_are_counted_into_cumulative_buckets() -> None:
    spread = Spread()
    for seconds in (0.001, 0.005, 0.006, 9999.0):
        spread.add(seconds)
    buckets = dict(spread.buckets())
    assert (buckets["0.005"], buckets["0.01"], buckets["1800.0"], buckets["+Inf"]) == (2, 3, 3, 4)
    assert spread.total_seconds == pytest.approx(9999.012)


def test_found_files_count_and_known_ones_do_not_move_the_last_arrival() -> None:
    counters = Counters()
    counters.count_found(Intake(2, 1, 5), now_ms=100)
    counters.count_found(Intake(0, 0, 8), now_ms=200)
    assert (counters.files_new, counters.files_changed, counters.arrived_ms) == (2, 1, 100)


def test_a_delivery_counts_by_type_and_an_unchanged_file_apart() -> None:
    counters = Counters()
    counters.count_completed(JOB, 300, uploaded=True)
    counters.count_completed(JOB, 400, uploaded=False)
    assert (counters.completed["regular"], counters.completed_bytes["regular"]) == (1, 5)
    assert (counters.unchanged, counters.completed_ms) == (1, 300)


def test_failures_are_final_or_retries_never_both() -> None:
    counters = Counters()
    counters.count_failed(JOB, failure("csv.damaged"), final=False)
    counters.count_failed(JOB, failure("csv.damaged"), final=True)
    assert (counters.retries["csv.damaged"], counters.failed["csv.damaged"]) == (1, 1)


def test_a_file_that_goes_on_changing_is_restless_after_its_tries_until_it_ends() -> None:
    counters = Counters()
    for _ in range(3):
        assert counters.restless(tries=3) == {}
        counters.count_failed(JOB, failure(SOURCE_CHANGED), final=False)
    counters.count_failed(JOB, failure(SOURCE_CHANGED), final=False)
    assert counters.restless(tries=3) == {7: b"a.bin"}
    counters.count_completed(JOB, 1, uploaded=True)
    assert counters.stuck(tries=3) == {}


def test_who_may_not_be_read_or_is_open_is_not_waited_for() -> None:
    counters = Counters()
    counters.count_failed(JOB, failure(SOURCE_FORBIDDEN), final=False)
    counters.open[8] = b"b.bin"
    assert counters.restless(tries=3) == {8: b"b.bin"}
    assert counters.stuck(tries=3) == {7: b"a.bin", 8: b"b.bin"}
    counters.count_failed(replace(JOB), failure("source.gone"), final=True)
    assert counters.stuck(tries=3) == {8: b"b.bin"}


def test_what_is_known_of_feeds_begins_at_zero_and_is_not_set_back() -> None:
    counters = Counters()
    feeds = Feeds((Feed("orders", (), declaration=Declaration("", "")),))
    counters.know_feeds(feeds)
    assert dict(counters.feed_files) == {("orders", "completed"): 0, ("orders", "failed"): 0}
    assert {kind for _feed, kind, _column in counters.feed_drift} == set(Drift)
    counters.count_feed("orders", "completed")
    counters.count_feed(None, "completed")
    counters.know_feeds(feeds)
    assert counters.feed_files["orders", "completed"] == 1


def test_objects_and_the_lines_beside_them_add_up() -> None:
    counters = Counters()
    counters.count_stored(10)
    counters.count_stored(5)
    counters.count_beside(2, 1)
    assert (counters.objects, counters.object_bytes, counters.rejected_rows, counters.notes) == (2, 15, 2, 1)


def test_what_keeps_files_from_being_delivered_is_told_in_words() -> None:
    counters = Counters()
    assert counters.hindrances == ()
    counters.store_out, counters.store_problem, counters.ledger_full = True, "no answer", True
    assert counters.hindrances == ("the store is out: no answer", "there is no room for the ledger")
    counters.store_problem = ""
    assert counters.hindrances[0] == "the store is out"
