"""The daemon killed before a call that changes something: a few of them here, all of them by `make kill-points`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processor.store.settings import StoreSettings
from tests.e2e import warm
from tests.faults.kill_points import Scan, scan
from tests.faults.orphans import adopt_orphans, own_children, strays

MakeScan = Callable[[str], Scan]


@pytest.fixture
def make_scan(tmp_path: Path, target: StoreSettings) -> Iterator[MakeScan]:
    adopt_orphans()
    warm.prepare()
    own = own_children()
    yield lambda way: Scan(tmp_path, target, way)
    assert strays(own) == [], "processes of the daemon are left"


def test_a_death_before_a_call_loses_nothing_and_sends_nothing_twice(make_scan: MakeScan) -> None:
    each = make_scan("move-across")
    assert each.calls > 150, "calls are counted"
    found = scan(each, (each.calls * part // 4 for part in (2, 3)))
    assert found.violations == []
    assert found.points.total() == 2

    each.expected["object that never was"] = "x"
    found = scan(each, (each.calls * 9 // 10,))
    assert [wrong.partition("): ")[2] for wrong in found.violations] == ["object that never was: None instead of x"]
