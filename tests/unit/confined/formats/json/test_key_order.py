"""The order that most objects have their keys in."""

import random

import pytest

from processor.confined.formats.json.key_order import usual_order


def test_optional_keys_come_in_the_one_order_that_all_objects_have() -> None:
    seen = {("id", "z"): 3, ("id", "b"): 2, ("a", "b"): 1, ("b", "z"): 1}
    assert usual_order(["id", "z", "b", "a"], seen) == ["id", "a", "b", "z"]


def test_where_orders_contradict_each_other_the_most_frequent_counts() -> None:
    assert usual_order(["b", "a"], {("b", "a"): 1, ("a", "b"): 9}) == ["a", "b"]
    assert usual_order(["b", "a", "c"], {("b", "a"): 1, ("a", "b"): 9, ("c", "a"): 1}) == ["c", "a", "b"]


@pytest.mark.parametrize("seed", range(5))
def test_every_key_is_there_once_whatever_was_seen(seed: int) -> None:
    chance = random.Random(seed)
    known = [f"k{at}" for at in range(12)]
    seen = {tuple(chance.sample(known, chance.randrange(12))): chance.randrange(1, 9) for _ in range(40)}
    assert sorted(usual_order(known, seen)) == sorted(known)
