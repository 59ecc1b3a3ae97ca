"""A dropped file is rows of an Iceberg table, exactly once."""

import io
import json
import os
import random
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table

from processor.config.choices import CatalogType
from processor.store.embedded import EmbeddedStore
from processor.tables.open_catalog import open_catalog
from processor.tables.settings import CatalogSettings
from tests import lake as lakes
from tests import seaweed
from tests.e2e import warm
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon, address_of
from tests.e2e.daemon import StoreAddress
from tests.e2e.test_feeds import command
from tests.faultproxy import Fault, FaultProxy

FEEDS = """
[[feed]]
name = "orders"
match = ["orders/**/*.csv", "mail.zip/orders/*.csv"]
[feed.columns]
id = "BIGINT"
amount = "DECIMAL(18,2)"
booked = "TIMESTAMP"
at = "TIMESTAMPTZ"
on_missing = "null"
[feed.table]
name = "sales.orders"
"""


def csv(*ids: int) -> str:
    rows = "".join(f"{id_},{id_}.50,2024-01-02 03:04:05,2024-01-02T03:04:05Z\n" for id_ in ids)
    return "id,amount,booked,at\n" + rows


class Place:
    """A daemon with a catalog beside its ledger."""

    def __init__(self, make_daemon: MakeDaemon, address: StoreAddress, name: str = "home", **settings: object) -> None:
        self.address = address
        self.daemon = make_daemon(
            name, **{"CATALOG_TYPE": "sql", "TABLE_COMMIT_INTERVAL": 100} | settings | {"FEEDS": "feeds.toml"}
        )
        self.objects = Bucket(address)
        self.declare(FEEDS)

    def declare(self, text: str) -> None:
        (self.daemon.home / "feeds.toml").write_text(text)

    def drop(self, path: str, text: str | bytes) -> None:
        target = self.daemon.watch / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def catalog(self) -> Catalog:
        return load_catalog(
            "processor",
            type="sql",
            uri=f"sqlite:///{self.daemon.home}/ledger.catalog.db",
            **{
                "s3.endpoint": self.address.endpoint,
                "s3.region": "us-east-1",
                "s3.access-key-id": self.address.access_key_id,
                "s3.secret-access-key": self.address.secret_access_key,
            },
        )

    def options(self) -> dict[str, str]:
        """Return how polars reaches the store."""
        return {
            "aws_endpoint_url": self.address.endpoint,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
            "aws_access_key_id": self.address.access_key_id,
            "aws_secret_access_key": self.address.secret_access_key,
        }

    def table(self, name: str = "sales.orders") -> Table:
        return self.catalog().load_table(name)

    def ids(self, name: str = "sales.orders") -> list[int]:
        rows: pa.Table = self.table(name).scan().to_arrow()
        return sorted(rows["id"].to_pylist())

    def waiting(self) -> int:
        query = "SELECT count(*) AS n FROM table_files WHERE state='waiting' OR superseded=1 OR in_batch=1"
        return sum(row["n"] for row in self.daemon.rows(query))

    def verified(self) -> dict[str, int]:
        """Return the findings of `verify --tables`, by kind."""
        told = command(self.daemon, "verify", "--tables").strip()
        return {finding: int(count) for count, finding in (each.split(" ") for each in told.split(", "))}

    def once(self) -> None:
        assert self.daemon.once() == 0, self.daemon.tail()
        assert self.waiting() == 0


@pytest.fixture
def place(make_daemon: MakeDaemon, address: StoreAddress) -> Place:
    return Place(make_daemon, address)


def zipped(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"orders/{name}.csv", text)
    return packed.getvalue()


@pytest.mark.timeout(600)
def test_files_members_and_changes_are_rows_of_their_table_once(place: Place) -> None:
    place.drop("orders/a.csv", csv(1, 2))
    place.drop("orders/b/c.csv", csv(3).replace("3.50", ""))
    place.drop("mail.zip", zipped(x=csv(10), y=csv(11)))
    place.drop("other.csv", csv(99))
    place.once()
    assert place.ids() == [1, 2, 3, 10, 11]
    see_statistics(place)
    before = place.table().current_snapshot()
    assert before is not None
    assert before.summary is not None
    assert before.summary["processor.writer"]

    place.drop("orders/a.csv", csv(1, 5, 6))  # changes, and so does one member; another goes
    place.drop("mail.zip", zipped(x=csv(12)))
    place.once()
    assert place.ids() == [1, 3, 5, 6, 12]
    then: pa.Table = place.table().scan(snapshot_id=before.snapshot_id).to_arrow()
    assert sorted(then["id"].to_pylist()) == [1, 2, 3, 10, 11], "time travel reads what was"
    assert "\n0 objects removed, 0 bytes; 3 kept" in command(place.daemon, "prune", "--yes"), "for time travel"

    place.drop("orders/a.csv", csv(1, 2))  # and back to what it was
    place.once()
    assert place.ids() == [1, 2, 3, 12]
    schema = {field.name: str(field.field_type) for field in place.table().schema().fields}
    assert schema == {"id": "long", "amount": "decimal(18, 2)", "booked": "timestamp", "at": "timestamptz"}
    frame = pl.scan_iceberg(place.table(), storage_options=place.options()).sort("id").collect()
    assert frame["id"].to_list() == [1, 2, 3, 12]
    assert frame["amount"].sum() == Decimal("16.50")
    snapshot_rows = place.table().current_snapshot()
    assert snapshot_rows is not None
    assert snapshot_rows.summary is not None
    assert snapshot_rows.summary["total-records"] == "4"
    assert place.verified() == {"ok": 3}
    shown = json.loads(command(place.daemon, "tables", "--json"))
    assert [(each["name"], each["files"], each["rows"], each["waiting"]) for each in shown["tables"]] == [
        ("sales.orders", 3, 4, 0)
    ]
    assert "4 rows" in command(place.daemon, "tables", "sales.orders")

    (place.daemon.home / "ledger.catalog.db").unlink()  # the catalog is lost
    assert "3 objects wait for their tables again" in command(place.daemon, "rebuild")
    place.drop("orders/none.csv", "id,amount,booked,at\n")
    place.once()
    assert place.ids() == [1, 2, 3, 12]
    assert place.verified() == {"ok": 4}, "a file without rows is a file of the table"
    see_planted_digests(place)


def see_statistics(place: Place) -> None:
    """Compare what the table says of each of its files with what is in them."""
    table = place.table()
    assert table.sort_order().is_unsorted
    assert {field.names[0] for field in table.name_mapping()} == {field.name for field in table.schema().fields}  # type: ignore[union-attr]
    files = table.inspect.files().to_pylist()
    assert len(files) == 4
    for each in files:
        rows = pq.read_table(io.BytesIO(place.objects.body(each["file_path"].partition(f"{place.objects.name}/")[2])))
        assert each["record_count"] == rows.num_rows
        for name in rows.column_names:
            told, values = (
                each["readable_metrics"][name],
                [value for value in rows[name].to_pylist() if value is not None],
            )
            assert (told["value_count"], told["null_value_count"]) == (rows.num_rows, rows.num_rows - len(values))
            if values:
                assert (told["lower_bound"], told["upper_bound"]) == (min(values), max(values)), name


def see_planted_digests(place: Place) -> None:
    """Change a digest in the ledger and one in a manifest, register an object twice: each is told."""
    paths = place.table().inspect.files()["file_path"].to_pylist()
    place.table().add_files([path for path in paths if "/mail.zip/" in path], check_duplicate_files=False)
    with sqlite3.connect(place.daemon.ledger) as ledger:
        ledger.execute("UPDATE table_files SET sha256='0' WHERE s3_key LIKE 'orders/a.csv%'")
    manifest = "_manifests/orders/b/c.csv.json"
    told = place.objects.body(manifest)
    other = told.replace(json.loads(told)["sha256"].encode(), b"1" * 64)
    place.objects.client.put_object(Bucket=place.objects.name, Key=manifest, Body=other)
    found = json.loads(warm.run(["verify", "--tables", "--json"], place.daemon.home, place.daemon.environment).stdout)
    details = sorted(each["detail"] for each in found["differing"] if each["finding"] == "different")
    assert [each.split(" of SHA-256")[0] for each in details] == [
        "its snapshot names a source",
        "the ledger registered an object",
        "the table names it more than once: so its rows count",
    ]


@pytest.mark.timeout(600)
def test_a_rest_catalog_that_refuses_is_out_comes_back_and_loses_a_table(
    make_daemon: MakeDaemon, tmp_path: Path
) -> None:
    lake = lakes.started(tmp_path / "lake")
    bucket = seaweed.fresh_bucket(seaweed.settings_for(lake.server))
    with FaultProxy(lake.port) as way:
        settings = {"CATALOG_TYPE": "rest", "CATALOG_URI": way.endpoint, "CATALOG_WAREHOUSE": lake.warehouse}
        place = Place(make_daemon, address_of(bucket), store=address_of(bucket), **settings)
        daemon = place.daemon
        place.drop("orders/a.csv", csv(1, 2))

        daemon.environment["CATALOG_CREDENTIAL"] = f"{lake.server.access_key_id}:wrong"
        daemon.start()
        daemon.until(lambda: any(daemon.events("catalog.outage")), timeout=120)
        assert "CATALOG_CREDENTIAL" in next(iter(daemon.events("catalog.outage")))["hint"]
        assert daemon.stop() == 0
        assert daemon.statuses() == {"orders/a.csv": "completed"}

        daemon.environment["CATALOG_CREDENTIAL"] = lake.credential
        way.on(lambda _: True, Fault(answer=(503, "ServiceUnavailable")), times=10_000)
        since = daemon.log.stat().st_size
        daemon.start()
        daemon.until(lambda: any(daemon.events("catalog.outage", since=since)), timeout=120)
        place.drop("orders/b.csv", csv(3))
        daemon.until(lambda: daemon.statuses().get("orders/b.csv") == "completed")
        way.heal()
        daemon.until(lambda: place.waiting() == 0, timeout=120)
        assert daemon.stop() == 0
        assert place.verified() == {"ok": 2}

        catalog = open_catalog(
            CatalogSettings(
                CatalogType.REST, way.endpoint, lake.warehouse, bucket.settings, tmp_path, b"", "", lake.credential
            )
        )
        catalog.drop_table("sales.orders")
        assert "2 objects wait for their tables again" in command(daemon, "rebuild")
        place.drop("orders/a.csv", csv(4))
        place.once()
        assert sorted(catalog.load_table("sales.orders").scan().to_arrow()["id"].to_pylist()) == [3, 4]
        assert place.verified() == {"ok": 2}
    bucket.close()
    lake.server.stop(grace_seconds=0)


def test_a_catalog_that_is_out_holds_up_no_delivery(make_daemon: MakeDaemon, address: StoreAddress) -> None:
    place = Place(make_daemon, address, CATALOG_URI="sqlite:///catalog/c.db")
    daemon = place.daemon
    place.drop("orders/a.csv", csv(1, 2))
    daemon.start()
    daemon.until(lambda: any(daemon.events("catalog.outage")), timeout=120)
    assert daemon.statuses() == {"orders/a.csv": "completed"}
    shown = json.loads(command(daemon, "status", "--json"))
    assert [table["waiting"] for table in shown["tables"]] == [1]
    assert "CATALOG_URI" in shown["catalog_problem"]
    assert "the catalog is out" in command(daemon, "tables")
    (daemon.home / "catalog").mkdir()
    daemon.until(lambda: place.waiting() == 0, timeout=120)
    assert any(daemon.events("catalog.back"))
    assert daemon.stop() == 0
    assert place.verified() == {"ok": 1}


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[tuple[EmbeddedStore, StoreAddress]]:
    """A store that may be killed: no other test has it."""
    server = seaweed.started(tmp_path / "server")
    bucket = seaweed.fresh_bucket(seaweed.settings_for(server))
    yield server, address_of(bucket)
    bucket.close()
    server.stop(grace_seconds=0)


class Kills:
    """Kills daemon, catalog process and store while files come and change."""

    def __init__(self, place: Place, server: EmbeddedStore, seed: int) -> None:
        self.place = place
        self.server = server
        self.daemon = place.daemon
        self.chance = random.Random(seed)
        self.contents: dict[str, tuple[int, ...]] = {}
        self.next_id = 0
        self.amid = 0  # kills with a batch on its way

    def drop_some(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            name = f"orders/{self.chance.randrange(40)}.csv"
            count = self.chance.randint(1, 4)
            self.contents[name] = tuple(range(self.next_id, self.next_id + count))
            self.next_id += count
            draft = self.daemon.home / "draft"
            draft.write_text(csv(*self.contents[name]))
            (self.daemon.watch / "orders").mkdir(exist_ok=True)
            draft.rename(self.daemon.watch / name)

    def kill(self, what: str, *, warm: bool) -> None:
        """Kill at whatever a batch is by then; `warm`: once another was committed, so within a commit."""
        if warm:
            self.daemon.until(self.settled, timeout=120)
            self.drop_some()
        self.daemon.until(self.on_its_way, timeout=120, every=0.005)
        deadline = time.monotonic() + self.chance.uniform(0, 0.6)
        while time.monotonic() < deadline and self.on_its_way():
            time.sleep(0.002)
        self.amid += self.on_its_way()
        match what:
            case "daemon":
                self.daemon.kill()
                self.daemon.start()
            case "store":
                seaweed.restart(self.server)
            case _:
                for each in self.catalog_processes():
                    each.kill()

    def on_its_way(self) -> bool:
        return bool(self.daemon.rows("SELECT 1 FROM tables WHERE batch IS NOT NULL"))

    def catalog_processes(self) -> list[psutil.Process]:
        return [each for each in self.daemon.descendants() if "processor.tables.program" in " ".join(each.cmdline())]

    def settled(self) -> bool:
        delivered = self.daemon.at_rest(len(self.contents))
        return delivered and self.place.waiting() == 0


@pytest.mark.slow
@pytest.mark.timeout(14_400 if os.environ.get("TORTURE") or "TABLE_KILLS" in os.environ else 300)
def test_kills_at_any_time_double_and_lose_no_row(
    make_daemon: MakeDaemon, own_store: tuple[EmbeddedStore, StoreAddress]
) -> None:
    kills = int(os.environ.get("TABLE_KILLS", "300" if os.environ.get("TORTURE") else "8"))
    server, address = own_store
    place = Place(make_daemon, address, store=address, TABLE_COMMIT_INTERVAL=0)
    each = Kills(place, server, seed=kills)
    each.daemon.start()
    for number in range(kills):
        each.drop_some()
        each.kill(("catalog process", "store", "daemon")[number % 3], warm=number % 4 != 3)
    each.daemon.until(each.settled, timeout=240)
    assert each.daemon.stop() == 0
    assert place.ids() == sorted(id_ for ids in each.contents.values() for id_ in ids)
    assert place.verified() == {"ok": len(each.contents)}
    assert not any(each.daemon.events("table.refused"))
    commits = len(list(each.daemon.events("table.committed")))
    print(f"{kills} kills, {each.amid} of them amid a batch; {commits} commits were heard of")
    assert kills < 100 or each.amid >= kills // 4  # of a few, chance may place all beside
