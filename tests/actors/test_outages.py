"""Outages: whose failure it is, told by probes and by deliveries."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from processor import logs
from processor.actors import outages as outages_module
from processor.actors.messages import StepFailed
from processor.actors.outages import Outages, of_cluster, of_root
from processor.domain.errors import SOURCE_NO_ROOT, STORE_REFUSED, ErrorClass, Failure
from processor.domain.files import FileMetadata
from processor.domain.jobs import Job

AWAY = Failure(ErrorClass.OUTAGE, "store.unreachable", "no answer")
REFUSED = Failure(ErrorClass.OUTAGE, STORE_REFUSED, "no")


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Heard:
    """An Outages with a clock of its own; what it asked for and told."""

    clock: Clock
    probes: int = 0
    told: list[StepFailed] = field(default_factory=list)
    notices: list[tuple[str, float | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outages = Outages(
            self._probe,
            self.told.append,
            Random(1),
            logs.get("test"),
            lambda failure, seconds: self.notices.append((failure.code, seconds)),
        )

    def _probe(self) -> None:
        self.probes += 1


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    clock = Clock()
    monkeypatch.setattr(outages_module, "time", clock)
    return Heard(clock)


def failed(row: int, failure: Failure = AWAY) -> StepFailed:
    file = FileMetadata(b"/in/a", b"a", 1, 1, 1)
    return StepFailed(Job("id", row, file, 1, 0), failure)


def test_one_probe_is_asked_however_many_fail(heard: Heard) -> None:
    for row in range(5):
        heard.outages.suspect(failed(row))
    assert (heard.probes, heard.told, heard.outages.admits) == (1, [], False)
    heard.outages.probed(AWAY)
    assert [(each.job.row, each.judged, each.failure) for each in heard.told] == [(row, True, AWAY) for row in range(5)]
    assert heard.notices == [("store.unreachable", None)]
    assert heard.outages.confirmed


def test_probes_come_at_growing_distances_and_the_end_is_told_with_its_length(heard: Heard) -> None:
    heard.outages.suspect(failed(1))
    heard.outages.probed(AWAY)
    heard.outages.probe_when_due()
    assert heard.probes == 1, "not yet"
    heard.clock.now += 60
    heard.outages.probe_when_due()
    heard.outages.probe_when_due()
    assert heard.probes == 2
    heard.outages.probed(None)
    assert heard.outages.admits
    assert heard.notices == [("store.unreachable", None), ("store.unreachable", 60.0)]


def test_a_probe_that_is_taken_clears_the_store_of_what_it_refused_by_name(heard: Heard) -> None:
    heard.outages.suspect(failed(1, REFUSED))
    heard.outages.probed(None)
    (told,) = heard.told
    assert (told.failure.error_class, told.judged) == (ErrorClass.TRANSIENT, True)
    assert (heard.outages.admits, heard.notices) == (True, [])


def test_what_no_probe_confirms_waits_longer_and_longer_but_costs_no_try(heard: Heard) -> None:
    waits = []
    for _ in range(2):
        heard.outages.suspect(failed(1))
        heard.outages.probed(None)
        assert heard.told[-1].failure.error_class is ErrorClass.OUTAGE
        waits.append(heard.told[-1].failure.retry_after_seconds)
    assert waits == [1.0, 2.0]
    heard.outages.delivered(1)
    heard.outages.suspect(failed(1))
    heard.outages.probed(None)
    assert heard.told[-1].failure.retry_after_seconds == 1.0


def test_a_failure_of_the_cluster_that_no_probe_confirms_is_the_file_s(heard: Heard) -> None:
    heard.outages.suspect(failed(1, replace(AWAY, code="cluster.unreachable")))
    heard.outages.probed(None)
    assert heard.told[0].failure.error_class is ErrorClass.TRANSIENT


def test_deliveries_that_fail_one_after_the_other_are_an_outage_though_probes_are_taken(heard: Heard) -> None:
    for row in range(3):
        heard.outages.suspect(failed(row))
        heard.outages.probed(None)
    assert heard.outages.admits, "each was judged on its own so far"
    heard.outages.suspect(failed(4))
    heard.outages.probed(None)
    assert not heard.outages.admits, "probes are not believed any more"
    assert heard.notices == [("store.unreachable", None)]
    heard.clock.now += 60
    heard.outages.probe_when_due()
    heard.outages.probed(None)
    assert heard.outages.admits, "let deliveries show what is true"
    assert [each.job.row for each in heard.told] == [0, 1, 2, 4]


def test_a_release_tells_all_that_was_kept_once(heard: Heard) -> None:
    heard.outages.suspect(failed(1))
    heard.outages.release(confirmed=True)
    heard.outages.release(confirmed=True)
    assert [(each.failure, each.judged) for each in heard.told] == [(AWAY, True)]


def test_a_probe_that_nobody_asked_for_harms_nothing(heard: Heard) -> None:
    heard.outages.probed(None)
    assert heard.outages.admits
    heard.outages.probed(AWAY)
    assert not heard.outages.admits
    heard.outages.probed(None)
    assert heard.outages.admits


@pytest.mark.parametrize(
    ("code", "cluster", "root"),
    [("cluster.unreachable", True, False), (SOURCE_NO_ROOT, False, True), ("store.unreachable", False, False)],
)
def test_whose_outage_it_is_stands_in_its_code(code: str, cluster: Any, root: Any) -> None:
    failure = replace(AWAY, code=code)
    assert (of_cluster(failure), of_root(failure)) == (cluster, root)
    assert not of_cluster(None)
    assert not of_root(None)
