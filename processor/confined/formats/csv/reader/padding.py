"""Leave out padding at the end; refuse NULs elsewhere.

Old programs end a text with Ctrl-Z, block devices fill it up with NULs. Both are certain at the very end only.
"""

import re
from collections.abc import Iterator

from processor.domain.errors import refused

_NUL = b"\0"
_TAIL = re.compile(rb"[\0\x1a][\0\x1a\r\n]*\Z")


def is_padded(chunk: bytes) -> bool:
    """Tell whether a piece of text may end in padding, or holds a NUL."""
    return _NUL in chunk or chunk[-1:] in (b"\x1a", _NUL) or chunk[-3:].rstrip(b"\r\n")[-1:] == b"\x1a"


def without_padding(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the text without the padding at its end. Raises DeliveryError `csv.nul`."""
    held, lines = b"", 0
    for chunk in chunks:
        text = held + chunk if held else chunk
        held = b""
        if is_padded(text) and (tail := _TAIL.search(text)):
            text, held = text[: tail.start()], text[tail.start() :]
        if (at := text.find(_NUL)) >= 0:
            raise _holds_nul(lines + text.count(b"\n", 0, at) + 1)
        lines += text.count(b"\n")
        yield text


def _holds_nul(line: int) -> Exception:
    return refused(
        "csv.nul",
        f"line {line} holds a NUL byte: a binary file, or UTF-16 that was cut apart?",
        "store the file as text; or set CSV_NOTES=recognise, which keeps such a byte as a character",
    )
