"""Log lines as journald reads them."""

import subprocess
import sys

_LOGS = """
import os
from processor import logs
status = os.fstat(1)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino + OTHER}"
logs.configure("debug", pretty=PRETTY)
log = logs.get("test")
for method in ("debug", "info", "warning", "error", "critical"):
    getattr(log, method)("some.event", text="one line\\nand another")
"""


def _said(*, pretty: bool, other: int = 0) -> list[str]:
    code = _LOGS.replace("PRETTY", str(pretty)).replace("OTHER", str(other))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_every_line_carries_its_priority_where_stdout_is_the_journal() -> None:
    assert [line[:4] for line in _said(pretty=False)] == ["<7>{", "<6>{", "<4>{", "<3>{", "<2>{"]
    assert all(line.startswith("<") for line in _said(pretty=True))


def test_no_line_carries_one_where_stdout_is_something_else() -> None:
    assert [line[0] for line in _said(pretty=False, other=1)] == ["{"] * 5
