"""Structured lines on stdout: JSON through orjson, or pretty ones for eyes."""

import json
import logging
import sys
from typing import Any

import orjson
import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

_level = logging.INFO


def configure(level: str, *, pretty: bool) -> None:
    """Write lines of `level` (debug, info, warn, error) and above to stdout from now on."""
    set_level(level)
    output: list[Any] = (
        [structlog.processors.TimeStamper("%H:%M:%S", utc=False), structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.TimeStamper("iso"), structlog.processors.JSONRenderer(_dumps)]
    )
    structlog.configure(
        processors=[_above_level, structlog.processors.add_log_level, structlog.processors.format_exc_info, *output],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout) if pretty else structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # What libraries say through logging (pykka, botocore) goes the same way, from warnings on.
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


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
