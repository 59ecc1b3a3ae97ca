"""What becomes of a failure."""

import random

from hypothesis import given
from hypothesis import strategies as st

from processor.domain.errors import SOURCE_CHANGED, SOURCE_FORBIDDEN, WORKER_CRASHED, ErrorClass, Failure
from processor.domain.retry import GiveUp, RetryPolicy, TryAgain

POLICY = RetryPolicy(max_retries=3, delay_seconds=1.0)
CHANCE = random.Random(1)


def failure(error_class: ErrorClass, retry_after: float | None = None) -> Failure:
    return Failure(error_class, "x", "x", "", retry_after)


def test_a_permanent_failure_is_final_at_once() -> None:
    assert POLICY.decide(failure(ErrorClass.PERMANENT), 1, CHANCE) == GiveUp()


def test_a_transient_failure_is_tried_max_retries_times_more() -> None:
    decisions = [POLICY.decide(failure(ErrorClass.TRANSIENT), tries, CHANCE) for tries in range(1, 5)]
    assert [isinstance(decision, TryAgain) for decision in decisions] == [True, True, True, False]


@given(st.sampled_from([ErrorClass.OUTAGE, ErrorClass.THROTTLED]), st.integers(1, 10_000))
def test_trouble_of_the_store_costs_no_file_a_try(error_class: ErrorClass, tries: int) -> None:
    decision = POLICY.decide(failure(error_class), tries, CHANCE)
    assert isinstance(decision, TryAgain)
    assert not decision.counts


@given(st.integers(1, 3), st.integers())
def test_the_wait_doubles_at_most_and_honours_the_stores_word(tries: int, seed: int) -> None:
    decision = POLICY.decide(failure(ErrorClass.TRANSIENT), tries, random.Random(seed))
    assert isinstance(decision, TryAgain)
    assert 0 <= decision.delay_seconds <= 2 ** (tries - 1)
    asked = POLICY.decide(failure(ErrorClass.TRANSIENT, 30.0), tries, random.Random(seed))
    assert isinstance(asked, TryAgain)
    assert asked.delay_seconds >= 30.0


@given(st.integers(1, 10_000), st.sampled_from([SOURCE_CHANGED, SOURCE_FORBIDDEN]))
def test_a_file_that_somebody_writes_on_or_that_may_not_be_read_is_never_given_up(tries: int, code: str) -> None:
    decision = POLICY.decide(Failure(ErrorClass.TRANSIENT, code, "x"), tries, CHANCE)
    assert isinstance(decision, TryAgain)
    assert not decision.counts


def test_a_second_crash_of_the_parser_is_the_files_fault() -> None:
    crash = Failure(ErrorClass.INFRASTRUCTURE, WORKER_CRASHED, "x")
    assert isinstance(POLICY.decide(crash, 1, CHANCE), TryAgain)
    assert POLICY.decide(crash, 2, CHANCE) == GiveUp()
    assert RetryPolicy(max_retries=0, delay_seconds=1.0).decide(crash, 1, CHANCE) == GiveUp()
