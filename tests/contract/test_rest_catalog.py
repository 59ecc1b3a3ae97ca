"""A real REST catalog, the store's own, takes objects that lie in another bucket than its tables."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processor.config.choices import CatalogType
from processor.store.s3 import S3Store
from processor.tables.settings import CatalogSettings
from tests import lake as lakes
from tests import seaweed
from tests.lake import Lake
from tests.unit.tables.writers import Writer


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    started = lakes.started(tmp_path_factory.mktemp("lake"))
    yield started
    started.server.stop(grace_seconds=0)


@pytest.fixture
def writer(lake: Lake, tmp_path: Path) -> Iterator[Writer]:
    store: S3Store = seaweed.fresh_bucket(seaweed.settings_for(lake.server))
    uri = f"http://127.0.0.1:{lake.port}"
    yield Writer(
        store,
        CatalogSettings(
            CatalogType.REST, uri, lake.warehouse, store.settings, tmp_path, b"", credential=lake.credential
        ),
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
