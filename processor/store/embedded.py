"""A real S3 server (SeaweedFS) as a child process.

Everything it keeps lies in one directory that only its owner may enter: the data, the ports, the log, the credentials
and the keys with which its parts know each other. To other users of this host its parts answer nothing but S3, which
asks for signatures: see docs/SECURITY.md. Starting again in the same directory finds the same objects under the same
credentials. For anything but a first look, give the daemon a store that does not share a disk and a host with it.
"""

import contextlib
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import orjson

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.store import die_with_parent
from processor.store.embedded_binary import check_binary, find_binary
from processor.store.embedded_keys import for_the_owner, new_keys, write_private

_HOST = "127.0.0.1"
_SERVICES = ("master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc", "s3", "s3.grpc")
_LOOK_EVERY_SECONDS = 0.05
_ATTEMPTS = 4

# Few volumes at a time: every bucket takes some, and the default of seven each exhausts a small disk.
_VOLUME_GROWTH = "[master.volume_growth]\ncopy_1 = 1\ncopy_2 = 1\ncopy_3 = 1\ncopy_other = 1\n"


class EmbeddedStore:
    """One SeaweedFS server with its data in `directory`.

    `start` must be called from the main thread: the kernel ends the server when the thread that started it ends. The
    server leaves the parent's process group, so that a Ctrl-C or a signal to the whole group does not take the
    store away under a daemon that is still draining. `options` are further arguments of `weed server`.
    """

    def __init__(self, directory: Path, *, port: int = 0, options: tuple[str, ...] = ()) -> None:
        self.directory = directory.absolute()
        self._wanted_port = port
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}
        self.access_key_id = ""
        self.secret_access_key = ""

    @property
    def port(self) -> int:
        """TCP port of the S3 endpoint; known after `start`."""
        return self._ports["s3"]

    @property
    def endpoint(self) -> str:
        """URL of the S3 endpoint; known after `start`."""
        return f"http://{_HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the embedded store is not running"
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """What the server says; begun anew at each start."""
        return self.directory / "seaweedfs.log"

    def start(self, timeout_seconds: float = 60) -> None:
        """Start the server and return when it can store an object.

        Raises DeliveryError `store.embedded-missing` (the extra is not installed), `store.embedded-failed`.
        """
        assert self._process is None, "the embedded store runs already"
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the embedded store ends with the thread that starts it: start it in the main thread")
        binary = find_binary()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_binary(binary, self.directory / "binary.json")
        for attempt in range(_ATTEMPTS):
            self._prepare()
            try:
                self._launch(binary, timeout_seconds)
            except DeliveryError:
                # Between choosing a port and using it another program may take it.
                if attempt == _ATTEMPTS - 1 or b"address already in use" not in self.log_path.read_bytes():
                    raise
            else:
                return

    def _launch(self, binary: Path, timeout_seconds: float) -> None:
        with open(self.log_path, "wb", opener=for_the_owner) as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    die_with_parent.__file__,
                    str(os.getpid()),
                    str(binary),
                    *self._arguments(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,  # where the server looks for master.toml
                env={
                    "HOME": str(self.directory),
                    "PATH": os.defpath,
                    # A file's name may be 255 bytes long, and its object's a suffix longer.
                    "WEED_FILER_OPTIONS_MAX_FILE_NAME_LENGTH": "1024",
                },
                start_new_session=True,
                umask=0o077,
            )
        try:
            self._wait_until_ready(time.monotonic() + timeout_seconds)
        except BaseException:
            self.stop(grace_seconds=0)
            raise

    def attach(self) -> bool:
        """Learn endpoint and credentials of the server that another process runs here; False when none answers."""
        if not (self.directory / "ports.json").exists():
            return False
        self._load_credentials()
        self._ports = orjson.loads((self.directory / "ports.json").read_bytes())
        return _answers(self.port, "/healthz")

    def stop(self, grace_seconds: float = 2) -> None:
        """End the server: SIGTERM, and SIGKILL when it has not gone after `grace_seconds`. Repeatable."""
        process, self._process = self._process, None
        if process is None:
            return
        if grace_seconds > 0:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_seconds)
        if process.poll() is None:
            process.kill()
        process.wait()
        self._remove_sockets()

    def kill(self) -> None:
        """End the server as a power loss would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self.stop(grace_seconds=0)

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.directory.chmod(0o700)  # it may be one of before
        (self.directory / "data").mkdir(mode=0o700, exist_ok=True)
        write_private(self.directory / "master.toml", _VOLUME_GROWTH.encode())
        write_private(self.directory / "security.toml", new_keys(self.directory))
        self._load_credentials()
        self._choose_ports()
        self._remove_sockets()

    def _load_credentials(self) -> None:
        path = self.directory / "s3.json"
        if not path.exists():
            write_private(path, _identities(secrets.token_hex(10).upper(), secrets.token_urlsafe(30)))
        credentials = orjson.loads(path.read_bytes())["identities"][0]["credentials"][0]
        self.access_key_id = credentials["accessKey"]
        self.secret_access_key = credentials["secretKey"]

    def _choose_ports(self) -> None:
        """Keep the ports of the last time where they are free: the server names its own files and peers by them."""
        path = self.directory / "ports.json"
        known: dict[str, int] = orjson.loads(path.read_bytes()) if path.exists() else {}
        if self._wanted_port:
            known["s3"] = self._wanted_port
        wanted = [known.get(service, 0) for service in _SERVICES]
        self._ports = dict(zip(_SERVICES, free_ports(len(_SERVICES), wanted), strict=True))
        write_private(path, orjson.dumps(self._ports))

    def _remove_sockets(self) -> None:
        """Remove the sockets that a killed server leaves behind, at places it does not let us choose."""
        for service, port in self._ports.items():
            with contextlib.suppress(OSError):
                Path(f"/tmp/seaweedfs-{service.replace('.', '-')}-{port}.sock").unlink()  # noqa: S108

    def _arguments(self) -> list[str]:
        places = [
            f"-{service.removesuffix('.grpc')}.port{'.grpc' if service.endswith('.grpc') else ''}={port}"
            for service, port in self._ports.items()
        ]
        return [
            "-logtostderr",
            "server",
            f"-dir={self.directory / 'data'}",
            f"-ip={_HOST}",
            f"-ip.bind={_HOST}",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=0",  # as many as the disk holds
            "-volume.preStopSeconds=0",
            "-filer",
            f"-filer.localSocket={self.directory / 'filer.sock'}",
            "-s3",
            f"-s3.config={self.directory / 's3.json'}",
            f"-s3.localSocket={self.directory / 's3.sock'}",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            # Whoever may open a connection could remove buckets by them; all that is needed of the two is gRPC.
            "-disableHttp",
            "-filer.disableHttp",
            # Alone, and with the quicker consensus library: else it waits up to 18 s for peers and elections.
            "-master.peers=none",
            "-master.raftHashicorp",
            *places,
            *self._options,
        ]

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._process is not None
        while not (self._has_room() and _answers(self.port, "/healthz")):
            if self._process.poll() is not None:
                raise self._failed("ended at once")
            if time.monotonic() > deadline:
                raise self._failed("was not ready in time")
            time.sleep(_LOOK_EVERY_SECONDS)

    def _has_room(self) -> bool:
        """Whether the master knows the volume server; before that, writes fail."""
        return b"added volume server" in self.log_path.read_bytes()

    def _failed(self, what: str) -> DeliveryError:
        message = f"the embedded store {what}"
        failure = Failure(ErrorClass.OUTAGE, "store.embedded-failed", message, f"see {self.log_path}")
        return DeliveryError(failure)


def _identities(access_key: str, secret_key: str) -> bytes:
    owner: dict[str, Any] = {
        "name": "processor",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return orjson.dumps({"identities": [owner]})


def free_ports(count: int, wanted: Sequence[int] = ()) -> list[int]:
    """Return `count` different TCP ports of loopback that are free now: the `wanted` ones where they are."""
    with contextlib.ExitStack() as held:  # all held at once, so that none is given twice
        wishes = [*wanted, *[0] * (count - len(wanted))]
        return [_free_port(held, wish) for wish in wishes]


def _free_port(held: contextlib.ExitStack, wanted: int) -> int:
    for port in (wanted, 0):
        candidate = held.enter_context(socket.socket())
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            candidate.bind((_HOST, port))
            return int(candidate.getsockname()[1])
    raise AssertionError("the kernel has no free port")


def _answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
