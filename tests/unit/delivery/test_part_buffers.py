import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.delivery.part_buffers import PartBuffer, PartSender
from processor.domain.uploads import Part, completion_metadata, part_size_for, source_path


@given(st.lists(st.binary(max_size=400)), st.integers(1, 1000), st.none() | st.integers(0, 2000))
def test_a_buffer_holds_what_it_took(pieces: list[bytes], capacity: int, expected: int | None) -> None:
    buffer = PartBuffer(capacity, expected)
    taken = b""
    for piece in pieces:
        size = buffer.take(memoryview(piece))
        taken += piece[:size]
    assert bytes(buffer.view()) == taken == b"".join(pieces)[:capacity]
    assert buffer.full == (len(taken) == capacity)


def test_a_view_stays_what_it_was_while_the_buffer_grows() -> None:
    buffer = PartBuffer(1000, 10)
    buffer.take(memoryview(b"0123456789"))
    view = buffer.view()
    buffer.take(memoryview(b"x" * 500))
    assert bytes(view) == b"0123456789"


@pytest.mark.parametrize("in_flight", [2, 3])
def test_no_more_parts_are_in_flight_than_allowed_and_buffers_are_bounded(in_flight: int) -> None:
    busy, peak, buffers = 0, 0, []
    lock = threading.Lock()

    def send(number: int, buffer: PartBuffer) -> Part:
        nonlocal busy, peak
        with lock:
            busy += 1
            peak = max(peak, busy)
        size = len(bytes(buffer.view()))
        with lock:
            busy -= 1
        return Part(number, size, "", "")

    def new_buffer() -> PartBuffer:
        buffers.append(PartBuffer(10))
        return buffers[-1]

    sender = PartSender(send, new_buffer, in_flight)
    buffer = PartBuffer(10)
    for number in range(1, 51):
        buffer.take(memoryview(b"x" * (number % 10)))
        buffer = sender.submit(number, buffer)
        assert buffer.filled_bytes == 0
    parts = sender.drain()
    sender.close()
    assert [(part.number, part.size_bytes) for part in parts] == [(n, n % 10) for n in range(1, 51)]
    assert peak <= in_flight
    assert len(buffers) <= in_flight


def test_a_part_that_fails_is_raised_to_the_producer() -> None:
    def send(number: int, _: PartBuffer) -> Part:
        raise OSError(number)

    sender = PartSender(send, lambda: PartBuffer(10), 2)
    buffer = sender.submit(1, PartBuffer(10))

    def go_on() -> None:
        sender.submit(2, buffer)
        sender.drain()

    with pytest.raises(OSError, match="1"):
        go_on()
    sender.close()


@given(st.binary(max_size=500))
def test_the_source_s_path_survives_metadata_of_ascii(path: bytes) -> None:
    metadata = completion_metadata(path, "00")
    assert all(value.isascii() and value.isprintable() for value in metadata.values())
    assert source_path(metadata) == path


def test_a_path_too_long_for_metadata_is_left_to_the_manifest() -> None:
    metadata = completion_metadata(b"\xff" * 4000, "00")
    assert source_path(metadata) is None
    assert sum(len(name) + len(value) for name, value in metadata.items()) < 2048


def test_parts_grow_only_when_ten_thousand_would_not_do() -> None:
    assert part_size_for(None) == part_size_for(10_000 * 8 * 1024 * 1024) == 8 * 1024 * 1024
    size = 5 * 1024**4
    assert -(-size // part_size_for(size)) <= 10_000
