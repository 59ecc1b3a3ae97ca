"""Structured logs on stdout: JSON, or pretty for people."""

import json
import logging
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO, TextIO, cast

import orjson
import structlog

from processor.domain.keys import plain

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
# By the name of the method that logs; `warn` and `exception` are aliases of structlog's.
_PRIORITIES = {"debug": b"<7>", "warning": b"<4>", "error": b"<3>", "exception": b"<3>", "critical": b"<2>"}

_level = logging.INFO


def configure(level: str, *, pretty: bool, to_stderr: bool = False) -> None:
    """Write lines of `level` (debug, info, warn, error) and above to stdout, or stderr, from now on."""
    set_level(level)
    output: list[Any] = (
        [structlog.processors.TimeStamper("%H:%M:%S", utc=False), _for_eyes(to_stderr=to_stderr), _encoded]
        if pretty
        else [structlog.processors.TimeStamper("iso"), structlog.processors.JSONRenderer(_dumps)]
    )
    structlog.configure(
        processors=[
            _above_level,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            *output,
            *([_with_priority] if _journal_reads_stdout() else []),
        ],
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Output(sys.stderr if to_stderr else sys.stdout))),
        cache_logger_on_first_use=False,
    )
    # What libraries say through logging (pykka, botocore) goes the same way, from warnings on.
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


class _Output:
    """Stdout, as far as anybody takes what is written: a full disk or a pipe without a reader stops no delivery.

    Nothing is kept back, so that nothing is left to be written at the end.
    """

    def __init__(self, text: TextIO | None) -> None:
        stream = getattr(text, "buffer", None)
        self._raw = getattr(stream, "raw", stream)  # None: stdout was closed before the start

    def write(self, line: bytes) -> None:
        rest = memoryview(line)
        with suppress(OSError):
            while rest and self._raw is not None:
                rest = rest[self._raw.write(rest) or len(rest) :]

    def flush(self) -> None:
        """Have nothing to do."""


def _journal_reads_stdout() -> bool:
    """Tell by JOURNAL_STREAM, device and inode of a stream, that stdout leads to journald (systemd.exec(5))."""
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _with_priority(_logger: Any, method: str, line: Any) -> bytes:
    """Put the priority in front of each line, as journald reads it: sd-daemon(3)."""
    return b"\n".join(_PRIORITIES.get(method, b"<6>") + each for each in line.split(b"\n"))


def _for_eyes(*, to_stderr: bool) -> Any:
    output = sys.stderr if to_stderr else sys.stdout
    colours = output is not None and output.isatty() and not os.environ.get("NO_COLOR")
    renderer = structlog.dev.ConsoleRenderer(colors=colours)

    def harmless(logger: Any, method: str, event: Any) -> Any:
        """Render the line; a stranger's text in it can not drive the terminal."""
        traceback = event.pop("exception", None)
        shown = {name: _harmless(value) for name, value in event.items()}
        return renderer(logger, method, shown if traceback is None else shown | {"exception": traceback})

    return harmless


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    return value if isinstance(value, int | float | None) else plain(repr(value))


def _encoded(_logger: Any, _method: str, line: Any) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")


def set_level(level: str) -> None:
    """Change the level of all loggers at once, those already made included."""
    global _level  # noqa: PLW0603 - one process, one level
    _level = _LEVELS[level]


def get(component: str) -> Any:
    """Return the logger of one component: `log.info("file.completed", key=...)`."""
    return structlog.get_logger(component=component)


def _above_level(_logger: Any, method: str, event: Any) -> Any:
    severity = {"warning": logging.WARNING, "critical": logging.CRITICAL}.get(
        method, _LEVELS.get(method, logging.ERROR)
    )
    if severity < _level:
        raise structlog.DropEvent
    return event


def _dumps(value: Any, **_: Any) -> bytes:
    try:
        return orjson.dumps(value, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # text that is no Unicode, such as a stranger's file name: a line must never stop the work
        return json.dumps(value, default=repr).encode("ascii")


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            event = structlog.get_logger(component=record.name)
            event.log(record.levelno, "library.message", message=record.getMessage(), exc_info=record.exc_info or None)
