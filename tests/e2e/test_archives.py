"""Archives through the daemon: members arrive by themselves, good ones whatever becomes of the bad, each once."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import psutil

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import through, uploads
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faultproxy import FaultProxy


def processor(daemon: Daemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the product with the daemon's settings."""
    return subprocess.run(
        [sys.executable, "-m", "processor", *arguments],
        cwd=daemon.home,
        env=daemon.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path.with_suffix(".partial"), "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path.with_suffix(".partial").rename(path)


def test_every_kind_of_member_arrives_under_its_name(daemon: Daemon, objects: Bucket) -> None:
    with zipfile.ZipFile(daemon.watch / "a.zip", "w") as archive:
        archive.writestr("d/data.csv", "x,y\n1,a\n2,b\n")
        archive.writestr("d/rows.jsonl", '{"k": 1}\n{"k": 2}\n')
        archive.writestr("text.txt", "hello")
        archive.writestr("../evil.txt", "harmless")
        archive.writestr("empty/", "")

    assert daemon.once() == 0, daemon.failures()

    assert objects.delivered() == {
        "a.zip/d/data.csv.parquet",
        "a.zip/d/rows.jsonl.parquet",
        "a.zip/text.txt",
        "a.zip/%2E%2E/evil.txt",
    }
    assert objects.table("a.zip/d/data.csv.parquet").to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    manifest = objects.manifest("a.zip")
    assert manifest["type"] == "archive"
    assert {entry["key"] for entry in manifest["entries"]} == objects.delivered()


def test_an_archive_without_members_is_completed_with_an_empty_manifest(daemon: Daemon, objects: Bucket) -> None:
    with zipfile.ZipFile(daemon.watch / "none.zip", "w"):
        pass

    assert daemon.once() == 0, daemon.failures()

    assert objects.manifest("none.zip")["entries"] == []
    assert daemon.statuses() == {"none.zip": "completed"}


def test_a_bad_member_costs_no_other_and_a_retry_takes_up_only_the_bad_one(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    members = {f"good{number}.csv": b"a,b\n1,2\n" for number in range(5)} | {"bad.json": b'{"a": 1'}
    write_tar(daemon.watch / "m.tar.gz", members)

    assert daemon.once() == 1

    good = {f"m.tar.gz/good{number}.csv.parquet" for number in range(5)}
    assert objects.delivered() == good
    assert daemon.statuses() == {"m.tar.gz": "failed"}
    reason = (daemon.errors / "m.tar.gz.reason.json").read_text()
    assert "bad.json" in reason
    assert (daemon.errors / "m.tar.gz").exists()

    retried = processor(daemon, "retry", "m.tar.gz")
    assert retried.returncode == 0, retried.stderr
    assert daemon.once() == 1
    assert {key: count for key, count in uploads(counting, address.bucket).items() if key in good} == dict.fromkeys(
        good, 1
    )


def test_killed_in_the_middle_of_an_archive_no_recorded_member_is_stored_again(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    members = {f"{number:03}.csv": b"a,b\n" + b"%d,x\n" % number * 20 for number in range(120)}
    write_tar(daemon.watch / "m.tar.gz", members)
    for _ in range(3):
        before = len(daemon.rows("SELECT 1 FROM objects"))
        daemon.start()
        daemon.until(lambda: len(daemon.rows("SELECT 1 FROM objects")) >= before + 10)  # noqa: B023 - asked at once
        daemon.kill()

    assert daemon.once() == 0, daemon.failures()

    assert objects.delivered() == {f"m.tar.gz/{name}.parquet" for name in members}
    counts = [count for key, count in uploads(counting, address.bucket).items() if key.startswith("m.tar.gz/")]
    assert len(counts) == 120
    # A kill can come between the store's answer and its recording: a few members at each of the three.
    assert sum(counts) <= 120 + 3 * 10, counts
    assert len(objects.manifest("m.tar.gz")["entries"]) == 120


def test_a_large_zip_is_shared_among_workers_and_arrives_whole(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(WORKERS=2)
    with zipfile.ZipFile(daemon.watch / "big.zip", "w", zipfile.ZIP_STORED) as archive:
        for number in range(24):
            archive.writestr(f"{number}.bin", os.urandom(1 << 20))

    daemon.start()
    shared = daemon.until(
        lambda: len([each for each in daemon.workers() if _reads(each, "big.zip")]) == 2 or daemon.at_rest(1)
    )
    daemon.until_at_rest(1)

    assert shared
    assert daemon.stop() == 0
    assert len(objects.delivered()) == 24
    with zipfile.ZipFile(daemon.watch / "big.zip") as archive:
        for number in range(0, 24, 7):
            assert objects.body(f"big.zip/{number}.bin") == archive.read(f"{number}.bin")


def _reads(worker: psutil.Process, name: str) -> bool:
    try:
        return any(each.path.endswith(name) for each in worker.open_files())
    except psutil.Error:
        return False
