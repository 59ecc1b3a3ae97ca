"""Feeds in a running daemon: which files they concern, what changes on SIGHUP, what the deliveries tell."""

import hashlib
import io
import json
import os
import re
import signal
import socket
import urllib.request
import zipfile
from pathlib import Path

import duckdb
import pyarrow.parquet

from tests.e2e import warm
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon

FEEDS = """
[[feed]]
name = "logs"
match = ["logs/*.dat", "mail.zip/**/*.dat"]
format = "csv"
"""


def said_in(objects: Bucket, key: str) -> dict[str, str]:
    """Return what the Parquet says of itself."""
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(objects.body(key))).metadata or {}
    return {name.decode(): value.decode() for name, value in metadata.items() if not name.startswith(b"ARROW")}


def with_feeds(make_daemon: MakeDaemon, text: str, **settings: object) -> Daemon:
    daemon = make_daemon(FEEDS="feeds.toml", **settings)
    (daemon.home / "feeds.toml").write_text(text)
    for name in ("logs", "other"):
        (daemon.watch / name).mkdir(exist_ok=True)
    return daemon


def test_a_declared_format_makes_files_and_members_tables_and_others_stay_as_they_are(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    for name in ("logs/a.dat", "other/a.dat"):
        (daemon.watch / name).write_text("id,amount\n1,2.50\n")
    with zipfile.ZipFile(daemon.watch / "mail.zip", "w") as archive:
        archive.writestr("x/b.dat", "id,amount\n1,2.50\n")
        archive.writestr("x/b.txt", "id,amount\n1,2.50\n")

    assert daemon.once() == 0, daemon.failures()

    assert objects.delivered() == {
        "logs/a.dat.parquet",
        "other/a.dat",
        "mail.zip/x/b.dat.parquet",
        "mail.zip/x/b.txt",
    }
    for key in ("logs/a.dat.parquet", "mail.zip/x/b.dat.parquet"):
        said = said_in(objects, key)
        assert said["feed"] == "logs"
        assert len(said["feed-digest"]) == 64


def test_a_file_of_feeds_with_mistakes_ends_the_start_and_tells_them_all(make_daemon: MakeDaemon) -> None:
    daemon = with_feeds(make_daemon, '[[feed]]\nname = "a b"\nmach = ["x"]\n')
    assert daemon.once() == 78
    checked = warm.run(["check"], daemon.home, daemon.environment)
    assert (checked.returncode, "feeds.toml:3" in checked.stderr) == (78, True)
    told = daemon.tail()
    assert "feeds.toml:2: feed 'a b': name" in told
    assert "feeds.toml:3: feed 'a b': mach: is no key here: did you mean match?" in told
    assert "feeds.toml:1: feed 'a b': match: is missing" in told


def test_feeds_are_reread_on_a_signal_and_a_bad_file_leaves_the_old_in_force(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    feeds = daemon.home / "feeds.toml"
    daemon.start()

    feeds.write_text('[[feed]]\nname = "logs"\nmatch = 7\n')
    daemon.signal(signal.SIGHUP)
    daemon.until(lambda: any(daemon.events("feeds.not-reread")))
    (refused,) = daemon.events("feeds.not-reread")
    assert "feeds.toml:3" in refused["reason"]
    (daemon.watch / "logs/a.dat").write_text("id,amount\n1,2.50\n")
    daemon.until_at_rest(1)
    assert objects.delivered() == {"logs/a.dat.parquet"}

    feeds.write_text(FEEDS.replace("logs/*.dat", "logs/*.txt"))
    daemon.signal(signal.SIGHUP)
    daemon.until(lambda: any(daemon.events("feeds.reread")))
    for name in ("logs/b.dat", "logs/b.txt"):
        (daemon.watch / name).write_text("id,amount\n1,2.50\n")
    daemon.until_at_rest(3)
    assert objects.delivered() == {"logs/a.dat.parquet", "logs/b.dat", "logs/b.txt.parquet"}
    assert daemon.stop() == 0


def test_content_that_contradicts_its_feed_is_refused_with_the_feed_s_name(make_daemon: MakeDaemon) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    (daemon.watch / "logs/a.dat").write_bytes(b"%PDF-1.7 and more")
    assert daemon.once() == 1
    (reason,) = [json.loads(path.read_text()) for path in daemon.errors.rglob("*reason.json")]
    assert reason["code"] == "feed.other-content"
    assert "'logs'" in reason["message"]


def manifest(objects: Bucket, path: str) -> dict[str, object]:
    return dict(json.loads(objects.body(f"_manifests/{path}.json")))


def command(daemon: Daemon, *arguments: str) -> str:
    done = warm.run(arguments, daemon.home, daemon.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_manifests_tell_the_feed_and_an_older_declaration_is_counted_and_reprocessed(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    for name in ("logs/a.dat", "logs/b.dat", "other/a.csv"):
        (daemon.watch / name).write_text("id,amount\n1,2.50\n")
    with zipfile.ZipFile(daemon.watch / "mail.zip", "w") as archive:
        archive.writestr("b.dat", "id,amount\n1,2.50\n")
        archive.writestr("b.txt", "other")
    assert daemon.once() == 0, daemon.failures()

    mark = manifest(objects, "logs/a.dat")["feed"]
    assert mark == {"name": "logs", "digest": said_in(objects, "logs/a.dat.parquet")["feed-digest"]}
    members = {entry["member"]: entry.get("feed") for entry in manifest(objects, "mail.zip")["entries"]}
    assert members == {"b.dat": mark, "b.txt": None}
    assert "feed" not in manifest(objects, "mail.zip")
    assert "feed" not in manifest(objects, "other/a.csv")
    assert re.search(r"^feed +logs", command(daemon, "why", "in/logs/a.dat"), re.MULTILINE)
    assert json.loads(command(daemon, "status", "--json"))["outdated"] == {}
    assert command(daemon, "reprocess", "--feed", "logs") == "0 files are pending again\n"

    # Another declaration of the same feed, and one more file that was delivered before it was in the feed.
    (daemon.home / "feeds.toml").write_text(
        FEEDS.replace('match = ["logs/*.dat"', 'match = ["logs/*.dat", "other/"') + '[feed.delivery]\nkey = "{path}"\n'
    )
    assert json.loads(command(daemon, "status", "--json"))["outdated"] == {"logs": 3}
    assert "feed logs: 3 delivered under an older declaration" in command(daemon, "status")
    assert command(daemon, "reprocess", "--feed", "logs") == "4 files are pending again\n"
    assert daemon.once() == 0, daemon.failures()
    assert json.loads(command(daemon, "status", "--json"))["outdated"] == {}
    now = manifest(objects, "other/a.csv")["feed"]
    assert now != mark
    assert {entry["member"]: entry.get("feed") for entry in manifest(objects, "mail.zip")["entries"]}["b.dat"] == now


def test_plan_and_convert_honour_feeds_by_the_path_below_watch_path_or_as_given(make_daemon: MakeDaemon) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    inside = daemon.watch / "logs/a.dat"
    outside = daemon.home / "logs/a.dat"
    outside.parent.mkdir()
    for path in (inside, outside):
        path.write_text("id,amount\n1,2.50\n")
    for path in (str(inside), "logs/a.dat"):
        told = command(daemon, "plan", path)
        assert "csv, 17 bytes" in told
        assert "feed: logs" in told
        command(daemon, "convert", path, "out.parquet", "--force")
        said = pyarrow.parquet.read_metadata(daemon.home / "out.parquet").metadata
        assert said[b"feed"] == b"logs"
    with zipfile.ZipFile(daemon.home / "mail.zip", "w") as archive:
        archive.writestr("b.dat", "id,amount\n1,2.50\n")
    command(daemon, "extract", "mail.zip", "out")
    assert (daemon.home / "out/b.dat.parquet").exists()


def test_feeds_are_listed_checked_and_inferred_by_command(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    (daemon.watch / "logs/a.dat").write_text("id;amount;day\n1;2.50;2024-01-02\n")
    (daemon.watch / "logs/b.dat").write_text("id;amount;day\n2;7;2024-01-03 10:00:00\n")
    (daemon.watch / "logs/empty.dat").write_text("id;amount;day\n")
    assert daemon.once() == 0, daemon.failures()

    told = command(daemon, "feed", "list")
    assert told.startswith("logs  csv, any columns\n  match logs/*.dat, mail.zip/**/*.dat\n")
    assert "3 files delivered\n" in told
    assert command(daemon, "feed", "check", "in/logs/a.dat") == "in/logs/a.dat: feed logs, csv\n  would be delivered\n"

    inferred = command(daemon, "feed", "infer", "in/logs", "--name", "days")
    assert command(
        daemon, "feed", "infer", "in/logs/b.dat", "in/logs/empty.dat", "in/logs/a.dat", "--name", "days"
    ) == (inferred)
    assert 'match = ["logs/**/*.dat"]' in inferred
    assert re.search(r'^day = "TIMESTAMP" .*because of logs/b.dat', inferred, re.MULTILINE)
    (daemon.home / "feeds.toml").write_text(re.sub(r"\[feed.csv\]\n(\w+ = .*\n)+", "", inferred))
    assert command(daemon, "feed", "list").startswith("days  csv, 3 columns\n")
    assert command(daemon, "feed", "infer", "--update", "in/logs") == "nothing would change in feed days\n"

    from_store = command(daemon, "feed", "infer", "--from-store", "logs/", "--name", "days")
    assert re.search(r'^amount = "DOUBLE" ', from_store, re.MULTILINE)
    assert command(daemon, "feed", "schema").startswith("{\n")
    assert objects.delivered()


DELIVERY = """
[[feed]]
name = "logs"
match = ["logs/*.csv", "mail.zip/**/*.csv"]
[feed.delivery]
key = "logs/year={mtime:%Y}/{stem}.parquet"
prefix = "tables"
tags = { team = "sales" }
after_upload = "delete"
keep_raw = true
"""


def test_a_feed_s_delivery_decides_on_keys_tags_raw_bytes_and_the_source(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = with_feeds(make_daemon, DELIVERY)
    text = "id,amount\n1,2.50\n"
    for name in ("logs/a.csv", "other/a.csv"):
        (daemon.watch / name).write_text(text)
        os.utime(daemon.watch / name, (1_714_566_896, 1_714_566_896))
    with zipfile.ZipFile(daemon.watch / "mail.zip", "w") as archive:
        archive.writestr("d/b.csv", text)
        archive.writestr("d/b.txt", "other")
    os.utime(daemon.watch / "mail.zip", (1_683_000_000, 1_683_000_000))
    raw = (daemon.watch / "mail.zip").read_bytes()

    assert daemon.once() == 0, daemon.failures()

    assert objects.delivered() == {
        "tables/logs/year=2024/a.parquet",
        "_raw/logs/a.csv",
        "other/a.csv.parquet",
        "tables/logs/year=2023/b.parquet",
        "mail.zip/d/b.txt",
        "_raw/mail.zip",
    }
    assert objects.body("_raw/logs/a.csv") == text.encode()
    assert objects.body("_raw/mail.zip") == raw
    tagged = objects.client.get_object_tagging(Bucket=objects.name, Key="tables/logs/year=2024/a.parquet")["TagSet"]
    assert tagged == [{"Key": "team", "Value": "sales"}]
    assert not (daemon.watch / "logs/a.csv").exists()
    assert (daemon.watch / "other/a.csv").exists()
    assert (daemon.watch / "mail.zip").exists(), "the archive itself is in no feed"
    assert {row["s3_key"] for row in daemon.rows()} == {
        "tables/logs/year=2024/a.parquet",
        "other/a.csv.parquet",
        "mail.zip/",
    }
    keys = {entry["key"] for entry in manifest(objects, "logs/a.csv")["entries"]}
    assert keys == {"tables/logs/year=2024/a.parquet", "_raw/logs/a.csv"}
    assert command(daemon, "verify", "--all") == "6 ok\n"


def test_two_sources_of_one_key_are_refused_also_after_the_ledger_was_lost(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = with_feeds(make_daemon, DELIVERY.replace('prefix = "tables"', "").replace('after_upload = "delete"', ""))
    when = 1_714_566_896
    (daemon.watch / "logs/a.csv").write_text("id\n1\n")
    os.utime(daemon.watch / "logs/a.csv", (when, when))
    assert daemon.once() == 0, daemon.failures()
    before = objects.body("logs/year=2024/a.parquet")

    # A member of an archive, and a file that mirrors its path, would both be stored under that key.
    with zipfile.ZipFile(daemon.watch / "mail.zip", "w") as archive:
        archive.writestr("a.csv", "id\n2\n")
    os.utime(daemon.watch / "mail.zip", (when, when))
    (daemon.watch / "logs/year=2024").mkdir()
    (daemon.watch / "logs/year=2024/a.parquet").write_bytes(b"PAR1 no real one")
    for lost in (False, True):
        if lost:
            daemon.ledger.unlink()
            for name in ("mail.zip", "logs/year=2024/a.parquet"):
                (daemon.errors / name).rename(daemon.watch / name)
            command(daemon, "rebuild")
        assert daemon.once() == 1
        assert {each["code"] for each in daemon.events("file.failed")} == {"key.taken"}
        assert daemon.statuses() == {
            "logs/a.csv": "completed",
            "mail.zip": "failed",
            "logs/year=2024/a.parquet": "failed",
        }
        assert objects.body("logs/year=2024/a.parquet") == before


def test_members_of_one_archive_that_a_template_gives_one_key_are_refused(make_daemon: MakeDaemon) -> None:
    daemon = with_feeds(make_daemon, DELIVERY)
    with zipfile.ZipFile(daemon.watch / "mail.zip", "w") as archive:
        archive.writestr("x/a.csv", "id\n1\n")
        archive.writestr("y/a.csv", "id\n2\n")
    assert daemon.once() == 1
    (failed,) = daemon.events("file.failed")
    assert failed["code"] == "key.taken"
    assert "another of its members" in failed["message"]


def test_a_key_template_holds_for_every_file_and_member(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(KEY_TEMPLATE="{mtime:%Y}/{dir}/{sha256:.4}-{name}")
    (daemon.watch / "d").mkdir()
    (daemon.watch / "d/a.csv").write_text("id\n1\n")
    (daemon.watch / "b.pdf").write_bytes(b"%PDF-1.7")
    with zipfile.ZipFile(daemon.watch / "c.zip", "w") as archive:
        archive.writestr("e/f.txt", "x")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:4] for path in daemon.watch.rglob("*.*")}
    for path in daemon.watch.rglob("*.*"):
        os.utime(path, (1_714_566_896, 1_714_566_896))
    assert daemon.once() == 0, daemon.failures()
    assert objects.delivered() == {
        f"2024/d/{digests['a.csv']}-a.csv.parquet",
        f"2024/{digests['b.pdf']}-b.pdf",
        f"2024/c.zip/e/{digests['c.zip']}-f.txt",
    }
    assert daemon.once() == 0
    assert {row["attempt"] for row in daemon.rows()} == {1}


def test_the_schema_of_what_was_delivered_tells_conflicts_and_a_view_reads_all_of_it(
    make_daemon: MakeDaemon, objects: Bucket, tmp_path: Path
) -> None:
    daemon = with_feeds(make_daemon, FEEDS)
    (daemon.watch / "logs/a.dat").write_text("id,amount\n1,2.50\n2,3.25\n")
    (daemon.watch / "logs/b[1]'s.dat").write_text("id,amount,note\n3,7,x\n")
    (daemon.watch / "logs/other.txt").write_text("no table")
    (daemon.watch / "other/c.csv").write_text("else\n1\n")
    assert daemon.once() == 0, daemon.failures()

    told = json.loads(command(daemon, "schema", "logs/", "--json"))
    assert (told["files"], told["objects"], told["rows"], told["feeds"]) == (2, 2, 3, {"logs": 2})
    assert [
        (column["name"], column["read_as"], column["missing"], column["conflict"]) for column in told["columns"]
    ] == [
        ("id", "BIGINT", 0, False),
        ("amount", "DOUBLE", 0, True),
        ("note", "VARCHAR", 1, False),
    ]
    text = command(daemon, "schema", "logs/")
    assert "conflict: BIGINT in 1 (logs/b[1]'s.dat.parquet), DOUBLE in 1 (logs/a.dat.parquet)" in text
    assert "note: VARCHAR, in 1, missing in 1" in text

    # What no manifest names is no part of it.
    objects.client.put_object(Bucket=objects.name, Key="logs/stray.dat.parquet", Body=b"PAR1")
    for key in objects.delivered():
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(objects.body(key))
    sql = command(daemon, "schema", "logs/", "--sql", "--name", "logs").replace(f"s3://{objects.name}/", f"{tmp_path}/")
    with duckdb.connect() as db:
        db.execute(sql)
        rows = db.execute("SELECT id, amount, note, typeof(amount) FROM logs ORDER BY id").fetchall()
    assert rows == [(1, 2.5, None, "DOUBLE"), (2, 3.25, None, "DOUBLE"), (3, 7.0, "x", "DOUBLE")]


def test_files_and_members_of_feeds_are_counted_from_zero(make_daemon: MakeDaemon) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    daemon = with_feeds(make_daemon, FEEDS, HTTP_LISTEN=address)
    daemon.start()

    def counted(outcome: str) -> float:
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            text = answer.read().decode()
        assert 'processor_feed_drift_total{column="",feed="logs",kind="missing"} 0.0' in text
        (value,) = re.findall(
            rf'^processor_feed_files_total{{feed="logs",outcome="{outcome}"}} (.+)$', text, re.MULTILINE
        )
        return float(value)

    assert (counted("completed"), counted("failed")) == (0, 0)
    (daemon.watch / "logs/a.dat").write_text("id,amount\n1,2.50\n")
    (daemon.watch / "logs/b.dat").write_bytes(b"%PDF-1.7")
    with zipfile.ZipFile(daemon.watch / "mail.zip", "w") as archive:
        archive.writestr("a.dat", "id,amount\n1,2.50\n")
        archive.writestr("b.dat", b"%PDF-1.7")
        archive.writestr("c.txt", "none of it")
    daemon.until_at_rest(3)
    assert (counted("completed"), counted("failed")) == (2, 2)
    assert daemon.stop() == 0


COLUMNS = """
[[feed]]
name = "logs"
match = ["logs/*.csv"]
[feed.columns]
id = "BIGINT"
amount = "DECIMAL(18,2)"
day = "DATE"
on_missing = "null"
on_extra = "text"
"""


def test_drift_is_told_counted_and_checked_before(make_daemon: MakeDaemon) -> None:
    daemon = with_feeds(make_daemon, COLUMNS)
    (daemon.watch / "logs/a.csv").write_text("id,amount,day\n1,2,2024-01-02\n")
    (daemon.watch / "logs/b.csv").write_text("id,amount,more\n1,2.50,x\n")
    (daemon.watch / "logs/c.csv").write_text("id,amount,day\n1,n/a,2024-01-02\n")

    def checked(name: str) -> tuple[int, str]:
        done = warm.run(["feed", "check", f"in/logs/{name}"], daemon.home, daemon.environment)
        return done.returncode, done.stdout

    assert checked("a.csv") == (0, "in/logs/a.csv: feed logs, csv\n  would be delivered\n")
    code, told = checked("b.csv")
    assert code == 0
    assert "the column 'day' is missing: it would be NULL\n  the column 'more' is not declared\n" in told
    code, told = checked("c.csv")
    assert code == 1
    assert "refused" in told
    assert "n/a" in told

    assert daemon.once() == 1
    drift = [(each["path"], each["kind"], each["column"]) for each in daemon.events("feed.drift")]
    assert sorted(drift) == [("logs/b.csv", "extra", "more"), ("logs/b.csv", "missing", "day")]
    (failed,) = daemon.events("file.failed")
    assert (failed["path"], failed["code"]) == ("logs/c.csv", "feed.surprise")
    assert [
        (column["name"], column["read_as"]) for column in json.loads(command(daemon, "schema", "--json"))["columns"]
    ] == [
        ("id", "BIGINT"),
        ("amount", "DECIMAL(18,2)"),
        ("day", "DATE"),
        ("more", "VARCHAR"),
    ]


def test_what_a_feed_says_and_its_format_does_not_obey_is_refused(make_daemon: MakeDaemon) -> None:
    daemon = with_feeds(make_daemon, '[[feed]]\nname = "x"\nmatch = ["*.xml"]\n[feed.json]\nrecords = "a"\n')
    (daemon.watch / "a.xml").write_text("<o><r><a>1</a></r><r><a>2</a></r></o>")
    assert daemon.once() == 1
    (failed,) = daemon.events("file.failed")
    assert failed["code"] == "feed.not-honoured"
    assert "json.records" in failed["message"]
