"""The real S3 server of the tests: one for the session, a fresh bucket for each test."""

import secrets
from pathlib import Path

from processor.store.embedded import EmbeddedStore
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings


def settings_for(server: EmbeddedStore, bucket: str) -> StoreSettings:
    return StoreSettings(
        bucket=bucket,
        endpoint=server.endpoint,
        access_key_id=server.access_key_id,
        secret_access_key=server.secret_access_key,
    )


def fresh_bucket(server: EmbeddedStore) -> S3Store:
    """Return a store over a new, empty bucket."""
    store = S3Store(settings_for(server, f"test-{secrets.token_hex(6)}"))
    store.create_bucket()
    return store


def drop_bucket(store: S3Store) -> None:
    """Remove the bucket with all that is in it: each one holds volumes of the server."""
    store.call("delete_bucket", "remove the bucket")
    store.close()


def started(directory: Path, *options: str) -> EmbeddedStore:
    server = EmbeddedStore(directory, options=options)
    server.start()
    return server
