"""Failures of the store, the cluster or the watched directory.

A failure that looks so is kept until a probe tells whose it is. While the outage lasts, nothing new is begun and probes
come at growing distances. When probes are taken but several deliveries in a row are not, that is an outage too: it is
paused, longer each time, until one is delivered.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

from structlog.typing import FilteringBoundLogger

from processor.actors.circuit import Circuit, Suspicions, blame
from processor.actors.messages import StepFailed
from processor.domain.errors import SOURCE_NO_ROOT, ErrorClass, Failure


class Outages:
    """Asks for probes by `probe`, and gives failures whose blame is known to `tell`."""

    def __init__(
        self,
        probe: Callable[[], None],
        tell: Callable[[StepFailed], None],
        chance: Random,
        log: FilteringBoundLogger,
        notice: Callable[[Failure, float | None], None] = lambda _failure, _seconds: None,
    ) -> None:
        """`notice` is called with the failure when an outage begins, and with the seconds it took when it ends."""
        self._probe = probe
        self._tell = tell
        self._chance = chance
        self.log = log
        self._notice = notice
        self._circuit = Circuit()
        self._suspects: list[StepFailed] = []
        self._suspicions = Suspicions()
        self._pauses = 0  # that deliveries, not probes, were the reason of; since the last one that went well
        self._paused = False

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
            self._out(failure)
        elif self._distrusts_probes():
            return
        else:
            self._back()
        self.release(confirmed=confirmed and not self._paused)
        self._paused = False

    def delivered(self, row: int) -> None:
        """Learn that a file was delivered."""
        self._suspicions.delivered(row)
        self._pauses = 0

    def release(self, *, confirmed: bool) -> None:
        """Tell of the failures that were kept: they are the outage's when that is `confirmed`."""
        suspects, self._suspects = self._suspects, []
        for each in suspects:
            failure = each.failure if confirmed else self._blamed(each)
            self._tell(replace(each, failure=failure, judged=True))

    def _blamed(self, message: StepFailed) -> Failure:
        failure, now = message.failure, time.monotonic()
        if not failure.code.startswith("store."):
            return replace(failure, error_class=ErrorClass.TRANSIENT)
        return blame(failure, self._suspicions.add(message.job.row, now), now)

    def _out(self, failure: Failure) -> None:
        if not self._circuit.confirmed and failure.code != SOURCE_NO_ROOT:  # of that the Watcher tells
            self.log.error(
                "cluster.outage" if of_cluster(failure) else "store.outage",
                code=failure.code,
                message=failure.message,
                hint=failure.hint,
            )
            self._notice(failure, None)
        self._circuit = self._circuit.probe_failed(failure, time.monotonic(), self._chance.random())

    def _back(self) -> None:
        reason = self._circuit.reason
        if self._circuit.confirmed and reason is not None and not of_root(reason):
            seconds = round(time.monotonic() - self._circuit.opened_at, 1)
            self.log.info("cluster.back" if of_cluster(reason) else "store.back", seconds=seconds)
            self._notice(reason, seconds)
        self._circuit = self._circuit.probe_succeeded()

    def _distrusts_probes(self) -> bool:
        """Pause when a probe was taken but the deliveries before it were not; then let them show what is true."""
        reason = self._circuit.reason
        if self._paused or reason is None or not self._suspicions.many:
            return False
        self._paused = True
        self._suspicions.begin_anew()
        self.log.error("store.outage", code=reason.code, message=reason.message, hint=reason.hint)
        self._notice(reason, None)
        now, chance = time.monotonic(), self._chance.random()
        self._circuit = self._circuit.distrusted(reason, self._pauses, now, chance)
        self._pauses += 1
        return True


def of_root(failure: Failure | None) -> bool:
    """Whether it is the watched directory that is not there."""
    return failure is not None and failure.code == SOURCE_NO_ROOT


def of_cluster(failure: Failure | None) -> bool:
    """Whether it is the cluster that can not be reached."""
    return failure is not None and failure.code.startswith("cluster.")
