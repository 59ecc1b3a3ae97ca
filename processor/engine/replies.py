"""Check a worker's answer by its type."""

import functools
from collections.abc import Callable
from typing import Any, get_type_hints

import orjson
from pydantic import TypeAdapter

from processor.domain.errors import DeliveryError, failure_from
from processor.sandbox.channel import LONGEST_BUG, BrokenReplyError
from processor.streams.worker_errors import WorkerBugError


def result(function: Callable[[Any], Any], message: bytes) -> Any:
    """Return what `function` returned, or raise what it raised: DeliveryError, MemoryError, WorkerBugError.

    Raises BrokenReplyError when the answer is not of the type that the function promises.
    """
    try:
        match orjson.loads(message):
            case {"result": value}:
                return _promised(function).validate_json(orjson.dumps(value))
            case {"failure": fields}:
                raised: Exception = DeliveryError(failure_from(fields))
            case {"memory": True}:
                raised = MemoryError()
            case {"bug": str(text)}:
                raised = WorkerBugError(text[:LONGEST_BUG])
            case _:
                raised = BrokenReplyError("an answer of no known kind")
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenReplyError(f"an answer that is damaged: {type(error).__name__}") from error
    raise raised


@functools.cache
def _promised(function: Callable[[Any], Any]) -> "TypeAdapter[Any]":
    """Return what checks values of the type that a function returns; plain values where it does not say."""
    hints = get_type_hints(function) if hasattr(function, "__annotations__") else {}
    return TypeAdapter(hints.get("return", Any))
