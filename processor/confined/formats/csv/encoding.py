"""Decide a text's encoding over all bytes; yield UTF-8.

A byte-order mark decides; then zero bytes at every other place (UTF-16); then strict UTF-8. What is none of these and
has no trace of UTF-8 is ISO 8859-1 when it has no byte from 0x80 to 0x9F, and Windows-1252 when all of these bytes that
it has are defined there. Nothing is ever replaced: a text that no decision fits is refused.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from processor.domain.errors import DeliveryError, refused
from processor.streams.source import Source

CHUNK_BYTES = 1 << 17

# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEAD_BYTES = 4096
# Half of the bytes of western text in UTF-16 are zero; a quarter leaves room for other scripts.
_UTF16_ZEROS = 0.25
_UTF16_OTHER_ZEROS = 0.02

_MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
_HIGH = bytes(range(0x80, 0x100))
_LOW = bytes(range(0x80))
_NOT_C1 = bytes(set(range(0x100)) - set(range(0x80, 0xA0)))
_UNDEFINED_IN_1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
# So many multi-byte sequences among the other high bytes say that the text is UTF-8 with an error in it.
_UTF8_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Encoding:
    """A decided encoding: Python's codec name, the length of the byte-order mark, and why."""

    name: str
    mark_bytes: int
    reason: str

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes after the mark can be used as they are."""
        return self.name == "utf-8"


def decide_encoding(source: Source) -> Encoding:
    """Return the encoding of `source`, from one reading of all of its bytes. Raises DeliveryError `csv.encoding`."""
    head = next(_raw_chunks(source), b"")
    for mark, name in _MARKS:
        if head.startswith(mark):
            found = Encoding(name, len(mark), "byte-order mark")
            return _confirmed(source, found)
    if name := _utf16_by_zeros(head[:_HEAD_BYTES]):
        return _confirmed(source, Encoding(name, 0, "zero bytes at every other place"))
    return _eight_bit(source)


def promised_encoding(head: bytes) -> Encoding | None:
    """Return UTF-8 where the beginning of a text, cut anywhere, has its mark or is valid so far; else None."""
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8", len(codecs.BOM_UTF8), "byte-order mark")
    if any(head.startswith(mark) for mark, _name in _MARKS) or _utf16_by_zeros(head[:_HEAD_BYTES]):
        return None
    check = Utf8Check()
    return Encoding("utf-8", 0, "valid UTF-8") if check.add(head) else None


class Utf8Check:
    """Tells piece by piece whether a text is valid UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._between = True  # no character is cut at the edge of the last piece

    def add(self, chunk: bytes, *, final: bool = False) -> bool:
        """Take the next piece; return False when it is no UTF-8."""
        if self._between and chunk.isascii():
            return True
        try:
            self._decoder.decode(chunk, final=final)
        except UnicodeDecodeError:
            return False
        self._between = not self._decoder.getstate()[0]
        return True


def utf8_chunks(source: Source, encoding: Encoding) -> Iterator[bytes]:
    """Yield all of the text as UTF-8 without its mark, in pieces of no particular boundary."""
    chunks = _raw_chunks(source)
    if encoding.mark_bytes:
        chunks = _without_prefix(chunks, encoding.mark_bytes)
    if encoding.is_utf8:
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding.name)("strict")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise _broken(source, encoding, error) from error


def _raw_chunks(source: Source) -> Iterator[bytes]:
    with source.open() as reader:
        while chunk := reader.read(CHUNK_BYTES):
            yield chunk


def _without_prefix(chunks: Iterator[bytes], length: int) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= length:
            yield held[length:]
            break
    yield from chunks


def _utf16_by_zeros(head: bytes) -> str:
    pairs = len(head) // 2
    if pairs < 2:  # noqa: PLR2004 - a single character is no evidence
        return ""
    even, odd = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if odd >= _UTF16_ZEROS and even <= _UTF16_OTHER_ZEROS:
        return "utf-16-le"
    if even >= _UTF16_ZEROS and odd <= _UTF16_OTHER_ZEROS:
        return "utf-16-be"
    return ""


def _confirmed(source: Source, encoding: Encoding) -> Encoding:
    decoder = codecs.getincrementaldecoder(encoding.name)("strict")
    try:
        for chunk in _without_prefix(_raw_chunks(source), encoding.mark_bytes):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise _broken(source, encoding, error) from error
    return encoding


def _broken(source: Source, encoding: Encoding, error: UnicodeError) -> DeliveryError:
    return refused(
        "csv.encoding",
        f"{source.name} has the mark or the look of {encoding.name} but is not valid {encoding.name}: {error}",
        "save the file in one encoding, best UTF-8",
    )


class _Tally:
    """What one reading tells of a text without a mark."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.ascii = True
        self.broken_at: int | None = None
        self.seen = 0
        self.high_bytes = 0
        self.in_sequences = 0
        self.c1: set[int] = set()

    def add(self, chunk: bytes, *, final: bool = False) -> None:
        """Take one piece into account; a cut sequence at its edge is no matter for the shares."""
        if self.broken_at is None and not (self.ascii and chunk.isascii()):
            self.ascii = False
            try:
                self.decoder.decode(chunk, final=final)
            except UnicodeDecodeError as error:
                self.broken_at = self.seen + error.start
        if not chunk.isascii():
            self.high_bytes += len(chunk.translate(None, _LOW))
            self.in_sequences += sum(map(len, _valid_sequences(chunk))) if self.broken_at is not None else 0
            self.c1.update(chunk.translate(None, _NOT_C1))
        self.seen += len(chunk)


def _valid_sequences(chunk: bytes) -> Iterator[bytes]:
    for match in _MULTIBYTE.finditer(chunk):
        try:
            match[0].decode()
        except UnicodeDecodeError:
            continue
        yield match[0]


def _eight_bit(source: Source) -> Encoding:
    tally = _Tally()
    for chunk in _raw_chunks(source):
        tally.add(chunk)
    tally.add(b"", final=True)
    if tally.broken_at is None:
        return Encoding("utf-8", 0, "valid UTF-8")
    if tally.in_sequences >= _UTF8_SHARE * tally.high_bytes:
        raise refused(
            "csv.encoding",
            f"{source.name} is UTF-8 but for byte {tally.broken_at}, which is not valid",
            "repair that place; a mixture of encodings is not guessed at",
        )
    if not tally.c1:
        return Encoding("latin-1", 0, "not UTF-8; no byte from 0x80 to 0x9F")
    if not tally.c1 & _UNDEFINED_IN_1252:
        return Encoding("cp1252", 0, "not UTF-8; has bytes from 0x80 to 0x9F that Windows-1252 defines")
    strange = ", ".join(f"0x{byte:02X}" for byte in sorted(tally.c1 & _UNDEFINED_IN_1252))
    raise refused(
        "csv.encoding",
        f"{source.name} is not UTF-8 (see byte {tally.broken_at}), nor Windows-1252 or ISO 8859-1: it has {strange}",
        "save it as UTF-8",
    )
