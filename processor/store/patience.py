"""Retry one request a few times."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from processor.domain.errors import SOURCE_CHANGED, DeliveryError, ErrorClass, Failure
from processor.store.limits import Pause

_Result = TypeVar("_Result")

# Tries in all. An outage is not waited for here: it is the whole store's, and the circuit's to decide.
_TRIES = {ErrorClass.TRANSIENT: 3, ErrorClass.THROTTLED: 8}
# But these pass, mostly, at once.
_TRIES_OF_CODES = {"store.internal": 3, "store.conflict": 3}
_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 10.0

# Asking for the same again can not help: something has to be done differently.
_FINAL = {"store.upload-gone", "store.part-gone", SOURCE_CHANGED}


def patiently(call: Callable[[], _Result], pause: Pause = time.sleep) -> _Result:
    """Return the call's result, asking again with full jitter after a passing failure; Retry-After is honoured."""
    tries = 0
    while True:
        try:
            return call()
        except DeliveryError as error:
            tries += 1
            failure = error.failure
            if failure.code in _FINAL or tries >= _tries(failure):
                raise
            pause(delay_seconds(failure, tries, random.random()))  # noqa: S311 - jitter, no secret


def _tries(failure: Failure) -> int:
    return _TRIES_OF_CODES.get(failure.code) or _TRIES.get(failure.error_class, 1)


def delay_seconds(failure: Failure, tries: int, chance: float) -> float:
    """Return how long to wait after the `tries`-th failure; `chance` is in [0, 1)."""
    backoff: float = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0**tries)
    return max(failure.retry_after_seconds or 0.0, backoff * chance)
