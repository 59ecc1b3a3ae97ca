"""What the files of the deployment say, as far as that can be told without running them."""

import re
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from processor.cli.completion import _SCRIPTS
from processor.cli.manual import manual
from processor.cli.parser import DISTRIBUTION, commands, parser
from processor.config.settings import Settings
from processor.remote.dask_engine import _ALIKE

from .conftest import DEPLOY

SCRIPTS = [*DEPLOY.glob("*.sh"), *(DEPLOY / "deb").glob("p*")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_understood_by_a_plain_shell(script: Path) -> None:
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_setting_in_the_template_exists() -> None:
    names = re.findall(r"^#?([A-Z0-9_]+)=", (DEPLOY / "processor.env").read_text(), re.MULTILINE)
    assert names
    assert [name for name in names if name.lower() not in Settings.model_fields] == []


def test_both_supervisors_wait_longer_than_the_daemon_drains() -> None:
    drain_seconds = Settings.model_fields["shutdown_timeout"].default / 1000
    supervisor, unit = ConfigParser(), (DEPLOY / "processor.service").read_text()
    supervisor.read(DEPLOY / "supervisor.conf")
    assert supervisor.getint("program:processor", "stopwaitsecs") > drain_seconds
    [stop_seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(stop_seconds) > drain_seconds


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["processor.service", "processor-dashboard.service"])
def test_systemd_understands_the_unit_and_finds_little_exposed(tmp_path: Path, name: str) -> None:
    unit = (DEPLOY / name).read_text().replace("@USER@", "daemon")
    command = f"ExecStart={sys.executable} -m processor"
    unit = re.sub(r"^ExecStart=\S+", command, unit, flags=re.MULTILINE).replace("@PREFIX@", "")
    path = tmp_path / name
    path.write_text(unit)
    verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert [line for line in verified.stderr.splitlines() if name in line] == []
    command_line = ["systemd-analyze", "security", "--offline=true", "--threshold=25", path]
    exposed = subprocess.run(command_line, capture_output=True, text=True, check=False)
    assert exposed.returncode == 0, exposed.stdout


def test_the_manual_has_every_command_and_argument_and_no_request_of_a_stranger() -> None:
    page = manual()
    lines = page.splitlines()
    plain = page.replace("\\-", "-")
    for each in commands(parser()):
        assert f".SS processor {each.words}" in plain
        for action in each.parser._actions:
            assert all(
                f"\\fB{option}\\fR" in plain for option in action.option_strings if option not in ("-h", "--help")
            )
    requests = {line.split()[0] for line in lines if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".BR", ".I"}
    assert "" not in lines, "an empty line is a paragraph of its own"


def test_the_package_brings_what_the_program_makes_of_itself() -> None:
    script = (DEPLOY / "build-deb.sh").read_text()
    for place in (
        "man/man1",
        "bash-completion/completions",
        "zsh/vendor-completions",
        "fish/vendor_completions.d",
        "processor-dashboard.service",
    ):
        assert place in script
    done = subprocess.run(["bash", "-n"], input=_SCRIPTS["bash"], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("requirements.lock", []),
        ("requirements-tables.lock", ["tables"]),
        ("requirements-run.lock", ["tables", "embedded"]),
        ("requirements-dev.lock", ["tables", "embedded", "dask"]),
    ],
)
def test_the_lock_files_have_every_dependency_by_hash_in_a_version_that_is_asked_for(
    name: str, extras: list[str]
) -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (DEPLOY.parent / name).read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", lock, re.MULTILINE))
    optional = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *(each for extra in extras for each in optional[extra])]
    if "dask" in extras:
        wanted += project["dependency-groups"]["dev"]
    for each in map(Requirement, wanted):
        assert each.specifier.contains(locked[each.name]), each
    blocks = re.split(r"^(?=[a-z0-9-]+==)", lock, flags=re.MULTILINE)[1:]
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_every_dependency_has_an_upper_bound() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    bounds = {each.name: {specifier.operator for specifier in each.specifier} for each in map(Requirement, wanted)}
    assert [name for name, operators in bounds.items() if not operators & {"<", "<=", "=="}] == []


def test_no_text_recommends_the_package_of_another_project() -> None:
    texts = [
        DEPLOY.parent / "README.md",
        *(DEPLOY.parent / "docs").glob("*.md"),
        *(DEPLOY.parent / "processor").rglob("*.py"),
    ]
    texts += [path for path in DEPLOY.rglob("*") if path.is_file()]
    wrong = re.compile(r"(pip|uv|pipx) install[^\n]*[\s'\"]processor\b(?![/.-])")
    found = [path for path in texts if wrong.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert found == []


def test_the_program_asks_for_its_version_by_the_name_of_its_distribution() -> None:
    name = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    assert (DISTRIBUTION, _ALIKE[0]) == (name, name)
