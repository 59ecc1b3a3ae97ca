"""The control socket: for the owner alone, wherever it lies."""

import stat
from pathlib import Path

import pytest

from processor.daemon.control_socket import ControlServer, NotRunningError, ask


@pytest.mark.parametrize("depth", [0, 12], ids=["short", "longer than an address"])
def test_a_request_is_answered_however_long_the_path_is(tmp_path: Path, depth: int) -> None:
    directory = tmp_path.joinpath(*["a-directory-name"] * depth)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "ledger.sock"
    server = ControlServer(path, lambda request: {"seen": request})
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ask(path, {"order": "x"}) == {"seen": {"order": "x"}}
    finally:
        server.close()
    assert not path.exists()
    with pytest.raises(NotRunningError):
        ask(path, {})


def test_what_goes_wrong_is_told_to_whoever_asked(tmp_path: Path) -> None:
    def refuse(_request: object) -> None:
        raise ValueError("no such order")

    server = ControlServer(tmp_path / "s", refuse)
    try:
        with pytest.raises(ValueError, match="no such order"):
            ask(tmp_path / "s", {"order": "?"})
    finally:
        server.close()
