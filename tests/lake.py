"""The store's own REST catalog of Iceberg tables, with a bucket for them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from processor.store.embedded import EmbeddedStore, find_binary, free_ports
from tests import seaweed


@dataclass(frozen=True)
class Lake:
    """A store of its own, and the port of its catalog."""

    server: EmbeddedStore
    port: int
    warehouse: str = "s3://lake"

    @property
    def credential(self) -> str:
        return f"{self.server.access_key_id}:{self.server.secret_access_key}"


def started(directory: Path) -> Lake:
    (port,) = free_ports(1)
    server = seaweed.started(directory, f"-s3.port.iceberg={port}")
    places = {name: f"127.0.0.1:{server._ports[name]}.{server._ports[f'{name}.grpc']}" for name in ("master", "filer")}
    subprocess.run(
        [find_binary(), "shell", *(f"-{name}={place}" for name, place in places.items())],
        input=b"s3tables.bucket -create -name lake -account admin\n",
        cwd=server.directory,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return Lake(server, port)
