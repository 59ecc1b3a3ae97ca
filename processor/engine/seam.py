"""Interface of an engine: submit a function, get a future."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


class Engine(Protocol):
    """Runs functions elsewhere. Its promises are those of `tests/contract/test_engines.py`.

    A request and its result are small, frozen and picklable, and the function can be imported. The future fails with
    what the function raised; when whoever ran it died, with an error that costs this request one infrastructure try
    and no other request anything. Nothing is run again by the engine: whether to is for whoever submitted it.
    """

    def submit(self, function: Callable[[_Request], _Result], request: _Request) -> "Future[_Result]":
        """Run `function(request)`; cancelling the future gives it up."""
        ...

    def slots(self) -> int:
        """Return how many requests are worked on at the same time. Raises DeliveryError when nobody is there."""
        ...

    def stop(self) -> None:
        """End what runs; what it was doing fails."""
        ...
