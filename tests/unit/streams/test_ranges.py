"""A source whose bytes are served range by range over a socket."""

import os
import random
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.streams.ranges import PIECE_BYTES, FetchedSource, RangeServer

_CONTENT = random.Random(1).randbytes(2 * PIECE_BYTES + 12_345)


@contextmanager
def served(fetch: Callable[[int, int], bytes]) -> Iterator[tuple[FetchedSource, RangeServer]]:
    ours, theirs = socket.socketpair()
    arrived: Future[int] = Future()
    server = RangeServer(arrived, fetch)
    arrived.set_result(theirs.detach())
    source = FetchedSource("x", len(_CONTENT), ours)
    yield source, server
    source.close()
    server.join(10)
    assert not server.is_alive(), "it ends with the worker's end"


def of_content(offset: int, size: int) -> bytes:
    assert 0 < size <= PIECE_BYTES
    return _CONTENT[offset : offset + size]


def test_a_reader_sees_every_byte_once_and_in_order() -> None:
    with served(of_content) as (source, _), source.open() as reader:
        assert b"".join(iter(lambda: reader.read(100_000), b"")) == _CONTENT


def test_a_reader_seeks_from_the_start_from_here_and_from_the_end() -> None:
    with served(of_content) as (source, _), source.open() as reader:
        reader.seek(-100, os.SEEK_END)
        assert reader.read(200) == _CONTENT[-100:]
        reader.seek(PIECE_BYTES + 7)
        assert reader.read(10) == _CONTENT[PIECE_BYTES + 7 :][:10]
        reader.seek(-5, os.SEEK_CUR)
        assert reader.read(5) == _CONTENT[PIECE_BYTES + 12 :][:5]
        reader.seek(len(_CONTENT) + 10)
        assert reader.read(1) == b""
        with pytest.raises(OSError, match="before the first byte"):
            reader.seek(-1)


def test_readers_side_by_side_do_not_disturb_each_other() -> None:
    def read_all(_number: int) -> bytes:
        with source.open() as reader:
            return b"".join(iter(lambda: reader.read(70_000), b""))

    with served(of_content) as (source, _), ThreadPoolExecutor(4) as threads:
        assert all(content == _CONTENT for content in threads.map(read_all, range(4)))


def test_a_range_that_can_not_be_had_is_an_error_for_the_reader_and_its_reason_is_kept() -> None:
    failure = Failure(ErrorClass.OUTAGE, "store.unreachable", "no answer")

    def fetch(offset: int, size: int) -> bytes:
        if offset:
            raise DeliveryError(failure)
        return of_content(offset, size)

    with served(fetch) as (source, server), source.open() as reader:
        assert reader.read(10) == _CONTENT[:10]
        reader.seek(PIECE_BYTES)
        with pytest.raises(OSError, match="could not be fetched"):
            reader.read(10)
        assert server.failure is not None
        assert server.failure.failure == failure


def test_a_parent_that_is_gone_is_an_error_and_not_an_end() -> None:
    ours, theirs = socket.socketpair()
    source = FetchedSource("x", 10, ours)
    theirs.close()
    with source.open() as reader, pytest.raises(OSError, match=r"gone|Broken pipe"):
        reader.read(1)
    source.close()
