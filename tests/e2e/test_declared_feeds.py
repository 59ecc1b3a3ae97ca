"""A feed's declaration in a running daemon: what is read, rejected and told, from the file to the store."""

import io
import json
from decimal import Decimal

import pyarrow.parquet as pq

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon

FEEDS = """
[[feed]]
name = "orders"
match = ["orders/*.csv"]
empty_file = true
[feed.csv]
delimiter = ";"
decimal = ","
skip_lines = 1
[feed.columns]
id = "BIGINT"
booked = { type = "DATE", format = "%d.%m.%Y" }
amount = "DECIMAL(18,2)"
on_surprise = "reject-row"

[[feed]]
name = "items"
match = ["items/*.json"]
[feed.json]
records = "data.items"
"""


def test_files_of_a_feed_arrive_as_one_table_with_their_rejects(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(FEEDS="feeds.toml", MALFORMED_ROWS="reject-object")
    (daemon.home / "feeds.toml").write_text(FEEDS)
    for name in ("orders", "items"):
        (daemon.watch / name).mkdir()
    (daemon.watch / "orders/a.csv").write_text("Export\nid;booked;amount\n1;05.01.2024;1,5\nx;06.01.2024;2\n3\n")
    (daemon.watch / "orders/b.csv").write_text("Export\nid;booked;amount\n")
    (daemon.watch / "orders/c.csv").write_bytes(b"")
    (daemon.watch / "items/a.json").write_text('{"meta":1,"data":{"items":[{"a":1},{"a":2}]}}')

    assert daemon.once() == 0, daemon.failures()

    tables = [pq.read_table(io.BytesIO(objects.body(f"orders/{name}.csv.parquet"))) for name in "abc"]
    assert len({str(table.schema.remove_metadata()) for table in tables}) == 1
    assert [table.num_rows for table in tables] == [1, 0, 0]
    assert tables[0].column("amount").to_pylist() == [Decimal("1.50")]
    rejected = [json.loads(line) for line in objects.body("orders/a.csv.parquet.rejects.jsonl").splitlines()]
    assert [(line["line"], line["text"]) for line in rejected] == [(4, "x;06.01.2024;2"), (5, "3")]
    assert pq.read_table(io.BytesIO(objects.body("items/a.json.parquet"))).to_pylist() == [{"a": 1}, {"a": 2}]
