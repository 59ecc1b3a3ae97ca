"""A text on many pipes: every byte arrives in its order, whoever reads may leave, a failure is never overlooked."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.confined.formats.csv.feed import multi_pipe
from processor.confined.formats.csv.feed.multi_pipe import RelayError, relayed
from processor.confined.formats.csv.reader.uniformity import StructureCheck
from processor.confined.formats.dialect import Dialect

KERNEL_BYTES = 64 << 10  # what a pipe holds that nobody reads
SHARE, BUFFER = 3 * KERNEL_BYTES, 4 * KERNEL_BYTES
PIECE = 10_000
TEXT = b"".join(b"%d,%s\n" % (number, b"x" * (number % 997)) for number in range(6000))


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_pipe, "SHARE_BYTES", SHARE)
    monkeypatch.setattr(multi_pipe, "BUFFER_BYTES", BUFFER)
    monkeypatch.setattr(multi_pipe, "_SMALLEST_BYTES", SHARE - PIECE)


def pieces(text: bytes = TEXT) -> Iterator[bytes]:
    for at in range(0, len(text), PIECE):
        yield text[at : at + PIECE]


def behind_a_line(piece: bytes) -> int:
    return piece.rfind(b"\n") + 1


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size_bytes", [len(TEXT), 0, 10 * len(TEXT), None], ids=["right", "less", "more", "unknown"])
def test_the_shares_are_whole_rows_and_together_the_text(size_bytes: int | None) -> None:
    before = open_descriptors()
    with relayed(pieces(), behind_a_line, size_bytes, threads=2) as paths:
        shares = [Path(path).read_bytes() for path in paths]
    assert b"".join(shares) == TEXT
    assert all(share.endswith(b"\n") for share in shares if share)
    if size_bytes != 0:
        assert all(len(share) < BUFFER for share in shares)
        assert len({*paths}) < len([share for share in shares if share]), "names come round again"
    assert open_descriptors() == before


def read_all(pieces: Iterator[bytes], place: int) -> None:
    with relayed(pieces, lambda _piece: place, len(TEXT), threads=2) as paths:
        for path in paths:
            Path(path).read_bytes()


def test_a_text_that_can_not_be_cut_is_refused() -> None:
    before = open_descriptors()
    with pytest.raises(RelayError):
        read_all(pieces(), 0)
    assert open_descriptors() == before


def test_a_failure_of_the_pieces_is_raised_on_leaving() -> None:
    def failing() -> Iterator[bytes]:
        yield TEXT[:PIECE]
        raise OSError("the archive is gone")

    with pytest.raises(OSError, match="the archive is gone"):
        read_all(failing(), PIECE)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_reader_may_leave_before_the_end(taken: int) -> None:
    before = open_descriptors()
    with relayed(pieces(), behind_a_line, len(TEXT), threads=2) as paths:
        for path in paths[:taken]:
            Path(path).read_bytes()
        with open(paths[taken], "rb", buffering=0) as pipe:
            assert pipe.read(1)
    assert open_descriptors() == before


def test_a_reader_that_reads_no_share_to_its_end_does_not_hold_up_one_that_waits_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multi_pipe, "_STALLED_SECONDS", 0.05)

    def read_the_second() -> None:
        with relayed(pieces(), behind_a_line, len(TEXT), threads=2) as paths, open(paths[0], "rb", buffering=0):
            Path(paths[1]).read_bytes()

    with pytest.raises(RelayError, match="nobody reads"):
        read_the_second()


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (b"1,2\n3,4\n5", b"5"),
        (b'1,"2"\n"3\n4', b'"3\n4'),
        (b'1,"2\n2"\n3,"4\n""\n', b'3,"4\n""\n'),
        (b'1,"2\n2"\n3,4\n', b""),
        (b"1,2\r\n3,4\r", b"3,4\r"),
        (b'1,"2"', None),
    ],
)
def test_a_row_begins_behind_the_last_line_ending_outside_of_quotes(text: bytes, rest: bytes | None) -> None:
    first = b"1,2\r\n" if b"\r" in text else b"1,2\n"
    check = StructureCheck(Dialect(), 2, 0)
    assert check.add(first)
    assert check.add(text)
    place = check.behind_a_row(text)
    assert (text[place:] if place else None) == rest
