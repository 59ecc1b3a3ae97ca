"""The deployment's own files, used for real: below a prefix, or in a copy of the machine that is thrown away."""

import base64
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from processor.store.s3 import S3Store

DEPLOY = Path(__file__).parents[2] / "deploy"
SUPERVISOR = Path(sys.executable).parent
# An installation is thrown away after a few starts: its modules need not be compiled, nor its package be small.
QUICK = {"PIP_NO_COMPILE": "1", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}

SUPERVISORD = """
[unix_http_server]
file={directory}/supervisor.sock
[supervisord]
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{directory}/supervisor.sock
[include]
files={directory}/etc/supervisor/conf.d/*.conf
"""


@dataclass(frozen=True)
class Host:
    """A trial installation below `prefix` with a supervisord of its own."""

    prefix: Path
    supervisord: subprocess.Popen[bytes]

    @property
    def incoming(self) -> Path:
        return self.prefix / "srv/processor/incoming"

    @property
    def log(self) -> Path:
        return self.prefix / "var/log/processor/processor.log"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | QUICK | {"SUPERVISORCTL": f"{SUPERVISOR}/supervisorctl -c {self.prefix}/supervisord.conf"}

    def ctl(self, *arguments: str) -> str:
        command = [SUPERVISOR / "supervisorctl", "-c", self.prefix / "supervisord.conf", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def status(self) -> str:
        """Return what supervisor says of the daemon, such as RUNNING or EXITED."""
        words = self.ctl("status", "processor").split()
        return words[1] if len(words) > 1 else ""

    def pid(self) -> int:
        return int(self.ctl("pid", "processor") or 0)

    def configure(self, **settings: object) -> None:
        """Change settings in the file that the operator would edit."""
        path = self.prefix / "etc/processor/processor.env"
        path.write_text(edited(path.read_text(), settings))

    def family(self) -> list[psutil.Process]:
        """Return the daemon and all that it started."""
        daemon = psutil.Process(self.pid())
        return [daemon, *daemon.children(recursive=True)]


def edited(text: str, settings: dict[str, object]) -> str:
    """Return the file of settings with these ones changed."""
    lines = [line for line in text.splitlines() if line.partition("=")[0] not in settings]
    return "\n".join(lines + [f"{name}={value}" for name, value in settings.items()]) + "\n"


def gone(processes: list[psutil.Process]) -> bool:
    """Tell whether all of them have ended, whether or not somebody has asked for their exit codes yet."""
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def has_object(bucket: S3Store, key: str) -> bool:
    listed = bucket.call("list_objects_v2", "look for an object", Prefix=key)
    return any(each["Key"] == key for each in listed.get("Contents", []))


def store_settings(bucket: S3Store) -> dict[str, object]:
    """Return the settings that lead to the bucket; quick ones."""
    store = bucket.settings
    return {
        "S3_ENDPOINT": store.endpoint,
        "S3_BUCKET": store.bucket,
        "S3_ACCESS_KEY_ID": store.access_key_id,
        "S3_SECRET_ACCESS_KEY": store.secret_access_key,
        "S3_FORCE_PATH_STYLE": "true",
        "STABILITY_THRESHOLD": 100,
        "WORKERS": 1,
        "ALLOW_ROOT": "true",  # a trial below a prefix runs as whoever tests
    }


@dataclass(frozen=True)
class Machine:
    """A copy of this machine, written to memory only, in which commands run as root with a file system of their own."""

    holder: subprocess.Popen[str]
    root: Path

    def start(self, *command: object) -> "subprocess.Popen[str]":
        inside = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "chroot", self.root, *command]
        return subprocess.Popen(
            list(map(str, inside)),
            env=os.environ | QUICK,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def running(self, *command: object) -> Iterator[None]:
        """Run a program that ends when the block does, however it ends."""
        process = self.start(*command)
        try:
            yield
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def sh(self, script: str, *arguments: object) -> str:
        with self.start("sh", "-euc", script, "sh", *arguments) as process:
            output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output

    def write(self, path: str, content: bytes, mode: str = "644") -> None:
        with self.start("sh", "-euc", f'base64 -d >"$1"; chmod {mode} "$1"', "sh", path) as process:
            output, _ = process.communicate(base64.b64encode(content).decode())
        assert process.returncode == 0, output


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """The copy; skips where it can not be made (it needs root and overlayfs)."""
    base = tmp_path / "machine"
    base.mkdir()
    script = """
        mount -t tmpfs -o size=3g none "$1"; cd "$1"; mkdir upper work root
        mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
        mount --bind /proc root/proc; mount --rbind /dev root/dev
        echo ready; exec cat
    """
    command = ["unshare", "--mount", "sh", "-euc", script, "sh", base]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as holder:
        assert holder.stdout
        if holder.stdout.readline() != "ready\n":
            pytest.skip("needs root and overlayfs")
        yield Machine(holder, base / "root")
        holder.kill()


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of the daemon and of all it needs, and what building them takes: then nothing needs a network.

    The processes of a parallel run share them.
    """
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "wheelhouse"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "whole").exists():
            _fill(directory, tmp_path_factory.mktemp("release") / "sources")
            (directory / "whole").touch()
    return directory


def _fill(directory: Path, release: Path) -> None:
    for each in ("pyproject.toml", "setup.cfg", "LICENSE", "README.md", "processor"):
        path = DEPLOY.parent / each
        if path.is_dir():
            shutil.copytree(path, release / each, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            release.mkdir(exist_ok=True)
            shutil.copy(path, release)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    chosen = ["--require-hashes", "--requirement"]
    subprocess.run([*pip, "wheel", "--wheel-dir", directory, *chosen, DEPLOY.parent / "requirements.lock"], check=True)
    subprocess.run([*pip, "download", "--dest", directory, *chosen, DEPLOY / "build.lock"], check=True)
    subprocess.run([*pip, "wheel", "--wheel-dir", directory, "--no-deps", release], check=True)


@pytest.fixture
def sh() -> Callable[..., str]:
    """Run a shell script; it must succeed. Returns what it printed."""

    def run(script: str, *arguments: object, env: dict[str, str] | None = None) -> str:
        command = ["sh", "-euc", script, "sh", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    directory = tmp_path / "host"
    directory.mkdir()
    (directory / "supervisord.conf").write_text(SUPERVISORD.format(directory=directory))
    (directory / "etc/supervisor/conf.d").mkdir(parents=True)
    return directory


@pytest.fixture
def host(prefix: Path, wait_until: Callable[..., object]) -> Iterator[Host]:
    """A supervisord that runs; nothing is installed yet."""
    command = [SUPERVISOR / "supervisord", "-c", prefix / "supervisord.conf"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as supervisord:
        wait_until((prefix / "supervisor.sock").is_socket)
        yield Host(prefix, supervisord)
        supervisord.terminate()


@pytest.fixture
def trial(host: Host, sh: Callable[..., str], bucket: S3Store) -> Host:
    """A host with everything in place but the release: that is the environment the tests run in."""
    script = """
        prefix=$1; service_user=$(id -un); . "$2/host.sh"
        ensure_directories
        ensure_settings "$2/processor.env"
        place "$2/start.sh" 0755 "$program/start"
        place "$2/supervisor.conf" 0644 "$prefix/etc/supervisor/conf.d/processor.conf"
        place "$2/logrotate.conf" 0644 "$prefix/etc/logrotate.d/processor"
        ln -s "$3" "$program/current"
    """
    sh(script, host.prefix, DEPLOY, SUPERVISOR.parent)
    host.configure(**store_settings(bucket))
    return host
