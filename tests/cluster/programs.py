"""A cluster as an operator runs it: a scheduler and workers, each a program of its own, on loopback."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client

from processor.remote.dask_engine import ClusterAddress
from tests.e2e.daemon import ROOT

_START_SECONDS = 120.0


@dataclass
class Certificates:
    """PEM files: the authority's certificate, and one certificate with its key for everybody."""

    ca: Path
    certificate: Path
    key: Path

    def arguments(self) -> list[str]:
        return ["--tls-ca-file", str(self.ca), "--tls-cert", str(self.certificate), "--tls-key", str(self.key)]

    def settings(self) -> dict[str, str]:
        return {"DASK_TLS_CA": str(self.ca), "DASK_TLS_CERT": str(self.certificate), "DASK_TLS_KEY": str(self.key)}


@dataclass
class Program:
    """One process of the cluster, in a session of its own, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """As the out-of-memory killer would."""
        self.process.kill()
        self.process.wait()


@dataclass
class ClusterPrograms:
    """The programs. `environment` is that of the workers' hosts: store, credentials, settings."""

    home: Path
    environment: Mapping[str, str]
    tls: Certificates | None = None
    workers: list[Program] = field(default_factory=list)
    scheduler: Program | None = None
    port: int = 0
    count: int = 0

    @property
    def address(self) -> str:
        assert self.port
        return f"{'tls' if self.tls else 'tcp'}://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        """Start it on a free port, or again on the one that it had."""
        contact = self.home / "scheduler.json"
        contact.unlink(missing_ok=True)
        host = f"{'tls' if self.tls else 'tcp'}://127.0.0.1"
        self.scheduler = self._start(
            "dask_scheduler",
            *(
                "--host",
                host,
                "--port",
                str(self.port),
                "--no-dashboard",
                "--no-show",
                "--scheduler-file",
                str(contact),
            ),
        )
        found = self._until(lambda: _read(contact), self.scheduler)
        self.port = int(found["address"].rpartition(":")[2])

    def start_workers(self, count: int, **environment: str) -> list[Program]:
        """Start workers with one thread each, and wait until the scheduler knows them."""
        before = self.known()
        started = [
            self._start("dask_worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", **environment)
            for _ in range(count)
        ]
        self.workers += started
        with self.client() as client:
            self._until(lambda: len(client.nthreads()) >= before + count, *started)
        return started

    def known(self) -> int:
        """Return how many workers the scheduler knows."""
        with self.client() as client:
            return len(client.nthreads())

    def busy(self) -> Program:
        """Return the one worker that has a request."""
        with self.client() as client:
            (address,) = [address for address, keys in client.processing().items() if keys]
            pid = client.run(os.getpid, workers=[address])[address]
        return next(worker for worker in self.workers if worker.process.pid == pid)

    def client(self) -> Client:
        files = () if self.tls is None else (self.tls.ca, self.tls.certificate, self.tls.key)
        security = ClusterAddress(self.address, *files).security()
        return Client(self.address, timeout=20, security=security, set_as_default=False)

    def stop(self) -> None:
        for program in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.process.pid, 9)
            program.process.wait()

    def said(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.home.glob("*.log")))

    def _start(self, program: str, *arguments: str, **environment: str) -> Program:
        self.count += 1
        log = self.home / f"{program}-{self.count}.log"
        local = self.home / "local"
        local.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", f"distributed.cli.{program}", *arguments),
                    *(self.tls.arguments() if self.tls else []),
                ],
                cwd=local,
                env={
                    **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                    "PYTHONPATH": str(ROOT),
                    "DASK_TEMPORARY_DIRECTORY": str(local),
                    **self.environment,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Program(process, log)

    def _until(self, condition: Callable[[], Any], *programs: Program) -> Any:
        deadline = time.monotonic() + _START_SECONDS
        while not (value := condition()):
            assert all(program.running for program in programs), self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        return value


def _read(contact: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(contact.read_text())
    return None
