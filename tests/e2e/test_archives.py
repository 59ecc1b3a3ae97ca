"""Archives through the daemon: members arrive by themselves, good ones whatever becomes of the bad, each once."""

import io
import os
import random
import subprocess
import tarfile
import zipfile
from pathlib import Path

import psutil
import pytest

from tests.e2e import warm
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import parts_of, through, uploads
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faultproxy import Fault, FaultProxy

PART = 5 << 20  # of a stream, as long as no setting says otherwise
IN_FLIGHT = 2  # small objects that are being sent at any one time: what the store made of them is not known


def processor(daemon: Daemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the product with the daemon's settings."""
    return warm.run(arguments, daemon.home, daemon.environment)


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path.with_suffix(".partial"), "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path.with_suffix(".partial").rename(path)


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path.with_suffix(".partial"), "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
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


SMALL, LARGE = 60, 2
LARGE_PARTS = 3
LARGE_BYTES = 2 * PART + 1000


def write_mixed(path: Path) -> set[str]:
    """Pack small tables, and between them members that are uploaded in parts; return the names of their objects."""
    chance = random.Random(5)
    members = {f"{number:03}.csv": b"a,b\n" + b"%d,x\n" % number * 20 for number in range(SMALL)}
    members |= {f"{number:03}-large.bin": chance.randbytes(LARGE_BYTES) for number in (SMALL // 3, SMALL // 2)}
    write = write_tar if path.suffix == ".gz" else write_zip
    write(path, {name: members[name] for name in sorted(members)})
    return {name if name.endswith(".bin") else f"{name}.parquet" for name in members}


def assert_whole(daemon: Daemon, objects: Bucket, names: set[str]) -> None:
    (archive,) = (path.name for path in daemon.watch.iterdir())
    assert objects.delivered() == {f"{archive}/{name}" for name in names}
    assert {entry["key"] for entry in objects.manifest(archive)["entries"]} == objects.delivered()
    assert objects.open_uploads() == []


def sent_of_members(counting: FaultProxy, bucket: str, names: set[str]) -> tuple[int, int]:
    """Return how often members were stored, and how many parts of the large ones were sent."""
    written = uploads(counting, bucket)
    parts = [part for name in names if "large" in name for part in parts_of(counting, name)]
    return sum(count for key, count in written.items() if key.endswith(tuple(names))), len(parts)


@pytest.mark.parametrize("name", ["m.tar.gz", "m.zip"])
def test_killed_in_the_middle_of_an_archive_no_stored_member_is_stored_again(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy, name: str
) -> None:
    daemon = make_daemon(store=through(counting, address))
    names = write_mixed(daemon.watch / name)
    kills = 2
    for _ in range(kills):
        before = len(daemon.rows("SELECT 1 FROM objects"))
        daemon.start()
        daemon.until(lambda: len(daemon.rows("SELECT 1 FROM objects")) >= before + 12)  # noqa: B023 - asked at once
        daemon.kill()

    assert daemon.once() == 0, daemon.failures()

    assert_whole(daemon, objects, names)
    members, parts = sent_of_members(counting, address.bucket, names)
    assert members <= SMALL + LARGE + kills * IN_FLIGHT
    assert parts <= LARGE * LARGE_PARTS + kills * 4


@pytest.mark.parametrize("name", ["m.tar.gz", "m.zip"])
def test_a_worker_killed_in_the_middle_of_an_archive_costs_no_stored_member_another_upload(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy, name: str
) -> None:
    daemon = make_daemon(store=through(counting, address))
    names = write_mixed(daemon.watch / name)
    daemon.start()
    for stored in (10, 35):
        daemon.until(lambda: len(daemon.rows("SELECT 1 FROM objects")) >= stored)  # noqa: B023 - asked at once
        for worker in daemon.workers():
            if _reads(worker, name):
                worker.kill()
    daemon.until_at_rest(1)
    assert daemon.stop() == 0

    assert_whole(daemon, objects, names)
    assert [each["code"] for each in daemon.events("file.retry")].count("worker.died") >= 1
    members, parts = sent_of_members(counting, address.bucket, names)
    assert members == SMALL + LARGE
    assert parts <= LARGE * LARGE_PARTS + 2


def write_few(path: Path) -> None:
    """Pack so few members that they can all wait for the archive's end: two of them are uploaded in parts."""
    chance = random.Random(6)
    contents = {"a.csv": b"a,b\n1,2\n", "b-large.bin": chance.randbytes(LARGE_BYTES), "c.txt": b"c"}
    write_tar(path, contents | {"d-large.bin": chance.randbytes(LARGE_BYTES), "e.csv": b"a,b\n3,4\n"})


def test_no_member_of_a_compressed_tar_is_there_before_the_end_of_it_was_proved(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address), MAX_RETRIES=0)
    write_few(daemon.watch / "good.tar.gz")
    damaged = bytearray((daemon.watch / "good.tar.gz").read_bytes())
    damaged[-6] ^= 1  # within the checksum at the very end
    (daemon.watch / "damaged.tar.gz").write_bytes(damaged)

    assert daemon.once() == 1

    names = {"a.csv.parquet", "b-large.bin", "c.txt", "d-large.bin", "e.csv.parquet"}
    assert objects.delivered() == {f"good.tar.gz/{name}" for name in names}
    assert {entry["key"] for entry in objects.manifest("good.tar.gz")["entries"]} == objects.delivered()
    assert daemon.statuses() == {"good.tar.gz": "completed", "damaged.tar.gz": "failed"}
    assert objects.open_uploads() == []
    assert parts_of(counting, "damaged.tar.gz/d-large.bin"), "it was on its way"
    assert {key for key, count in uploads(counting, address.bucket).items() if "damaged.tar.gz/" in key} == set()


def test_killed_while_members_wait_for_the_archives_end_their_parts_are_not_sent_again(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    write_few(daemon.watch / "m.tar.gz")
    counting.on(lambda seen: seen.part is not None and "d-large" in seen.target, Fault(delay_seconds=5.0), 1)
    daemon.start()
    daemon.until(lambda: parts_of(counting, "m.tar.gz/d-large.bin"))
    assert objects.delivered() == set(), "all of them wait"
    daemon.kill()

    assert daemon.once() == 0, daemon.failures()

    assert len(objects.delivered()) == 5
    assert parts_of(counting, "m.tar.gz/b-large.bin") == [1, 2, 3]
    assert set(uploads(counting, address.bucket).values()) == {1}
    assert objects.open_uploads() == []


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
