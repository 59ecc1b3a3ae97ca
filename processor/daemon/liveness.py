"""Check that the actors answer, without waiting for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pykka

from processor.actors.messages import Ping

_ASK_EVERY_SECONDS = 2.0
# An actor that is silent for so long counts as not answering; for so much longer, as lost.
SLOW_SECONDS = 15.0
LOST_SECONDS = 120.0


@dataclass(slots=True)
class _Patient:
    name: str
    ref: "pykka.ActorRef[Any]"
    answered_at: float
    asked_at: float = 0.0
    answer: "pykka.Future[Any] | None" = field(default=None)


class Liveness:
    """Asks each actor again and again; times are seconds of a monotonic clock.

    `excused` tells of a known reason for silence (Progress waits for room on the disk).
    """

    def __init__(
        self, actors: dict[str, "pykka.ActorRef[Any]"], now: float, excused: Callable[[], bool] = lambda: False
    ) -> None:
        self._patients: list[_Patient] = []
        self._excused = excused
        self.follow(actors, now)

    def follow(self, actors: dict[str, "pykka.ActorRef[Any]"], now: float) -> None:
        """Ask these too from now on."""
        self._patients = [*self._patients, *(_Patient(name, ref, now) for name, ref in actors.items())]

    def beat(self, now: float) -> None:
        """Take answers that have come, and ask again those whose turn it is."""
        for patient in self._patients:
            if patient.answer is not None and self._has_answered(patient):
                patient.answer = None
                patient.answered_at = now
            if patient.answer is None and now - patient.asked_at >= _ASK_EVERY_SECONDS:
                patient.asked_at = now
                patient.answer = patient.ref.ask(Ping(), block=False)
            if self._excused():
                patient.answered_at = now

    def silent(self, now: float, seconds: float = SLOW_SECONDS) -> tuple[str, ...]:
        """Return the names of those that have not answered for `seconds`."""
        return tuple(patient.name for patient in self._patients if now - patient.answered_at > seconds)

    @staticmethod
    def _has_answered(patient: _Patient) -> bool:
        assert patient.answer is not None
        try:
            patient.answer.get(timeout=0)
        except pykka.Timeout:
            return False
        except pykka.ActorDeadError:
            return False
        return True
