"""Objects that a later delivery of their file has no longer: named, found, and removed on demand alone."""

import zipfile
from collections import Counter
from pathlib import Path

from processor.commands.progress import ProgressLine
from processor.commands.prune import prune as pruned
from processor.commands.store import verify as verified_objects
from processor.commands.unnamed import candidates
from processor.config.settings import Settings
from processor.daemon.control_socket import ask, request
from processor.domain.status import Order
from processor.store.s3 import S3Store
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.operate.conftest import command


def archive(path: Path, **members: str) -> None:
    with zipfile.ZipFile(path, "w") as written:
        for name, text in members.items():
            written.writestr(f"{name}.txt", text)


def settings_of(daemon: Daemon) -> Settings:
    return Settings(**{name.lower(): value for name, value in daemon.environment.items()})


def prune(daemon: Daemon, **options: bool) -> tuple[set[str], dict[str, str]]:
    """Return what was, or would be, removed, and what was kept, with the reason."""
    found = list(pruned(settings_of(daemon), **{"remove": False, **options}).objects)
    return {each.key for each in found if not each.kept}, {each.key: each.kept for each in found if each.kept}


def verify(daemon: Daemon) -> Counter[str]:
    result = verified_objects(settings_of(daemon), [], ProgressLine("objects"))
    for _ in result.differing:
        pass
    return Counter({str(finding): count for finding, count in result.counts.items()})


def test_what_a_changed_file_leaves_behind_is_named_found_and_removed(daemon: Daemon, objects: Bucket) -> None:
    archive(daemon.watch / "a.zip", one="1", two="2", three="3")
    (daemon.watch / "t.csv").write_text("a,b\n1,2\n")
    (daemon.watch / "kept.txt").write_text("kept")
    daemon.start()
    daemon.until_at_rest(3)
    assert "supersedes" not in objects.manifest("a.zip")
    assert verify(daemon) == {"ok": 5}

    archive(daemon.watch / "a.zip", one="1", four="4")
    (daemon.watch / "t.csv").write_text("<!DOCTYPE html><html><body>maintenance</body></html>\n")
    daemon.until(lambda: {"a.zip/four.txt", "t.csv"} <= objects.delivered())
    daemon.until_at_rest(3)

    stale = {"a.zip/two.txt", "a.zip/three.txt", "t.csv.parquet"}
    named = {key for path in ("a.zip", "t.csv") for key in objects.manifest(path)["supersedes"]}
    assert named == stale
    found = command(daemon, "verify", "--all")
    assert (found.returncode, found.stdout.splitlines()[-1]) == (1, "4 ok, 3 superseded")
    assert all(f"superseded: {key}: " in found.stdout for key in stale)
    assert prune(daemon) == (stale, {})
    assert stale < objects.delivered(), "a look removes nothing"

    told = command(daemon, "prune", "--yes")
    assert (told.returncode, told.stderr) == (0, "")
    assert {f"removed: {key} (superseded)" for key in stale} < set(told.stdout.splitlines())
    assert objects.delivered() == {"a.zip/one.txt", "a.zip/four.txt", "t.csv", "kept.txt"}
    assert verify(daemon) == {"ok": 4}
    (daemon.watch / "later.txt").write_text("admitted again")
    daemon.until(lambda: "later.txt" in objects.delivered())

    # Back again: what comes twice is no longer superseded.
    archive(daemon.watch / "a.zip", two="2")
    daemon.until(lambda: objects.manifest("a.zip")["supersedes"] == ["a.zip/one.txt", "a.zip/four.txt"])
    daemon.until_at_rest(4)
    assert daemon.stop() == 0
    for part in daemon.home.glob("ledger.db*"):
        part.unlink()
    assert command(daemon, "rebuild").stdout == "4 files entered, 0 were known\n"
    assert prune(daemon, remove=True) == ({"a.zip/one.txt", "a.zip/four.txt"}, {})
    assert prune(daemon) == (set(), {})


def test_what_somebody_may_still_need_is_kept(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(MAX_RETRIES=0)
    with zipfile.ZipFile(daemon.watch / "half.zip", "w") as written:
        written.writestr("good.txt", "good")
        written.writestr("bad.json", "[{")
    (daemon.watch / "lost.txt").write_text("its manifest goes")
    (daemon.watch / "a.txt").write_text("a")
    assert daemon.once() == 1
    client, bucket = objects.client, objects.name
    client.delete_object(Bucket=bucket, Key="_manifests/lost.txt.json")
    ours = {"Metadata": {"x-completed": "true", "source-path": "never-seen", "source-sha256": "0"}}
    other = {"Metadata": {"x-completed": "true", "source-path": "b.txt", "source-sha256": "0"}}
    client.put_object(Bucket=bucket, Key="never-seen", Body=b"an upload under way from elsewhere", **ours)
    client.put_object(Bucket=bucket, Key="host-b/b.txt", Body=b"of another daemon", **other)
    client.put_object(Bucket=bucket, Key="host-b/_manifests/b.txt.json", Body=b"not ours to read")
    client.put_object(Bucket=bucket, Key="strange", Body=b"of nobody we know")

    gone, kept = prune(daemon, remove=True)
    assert gone == set()
    for key, why in {
        "half.zip/good.txt": "'half.zip' is failed",
        "lost.txt": "processor reprocess",
        "never-seen": "younger than a day",
        "host-b/b.txt": "another daemon's prefix",
        "strange": "--foreign",
    }.items():
        assert why in kept[key]
    seen = command(daemon, "verify", "--all")
    assert "foreign: strange" in seen.stdout
    assert "missing: _manifests/lost.txt.json" in seen.stdout
    assert "host-b" not in seen.stdout
    assert prune(daemon, remove=True, foreign=True)[0] == {"strange"}

    client.put_object(Bucket=bucket, Key="_manifests/a.txt.json", Body=b"{")
    damaged = command(daemon, "prune", "--yes")
    assert damaged.returncode == 1
    assert "a.txt" in damaged.stderr
    assert "a.txt" in objects.delivered(), "while a manifest can not be read, nobody knows what it names"


def test_nothing_is_admitted_while_it_is_pruned(daemon: Daemon, objects: Bucket) -> None:
    daemon.start()
    ask(daemon.home / "ledger.sock", request(Order.HOLD))
    (daemon.watch / "a.txt").write_text("a")
    daemon.until(lambda: daemon.statuses() == {"a.txt": "pending"})
    objects.client.put_object(
        Bucket=objects.name, Key="a.txt.parquet", Metadata={"x-completed": "true", "source-path": "a.txt"}
    )
    kept = prune(daemon)[1]
    assert "'a.txt' is pending" in kept["a.txt.parquet"]
    assert daemon.statuses() == {"a.txt": "pending"}
    ask(daemon.home / "ledger.sock", request(Order.RELEASE))
    daemon.until(lambda: daemon.statuses() == {"a.txt": "completed"})
    assert daemon.stop() == 0


def test_a_listing_in_shares_finds_the_same(daemon: Daemon, bucket: S3Store, objects: Bucket) -> None:
    for number in range(5):
        (daemon.watch / f"{number}.txt").write_text(str(number))
        objects.client.put_object(Bucket=objects.name, Key=f"x/{number}")
    assert daemon.once() == 0
    for most in (0, 1, 3, 100):
        assert sorted(candidates(bucket, most=most)) == [f"x/{number}" for number in range(5)], most
