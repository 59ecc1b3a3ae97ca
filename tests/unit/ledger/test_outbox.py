"""The outbox: order, bounds, numbers that are never used again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from processor.domain.notices import DROPPED_TOGETHER, MOST_BYTES, MOST_EVENTS, MOST_WAITING, EventType
from processor.ledger.writer import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "progress.db", b"/watched")) as opened:
        yield opened


def _enter(ledger: Ledger, number: int, text: str = "") -> None:
    ledger.notice(EventType.COMPLETED, str(number), {"text": text}, number)


def test_events_come_in_order_in_bounded_batches_and_go_when_they_were_taken(ledger: Ledger) -> None:
    for number in range(MOST_EVENTS + 50):
        _enter(ledger, number)
    assert ledger.outbox() == (MOST_EVENTS + 50, 0)
    first = ledger.waiting_notices()
    assert [each.subject for each in first] == [str(number) for number in range(MOST_EVENTS)]
    assert ledger.waiting_notices() == first, "until they were taken"
    ledger.notices_sent(first[-1].id)
    assert [each.subject for each in ledger.waiting_notices()] == [str(number) for number in range(100, 150)]
    assert ledger.outbox() == (50, 100)


def test_a_batch_has_few_bytes_but_at_least_one_event(ledger: Ledger) -> None:
    for number in range(4):
        _enter(ledger, number, "x" * (MOST_BYTES // 2 + number * MOST_BYTES))
    sizes = []
    while notices := ledger.waiting_notices():
        sizes.append(len(notices))
        ledger.notices_sent(notices[-1].id)
    assert sizes == [1, 1, 1, 1]
    assert ledger.outbox() == (0, 0)


def test_a_number_is_not_used_again_when_all_were_taken(ledger: Ledger) -> None:
    _enter(ledger, 1)
    (before,) = ledger.waiting_notices()
    ledger.notices_sent(before.id)
    _enter(ledger, 2)
    (after,) = ledger.waiting_notices()
    assert after.id > before.id


def test_at_the_bound_the_oldest_are_dropped_and_that_is_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_WAITING > 10 * DROPPED_TOGETHER
    monkeypatch.setattr("processor.ledger.outbox.MOST_WAITING", 2000)
    for number in range(2500):
        _enter(ledger, number)
    waiting, oldest = ledger.outbox()
    assert waiting <= 2001
    assert oldest == DROPPED_TOGETHER
    told = []
    while notices := ledger.waiting_notices():
        told += [(each.type, each.subject or each.data) for each in notices]
        ledger.notices_sent(notices[-1].id)
    assert (EventType.LOST, '{"count":1000}') in told
    kept = [subject for type_, subject in told if type_ == EventType.COMPLETED]
    assert kept == [str(number) for number in range(1000, 2500)]
