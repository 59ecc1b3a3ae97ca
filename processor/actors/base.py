"""Base actor: meets the others, answers pings, reports its death."""

import queue
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pykka

from processor import logs
from processor.actors.messages import Meet, Ping
from processor.actors.routes import Routes

DeathNotice = Callable[[str, BaseException], None]


class BaseActor(pykka.ThreadingActor):
    """One of the actors. pykka supervises nothing: an exception in a told message kills an actor silently.

    Hence `died`, which is called with the actor's name and the exception, from whatever thread it happened in.
    """

    use_daemon_thread = True

    def __init__(self, died: DeathNotice) -> None:
        super().__init__()
        self.name = type(self).__name__.lower()
        self.log = logs.get(self.name).bind()  # else it is put together anew for every line
        self.died = died
        self._routes: Routes | None = None

    @staticmethod
    def _create_actor_inbox() -> Any:
        """Return a mailbox made in C: a message costs less than with pykka's `queue.Queue`."""
        return queue.SimpleQueue()

    @property
    def routes(self) -> Routes:
        """Return everybody; known from the first message on."""
        assert self._routes is not None, "no message comes before Meet"
        return self._routes

    def on_receive(self, message: Any) -> Any:
        """Answer pings and keep the routes to the others; everything else is `handle`d."""
        match message:
            case Ping():
                return True
            case Meet(routes):
                self._routes = routes
                self.met()
                return None
            case _:
                return self.handle(message)

    def met(self) -> None:
        """Begin: the routes are known."""

    def handle(self, message: Any) -> Any:
        """Take one message."""
        raise NotImplementedError

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Notice the death. Everything that is expected was a value, so this is a bug."""
        del exception_type, traceback
        self.died(self.name, exception_value or RuntimeError("died of nothing known"))
