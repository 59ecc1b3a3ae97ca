"""The wheel with its extras, as pip installs it for each Python that is here, delivers a file by itself."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.conftest import DEPLOY

_IMPORTS = "import processor.remote.dask_engine, distributed"


def _pythons() -> dict[str, str]:
    """Return this Python and others that the wheel is for, by version."""
    found = {".".join(map(str, sys.version_info[:2])): sys.executable}
    for version in ("3.11", "3.12", "3.13"):
        own = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"), shutil.which(f"python{version}")]
        if others := [str(each) for each in own if each]:
            found.setdefault(version, others[0])
    return found


@pytest.mark.parametrize("python", _pythons().values(), ids=list(_pythons()))
def test_the_wheel_with_extras_delivers_a_file(
    wheelhouse: Path, tmp_path: Path, sh: Callable[..., str], python: str
) -> None:
    (wheel,) = wheelhouse.glob("data_file_processor-*.whl")
    bin_ = tmp_path / "venv" / "bin"
    sh('"$1" -m venv --without-pip "$2"', python, tmp_path / "venv")
    pip = [sys.executable, "-m", "pip", f"--python={bin_}/python", "--quiet", "--disable-pip-version-check"]
    wanted = f"data-file-processor[embedded,dask] @ {wheel.as_uri()}"
    locked = tmp_path / "locked.txt"
    locked.write_text(
        "\n".join(re.findall(r"^[^ #]+==[^ ]+", (DEPLOY.parent / "requirements-dev.lock").read_text(), re.MULTILINE))
    )
    install = ["install", "--no-compile", f"--find-links={wheelhouse}", f"--constraint={locked}", wanted]
    subprocess.run([*pip, *install], check=True)
    sh('"$1" -c "$2"', bin_ / "python", _IMPORTS)

    watch = tmp_path / "in"
    watch.mkdir()
    (watch / "a.csv").write_text("id,v\n1,2\n")
    settings = {
        "S3_ENDPOINT": "embedded",
        "S3_BUCKET": "files",
        "WATCH_PATH": str(watch),
        "ERROR_DIRECTORY": str(tmp_path / "errors"),
        "STABILITY_THRESHOLD": "0",
        "ALLOW_ROOT": "true",
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    told = sh('cd "$1"; "$2" --version; "$2" run --once 2>&1', tmp_path, bin_ / "processor", env=environment)
    assert told.startswith("processor ")
    assert '"file.completed"' in told
    assert "a.csv" in told
