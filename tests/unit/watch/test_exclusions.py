import os
from pathlib import Path

import pytest

from processor.watch.exclusions import Exclusions


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@pytest.mark.parametrize("strangers", [False, True])
def test_a_link_is_followed_unless_strangers_may_have_put_it(tmp_path: Path, *, strangers: bool) -> None:
    root = tmp_path / "in"
    (root / "victim").mkdir(parents=True)
    (root / "errors").symlink_to("victim")
    root.chmod(0o777 if strangers else 0o755)
    exclusions = Exclusions(os.fsencode(root), [os.fsencode(root / "errors"), os.fsencode(root / "later/ledger.db")])
    assert exclusions.covers(b"errors", (0, 0)), "what the operator wrote is left alone in any case"
    assert exclusions.covers(b"later/ledger.db", (0, 0))
    assert exclusions.covers(b"victim", (0, 0)) is not strangers
    assert exclusions.covers(b"bound", identity(root / "victim")) is not strangers
