from hypothesis import given
from hypothesis import strategies as st

from processor.domain.circuit import Circuit, CircuitState, blame
from processor.domain.errors import ErrorClass, Failure

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


def test_an_outage_nobody_confirms_is_the_request_s_own() -> None:
    assert blame(AWAY, confirmed=False).error_class is ErrorClass.TRANSIENT
    assert blame(AWAY, confirmed=True) == AWAY
