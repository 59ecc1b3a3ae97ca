import random

from processor.store.limits import Bandwidth, RequestRate


def test_bandwidth_averages_to_its_limit_whatever_the_pieces() -> None:
    bandwidth, chance = Bandwidth(1000), random.Random(1)
    now, sent = 100.0, 0
    for _ in range(200):
        size = chance.randint(1, 5000)
        now += bandwidth.reserve(size, now)
        sent += size
    assert sent - 5000 <= (now - 100.0) * 1000 <= sent


def test_bandwidth_that_was_not_used_is_not_saved_up() -> None:
    bandwidth = Bandwidth(1000)
    assert bandwidth.reserve(1000, 0.0) == 0.0
    assert bandwidth.reserve(1000, 100.0) == 0.0
    assert bandwidth.reserve(1000, 100.0) == 1.0


def test_no_limit_never_waits() -> None:
    bandwidth = Bandwidth(None)
    assert all(bandwidth.reserve(1 << 40, 0.0) == 0.0 for _ in range(10))


def test_slow_down_halves_the_rate_once_a_second_and_success_raises_it_again() -> None:
    rate = RequestRate(first_limit=40, unlimited_above=50)
    assert rate.reserve(0.0) == 0.0
    rate.throttled(10.0)
    assert rate.per_second == 40
    rate.throttled(10.5)
    assert rate.per_second == 40
    rate.throttled(11.5)
    assert rate.per_second == 20
    for _ in range(21):
        rate.succeeded()
    assert rate.per_second is not None
    assert 20.9 < rate.per_second < 21.1
    for _ in range(2000):
        rate.succeeded()
    assert rate.per_second is None


def test_a_limited_rate_spaces_requests_evenly() -> None:
    rate = RequestRate(first_limit=10)
    rate.throttled(0.0)
    assert [round(rate.reserve(5.0), 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]


def test_the_rate_never_falls_to_nothing() -> None:
    rate = RequestRate(least=0.5)
    for second in range(100):
        rate.throttled(float(second))
    assert rate.per_second == 0.5
