"""XML bytes as UTF-8 with line feeds, from any encoding.

XML 1.0 (4.3.3, appendix F) has the encoding in a byte order mark, in the declaration, or in the pattern of the first
bytes. Decoding is strict: a byte that the encoding does not have refuses the file. Line ends are normalised before
anything else looks (2.11), so all later readers agree on lines and columns.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from processor.confined.formats.unicode import as_utf8, marked_encoding, read_beginning
from processor.domain.errors import refused

FIRST_BYTES = 64 << 10
CHUNK_BYTES = 1 << 20

_PATTERNS = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(
    rb"""<\?xml[ \t\r\n][^>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z][A-Za-z0-9._-]*)["']"""
)
# Encodings in which the same bytes may mean several things, or which are not encodings of text documents at all.
_UNSAFE = frozenset(("utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"))
_HEAD_BYTES = 1024


def read_normalised(reader: BinaryIO) -> Iterator[bytes]:
    """Yield the document from `reader` as UTF-8 without byte order mark, in pieces of about a mebibyte.

    Raises DeliveryError (`xml.encoding`) for an unknown encoding and for bytes that the encoding does not have;
    UTF-8 is not checked here, as the parser does so.
    """
    head = read_beginning(reader, _HEAD_BYTES)
    encoding, mark_length = find_encoding(head)
    chunks = _chunks(reader, head[mark_length:])
    return _line_feeds_only(chunks if encoding == "utf-8" else as_utf8(chunks, encoding, "xml.encoding"))


def encoding_of(reader: BinaryIO) -> str:
    """Return the encoding that `read_normalised` would read with."""
    return find_encoding(read_beginning(reader, _HEAD_BYTES))[0]


def find_encoding(head: bytes) -> tuple[str, int]:
    """Return Python's name of the document's encoding and the length of the byte order mark."""
    marked, mark_bytes = marked_encoding(head)
    if marked:
        return _agreed(marked, head[mark_bytes:], "its byte order mark is that of"), mark_bytes
    for pattern, encoding in _PATTERNS:
        if head.startswith(pattern):
            return _agreed(encoding, head, "its first bytes are"), 0
    match = _DECLARED.match(head)
    return (_known(match[1].decode("ascii")), 0) if match else ("utf-8", 0)


def _agreed(encoding: str, head: bytes, evidence: str) -> str:
    """Return `encoding`, which the bytes show, unless the declaration names another one: a fatal error (4.3.3)."""
    match = _DECLARED.match(head.decode(encoding, "ignore").encode())
    if match:
        declared = match[1].decode("ascii")
        with suppress(LookupError):  # of a name that is not known the bytes tell enough
            name = codecs.lookup(declared).name
            if name not in ("ascii", "utf-8") if encoding == "utf-8" else not encoding.startswith(name):
                family = encoding.removesuffix("-le").removesuffix("-be").upper()
                raise refused(
                    "xml.encoding",
                    f"the file declares {declared!r}, but {evidence} {family}",
                    "correct the declaration",
                )
    return encoding


def _known(declared: str) -> str:
    try:
        codec = codecs.lookup(declared)
        "".encode(codec.name)
    except LookupError:
        codec = None
    if codec is None or codec.name in _UNSAFE:
        raise refused("xml.encoding", f"the encoding {declared!r} is not known", "store the file as UTF-8")
    if codec.name.startswith(("utf-16", "utf-32")):
        # Neither mark nor pattern: the declaration itself was legible as ASCII, so it is wrong.
        raise refused("xml.encoding", f"the file declares {declared!r} but is not written so", "store it as UTF-8")
    return "utf-8" if codec.name in ("utf-8", "utf_8_sig", "ascii") else codec.name


def _chunks(reader: BinaryIO, head: bytes) -> Iterator[bytes]:
    yield head + read_beginning(reader, FIRST_BYTES)  # enough to judge by, soon
    while chunk := reader.read(CHUNK_BYTES):
        yield chunk


def _line_feeds_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        text = held + chunk if held else chunk
        held = b""
        if b"\r" in text:
            if text.endswith(b"\r"):
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if text:
            yield text
    if held:
        yield b"\n"
