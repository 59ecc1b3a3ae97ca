"""Failures of the store, the cluster or the watched directory.

A failure that looks so is kept until a probe tells whose it is. While the outage lasts, nothing new is begun and probes
come at growing distances.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

from structlog.typing import FilteringBoundLogger

from processor.actors.messages import StepFailed
from processor.domain.circuit import Circuit, blame
from processor.domain.errors import SOURCE_NO_ROOT, Failure


class Outages:
    """Asks for probes by `probe`, and gives failures whose blame is known to `tell`."""

    def __init__(
        self,
        probe: Callable[[], None],
        tell: Callable[[StepFailed], None],
        chance: Random,
        log: FilteringBoundLogger,
    ) -> None:
        self._probe = probe
        self._tell = tell
        self._chance = chance
        self.log = log
        self._circuit = Circuit()
        self._suspects: list[StepFailed] = []

    @property
    def admits(self) -> bool:
        """Whether new work may begin."""
        return self._circuit.admits

    @property
    def confirmed(self) -> bool:
        """Whether a probe has failed, too."""
        return self._circuit.confirmed

    @property
    def reason(self) -> Failure | None:
        """Why no new work may begin; None when it may."""
        return None if self._circuit.admits else self._circuit.reason

    def begin(self, failure: Failure) -> None:
        """Take it that there may be an outage."""
        self._circuit = self._circuit.outage(failure, time.monotonic())
        self.probe_when_due()

    def suspect(self, message: StepFailed) -> None:
        """Keep the failure until a probe tells whose it is: the store's as a whole, or this file's own."""
        self._suspects.append(message)
        self.begin(message.failure)

    def probe_when_due(self) -> None:
        """Have the store probed, when it is time."""
        if self._circuit.probe_due(time.monotonic()):
            self._circuit = self._circuit.probing()
            self._probe()

    def probed(self, failure: Failure | None) -> None:
        """Learn what a probe told: nothing is wrong, or what is."""
        confirmed = self._circuit.confirmed or failure is not None
        if failure is not None:
            if not self._circuit.confirmed and failure.code != SOURCE_NO_ROOT:  # of that the Watcher tells
                self.log.error(
                    "cluster.outage" if of_cluster(failure) else "store.outage",
                    message=failure.message,
                    hint=failure.hint,
                )
            self._circuit = self._circuit.probe_failed(failure, time.monotonic(), self._chance.random())
        else:
            if self._circuit.confirmed and not of_root(self._circuit.reason):
                self.log.info(
                    "cluster.back" if of_cluster(self._circuit.reason) else "store.back",
                    seconds=round(time.monotonic() - self._circuit.opened_at, 1),
                )
            self._circuit = self._circuit.probe_succeeded()
        self.release(confirmed=confirmed)

    def release(self, *, confirmed: bool) -> None:
        """Tell of the failures that were kept: they are the outage's when that is `confirmed`."""
        suspects, self._suspects = self._suspects, []
        for each in suspects:
            self._tell(replace(each, failure=blame(each.failure, confirmed=confirmed)))


def of_root(failure: Failure | None) -> bool:
    """Whether it is the watched directory that is not there."""
    return failure is not None and failure.code == SOURCE_NO_ROOT


def of_cluster(failure: Failure | None) -> bool:
    """Whether it is the cluster that can not be reached."""
    return failure is not None and failure.code.startswith("cluster.")
