"""The usual order of the keys of objects.

What proves a row expects its keys in one order, some of them missing. Where many are optional, the order in which they
are first met is seldom that order.
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

Keys = tuple[str, ...]
_MOST_ADDED = 20


def usual_order(known: Iterable[str], seen: Mapping[Keys, int]) -> list[str]:
    """Return the `known` keys in an order that the objects `seen`, each as often as it says, have them in.

    Where they contradict each other, the most frequent have their way.
    """
    before: dict[str, set[str]] = {key: set() for key in known}
    if (order := _order(before, seen)) is not None:
        return order
    order = list(before)
    agreed: list[Keys] = []
    for keys in sorted(seen, key=lambda keys: -seen[keys])[:_MOST_ADDED]:
        if (found := _order(before, [*agreed, keys])) is not None:
            order, agreed = found, [*agreed, keys]
    return order


def _order(before: Mapping[str, set[str]], seen: Iterable[Keys]) -> list[str] | None:
    sorter = TopologicalSorter(before)
    for keys in seen:
        for first, second in pairwise(keys):
            sorter.add(second, first)
    try:
        return list(sorter.static_order())
    except CycleError:
        return None
