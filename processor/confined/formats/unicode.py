"""Byte order marks, and decoding to UTF-8."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from processor.domain.errors import refused

# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def marked_encoding(head: bytes) -> tuple[str, int]:
    """Return the encoding that a text's byte order mark names, and the mark's length; "" and 0 where it has none."""
    return next(((name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), ("", 0))


def read_beginning(reader: BinaryIO, size: int) -> bytes:
    """Return the next `size` bytes, fewer only at the end: a pipe gives them in pieces."""
    pieces = b""
    while len(pieces) < size and (piece := reader.read(size - len(pieces))):
        pieces += piece
    return pieces


def as_utf8(chunks: Iterator[bytes], encoding: str, refusal: str) -> Iterator[bytes]:
    """Yield `chunks` of text, which has no mark, as UTF-8.

    Raises DeliveryError with the code `refusal` for a byte that the encoding does not have.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise refused(refusal, f"the file is not valid {encoding}: {error}", "store it as UTF-8") from error
