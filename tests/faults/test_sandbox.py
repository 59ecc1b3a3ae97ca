"""What a worker that was taken over can reach: nothing, whoever runs the daemon and whatever the kernel lacks."""

import ctypes
import ctypes.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processor.sandbox.syscalls import ALLOWED, CONDITIONAL, MACHINES
from tests.e2e.daemon import ROOT
from tests.faults.attempts import ATTEMPTS, MAY_FAIL

_NOBODY = 65534
_SECONDS = 120
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that another user can enter, too: those of pytest are its user's alone."""
    directory = Path(f"/tmp/sandbox-{os.getpid()}-{tmp_path_factory.mktemp('x').name}")
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


def _try_all(directory: Path, mode: str, prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*prefix, sys.executable, "-m", "tests.faults.try_attempts", str(directory), mode]
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def _nobody() -> tuple[str, ...]:
    """Return how to run as a user without rights; where Python lies in a private home, with the right to read it."""
    user = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
    home = Path(sys.executable).resolve()
    if all(each.stat().st_mode & 0o001 for each in (home, *home.parents)):
        return (*user, "--inh-caps=-all", "--bounding-set=-all")
    return (*user, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def _all_refused(found: dict[str, Any]) -> None:
    assert {name: said for name, said in found["inside"].items() if not said.startswith("refused")} == {}
    assert set(found["inside"]) == set(ATTEMPTS)
    assert found["missing"] == []
    assert not found["changed"], "what belongs to senders and to the daemon is as it was"
    assert found["victim"] is None, "the other process lives"


def _vain(found: dict[str, Any]) -> set[str]:
    return {name for name, said in found["outside"].items() if not said.startswith("done")}


def test_there_are_many_attempts() -> None:
    assert len(ATTEMPTS) >= 100


def test_every_attempt_of_a_worker_is_refused(shared: Path) -> None:
    found = _try_all(shared, "namespaces")
    _all_refused(found)
    assert _vain(found) <= MAY_FAIL, "outside of a worker they succeed: a refusal means something"


def test_every_attempt_of_a_worker_is_refused_where_there_are_no_namespaces(shared: Path) -> None:
    _all_refused(_try_all(shared, "no-namespaces"))


@needs_root
def test_every_attempt_of_a_worker_is_refused_to_a_user_without_rights(shared: Path) -> None:
    os.chown(shared, _NOBODY, _NOBODY)
    found = _try_all(shared, "namespaces", _nobody())
    _all_refused(found)
    assert _vain(found) <= MAY_FAIL


@needs_root
def test_every_attempt_is_refused_to_a_user_without_rights_and_without_namespaces(shared: Path) -> None:
    os.chown(shared, _NOBODY, _NOBODY)
    _all_refused(_try_all(shared, "no-namespaces", _nobody()))


@pytest.mark.parametrize(("machine", "architecture"), [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)])
def test_the_numbers_of_calls_are_those_that_libseccomp_has(machine: str, architecture: int) -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("libseccomp is not installed")
    library = ctypes.CDLL(name)
    column = MACHINES[machine].column
    assert MACHINES[machine].audit == architecture
    for call, numbers in (ALLOWED | CONDITIONAL).items():
        known = library.seccomp_syscall_resolve_name_arch(architecture, call.encode())
        assert (known if known >= 0 else None) == numbers[column], call
