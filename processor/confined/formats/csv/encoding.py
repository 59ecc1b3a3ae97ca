"""Decide a text's encoding with certainty; yield UTF-8.

A byte-order mark decides, then zero bytes at regular places (UTF-16, UTF-32), then strict UTF-8 to the last byte. Any
other text is read only in the encoding that the operator declares. Nothing is guessed and nothing is ever replaced.
"""

import codecs
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from processor.confined.formats.unicode import as_utf8, marked_encoding
from processor.domain.errors import DeliveryError, refused
from processor.streams.source import Source

CHUNK_BYTES = 1 << 17

_HEAD_BYTES = 4096
# Half of the bytes of western text in UTF-16 are zero; a quarter leaves room for other scripts.
_UTF16_ZEROS = 0.25
_UTF16_OTHER_ZEROS = 0.02

_LOW = bytes(range(0x80))
# If so many of the high bytes form UTF-8 sequences, the text is UTF-8 with an error in it: no other encoding helps.
_UTF8_SHARE = 0.5
# A suggestion needs some lines with high bytes, not all of them.
_TELLING_BYTES = 16
# Unicode is found without; the others hardly exist and resemble what does.
_NOT_SUGGESTED = [
    *("utf_7", "utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"),
    *("mac_cyrillic", "mac_greek", "mac_iceland", "mac_latin2", "mac_turkish", "cp1006", "hp_roman8"),
]
_SUGGESTED_FROM_BYTES, _SUGGESTED_WITHIN_BYTES = 16 << 10, 8 << 20


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


def decide_encoding(source: Source, fallback: str = "") -> Encoding:
    """Return the encoding of `source`, from one reading of all of its bytes.

    `fallback` is the operator's word for texts that do not tell. Raises DeliveryError `csv.encoding`.
    """
    head = next(_raw_chunks(source), b"")
    name, mark_bytes = marked_encoding(head)
    if name:
        return _confirmed(source, Encoding(name, mark_bytes, "byte-order mark"))
    if name := _by_zeros(head[:_HEAD_BYTES]):
        return _confirmed(source, Encoding(name, 0, "zero bytes at regular places"))
    utf8 = Encoding("utf-8", 0, "valid UTF-8")
    error = _first_error(source, utf8)
    if error is None:
        return utf8
    if _is_mostly_utf8(source):
        raise _damaged(source, Encoding("utf-8", 0, "by most of its bytes"), error)
    if fallback:
        return _confirmed(source, Encoding(codecs.lookup(fallback).name, 0, "declared by FALLBACK_ENCODING"))
    raise _undeclared(source, error)


def declared_encoding(source: Source, name: str) -> Encoding:
    """Return the encoding `name` that a feed declares, confirmed to the last byte.

    Raises DeliveryError `csv.encoding`, also where the text has the mark of another encoding.
    """
    declared = codecs.lookup(name).name.removesuffix("-sig")
    head = next(_raw_chunks(source), b"")
    marked, mark_bytes = marked_encoding(head)
    if not marked:
        return _confirmed(source, Encoding(declared, 0, "declared"))
    if not marked.startswith(declared):
        text = f"{source.name} begins with the mark of {marked}, {declared} is declared"
        raise refused("csv.encoding", text, "correct encoding in [feed.csv]")
    return _confirmed(source, Encoding(marked, mark_bytes, "declared, and its byte-order mark"))


def promised_encoding(head: bytes) -> Encoding | None:
    """Return UTF-8 where the beginning of a text, cut anywhere, has its mark or is valid so far; else None."""
    marked, mark_bytes = marked_encoding(head)
    if marked == "utf-8":
        return Encoding("utf-8", mark_bytes, "byte-order mark")
    if marked or _by_zeros(head[:_HEAD_BYTES]):
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
    chunks = _unmarked_chunks(source, encoding)
    return chunks if encoding.is_utf8 else as_utf8(chunks, encoding.name, "csv.encoding")


def _unmarked_chunks(source: Source, encoding: Encoding) -> Iterator[bytes]:
    chunks = _raw_chunks(source)
    return _without_prefix(chunks, encoding.mark_bytes) if encoding.mark_bytes else chunks


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


def _by_zeros(head: bytes) -> str:
    return _utf32_by_zeros(head) or _utf16_by_zeros(head)


def _utf32_by_zeros(head: bytes) -> str:
    """Tell UTF-32 without a mark: every fourth byte is zero, which no text in another encoding shows."""
    whole = head[: len(head) // 4 * 4]
    for name in ("utf-32-le", "utf-32-be"):
        with contextlib.suppress(UnicodeDecodeError):
            text = whole.decode(name).rstrip("\0")
            if len(text) > 1 and "\0" not in text:  # a single character is no evidence
                return name
    return ""


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


@dataclass(frozen=True, slots=True)
class _FirstError:
    """The first place in a text that is not valid in an encoding; `cut`: the text ends inside a character."""

    offset: int
    line: int
    cut: bool

    def __str__(self) -> str:
        place = f"line {self.line} (byte {self.offset})"
        return f"{place}, where the text ends inside a character" if self.cut else place


def _confirmed(source: Source, encoding: Encoding) -> Encoding:
    if (error := _first_error(source, encoding)) is not None:
        raise _damaged(source, encoding, error)
    return encoding


def _first_error(source: Source, encoding: Encoding) -> _FirstError | None:
    decoder = codecs.getincrementaldecoder(encoding.name)("strict")
    seen = 0
    for chunk in chain(_unmarked_chunks(source, encoding), (b"",)):
        pending = len(decoder.getstate()[0])
        if not (encoding.is_utf8 and chunk and not pending and chunk.isascii()):
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                at = seen - pending + error.start
                return _FirstError(encoding.mark_bytes + at, _line_at(source, encoding, at), cut=not chunk)
        seen += len(chunk)
    return None


def _line_at(source: Source, encoding: Encoding, offset: int) -> int:
    """Return the number of the line that holds the byte `offset` behind the mark; all before it is valid."""
    decoder = codecs.getincrementaldecoder(encoding.name)("strict")
    feeds = returns = 0
    for chunk in _unmarked_chunks(source, encoding):
        text = decoder.decode(chunk[:offset])
        feeds, returns = feeds + text.count("\n"), returns + text.count("\r")
        offset -= len(chunk)
        if offset <= 0:
            break
    return 1 + (feeds or returns)


def _is_mostly_utf8(source: Source) -> bool:
    high = valid = 0
    for chunk in _raw_chunks(source):
        if not chunk.isascii():
            high += len(chunk.translate(None, _LOW))
            valid += len(chunk.decode("utf-8", "ignore").encode().translate(None, _LOW))
    return valid >= _UTF8_SHARE * high


def _damaged(source: Source, encoding: Encoding, error: _FirstError) -> DeliveryError:
    return refused(
        "csv.encoding",
        f"{source.name} is {encoding.name} ({encoding.reason}) but for {error}",
        "the file may be cut off: send it again" if error.cut else "repair that place: a text has one encoding",
    )


def _undeclared(source: Source, error: _FirstError) -> DeliveryError:
    name = _suggestion(source, error.offset)
    return refused(
        "csv.encoding",
        f"{source.name} is not UTF-8: see {error}" + (f"; it may be {name}" if name else ""),
        f"if you know its encoding, declare it: FALLBACK_ENCODING={name or 'cp1252'}; or save the file as UTF-8",
    )


def _suggestion(source: Source, offset: int) -> str:
    """Return what the text may be, "" when nothing fits. It is for the operator to read, never decides."""
    try:
        from charset_normalizer import from_bytes  # noqa: PLC0415 - slow to import, and only refused files need it
    except (ImportError, MemoryError):
        return ""  # a refusal without a suggestion is a refusal still
    sample = _lines_with_high_bytes(source, offset)
    if len(sample.translate(None, _LOW)) < _TELLING_BYTES:
        return ""
    best = from_bytes(sample, cp_exclusion=_NOT_SUGGESTED).best()
    return best.encoding if best else ""


def _lines_with_high_bytes(source: Source, offset: int) -> bytes:
    """Return some of the lines from the chunk of `offset` on that tell something of the encoding."""
    found = bytearray()
    first = offset // CHUNK_BYTES * CHUNK_BYTES
    seen = 0
    for chunk in _raw_chunks(source):
        seen += len(chunk)
        if seen <= first:
            continue
        for line in chunk.splitlines(keepends=True):
            if not line.isascii():
                found += line
        if len(found) >= _SUGGESTED_FROM_BYTES or seen >= offset + _SUGGESTED_WITHIN_BYTES:
            break
    return bytes(found[:_SUGGESTED_FROM_BYTES])
