"""Decompress one zstd frame at a time (RFC 8878).

zstandard's own stream reader takes a cut-off frame for the end of the data, and its decompressobj gives out all that a
piece of input makes, which may be 30,000 times as much. Handed one block at a time it gives at most 128 KiB; so this
class walks from block to block, and by that it also knows where the frame ends.
"""

from collections.abc import Generator

import zstandard

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte of 0x50 to 0x5f
_DICTIONARY_ID_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)
_RLE, _RESERVED = 1, 3
_LONGEST_BLOCK_BYTES = 128 << 10


class ZstdFrame:
    """Decompresses one frame, skippable ones to nothing; used like a bz2.BZ2Decompressor.

    Raises ValueError where there is no frame, zstandard.ZstdError where one is damaged.
    """

    def __init__(self, memory_bytes: int) -> None:
        window = 1 << (memory_bytes.bit_length() - 1)
        self._decoder = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
        self._input, self._place = b"", 0
        self._made: list[bytes] = []
        self._walk = self._frame()
        self._wanted = next(self._walk)
        self.eof = False

    @property
    def needs_input(self) -> bool:
        """Tell whether nothing more comes without more input."""
        return not self.eof and len(self._input) - self._place < self._wanted

    @property
    def unused_data(self) -> bytes:
        """Return the input behind the end of the frame."""
        return self._input[self._place :] if self.eof else b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return what `data` adds, whole blocks until there are `max_length` bytes or more."""
        if data:
            self._input, self._place = self._input[self._place :] + data, 0
        size = 0
        while not self.eof and not self.needs_input and size < max_length:
            piece = self._input[self._place : self._place + self._wanted]
            self._place += self._wanted
            try:
                self._wanted = self._walk.send(piece)
            except StopIteration:
                self.eof = True
            size = sum(map(len, self._made))
        made, self._made = self._made, []
        return b"".join(made)

    def _frame(self) -> Generator[int, bytes, None]:
        """Yield the length of each next piece of the frame and receive the piece."""
        magic = yield 4
        if magic[1:] == _SKIPPABLE and magic[0] & 0xF0 == 0x50:  # noqa: PLR2004
            yield from _pass_over(int.from_bytes((yield 4), "little"))
            return
        if magic != _MAGIC:
            raise ValueError("no zstd frame")
        descriptor = yield 1
        self._make(magic + descriptor + (yield _header_bytes(descriptor[0])))
        last = False
        while not last:
            block = yield 3
            word = int.from_bytes(block, "little")
            last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
            if kind == _RESERVED or size > _LONGEST_BLOCK_BYTES:
                raise ValueError("a zstd block with an impossible header")
            self._make(block + (yield 1 if kind == _RLE else size))
        if descriptor[0] & 4:
            self._make((yield 4))
        if not self._decoder.eof:
            raise ValueError("a zstd frame that does not end where its blocks do")

    def _make(self, piece: bytes) -> None:
        made = self._decoder.decompress(piece)
        if made:
            self._made.append(made)


def _pass_over(size: int) -> Generator[int, bytes, None]:
    while size:
        step = min(size, _LONGEST_BLOCK_BYTES)
        yield step
        size -= step


def _header_bytes(descriptor: int) -> int:
    """Return how long the frame header is behind its descriptor: window, dictionary id, content size."""
    single_segment = descriptor >> 5 & 1
    content_size = _CONTENT_SIZE_BYTES[descriptor >> 6] or single_segment
    return 1 - single_segment + _DICTIONARY_ID_BYTES[descriptor & 3] + content_size
