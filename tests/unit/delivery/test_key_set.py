from hypothesis import given
from hypothesis import strategies as st

from processor.delivery.key_set import KeySet


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_it_holds_what_was_put_in_and_nothing_else(put: list[str], others: list[str]) -> None:
    keys = KeySet()
    for key in put:
        keys.add(key)
    assert len(keys) == len(set(put))
    assert {key for key in (*put, *others) if key in keys} == set(put)


def test_a_hundred_thousand_keys_are_held_apart() -> None:
    keys = KeySet()
    for number in range(100_000):
        keys.add(f"a/{number}")
    assert len(keys) == 100_000
    assert all(f"a/{number}" in keys for number in range(100_000))
    assert not any(f"b/{number}" in keys for number in range(100_000))
