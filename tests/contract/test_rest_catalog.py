"""A real REST catalog, the store's own, takes objects that lie in another bucket than its tables."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processor.config import CatalogType
from processor.store.embedded import EmbeddedStore, free_ports
from processor.store.embedded_binary import find_binary
from processor.store.s3 import S3Store
from processor.tables.settings import CatalogSettings
from tests import seaweed
from tests.unit.tables.writers import Writer


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedStore, int]]:
    """A server of its own, with the port of its catalog and a bucket for tables."""
    (port,) = free_ports(1)
    server = seaweed.started(tmp_path_factory.mktemp("lake"), f"-s3.port.iceberg={port}")
    places = {name: f"127.0.0.1:{server._ports[name]}.{server._ports[f'{name}.grpc']}" for name in ("master", "filer")}
    subprocess.run(
        [find_binary(), "shell", *(f"-{name}={place}" for name, place in places.items())],
        input=b"s3tables.bucket -create -name lake -account admin\n",
        cwd=server.directory,
        capture_output=True,
        check=True,
        timeout=60,
    )
    yield server, port
    server.stop(grace_seconds=0)


@pytest.fixture
def writer(lake: tuple[EmbeddedStore, int], tmp_path: Path) -> Iterator[Writer]:
    server, port = lake
    store: S3Store = seaweed.fresh_bucket(seaweed.settings_for(server))
    credential = f"{server.access_key_id}:{server.secret_access_key}"
    uri = f"http://127.0.0.1:{port}"
    yield Writer(
        store, CatalogSettings(CatalogType.REST, uri, "s3://lake", store.settings, tmp_path, b"", credential=credential)
    )
    seaweed.drop_bucket(store)


def test_a_rest_catalog_has_the_rows_once(writer: Writer) -> None:
    old, kept = writer.stored("a1", {"id": [1, 2]}, "a.csv", file_row=7), writer.stored("b", {"id": [3]})
    batch = writer.batch("b1")
    first = writer.committer.register(batch, [old, kept])
    assert writer.committer.register(batch, [old, kept]).snapshot == first.snapshot
    assert writer.ids == [1, 2, 3]
    assert writer.table.location().startswith("s3://lake/")

    new = writer.stored("a2", {"id": [4], "more": ["x"]}, "a.csv", file_row=7)
    removed = replace(old, row=1001, remove=True)
    other = writer.another()
    assert other.committer.register(other.batch("t1"), [other.stored("c", {"id": [5]})]).refused == {}
    assert writer.committer.register(writer.batch("b2"), [removed, new]).refused == {}
    assert writer.ids == [3, 4, 5]
    paths = {each["file_path"] for each in writer.table.inspect.files().to_pylist()}
    assert paths == {writer.settings.location(key) for key in ("a2", "b", "c")}
