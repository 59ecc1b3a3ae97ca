"""Sparse tar files: restore the holes as zeros."""

from collections.abc import Iterator

from processor.confined.archives.byte_stream import ByteStream
from processor.confined.archives.codecs import PIECE_BYTES
from processor.confined.archives.entry import Pieces
from processor.confined.archives.errors import bad_member
from processor.confined.archives.tar.header import BLOCK, Extent, cut_off
from processor.domain.errors import DeliveryError

_ZEROS = bytes(PIECE_BYTES)
_MOST_EXTENTS = 1 << 20
_LONGEST_NUMBER = 20  # digits of 2^64


def content(stream: ByteStream, size: int) -> Pieces:
    """Yield the next `size` bytes. Raises BrokenArchiveError when the archive ends before."""
    left = size
    while left:
        piece = stream.some(min(left, PIECE_BYTES))
        if not piece:
            raise cut_off(stream.position)
        left -= len(piece)
        yield piece


def sparse_content(stream: ByteStream, stored: int, extents: list[Extent] | None, real_size: int) -> Pieces:
    """Yield a sparse file of `real_size` bytes whose entry has `stored` bytes of data.

    Without `extents` the data begin with a map of them (GNU's format 1.0). Raises DeliveryError for a map that does
    not fit the data.
    """
    if extents is None:
        start = stream.position
        extents = _read_map(stream, stored)
        stored -= stream.position - start
    if sum(count for _, count in extents) != stored:
        raise _bad_map("does not fit the data")
    place = 0
    for offset, count in extents:
        if offset < place or offset + count > real_size:
            raise _bad_map("has pieces that overlap or lie outside the file")
        yield from _hole(offset - place)
        yield from content(stream, count)
        place = offset + count
    yield from _hole(real_size - place)


def _hole(size: int) -> Iterator[bytes]:
    while size:
        piece = _ZEROS if size >= PIECE_BYTES else _ZEROS[:size]
        size -= len(piece)
        yield piece


def _read_map(stream: ByteStream, stored: int) -> list[Extent]:
    """Return the extents that stand, as decimal lines, in whole blocks before the data."""
    lines: list[bytes] = []
    rest, wanted, left = b"", 1, stored
    while len(lines) < wanted:
        if left < BLOCK:
            raise _bad_map("is longer than its file")
        rest += b"".join(content(stream, BLOCK))
        left -= BLOCK
        *whole, rest = rest.split(b"\n")
        lines += whole
        if any(not line.isdigit() or len(line) > _LONGEST_NUMBER for line in lines[:wanted][-len(whole) :]):
            raise _bad_map("is damaged")
        if len(rest) > BLOCK or (lines and int(lines[0]) > _MOST_EXTENTS):
            raise _bad_map("is too large")
        if lines:
            wanted = 1 + 2 * int(lines[0])
    numbers = [int(line) for line in lines[1:wanted]]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _bad_map(what: str) -> DeliveryError:
    return bad_member("sparse", f"the map of a sparse file {what}")
