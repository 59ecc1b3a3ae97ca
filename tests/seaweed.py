"""The real S3 server of the tests: one for the session, a fresh bucket for each test."""

import atexit
import secrets
import shutil
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

from processor.domain.errors import DeliveryError
from processor.store.embedded import EmbeddedStore
from processor.store.embedded_binary import check_binary, find_binary
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings


def settings_for(server: EmbeddedStore) -> StoreSettings:
    """Return the way to the server, with a bucket yet to be named."""
    return StoreSettings(
        bucket="",
        endpoint=server.endpoint,
        access_key_id=server.access_key_id,
        secret_access_key=server.secret_access_key,
    )


def fresh_bucket(target: StoreSettings) -> S3Store:
    """Return a store over a new, empty bucket."""
    store = S3Store(replace(target, bucket=f"test-{secrets.token_hex(6)}"))
    store.create_bucket()
    return store


def drop_bucket(store: S3Store) -> None:
    """Remove the bucket with all that is in it: each one holds volumes of the server."""
    try:
        store.call("delete_bucket", "remove the bucket")
    except DeliveryError:  # most stores want it empty first
        for upload in list(store.list_uploads()):
            store.abort_upload(upload.key, upload.upload_id)
        for key in [key for key, _ in store.list_keys()]:
            store.delete(key)
        store.call("delete_bucket", "remove the bucket")
    store.close()


def restart(server: EmbeddedStore, away_seconds: float = 0.0) -> None:
    """Kill it, and have it back at the same place after a time."""
    endpoint, ports = server.endpoint, server.directory / "ports.json"
    server.kill()
    time.sleep(away_seconds)
    known = ports.read_bytes()
    server.start()
    while server.endpoint != endpoint:  # another program has its port for the moment
        server.kill()
        ports.write_bytes(known)
        server.start()


def started(directory: Path, *options: str) -> EmbeddedStore:
    directory.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(_compared(), directory / "binary.json")
    server = EmbeddedStore(directory, options=options)
    server.start()
    return server


@cache
def _compared() -> Path:
    """Compare the program with its digest once for all servers of this process."""
    known = Path(tempfile.mkdtemp()) / "binary.json"
    atexit.register(shutil.rmtree, known.parent)
    check_binary(find_binary(), known)
    return known
