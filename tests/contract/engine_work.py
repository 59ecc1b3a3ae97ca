"""What the engines are given to do: importable wherever they do it."""

import os
import signal
from pathlib import Path

from processor.domain.errors import DeliveryError, ErrorClass, Failure

REFUSAL = Failure(ErrorClass.PERMANENT, "csv.ragged", "line 3 has 2 fields", "mend it", 1.5)


def doubled(number: int) -> int:
    return 2 * number


def refuse(_request: None) -> None:
    raise DeliveryError(REFUSAL)


def stumble(_request: None) -> None:
    raise ZeroDivisionError("a bug")


def die(_request: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_and_die(path: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("x")
    die(None)


def wait_for(path: str) -> str:
    """Return once the file is there; only that ends it."""
    while not Path(path).exists():
        signal.sigtimedwait([], 0.02)
    return path


def process(_request: None) -> int:
    return os.getpid()
