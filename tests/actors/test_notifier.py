"""The notifier: a real receiver takes events, refuses them, or never answers."""

import queue
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from processor.actors.messages import NoticesRefused, NoticesTaken
from processor.actors.notifier import Notifier
from processor.delivery.webhook import Webhook
from processor.domain.notices import EventType, Notice
from tests.actors.among_listeners import SECONDS
from tests.e2e.receiver import Receiver

DIED: "queue.SimpleQueue[tuple[str, BaseException]]" = queue.SimpleQueue()


@pytest.fixture
def told() -> "queue.SimpleQueue[Any]":
    return queue.SimpleQueue()


def notices(*ids: int) -> tuple[Notice, ...]:
    return tuple(Notice(id_, 0, EventType.COMPLETED, f"{id_}.bin", "{}") for id_ in ids)


def started(receiver: Receiver, tell: Callable[[Any], None], pause_seconds: float = 0.01) -> Notifier:
    notifier = Notifier(Webhook(receiver.url, "", "s3://bucket/"), pause_seconds)
    notifier.start(tell, lambda name, error: DIED.put((name, error)))
    return notifier


def test_what_the_receiver_took_is_told_with_its_last_number(told: "queue.SimpleQueue[Any]") -> None:
    receiver = Receiver()
    notifier = started(receiver, told.put)
    notifier.give(notices(3, 4))
    assert told.get(timeout=SECONDS) == NoticesTaken(4, 2)
    notifier.give(notices(5))
    assert told.get(timeout=SECONDS) == NoticesTaken(5, 1)
    assert [event["subject"] for event in receiver.taken] == ["3.bin", "4.bin", "5.bin"]
    assert len(receiver.requests) == 2
    notifier.stop()
    receiver.close()


def test_what_was_refused_is_sent_again_until_it_is_taken(told: "queue.SimpleQueue[Any]") -> None:
    receiver = Receiver(refuse=2)
    notifier = started(receiver, told.put)
    notifier.give(notices(1))
    refused = [told.get(timeout=SECONDS) for _ in range(2)]
    assert all(isinstance(each, NoticesRefused) and "500" in each.reason for each in refused)
    assert told.get(timeout=SECONDS) == NoticesTaken(1, 1)
    assert len(receiver.taken) == 1
    notifier.stop()
    receiver.close()


def test_a_stop_ends_the_waiting_for_a_receiver_that_refuses(told: "queue.SimpleQueue[Any]") -> None:
    receiver = Receiver(refuse=1000)
    notifier = started(receiver, told.put, pause_seconds=SECONDS * 2)
    notifier.give(notices(1))
    told.get(timeout=SECONDS)
    (thread,) = [each for each in threading.enumerate() if each.name == "notifier"]
    notifier.stop()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert told.empty()
    receiver.close()


def test_it_ends_when_progress_has_ended() -> None:
    receiver = Receiver()

    def tell(_message: Any) -> None:
        raise pykka.ActorDeadError

    notifier = started(receiver, tell)
    (thread,) = [each for each in threading.enumerate() if each.name == "notifier"]
    notifier.give(notices(1))
    thread.join(SECONDS)
    assert not thread.is_alive()
    receiver.close()


def test_a_bug_of_its_thread_is_told_as_its_death(told: "queue.SimpleQueue[Any]") -> None:
    receiver = Receiver()
    notifier = started(receiver, told.put)
    notifier.give((Notice(1, 0, EventType.COMPLETED, "a.bin", "no JSON"),))
    name, error = DIED.get(timeout=SECONDS)
    assert (name, isinstance(error, ValueError)) == ("notifier", True)
    receiver.close()
