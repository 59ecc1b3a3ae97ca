"""Messages between the daemon and a worker.

A worker may have been taken over by the file that it read. So nothing of its answer is executed (see
engine.replies), and its length is bounded before memory is taken for it.

    message := length: u32 big-endian, that many bytes
    answer  := JSON: {"result": value} | {"failure": Failure} | {"memory": true} | {"bug": text}
"""

import socket
import struct
from collections.abc import Callable
from typing import Any

import orjson

from processor.domain.errors import DeliveryError

_LENGTH = struct.Struct(">I")
LONGEST_BUG = 4000


class BrokenReplyError(Exception):
    """A worker's answer is none that a worker of ours gives."""


def send(channel: socket.socket, message: bytes) -> None:
    """Send one message whole."""
    channel.sendall(_LENGTH.pack(len(message)) + message)


def receive(channel: socket.socket, longest_bytes: int) -> bytes:
    """Return one message. Raises EOFError when there is none, BrokenReplyError when it is too long."""
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    if length > longest_bytes:
        raise BrokenReplyError(f"an answer of {length} bytes")
    return _exactly(channel, length)


def answer(function: Callable[[Any], Any], request: Any) -> bytes:
    """Return the answer that tells what `function(request)` returned or raised (worker side)."""
    try:
        return orjson.dumps({"result": function(request)})
    except DeliveryError as error:
        return orjson.dumps({"failure": error.failure})
    except MemoryError:
        return b'{"memory":true}'
    except Exception as error:  # noqa: BLE001 - handed back, as every engine does
        text = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
        return orjson.dumps({"bug": text[:LONGEST_BUG]})


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    left = memoryview(data)
    while left:
        got = channel.recv_into(left)
        if not got:
            raise EOFError
        left = left[got:]
    return bytes(data)
