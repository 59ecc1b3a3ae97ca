"""Trees are gone through by name, and no more is held than the way down."""

import itertools
import os
import tracemalloc
from pathlib import Path

import pytest

from processor.commands.plan import files_below


def test_files_come_by_name_whatever_their_depth_and_links_are_not_followed(tmp_path: Path) -> None:
    for name in ("b.csv", "a/z.csv", "a/b/c.csv", "a.csv", "c/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in files_below([tmp_path])]
    assert found == ["a/b/c.csv", "a/z.csv", "a.csv", "b.csv", "c/.hidden", "link"]
    assert list(files_below([tmp_path / "b.csv", tmp_path / "none"])) == [tmp_path / "b.csv", tmp_path / "none"]


@pytest.mark.skipif(not os.geteuid(), reason="root reads every directory")
def test_a_directory_that_may_not_be_read_is_passed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0)
    (tmp_path / "b").touch()
    assert list(files_below([tmp_path])) == [tmp_path / "b"]


def test_a_tree_of_many_files_is_not_held(tmp_path: Path) -> None:
    for directory, file in itertools.product(range(100), range(50)):
        (tmp_path / f"{directory:03}").mkdir(exist_ok=True)
        (tmp_path / f"{directory:03}" / f"{file:03}.csv").touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in files_below([tmp_path])) == 5000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
