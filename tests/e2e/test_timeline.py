"""The way of a file that went well, as ledger and manifest tell it afterwards."""

import time
import zipfile
from datetime import datetime

from processor.domain.timeline import timeline_from
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.operate.conftest import command

_ALL = ["seen", "whole", "begun", "hashed", "converted", "stored", "manifest"]


def test_each_milestone_is_told_with_its_time_in_order(make_daemon: MakeDaemon, objects: Bucket) -> None:
    before = time.time()
    daemon = make_daemon()
    daemon.start()
    (daemon.watch / "table.csv").write_text("n\n1\n")
    (daemon.watch / "large.csv").write_text("n\n" + "1234567\n" * 1_000_000)
    (daemon.watch / "text.txt").write_text("text")
    with zipfile.ZipFile(daemon.watch / "archive.zip", "w") as archive:
        archive.writestr("a.csv", "n\n1\n")
    daemon.until_at_rest(4)
    daemon.stop()
    rows = {row["file_path"].rpartition("/")[2]: row["timeline"] for row in daemon.rows()}
    assert set(rows) == {"table.csv", "large.csv", "text.txt", "archive.zip"}
    for name, text in rows.items():
        passed = list(timeline_from(text).passed())
        assert [each.milestone for each in passed] == [
            each for each in _ALL if name != "text.txt" or each != "converted"
        ]
        assert before * 1000 - 1 <= passed[0].at_ms
        assert all(each.milliseconds >= 0 for each in passed)
        assert passed[1].milliseconds >= 200, "it was watched until it had settled"
        assert len(text) <= 60
        told = objects.manifest(name)["timeline"]
        assert list(told) == [str(each.milestone) for each in passed if each.milestone != "manifest"]
        assert [datetime.fromisoformat(at).timestamp() * 1000 for at in told.values()] == [
            each.at_ms for each in passed[:-1]
        ]

    assert daemon.once() == 0
    kept = {row["file_path"].rpartition("/")[2]: row["timeline"] for row in daemon.rows()}
    assert kept == rows, "a start changes nothing"
    for path in daemon.home.glob("ledger.db*"):
        path.unlink()
    assert command(daemon, "rebuild").returncode == 0
    for row in daemon.rows():
        again = [each.milestone for each in timeline_from(row["timeline"]).passed()]
        assert again == [each for each in _ALL[:-1] if each != "converted" or not row["file_path"].endswith(".txt")]
