"""The object stream: what is written is read back, and nothing else is believed."""

import io
import os
import select
import struct
import threading
import tracemalloc
from typing import BinaryIO, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.domain.conversion import Column, Receipt
from processor.domain.errors import ErrorClass, Failure
from processor.streams.frames import (
    Bad,
    Begin,
    BrokenStreamError,
    Content,
    Data,
    End,
    EndOfStream,
    Failed,
    Frame,
    FrameWriter,
    Proved,
    Restart,
    Skipped,
    read_frames,
)

FAILURE = Failure(ErrorClass.PERMANENT, "a.b", "text \u00e9", "hint", 1.5)
RECEIPT = Receipt(2, (Column("a", "BIGINT", 0, "why", "A"),), 1, (("encoding", "utf-8"),))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.binary(max_size=30)

OBJECTS = st.builds(
    lambda begin, data, restart, end: [begin, *data, *([Restart(), *data] if restart else []), end],
    st.builds(Begin, st.integers(-1, 9), NAMES, st.sampled_from(Content), TEXTS, raw_name=NAMES, again=st.booleans()),
    st.lists(st.one_of(st.builds(Data, st.binary(min_size=1, max_size=100)), st.just(Proved())), max_size=3),
    st.booleans(),
    st.one_of(
        st.builds(End, st.integers(0, 2**60), st.just("ab" * 32), st.sampled_from([None, RECEIPT]), st.booleans()),
        st.builds(Bad, st.integers(0, 9), NAMES, st.just(FAILURE)),
    ),
)
ALONE = st.one_of(
    st.builds(Bad, st.integers(0, 9), NAMES, st.just(FAILURE)),
    st.builds(Skipped, st.integers(0, 9), NAMES, TEXTS),
    st.just(Proved()),
).map(lambda frame: [frame])
LAST = st.sampled_from([EndOfStream(3), Failed(FAILURE)])
STREAMS = st.tuples(st.lists(st.one_of(OBJECTS, ALONE), max_size=4), LAST).map(
    lambda parts: [frame for each in parts[0] for frame in each] + [parts[1]]
)


def encoded(frames: list[Frame]) -> bytes:
    read_end, write_end = os.pipe()
    collected: list[bytes] = []

    def collect() -> None:
        with os.fdopen(read_end, "rb") as pipe:
            collected.append(pipe.read())

    reader = threading.Thread(target=collect)
    reader.start()
    writer = FrameWriter(write_end)
    for frame in frames:
        writer.write(frame)
    os.close(write_end)
    reader.join()
    return collected[0]


@given(STREAMS)
def test_a_stream_is_read_back_as_it_was_written(frames: list[Frame]) -> None:
    assert list(read_frames(io.BytesIO(encoded(frames)))) == frames


@given(STREAMS, st.data())
def test_a_stream_that_is_cut_off_anywhere_is_never_complete(frames: list[Frame], data: st.DataObject) -> None:
    whole = encoded(frames)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BrokenStreamError):
        list(read_frames(io.BytesIO(whole[:cut])))


@given(st.binary(max_size=200))
def test_noise_is_refused_and_never_crashes_the_reader(noise: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        list(read_frames(io.BytesIO(noise)))


def test_large_data_is_split_and_arrives_whole() -> None:
    payload = os.urandom(3_500_000)
    frames = [Begin(-1, b"", Content.AS_IS), Data(payload), End(len(payload), "00" * 32), EndOfStream(1)]
    read = list(read_frames(io.BytesIO(encoded(frames))))
    assert b"".join(frame.data for frame in read if isinstance(frame, Data)) == payload


@pytest.mark.parametrize(
    "frames",
    [
        [Data(b"x")],
        [Begin(0, b"", Content.AS_IS), EndOfStream(0)],
        [End(0, "00" * 32)],
        [Begin(0, b"", Content.AS_IS), Begin(1, b"", Content.AS_IS)],
        [Restart()],
    ],
)
def test_frames_out_of_order_are_refused(frames: list[Frame]) -> None:
    with pytest.raises(BrokenStreamError):
        list(read_frames(io.BytesIO(encoded(frames))))


def test_a_small_object_is_written_in_one_piece_and_a_large_one_does_not_wait_for_its_end() -> None:
    read_end, write_end = os.pipe2(os.O_NONBLOCK)
    try:
        writer = FrameWriter(write_end)
        for data, waits in ((b"small", True), (b"l" * 40_000, False)):
            writer.write(Begin(0, b"", Content.AS_IS))
            writer.write(Data(data))
            assert bool(select.select([read_end], [], [], 0)[0]) is not waits
            writer.write(End(len(data), "00" * 32))
            assert data in os.read(read_end, 1 << 16)
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_receipt_of_the_widest_table_is_read_back_whole() -> None:
    columns = tuple(Column(f"column {n} " * 5, "VARCHAR", n, "why " * 20, None) for n in range(20_000))
    frames = [Begin(-1, b"", Content.PARQUET), End(1, "ab" * 32, Receipt(1, columns)), EndOfStream(1)]
    assert list(read_frames(io.BytesIO(encoded(frames)))) == frames


@pytest.mark.parametrize("kind", range(256))
def test_a_frame_of_enormous_length_takes_no_memory(kind: int) -> None:
    class Endless(io.RawIOBase):
        """As long as it is asked for; asking for much is the failure."""

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= 5, f"{size} bytes were asked for"
            return struct.pack(">BI", kind, 0xFFFFFFFF)

    with pytest.raises(BrokenStreamError, match="4294967295 bytes"):
        list(read_frames(cast(BinaryIO, Endless())))


def test_columns_without_end_are_an_error_before_they_are_much_memory() -> None:
    column = {"name": "n" * 1000, "type": "VARCHAR", "null_count": 0, "reason": "", "original_name": None}
    payload = orjson.dumps([column] * 900)
    frame = struct.pack(">BI", 10, len(payload)) + payload
    begin = encoded([Begin(-1, b"", Content.PARQUET), Data(bytes(64 << 10))])
    tracemalloc.start()
    with pytest.raises(BrokenStreamError, match="too many columns"):
        list(read_frames(cast(BinaryIO, io.BufferedReader(_Repeated(begin, frame)))))
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


class _Repeated(io.RawIOBase):
    """One beginning, then the same bytes for ever."""

    def __init__(self, begin: bytes, again: bytes) -> None:
        self._left = begin
        self._again = again

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        self._left = self._left or self._again
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size
