"""The .deb: built without a network, installed in a copy of the machine, as Debian would."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.store.s3 import S3Store

from .conftest import DEPLOY, QUICK, SUPERVISOR, SUPERVISORD, Machine, edited, has_object, store_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not a Debian"),
]

WaitUntil = Callable[..., object]


@pytest.fixture(scope="session")
def package(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("dist")
    offline = os.environ | QUICK | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse)}
    offline["CYCLONEDX"] = str(Path(sys.executable).with_name("cyclonedx-py"))
    subprocess.run([DEPLOY / "build-deb.sh", output], check=True, env=offline)
    [built] = output.glob("data-file-processor_*.deb")
    return built


def test_the_list_of_what_is_in_it_names_what_is_locked_and_nothing_else(package: Path) -> None:
    [path] = package.parent.glob("*.cdx.json")
    bill = json.loads(path.read_bytes())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {re.sub("[._]", "-", each["name"].lower()): each["version"] for each in bill["components"]}
    locked = dict(
        re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", (DEPLOY.parent / "requirements.lock").read_text(), re.MULTILINE)
    )
    listed.pop("data-file-processor", None)
    assert listed.items() <= locked.items()
    assert {"boto3", "duckdb", "pykka", "orjson"} <= listed.keys()
    assert bill["metadata"]["component"]["name"] == "data-file-processor"


def test_it_brings_what_an_operator_copies_from(package: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    place = " ./usr/share/doc/data-file-processor/"
    examples = (
        "prometheus-alerts.yml",
        "grafana-dashboard.json",
        "iam-policy.json",
        "feeds.example.toml",
        "env.example",
    )
    for name in (
        "README.md",
        "requirements.lock",
        "sbom.cdx.json",
        "docs/OPERATIONS.md",
        "changelog.gz",
        "copyright",
        *(f"examples/{each}" for each in examples),
    ):
        assert f"{place}{name}\n" in listed, name
    for name in (
        "usr/share/man/man1/processor.1.gz",
        "usr/share/bash-completion/completions/processor",
        "usr/share/zsh/vendor-completions/_processor",
        "usr/share/fish/vendor_completions.d/processor.fish",
        "lib/systemd/system/processor-dashboard.service",
    ):
        assert f" ./{name}\n" in listed, name


def test_it_installs_serves_people_runs_as_its_own_user_and_goes_without_taking_data_along(
    machine: Machine, package: Path, bucket: S3Store, wait_until: WaitUntil
) -> None:
    machine.write("/tmp/processor.deb", package.read_bytes())
    # The machine's supervisord, as Debian sets it up.
    machine.sh("mkdir -p /etc/supervisor/conf.d /tmp/supervisor")
    configuration = SUPERVISORD.format(directory="/tmp/supervisor").replace("/tmp/supervisor/etc", "/etc")
    machine.write("/etc/supervisord.conf", configuration.encode())
    ctl = f'#!/bin/sh\nexec {SUPERVISOR}/supervisorctl -c /etc/supervisord.conf "$@"\n'
    machine.write("/usr/bin/supervisorctl", ctl.encode(), mode="755")

    with machine.running(SUPERVISOR / "supervisord", "-c", "/etc/supervisord.conf"):
        wait_until(lambda: "supervisor.sock" in machine.sh("ls /tmp/supervisor"), timeout=60)
        machine.sh("dpkg --install /tmp/processor.deb")
        wait_until(lambda: "EXITED" in machine.sh("supervisorctl status || true"), timeout=120)
        assert "S3_BUCKET" in machine.sh("cat /var/log/processor/processor.log")
        modes = machine.sh("stat -c '%a %U %G' /etc/processor/processor.env /srv/processor/incoming /var/lib/processor")
        assert modes.splitlines() == ["640 root processor", "2775 processor processor", "750 processor processor"]
        errors = "stat -c '%a %U' /srv/processor/errors"
        assert machine.sh(errors) == "700 processor\n"
        # The command for people runs beside it, and says what is wrong.
        machine.write("/tmp/table.csv", b"a,b\n1,2\n")
        machine.sh("processor convert /tmp/table.csv /tmp/table.parquet; test -s /tmp/table.parquet")
        machine.sh("mkdir -m 777 /tmp/of-all; cp /tmp/table.csv /tmp/of-all")
        as_user = "setpriv --reuid=nobody --regid=nogroup --clear-groups processor"
        machine.sh(f"cd /tmp/of-all; {as_user} convert table.csv table.parquet; test -s table.parquet")
        assert "BIGINT" in machine.sh(f"cd /tmp/of-all; {as_user} plan table.csv")
        output = machine.sh("processor run 2>&1 || echo exit $?")
        assert "S3_BUCKET" in output
        assert output.endswith("exit 78\n")

        settings = machine.sh("cat /etc/processor/processor.env")
        machine.write("/etc/processor/processor.env", edited(settings, store_settings(bucket)).encode())
        machine.sh("supervisorctl start processor; echo a >/srv/processor/incoming/one.bin")
        wait_until(lambda: has_object(bucket, "one.bin"), timeout=120)
        # Neither its command line nor its environment gives the secret away, and the daemon is not root.
        seen = machine.sh('cd /proc/$(supervisorctl pid processor); stat -c %U .; cat environ cmdline | tr "\\0" "\\n"')
        assert seen.startswith("processor\n")
        assert bucket.settings.secret_access_key not in seen
        assert machine.sh("stat -c %U /var/lib/processor/progress.db") == "processor\n"

        old = machine.sh("supervisorctl pid processor")
        machine.sh("chmod 2770 /srv/processor/errors")  # as the first releases made it
        machine.sh("dpkg --install /tmp/processor.deb; echo b >/srv/processor/incoming/two.bin")
        assert machine.sh("supervisorctl pid processor") not in (old, "0\n")
        assert machine.sh(errors) == "2750 processor\n"
        wait_until(lambda: has_object(bucket, "two.bin"), timeout=120)

        machine.sh("dpkg --remove data-file-processor")
        wait_until(lambda: machine.sh("pgrep --uid processor --runstates R,S,D || true") == "", timeout=60)
        assert machine.sh("ls /opt/processor 2>/dev/null || true") == ""
        machine.sh("test -s /etc/processor/processor.env; test -s /var/lib/processor/progress.db")
        machine.sh("dpkg --purge data-file-processor")
        assert machine.sh("ls -d /etc/processor /var/lib/processor /var/log/processor 2>/dev/null || true") == ""
        assert machine.sh("ls /srv/processor/incoming").split() == ["one.bin", "two.bin"]
        assert machine.sh("getent passwd processor || true") == ""
