"""Leave out padding at the end; refuse NULs elsewhere.

Old programs end a text with Ctrl-Z, block devices fill it up with NULs. Both are certain at the very end only. A byte
order mark at the beginning of a later line tells that files were joined.
"""

import codecs
import re
from collections.abc import Iterator

from processor.domain.errors import refused

_NUL = b"\0"
_MARK = b"\n" + codecs.BOM_UTF8
_CUT_MARKS = (_MARK[:2], _MARK[:3])
_TAIL = re.compile(rb"[\0\x1a][\0\x1a\r\n]*\Z")


def is_irregular(chunk: bytes) -> bool:
    """Tell whether a piece of text may end in padding, or holds a NUL, or the mark of another file."""
    if _NUL in chunk or chunk[-1:] in (b"\x1a", _NUL) or chunk[-3:].rstrip(b"\r\n")[-1:] == b"\x1a":
        return True
    if chunk.isascii():
        return False  # told fastest
    return _MARK in chunk or chunk.startswith(codecs.BOM_UTF8) or chunk.endswith(_CUT_MARKS)


def without_padding(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the text without the padding at its end. Raises DeliveryError `csv.nul`, `csv.not-one-table`."""
    held, line, before = b"", 1, b"\n"
    for chunk in chunks:
        text = held + chunk if held else chunk
        held = b""
        if is_irregular(text) and (tail := _TAIL.search(text)):
            text, held = text[: tail.start()], text[tail.start() :]
        if (at := text.find(_NUL)) >= 0:
            raise _holds_nul(line + text.count(b"\n", 0, at))
        if (at := (joined := before + text).find(_MARK)) >= 0:
            raise _holds_mark(line - before.count(b"\n") + joined.count(b"\n", 0, at + 1))
        line += text.count(b"\n")
        before = joined[-len(_MARK) + 1 :]
        yield text


def _holds_nul(line: int) -> Exception:
    return refused(
        "csv.nul",
        f"line {line} holds a NUL byte: a binary file, or UTF-16 that was cut apart?",
        "store the file as text; or set CSV_NOTES=recognise, which keeps such a byte as a character",
    )


def _holds_mark(line: int) -> Exception:
    return refused(
        "csv.not-one-table",
        f"line {line} begins with a byte order mark, as only a file does: two files in one?",
        "split the file, or remove the mark; or set CSV_NOTES=recognise, which keeps it as a character",
    )
