"""Feeds in a running daemon: which files they concern, what changes on SIGHUP, what the deliveries tell."""

import io
import json
import signal
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
