"""The frames of an object stream on a pipe.

    stream := object* (END_OF_STREAM | FAILED), with a PROVED between any two frames
    object := BEGIN (DATA | RESTART)* (COLUMNS* END | BAD)   |   BAD   |   SKIPPED
    frame  := type: u8, length: u32 big-endian, payload of that length

Payloads are JSON, except DATA, which is the object's bytes; COLUMNS are those of the END that follows. Bytes without
their END are never a complete object, and a stream without END_OF_STREAM is never a complete stream. The reader trusts
nobody: lengths are bounded before memory is taken for them, every field is checked, and a frame out of its order is an
error.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, BinaryIO

import orjson

from processor.domain.conversion import Column, Receipt
from processor.domain.errors import DeliveryError, ErrorClass, Failure, failure_from, refused
from processor.domain.keys import escape, unescape

_HEADER = struct.Struct(">BI")
MOST_HELD = 16  # objects that wait for a `Proved` at a time
LONGEST_DATA_BYTES = 256 << 10
_LONGEST_JSON_BYTES = 1 << 20  # what it says takes up to some 30 times as much memory
_SOME_COLUMNS = 200
_MOST_COLUMNS_BYTES = 16 << 20  # of all columns of one object: up to 20,000, with the reason for the type of each


class _Type(IntEnum):
    BEGIN = 1
    DATA = 2
    RESTART = 3
    END = 4
    BAD = 5
    SKIPPED = 6
    END_OF_STREAM = 7
    FAILED = 8
    PROVED = 9
    COLUMNS = 10


_HELD = frozenset({_Type.BEGIN, _Type.DATA, _Type.RESTART})
_TOGETHER_BYTES = 32 << 10


class Content(IntEnum):
    """What an object's bytes are."""

    AS_IS = 0
    PARQUET = 1
    REJECTS = 2
    NOTES = 3


@dataclass(frozen=True, slots=True)
class Begin:
    """An object begins. `member` is its index in the archive and `name` its name there; -1 and b"" for the file itself.

    `raw_name` is what stands in the archive; `again` tells that an earlier member took the key of this name.
    """

    member: int
    name: bytes
    content: Content
    mismatch: str = ""
    raw_name: bytes = b""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Some bytes of the object that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Restart:
    """All bytes of the object so far are void; it begins anew."""


@dataclass(frozen=True, slots=True)
class End:
    """The object is whole: its size and SHA-256 as the worker counted them, and the receipt of a conversion.

    One that is `held` must not be completed before the next `Proved`: what it was made of is not yet proved. No more
    than MOST_HELD are held at a time.
    """

    size_bytes: int
    sha256: str
    receipt: Receipt | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Proved:
    """All that was held so far may be completed."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A member that can not be delivered; the others can. Voids its object when one has begun."""

    member: int
    name: bytes
    failure: Failure


@dataclass(frozen=True, slots=True)
class Skipped:
    """A member that is no file (a link, a device), with the reason it is not delivered."""

    member: int
    name: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """Everything was said. `members` counts what the archive holds."""

    members: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The source as a whole can not be read any further."""

    failure: Failure


Frame = Begin | Data | Restart | End | Proved | Bad | Skipped | EndOfStream | Failed


class BrokenStreamError(DeliveryError):
    """The stream ended before its end, or holds what no worker of ours writes."""

    def __init__(self, what: str) -> None:
        hint = "the worker died or was stopped; the file is tried again"
        super().__init__(Failure(ErrorClass.INFRASTRUCTURE, "stream.broken", f"object stream {what}", hint))


class FrameWriter:
    """Writes frames to a pipe. Not for more than one thread at a time.

    Small frames of an object wait for what follows, at the longest for its end, so that a small object is one piece to
    write, to wake up for and to read.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._held = bytearray()

    def write(self, frame: Frame) -> None:
        """Write one frame; blocks while the pipe is full. Raises BrokenPipeError when nobody reads."""
        match frame:
            case Data(data):
                for start in range(0, len(data), LONGEST_DATA_BYTES):
                    self._put(_Type.DATA, memoryview(data)[start : start + LONGEST_DATA_BYTES])
            case End(receipt=Receipt(columns=columns) as receipt) if columns:
                for start in range(0, len(columns), _SOME_COLUMNS):
                    self._put_json(_Type.COLUMNS, columns[start : start + _SOME_COLUMNS])
                self._put_json(*_encode(replace(frame, receipt=replace(receipt, columns=()))))
            case _:
                self._put_json(*_encode(frame))

    def _put_json(self, kind: _Type, payload: Any) -> None:
        text = orjson.dumps(payload)
        if len(text) > _LONGEST_JSON_BYTES:
            raise refused("stream.too-long", f"{kind.name} would be {len(text)} bytes", "names are too long")
        self._put(kind, memoryview(text))

    def _put(self, kind: _Type, payload: memoryview) -> None:
        self._held += _HEADER.pack(kind, len(payload))
        if kind in _HELD and len(self._held) + len(payload) <= _TOGETHER_BYTES:
            self._held += payload
            return
        held, self._held = self._held, bytearray()
        left = [memoryview(held), payload]
        while left:
            written = os.writev(self._fd, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if left:
                left[0] = left[0][written:]


def read_frames(pipe: BinaryIO) -> Iterator[Frame]:
    """Yield the frames of one stream up to and including its last; then return.

    Raises BrokenStreamError on anything that `frames` does not describe, an early end included.
    """
    within = False
    columns: list[Column] = []
    columns_bytes = 0
    while True:
        kind, length = _HEADER.unpack(_exactly(pipe, _HEADER.size))
        if length > (LONGEST_DATA_BYTES if kind == _Type.DATA else _LONGEST_JSON_BYTES):
            raise BrokenStreamError(f"has a frame of {length} bytes")
        payload = _exactly(pipe, length)
        if kind == _Type.COLUMNS:
            columns_bytes += length
            if not within:
                raise BrokenStreamError("has columns out of order")
            if columns_bytes > _MOST_COLUMNS_BYTES:
                raise BrokenStreamError("has too many columns")
            columns += _columns(payload)
            continue
        frame = Data(payload) if kind == _Type.DATA else _decode(kind, payload, columns)
        columns, columns_bytes = [], 0
        within = _in_order(frame, within=within)
        yield frame
        if isinstance(frame, EndOfStream | Failed):
            return


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    while len(data) < size:
        more = pipe.read(size - len(data))
        if not more:
            raise BrokenStreamError("ended early")
        data += more
    return data


def _in_order(frame: Frame, *, within: bool) -> bool:
    """Return whether an object is open after `frame`."""
    match frame:
        case Begin():
            allowed, after = not within, True
        case Data() | Restart():
            allowed, after = within, True
        case End():
            allowed, after = within, False
        case Bad():
            allowed, after = True, False
        case Proved():
            allowed, after = True, within
        case Skipped() | EndOfStream():
            allowed, after = not within, False
        case Failed():
            allowed, after = True, False
    if not allowed:
        raise BrokenStreamError(f"has {type(frame).__name__} out of order")
    return after


def _encode(frame: Frame) -> tuple[_Type, dict[str, Any]]:
    match frame:
        case Begin():
            names = {"name": escape(frame.name), "raw_name": escape(frame.raw_name), "again": frame.again}
            return _Type.BEGIN, {"member": frame.member, "content": frame.content, "mismatch": frame.mismatch, **names}
        case Restart():
            return _Type.RESTART, {}
        case End(size, sha256, receipt, held):
            return _Type.END, {"size": size, "sha256": sha256, "receipt": receipt, "held": held}
        case Proved():
            return _Type.PROVED, {}
        case Bad(member, name, failure):
            return _Type.BAD, {"member": member, "name": escape(name), "failure": failure}
        case Skipped(member, name, reason):
            return _Type.SKIPPED, {"member": member, "name": escape(name), "reason": reason}
        case EndOfStream(members):
            return _Type.END_OF_STREAM, {"members": members}
        case Failed(failure):
            return _Type.FAILED, {"failure": failure}
        case Data():
            raise AssertionError("data is not JSON")


def _decode(kind: int, payload: bytes, columns: Sequence[Column] = ()) -> Frame:
    try:
        fields = orjson.loads(payload)
        match kind:
            case _Type.BEGIN:
                return Begin(
                    _count(fields["member"], -1),
                    unescape(_text(fields["name"])),
                    Content(fields["content"]),
                    _text(fields["mismatch"]),
                    unescape(_text(fields["raw_name"])),
                    again=fields["again"] is True,
                )
            case _Type.RESTART:
                return Restart()
            case _Type.END:
                size, sha256 = _count(fields["size"]), _sha256(fields["sha256"])
                return End(size, sha256, _receipt(fields["receipt"], columns), held=fields["held"] is True)
            case _Type.PROVED:
                return Proved()
            case _Type.BAD:
                name = unescape(_text(fields["name"]))
                return Bad(_count(fields["member"], -1), name, failure_from(fields["failure"]))
            case _Type.SKIPPED:
                name = unescape(_text(fields["name"]))
                return Skipped(_count(fields["member"], -1), name, _text(fields["reason"]))
            case _Type.END_OF_STREAM:
                return EndOfStream(_count(fields["members"]))
            case _Type.FAILED:
                return Failed(failure_from(fields["failure"]))
            case _:
                raise BrokenStreamError(f"has a frame of unknown type {kind}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenStreamError(f"has a damaged frame ({error})") from error


def _columns(payload: bytes) -> list[Column]:
    try:
        return [
            Column(
                _text(c["name"]),
                _text(c["type"]),
                _count(c["null_count"]),
                _text(c["reason"]),
                None if c["original_name"] is None else _text(c["original_name"]),
            )
            for c in orjson.loads(payload)
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenStreamError(f"has damaged columns ({error})") from error


def _receipt(fields: dict[str, Any] | None, columns: Sequence[Column]) -> Receipt | None:
    if fields is None:
        return None
    facts = tuple((_text(k), _text(v)) for k, v in fields["facts"])
    return Receipt(
        _count(fields["rows"]), tuple(columns), _count(fields["rejected_rows"]), facts, _count(fields["notes"])
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.100} is not text")
    return value


def _count(value: Any, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise TypeError(f"{value!r:.100} is not a count")
    return value


def _sha256(value: Any) -> str:
    if len(bytes.fromhex(_text(value))) != 32:  # noqa: PLR2004 - SHA-256 is 32 bytes
        raise ValueError("not a SHA-256")
    return str(value)
