"""Feeds in a running daemon: which files they concern, what changes on SIGHUP, what the deliveries tell."""

import io
import json
import re
import signal
import subprocess
import sys
import zipfile

import pyarrow.parquet

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
    done = subprocess.run(
        [sys.executable, "-m", "processor", *arguments],
        cwd=daemon.home,
        env=daemon.environment,
        capture_output=True,
        text=True,
        check=False,
    )
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
        command(daemon, "convert", path, "out.parquet")
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
    (daemon.home / "feeds.toml").write_text(inferred)
    assert command(daemon, "feed", "list").startswith("days  csv, 3 columns\n")
    assert command(daemon, "feed", "infer", "--update", "in/logs") == "nothing would change in feed days\n"

    from_store = command(daemon, "feed", "infer", "--from-store", "logs/", "--name", "days")
    assert re.search(r'^amount = "DOUBLE" ', from_store, re.MULTILINE)
    assert command(daemon, "feed", "schema").startswith("{\n")
    assert objects.delivered()
