"""A worker's answer is data: nothing of it is executed, and what does not fit the promise is refused."""

import os
import pickle
import socket
import struct
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from processor.domain.conversion import Column
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.engine.replies import result
from processor.sandbox import channel
from processor.streams.worker_errors import WorkerBugError

FAILURE = Failure(ErrorClass.PERMANENT, "a.b", "text", "hint", 1.5)


def columns(_request: None) -> tuple[tuple[Column, ...], Failure | None]:
    return (Column("a", "BIGINT", 0, "why", None),), FAILURE


def nothing(_request: None) -> None:
    return None


def refuse(_request: None) -> None:
    raise DeliveryError(FAILURE)


def bloat(_request: None) -> None:
    raise MemoryError


def stumble(_request: None) -> None:
    raise ZeroDivisionError("a bug \udcff" + "x" * 10_000)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_what_a_function_returns_comes_back_in_its_own_types() -> None:
    assert result(columns, channel.answer(columns, None)) == columns(None)
    assert result(nothing, channel.answer(nothing, None)) is None


def test_what_a_function_raises_comes_back() -> None:
    with pytest.raises(DeliveryError) as refusal:
        result(refuse, channel.answer(refuse, None))
    assert refusal.value.failure == FAILURE
    with pytest.raises(MemoryError):
        result(bloat, channel.answer(bloat, None))
    with pytest.raises(WorkerBugError, match="ZeroDivisionError: a bug") as bug:
        result(stumble, channel.answer(stumble, None))
    assert len(str(bug.value)) <= channel.LONGEST_BUG


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/a-pickle-ran",)


@pytest.mark.parametrize(
    "message",
    [
        pickle.dumps(_Hostile()),
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"result": 1}',
        b'{"result": [[{"name": 1}], null]}',
        b'{"result": [[], {"code": "a.b"}]}',
        b'{"failure": 7}',
        b'{"failure": {"code": "a"}}',
        b'{"failure": {"error_class": "x", "code": "a", "message": "", "hint": "", "retry_after_seconds": null}}',
        b'{"bug": 7}',
        b'{"memory": 1.5}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_no_worker_of_ours_gives_is_an_error_and_nothing_else(message: bytes) -> None:
    with pytest.raises(channel.BrokenReplyError):
        result(columns, message)
    assert not os.path.exists("/tmp/a-pickle-ran")


def test_a_message_of_enormous_length_takes_no_memory(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(struct.pack(">I", 0xFFFFFFFF))
    tracemalloc.start()
    with pytest.raises(channel.BrokenReplyError, match="4294967295 bytes"):
        channel.receive(ours, 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_message_comes_whole_however_it_is_cut(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    sent = os.urandom(3 << 20)
    sender = threading.Thread(target=channel.send, args=(theirs, sent))
    sender.start()
    assert channel.receive(ours, 4 << 20) == sent
    sender.join()
    theirs.close()
    with pytest.raises(EOFError):
        channel.receive(ours, 4 << 20)
