"""A source for a reader that opens a descriptor itself."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.streams.feed import fed_pipe, readable_fd
from processor.streams.source import BytesSource, open_file


def read(fd: int, size: int = -1) -> bytes:
    with Path(f"/dev/fd/{fd}").open("rb") as file:
        return file.read(size)


def test_a_plain_file_is_handed_over_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    with open_file(bytes(tmp_path), b"x") as source, readable_fd(source) as fd:
        assert fd == source.path_fd
        assert read(fd) == b"content"


def test_what_is_no_file_comes_through_a_pipe() -> None:
    data = os.urandom(3_000_000)
    with readable_fd(BytesSource("x", data)) as fd:
        assert read(fd) == data


def test_a_reader_may_leave_before_the_end() -> None:
    with readable_fd(BytesSource("x", bytes(3_000_000))) as fd:
        assert read(fd, 10) == bytes(10)


def test_a_source_that_fails_in_the_middle_fails_its_reader_in_the_end() -> None:
    class Damaged(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 300_000:
                raise ValueError("damaged")
            return super().read(size)

    class DamagedSource(BytesSource):
        def open(self) -> Damaged:
            return Damaged(self.data)

    with pytest.raises(ValueError, match="damaged"), readable_fd(DamagedSource("x", bytes(1_000_000))) as fd:
        assert len(read(fd)) < 1_000_000


def test_what_failed_the_pieces_is_raised_not_what_the_reader_made_of_it() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half a "
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged") as raised, fed_pipe(pieces()) as fd:
        raise RuntimeError(f"not whole: {read(fd)!r}")
    assert str(raised.value.__cause__) == "not whole: b'half a '"
