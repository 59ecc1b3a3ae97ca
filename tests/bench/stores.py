"""The stores that are delivered to. JuiceFS's gateway on tmpfs is quick, so that it is not what is measured."""

import contextlib
import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
from botocore.config import Config

from processor.store.embedded import EmbeddedStore, free_ports
from tests.bench.tools import peer

_READY_SECONDS = 60


@dataclass(frozen=True)
class Store:
    """A running server."""

    endpoint: str
    access_key: str
    secret_key: str
    pid: int

    def client(self) -> object:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def credentials(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def cpu_seconds(self) -> float:
        """Return what the server itself has used so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def juicefs(directory: Path, bucket: str) -> Iterator[Store]:
    """Run JuiceFS's gateway with all its data in `directory`; it has one bucket, the volume."""
    access, secret = "bench", secrets.token_hex(16)
    meta = f"sqlite3://{directory}/meta.db"
    environment = os.environ | {"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret}
    command = [peer("juicefs"), "format", "--storage", "file", "--bucket", f"{directory}/data", "--trash-days", "0"]
    subprocess.run([*command, meta, bucket], check=True, capture_output=True)
    (port,) = free_ports(1)
    log = (directory / "gateway.log").open("wb")
    options = ["--cache-dir", f"{directory}/cache", "--no-usage-report", "--no-banner"]
    process = subprocess.Popen(
        [peer("juicefs"), "gateway", *options, meta, f"127.0.0.1:{port}"],
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        _until_answers(port)
        yield Store(f"http://127.0.0.1:{port}", access, secret, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


@contextmanager
def seaweedfs(directory: Path, bucket: str) -> Iterator[Store]:
    """Run the embedded store of the daemon."""
    server = EmbeddedStore(directory)
    server.start()
    try:
        store = Store(server.endpoint, server.access_key_id, server.secret_access_key, server.pid)
        store.client().create_bucket(Bucket=bucket)  # type: ignore[attr-defined]
        yield store
    finally:
        server.stop()


def _until_answers(port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/minio/health/live")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.05)
    raise RuntimeError("the store did not come up")


@contextmanager
def sink(_directory: Path, _bucket: str) -> Iterator[Store]:
    """Run the store that keeps nothing."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.sink"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Store(f"http://127.0.0.1:{int(process.stdout.readline())}", "bench", "bench", process.pid)
    finally:
        process.terminate()
        process.wait()
