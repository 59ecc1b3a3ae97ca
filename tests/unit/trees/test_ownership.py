"""Directories of the daemon's own: made so, and refused where others may write."""

import os
import stat
from pathlib import Path

import pytest

from processor.trees.ownership import SharedDirectoryError, claim, open_private, open_private_below, problem_of_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_missing_is_made_for_its_user_alone(tmp_path: Path) -> None:
    top = open_private(os.fsencode(tmp_path / "a/errors"))
    open_private_below(top, b"d/e")
    assert [mode(tmp_path / "a/errors" / path) for path in ("", "d", "d/e")] == [0o700] * 3


def test_the_operator_may_let_others_read(tmp_path: Path) -> None:
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors").chmod(0o2750)
    open_private_below(open_private(os.fsencode(tmp_path / "errors")), b"d")
    assert mode(tmp_path / "errors/d") & 0o777 == 0o750


@pytest.mark.parametrize("rights", [0o770, 0o707, 0o1777, 0o720])
def test_a_directory_in_which_others_may_write_is_refused(tmp_path: Path, rights: int) -> None:
    (tmp_path / "errors/d").mkdir(parents=True)
    (tmp_path / "errors/d").chmod(rights)
    with pytest.raises(SharedDirectoryError, match=r"may be written by others than .*chmod go-w"):
        open_private(os.fsencode(tmp_path / "errors/d"))
    with pytest.raises(SharedDirectoryError):
        open_private_below(open_private(os.fsencode(tmp_path / "errors")), b"d/e")
    assert "may be written by others" in (problem_of_private(os.fsencode(tmp_path / "errors/d")) or "")


def test_a_directory_is_claimed_only_where_its_parent_is_there(tmp_path: Path) -> None:
    assert claim(os.fsencode(tmp_path / "not/mounted")) is None
    assert not (tmp_path / "not").exists()
    assert claim(os.fsencode(tmp_path / "errors")) is None
    assert mode(tmp_path / "errors") == 0o700
    (tmp_path / "file").write_text("")
    assert claim(os.fsencode(tmp_path / "file")) == f"{tmp_path}/file: Not a directory"
