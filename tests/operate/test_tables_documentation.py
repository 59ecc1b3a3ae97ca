"""docs/TABLES.md leads from nothing to a query."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WaitUntil
from tests.operate.sources import ROOT

PAGE = (ROOT / "docs/TABLES.md").read_text(encoding="utf-8")
FEEDS, ENV, SHELL, PYTHON = (
    match[2] for match in re.findall(r"^(```)(toml|sh|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[:4]
)


def environment() -> dict[str, str]:
    programs = Path(sys.executable).parent
    return {"PATH": f"{programs}:{os.defpath}", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), "ALLOW_ROOT": "true"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "feeds.toml").write_text(FEEDS)
    (tmp_path / ".env").write_text(ENV)
    return tmp_path


def run(home: Path, *program: str) -> str:
    done = subprocess.run(
        program, cwd=home, env=environment(), capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def daemon(home: Path, wait_until: WaitUntil) -> Iterator[None]:
    """The daemon, and with it the embedded store, after the page's commands."""
    told = run(home, "sh", "-ec", SHELL)
    assert "sales.orders  1 files, 2 rows, 1 commits" in told
    log = home / "daemon.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "processor", "run"], cwd=home, env=environment(), stdout=output, stderr=output
        )
    wait_until(lambda: b"daemon.started" in log.read_bytes() or process.poll() is not None, timeout=120)
    yield
    process.terminate()
    assert process.wait(60) == 0


@pytest.mark.usefixtures("daemon")
def test_the_page_leads_from_nothing_to_a_query(home: Path) -> None:
    told = run(home, sys.executable, "-c", PYTHON)
    assert "id: int64" in told
    assert "[[1,2]]" in told
    assert "[[9.5,12.25]]" in told.replace("9.50", "9.5")
    assert run(home, sys.executable, "-m", "processor", "verify", "--tables").strip() == "1 ok"
    assert "sales.orders  s3://files/_tables/sales/orders" in run(
        home, sys.executable, "-m", "processor", "tables", "sales.orders"
    )
