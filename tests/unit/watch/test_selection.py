"""INCLUDE and EXCLUDE: gitignore's rules, temporary names, and how many files are left out."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import PathSpec

from processor.domain.selection import TEMPORARY, Selection
from processor.feeds.patterns import path_patterns
from processor.watch import left_out
from processor.watch.left_out import LeftOut

from .conftest import Watching

Watch = Callable[..., Watching]


def select(include: str = "", exclude: str = TEMPORARY) -> Selection:
    return Selection(path_patterns(include), path_patterns(exclude))


@pytest.mark.parametrize(
    "path",
    [
        b"a.part", b"d/e/big.iso.filepart", b"x.partial", b"x.crdownload", b"x.tmp", b"~$report.docx", b".~lock.a.ods#",
        b"._a.txt", b".DS_Store", b"d/Thumbs.db", b".nfs00000001", b".a.txt.swp", b"caf\xe9.tmp", b"new\nline.part",
        b"partial.tmp/inside.csv", b"d/.DS_Store/x",
    ],
)  # fmt: skip
def test_names_that_are_never_meant_to_arrive_are_left_out(path: bytes) -> None:
    assert select().leaves_out(path)


@pytest.mark.parametrize(
    "path",
    [
        b"a.parts", b"apart", b"a.part.csv", b"part", b"tmp", b"a.tmpx", b"$~a", b"a~$", b"_a", b"DS_Store",
        b"thumbs.db2",
        b"nfs", b"swp", b"a.tmp.d/x", b"caf\xe9.csv", b"new\nline", b".hidden", b"a.part\nb",
    ],
)  # fmt: skip
def test_others_are_delivered(path: bytes) -> None:
    assert not select().leaves_out(path)


def test_what_is_excluded_is_added_to_temporary_names_and_may_take_them_back() -> None:
    chosen = select(exclude=f"{TEMPORARY} *.bak /top/*.log drafts/ !keep.tmp")
    left_out = [b"a.bak", b"d/a.bak", b"top/a.log", b"drafts/a", b"d/drafts/e/a", b"x.tmp", b"keep.tmp/x.tmp"]
    delivered = [b"d/top/a.log", b"drafts", b"keep.tmp", b"d/keep.tmp", b"top/d/a.log"]
    assert [path for path in left_out if not chosen.leaves_out(path)] == []
    assert [path for path in delivered if chosen.leaves_out(path)] == []
    assert not select(exclude=f"{TEMPORARY} !*").leaves_out(b"a.part")


def test_only_what_is_included_is_delivered_and_a_space_can_be_part_of_a_pattern() -> None:
    chosen = select(r"*.csv in/ **/deep/*.json two\ words !not.csv")
    delivered = [b"a.csv", b"d/a.csv", b"in/any", b"in/d/any", b"x/deep/a.json", b"two words"]
    left_out = [b"a.txt", b"not.csv", b"in", b"deep.json", b"words", b"a.csv.part"]
    assert [path for path in delivered if chosen.leaves_out(path)] == []
    assert [path for path in left_out if not chosen.leaves_out(path)] == []


_NAMES = st.sampled_from(["a", "b", "a.csv", "b.tmp", "x y", "é", "c.d.e", ".a"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_GLOBS = st.sampled_from(
    ["a", "*.csv", "/a", "b/", "a/b", "**/a", "a/**", "a/**/b", "*", "?", "*.t?p", "[ab]", ".*", "é"]
)


@given(st.lists(_GLOBS, max_size=4), _PATHS)
def test_patterns_mean_what_they_mean_to_pathspec(globs: list[str], path: str) -> None:
    expected = PathSpec.from_lines("gitignore", globs).match_file(path)
    assert select(exclude=" ".join(globs)).leaves_out(path.encode()) is expected


def test_the_count_forgets_what_a_later_scan_does_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_out, "_REMEMBERED", 3)
    count = LeftOut()
    for name in (b"a", b"b", b"a"):
        count.add(name, scanned=False)
    assert len(count) == 2
    for number in range(5):
        count.add(b"%d" % number, scanned=True)
    count.scanned()
    assert len(count) == 5
    count.add(b"0", scanned=True)
    count.scanned()
    assert len(count) == 1


def test_a_file_arrives_when_it_gets_its_real_name_and_those_left_out_are_counted(root: Path, watch: Watch) -> None:
    (root / "old.part").write_bytes(b"old")
    watching = watch(selection=select(), rescan_seconds=0.3)
    (root / "new.part").write_bytes(b"new")
    watching.until_idle()
    assert (watching.found, watching.tree.counters().left_out) == ([], 2)
    (root / "new.part").rename(root / "new.csv")
    watching.until(lambda: watching.paths == [b"new.csv"])
    watching.until(lambda: watching.tree.counters().left_out == 1)


def test_a_file_that_gets_a_temporary_name_before_it_was_whole_is_not_found(root: Path, watch: Watch) -> None:
    watching = watch(selection=select(), settle_seconds=0.5)
    watching.until_idle()
    (root / "a").write_bytes(b"a")
    watching.until(lambda: watching.tree.counters().unsettled == 1)
    os.rename(root / "a", root / "a.tmp")
    watching.until_idle()
    assert watching.found == []
