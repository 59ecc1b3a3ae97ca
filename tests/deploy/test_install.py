"""deploy/install.sh below a prefix, with a real supervisord: install, upgrade, a failed upgrade, uninstall."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.store.s3 import S3Store

from .conftest import DEPLOY, Host, Machine, gone, has_object, store_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WaitUntil = Callable[..., object]


def install(host: Host, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [DEPLOY / "install.sh", *arguments, "--prefix", host.prefix, "--service", "supervisor"]
    return subprocess.run(
        list(map(str, command)), env=host.environment, capture_output=True, text=True, check=False, timeout=500
    )


def releases(host: Host) -> set[str]:
    return {each.name for each in (host.prefix / "opt/processor/releases").iterdir()}


def test_it_installs_upgrades_and_uninstalls_and_keeps_what_is_the_operators(
    host: Host, bucket: S3Store, wheelhouse: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    done = install(host, "install", "--wheelhouse", wheelhouse)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: host.status() == "EXITED", timeout=120)  # no bucket yet: it says so and is not tried again
    assert "S3_BUCKET" in host.log.read_text()
    settings = host.prefix / "etc/processor/processor.env"
    assert settings.stat().st_mode & 0o777 == 0o640

    host.configure(**store_settings(bucket))
    host.ctl("start", "processor")
    (host.incoming / "one.bin").write_bytes(b"1")
    wait_until(lambda: has_object(bucket, "one.bin"), timeout=120)
    ledger = host.prefix / "var/lib/processor/progress.db"
    assert ledger.exists()
    before, pid, text = releases(host), host.pid(), settings.read_text()

    done = install(host, "upgrade", "--wheelhouse", wheelhouse)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: host.status() == "RUNNING" and host.pid() not in (0, pid), timeout=120)
    (host.incoming / "two.bin").write_bytes(b"2")
    wait_until(lambda: has_object(bucket, "two.bin"), timeout=120)
    assert settings.read_text() == text
    assert len(releases(host)) == 2
    assert before < releases(host)

    now, pid = releases(host), host.pid()
    done = install(host, "upgrade", "--wheelhouse", tmp_path / "nothing")
    assert done.returncode != 0
    assert (releases(host), host.pid()) == (now, pid)

    family = host.family()
    done = install(host, "uninstall")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: gone(family), timeout=60)
    assert "no such process" in host.ctl("status", "processor").lower()
    left = {str(each.relative_to(host.prefix)) for each in host.prefix.rglob("*processor*")}
    assert left == {"etc/processor", "etc/processor/processor.env", "var/lib/processor", "var/log/processor",
                    "var/log/processor/processor.log", "srv/processor"}  # fmt: skip
    assert ledger.exists()

    done = install(host, "uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert not settings.exists()
    assert not ledger.exists()
    assert (host.incoming / "one.bin").exists()


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--prefix", "relative"], ["--prefix", "/a b"], ["--service", "cron"], ["--python"]]
)
def test_wrong_usage_changes_nothing_and_ends_with_2(arguments: list[str]) -> None:
    done = subprocess.run([DEPLOY / "install.sh", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="the copy of the machine has Debian's Python at its place")
def test_on_the_machine_itself_it_makes_a_user_and_takes_it_away_again(wheelhouse: Path, machine: Machine) -> None:
    script = '"$1/install.sh" "$2" --python /usr/bin/python3 --wheelhouse "$3" --service systemd'
    # An interpreter that only root can reach is refused, with the reason, before anything is changed.
    machine.sh("/usr/bin/python3 -m venv --copies --without-pip /root/hidden; chmod 700 /root")
    refused = machine.sh('! "$1/install.sh" install --python /root/hidden/bin/python --service systemd 2>&1', DEPLOY)
    assert "lies below /root, which processor may not enter" in refused
    assert machine.sh("getent passwd processor || true") == ""
    machine.sh(script, DEPLOY, "install", wheelhouse)
    assert "User=processor\n" in machine.sh("cat /etc/systemd/system/processor.service")
    assert machine.sh("stat -c '%a %U %G' /etc/processor/processor.env") == "640 root processor\n"
    # The command of the people becomes the daemon's user, who may read the settings.
    assert "S3_BUCKET is not set" in machine.sh("/usr/local/bin/processor run 2>&1 || test $? = 78")
    machine.sh('"$1/install.sh" uninstall', DEPLOY)
    assert machine.sh("getent passwd processor").startswith("processor:")
    machine.sh('"$1/install.sh" uninstall --purge', DEPLOY)
    assert machine.sh("getent passwd processor || true") == ""
    left = "ls -d /opt/processor /etc/processor /var/lib/processor /usr/local/bin/processor 2>/dev/null || true"
    assert machine.sh(left) == ""
