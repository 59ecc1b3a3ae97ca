from hypothesis import given
from hypothesis import strategies as st

from processor.actors.circuit import Circuit, CircuitState, Suspicions, blame
from processor.domain.errors import STORE_REFUSED, ErrorClass, Failure

AWAY = Failure(ErrorClass.OUTAGE, "store.unreachable", "no answer")


def test_an_outage_closes_the_gate_and_asks_for_a_probe_at_once() -> None:
    circuit = Circuit().outage(AWAY, now=100.0)
    assert not circuit.admits
    assert circuit.probe_due(100.0)
    assert not circuit.confirmed


def test_only_one_probe_is_on_its_way() -> None:
    circuit = Circuit().outage(AWAY, 0).probing()
    assert not circuit.probe_due(1e9)
    assert circuit.outage(AWAY, 5) == circuit


def test_a_probe_that_succeeds_lets_everything_go_on() -> None:
    circuit = Circuit(2.0, 30.0).outage(AWAY, 0).probing().probe_failed(AWAY, 0, 0.5).probing().probe_succeeded()
    assert circuit == Circuit(2.0, 30.0)
    assert circuit.admits


def test_the_store_s_wish_to_wait_is_honoured() -> None:
    busy = Failure(ErrorClass.OUTAGE, "store.unavailable", "", "", 42.0)
    assert Circuit().outage(AWAY, 0).probing().probe_failed(busy, 10.0, 0.0).next_probe_at == 52.0


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=60))
def test_probes_wait_longer_and_longer_but_never_too_long(chances: list[float]) -> None:
    circuit, now, waits = Circuit(1.0, 60.0).outage(AWAY, 0.0), 0.0, []
    for chance in chances:
        assert circuit.probe_due(now)
        circuit = circuit.probing().probe_failed(AWAY, now, chance)
        assert circuit.state is CircuitState.OPEN
        assert not circuit.probe_due(now)
        waits.append(circuit.next_probe_at - now)
        now = circuit.next_probe_at
    for index, wait in enumerate(waits):
        expected = min(60.0, 2.0**index)
        assert expected / 2 - 1e-6 <= wait <= expected + 1e-6
    assert circuit.confirmed


def test_a_reason_that_the_store_gave_is_the_request_s_own_when_a_probe_is_taken() -> None:
    refusal = Failure(ErrorClass.OUTAGE, STORE_REFUSED, "no")
    assert blame(refusal, Suspicions().add(1, 0.0), 0.0).error_class is ErrorClass.TRANSIENT


def test_what_the_store_gave_no_reason_for_costs_a_file_nothing_for_ten_minutes() -> None:
    suspicions = Suspicions()
    waits = []
    for now in (0.0, 1.0, 3.0, 599.0):
        failure = blame(AWAY, suspicions.add(7, now), now)
        assert failure.error_class is ErrorClass.OUTAGE
        waits.append(failure.retry_after_seconds)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert blame(AWAY, suspicions.add(7, 601.0), 601.0).error_class is ErrorClass.TRANSIENT


def test_a_file_that_was_delivered_is_suspected_no_more() -> None:
    suspicions = Suspicions()
    suspicions.add(7, 0.0)
    suspicions.delivered(7)
    assert blame(AWAY, suspicions.add(7, 5000.0), 5000.0).error_class is ErrorClass.OUTAGE


def test_several_files_without_a_delivery_in_between_are_many() -> None:
    suspicions = Suspicions()
    for row in (1, 1, 1, 2):
        suspicions.add(row, 0.0)
        assert not suspicions.many
    suspicions.delivered(9)
    for row in (3, 4, 5):
        assert not suspicions.many
        suspicions.add(row, 0.0)
    assert suspicions.many


def test_what_is_suspected_is_bounded() -> None:
    suspicions = Suspicions()
    for row in range(20_000):
        suspicions.add(row, 0.0)
    assert suspicions.add(0, 900.0).since == 900.0, "the oldest are forgotten"
    assert suspicions.add(19_999, 900.0).since == 0.0
