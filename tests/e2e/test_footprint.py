"""What the daemon leaves on the machine: its ledger, its log, failed files, and nothing else."""

import os
import re
from pathlib import Path

from tests.e2e.daemon import Daemon
from tests.e2e.trees import BROKEN_JSON, MIB, write, write_csv, write_large

# A name, and the open directory that it is relative to: strace -y tells where that lies.
_NAMED = re.compile(r'(?:(?:\d+|AT_FDCWD)<([^>"]*)>, )?"([^"]*)"')


def test_the_daemon_writes_nowhere_but_ledger_and_errors(daemon: Daemon) -> None:
    write_large(daemon.watch / "large.bin", 20 * MIB, seed=4)
    write_csv(daemon.watch / "table.csv", 20 * MIB)
    write(daemon.watch / "bad.json", BROKEN_JSON)
    trace = daemon.home / "trace"
    daemon.environment["PYTHONPYCACHEPREFIX"] = str(daemon.home / "bytecode")  # none is there, and none shall be made

    daemon.start("--once", prefix=("strace", "-f", "-qq", "-y", "-e", "trace=execve,openat,creat,open,mkdir,mkdirat,mknodat,rename,renameat,renameat2,linkat,symlinkat", "-o", str(trace)), ready=False)  # fmt: skip  # noqa: E501
    assert daemon.wait(120) == 1

    created = {path for path in _created(trace) if not path.startswith(("/dev/", "/proc/", "/dev/shm/"))}
    allowed = {f"{daemon.ledger}{suffix}" for suffix in ("", "-wal", "-shm", "-journal", ".lock")}
    outside = {path for path in created if path not in allowed and not path.startswith(str(daemon.errors))}
    assert {path for path in outside if not _before_it_is_asked(path, daemon.home / "bytecode")} == set()
    programs = [line for line in trace.read_text(errors="replace").splitlines() if '"-c", "import sys' in line]
    assert programs, "the workers' server"
    assert all('"-B"' in line for line in programs), "it compiles nothing either"
    names = {path.name for path in daemon.home.rglob("*") if path.is_file()}
    assert not [name for name in names if "partial" in name or "tmp" in name]


def _before_it_is_asked(path: str, bytecode: Path) -> bool:
    """Tell if Python compiles this, or makes its directory, before a line of ours runs."""
    if not path.startswith(str(bytecode)):
        return False
    return ".cpython" not in path or "/processor/" not in path or "/processor/__" in path


def _created(trace: Path) -> set[str]:
    """Return every path that was made, or opened such that it would be."""
    created = set()
    for line in trace.read_text(errors="replace").splitlines():
        call = line.partition("(")[0].rpartition(" ")[2]
        failed = " = -1 " in line
        if failed or call == "execve" or '"' not in line:
            continue
        if call in ("open", "openat") and not any(flag in line for flag in ("O_CREAT", "O_TMPFILE", "O_TRUNC")):
            continue
        created.update(os.path.join(directory, name) for directory, name in _NAMED.findall(line)[-1:])
    return created
