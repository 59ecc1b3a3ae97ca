"""What becomes of a file after its delivery, and what operators do by hand: retry, reprocess, rebuild, verify."""

from pathlib import Path

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.counting import through, uploads
from tests.e2e.daemon import Daemon, StoreAddress
from tests.e2e.test_archives import processor
from tests.faultproxy import FaultProxy


def test_delivered_files_are_deleted_when_that_is_asked_for(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(AFTER_UPLOAD="delete")
    (daemon.watch / "d").mkdir()
    (daemon.watch / "d" / "a.txt").write_text("a")
    (daemon.watch / "broken.json").write_text("{")

    assert daemon.once() == 1

    assert not (daemon.watch / "d" / "a.txt").exists()
    assert objects.body("d/a.txt") == b"a"
    assert (daemon.errors / "broken.json").exists()
    assert daemon.once() == 0


def test_delivered_files_are_moved_when_that_is_asked_for(
    make_daemon: MakeDaemon, objects: Bucket, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    daemon = make_daemon(AFTER_UPLOAD="move", AFTER_UPLOAD_DIRECTORY=done)
    (daemon.watch / "a.csv").write_text("x\n1\n")

    assert daemon.once() == 0, daemon.failures()

    assert (done / "a.csv").read_text() == "x\n1\n"
    assert not (daemon.watch / "a.csv").exists()
    assert objects.delivered() == {"a.csv.parquet"}


def test_a_mended_file_is_delivered_after_a_retry(daemon: Daemon, objects: Bucket) -> None:
    (daemon.watch / "a.json").write_text('{"a": 1')
    daemon.start()
    daemon.until(lambda: (daemon.errors / "a.json").exists() and daemon.at_rest(1))
    (daemon.errors / "a.json").write_text('{"a": 1}')

    retried = processor(daemon, "retry", "a.json")

    assert retried.returncode == 0, retried.stderr
    daemon.until(lambda: daemon.statuses() == {"a.json": "completed"})
    assert objects.delivered() == {"a.json.parquet"}
    assert list(daemon.errors.iterdir()) == []
    assert daemon.stop() == 0


def test_reprocess_delivers_once_more_and_verify_sees_what_is_wrong(
    make_daemon: MakeDaemon, address: StoreAddress, objects: Bucket, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (daemon.watch / name).write_text(name * 3)
    assert daemon.once() == 0, daemon.failures()
    assert processor(daemon, "verify", "--all").returncode == 0
    assert processor(daemon, "verify", "--all", "--deep").stdout.startswith("4 ok")

    objects.client.delete_object(Bucket=objects.name, Key="a.txt")
    objects.client.put_object(Bucket=objects.name, Key="b.txt", Body=b"short")
    objects.client.put_object(Bucket=objects.name, Key="c.txt", Body=b"X" * 15)
    found = processor(daemon, "verify", "--all")

    assert found.returncode == 1
    assert {line.split(":")[0] + line.split(":")[1] for line in found.stdout.splitlines()[:-1]} == {
        "missing a.txt",
        "truncated b.txt",
        "replaced c.txt",
    }
    for name in ("a.txt", "b.txt", "c.txt"):
        assert processor(daemon, "reprocess", name).returncode == 0
    assert daemon.once() == 0, daemon.failures()
    assert processor(daemon, "verify", "--all").returncode == 0
    assert uploads(counting, address.bucket)["d.txt"] == 1


def test_a_ledger_rebuilt_from_the_manifests_equals_the_lost_one_and_uploads_nothing(
    make_daemon: MakeDaemon, address: StoreAddress, counting: FaultProxy
) -> None:
    daemon = make_daemon(store=through(counting, address))
    for number in range(20):
        (daemon.watch / f"{number}.csv").write_text(f"n\n{number}\n")
    (daemon.watch / "\u00e9 %41\n.txt").write_text("odd")
    assert daemon.once() == 0, daemon.failures()
    columns = "SELECT file_path,status,size_bytes,processed_bytes,checksum,s3_key,kind,modified_ns FROM file_progress"
    before = {tuple(row) for row in daemon.rows(columns)}
    written = uploads(counting, address.bucket)
    for path in daemon.home.glob("ledger.db*"):
        path.unlink()

    rebuilt = processor(daemon, "rebuild")

    assert rebuilt.stdout.startswith("21 files entered"), rebuilt.stderr
    assert {tuple(row) for row in daemon.rows(columns)} == before
    assert daemon.once() == 0
    assert uploads(counting, address.bucket) == written
