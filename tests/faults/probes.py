"""What a hostile parser would try, run inside a worker. Each returns what it reached."""

import ctypes
import os
import socket
import time
from pathlib import Path

from processor.domain.errors import DeliveryError, ErrorClass, Failure


def loaded() -> None:
    """Import this module where workers are forked: they may not read it."""


def answer(_request: object) -> str:
    return "here"


def connect(port: int) -> str:
    return _tried(lambda: str(socket.create_connection(("127.0.0.1", port), timeout=2)))


def write(path: str) -> str:
    def attempt() -> str:
        with open(path, "wb", buffering=0) as file:
            return f"wrote {file.write(b'stolen')} bytes"

    return _tried(attempt)


def read(path: str) -> str:
    return _tried(lambda: Path(path).read_text(encoding="utf-8", errors="replace"))


def environment(_request: object) -> dict[str, str]:
    return dict(os.environ)


def signal_parent(_request: object) -> str:
    return _tried(lambda: str(os.kill(os.getppid(), 0)))


def bloat(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def crash(_request: object) -> None:
    ctypes.string_at(0)


def hang(_request: object) -> None:
    time.sleep(3600)


def _tried(attempt: object) -> str:
    assert callable(attempt)
    try:
        return f"succeeded: {attempt()}"
    except OSError as error:
        return f"refused: {error.strerror or error}"


def say_nonsense(_request: object) -> None:
    """Write what no worker of ours writes to whoever listens."""
    for fd in range(3, 64):
        try:
            with socket.socket(fileno=os.dup(fd)) as end:
                end.send(b"\xff" * 100)
        except OSError:
            continue


def chatter(lines: int) -> None:
    for number in range(lines):
        print(f"line {number} \x1b[31m" + "x" * 5000)


def process(_request: object) -> int:
    return os.getpid()


def refuse(code: str) -> None:
    raise DeliveryError(Failure(ErrorClass.TRANSIENT, code, "as it was asked"))
