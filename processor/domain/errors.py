"""Failures as values: class, code, message and hint."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# The codes that decide something: see retry, and what Progress does about a failure.
SOURCE_CHANGED = "source.changed"
SOURCE_OPEN = "source.open"
SOURCE_FORBIDDEN = "source.forbidden"
SOURCE_VANISHED = "source.vanished"
SOURCE_NO_ROOT = "source.no-root"
WORKER_CRASHED = "worker.crashed"  # by a signal that a program's own fault raises
STORE_REFUSED = "store.refused"  # the store's own no to one request, for a reason that we do not know


class ErrorClass(StrEnum):
    """Whose trouble a failure is; this alone decides what happens next (see retry)."""

    PERMANENT = "permanent"  # this file: another try would end the same way
    TRANSIENT = "transient"  # this try: worth another one
    OUTAGE = "outage"  # the store, the cluster or the watched directory as a whole: pause, costs no file a try
    THROTTLED = "throttled"  # the store asks for less: slow down, costs no file a try
    INFRASTRUCTURE = "infrastructure"  # a worker or its host died: another try, bounded


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that crosses threads and processes.

    `code` is a stable name for machines (`csv.ragged-rows`); `message` names the file's place (line, column,
    member); `hint` is what the operator can do about it.
    """

    error_class: ErrorClass
    code: str
    message: str
    hint: str = ""
    retry_after_seconds: float | None = None  # the store's own word on when to come back

    def __post_init__(self) -> None:
        """Make the text one that can be written: names of files may hold bytes that are no text at all."""
        for name in ("message", "hint"):
            text: str = getattr(self, name)
            if not text.isascii():
                object.__setattr__(self, name, text.encode("utf-8", "backslashreplace").decode())

    def __str__(self) -> str:
        """Return message and remedy in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class DeliveryError(Exception):
    """An expected failure on its way to whoever turns it into a value. Carries exactly one `Failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        """Return the failure's own words."""
        return str(self.failure)


def refused(code: str, message: str, hint: str = "") -> DeliveryError:
    """Return the error for content that can not be read with certainty: permanent, loud, never guessed at."""
    return DeliveryError(Failure(ErrorClass.PERMANENT, code, message, hint))


def transient(code: str, message: str, hint: str = "") -> DeliveryError:
    """Return the error for a try that failed by circumstance."""
    return DeliveryError(Failure(ErrorClass.TRANSIENT, code, message, hint))


def failure_from(fields: Mapping[str, Any]) -> Failure:
    """Return the failure whose fields these are. Raises KeyError, ValueError or TypeError when they are not."""
    seconds = fields["retry_after_seconds"]
    code, message, hint = fields["code"], fields["message"], fields["hint"]
    if not (isinstance(code, str) and isinstance(message, str) and isinstance(hint, str)):
        raise TypeError("code, message and hint are text")
    retry_after = None if seconds is None else float(seconds)
    return Failure(ErrorClass(fields["error_class"]), code, message, hint, retry_after)


def changed(relative_path: bytes) -> DeliveryError:
    """Return the error for a file that is no longer what was found: it will be found again."""
    text = f"{os.fsdecode(relative_path)!r} changed while it was being delivered"
    return transient(SOURCE_CHANGED, text, "it is taken again when it is whole")


def still_open(relative_path: bytes) -> DeliveryError:
    """Return the error for a file that somebody has open for writing."""
    text = f"{os.fsdecode(relative_path)!r} is open for writing"
    return transient(SOURCE_OPEN, text, "it is taken when its writer has closed it")
