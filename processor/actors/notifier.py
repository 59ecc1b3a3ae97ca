"""The thread that sends events, one request at a time."""

import random
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import pykka

from processor.actors.base import DeathNotice
from processor.actors.messages import NoticesRefused, NoticesTaken
from processor.delivery.webhook import Webhook
from processor.domain.notices import Notice

_LONGEST_PAUSE_SECONDS = 60.0


class Notifier:
    """Sends what it is given until it is taken. It owns nothing: the events wait in the ledger meanwhile."""

    def __init__(self, webhook: Webhook, pause_seconds: float) -> None:
        """`pause_seconds` is the first pause after a request that was not taken; the next is twice as long."""
        self._webhook = webhook
        self._pause_seconds = pause_seconds
        self._given: SimpleQueue[tuple[Notice, ...]] = SimpleQueue()
        self._stopping = Event()
        self._chance = random.Random()  # noqa: S311 - jitter, not secrets

    def start(self, tell: Callable[[Any], None], died: DeathNotice) -> None:
        """Begin; reports are given to `tell`, a bug to `died`."""
        Thread(target=self._run, args=(tell, died), name="notifier", daemon=True).start()

    def give(self, notices: tuple[Notice, ...]) -> None:
        """Have these sent; the next ones are to be given when they were taken."""
        self._given.put(notices)

    def stop(self) -> None:
        """Begin nothing more. A request that hangs is left to the end of the process."""
        self._stopping.set()
        self._given.put(())

    def _run(self, tell: Callable[[Any], None], died: DeathNotice) -> None:
        try:
            while notices := self._given.get():
                self._send(notices, tell)
        except pykka.ActorDeadError:
            pass  # it ends: the next start sends them once more
        except BaseException as error:  # noqa: BLE001 - the thread's border: a bug anywhere must be noticed
            died("notifier", error)

    def _send(self, notices: tuple[Notice, ...], tell: Callable[[Any], None]) -> None:
        pause = self._pause_seconds
        while not self._stopping.is_set():
            problem = self._webhook.send(notices)
            if problem is None:
                tell(NoticesTaken(notices[-1].id, len(notices)))
                return
            tell(NoticesRefused(problem))
            self._stopping.wait(pause * self._chance.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
