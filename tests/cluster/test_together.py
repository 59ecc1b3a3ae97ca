"""Several daemons, one bucket: each with its own ledger and prefix, with a cluster or without."""

import io
import json
import shutil
import tarfile
from typing import Any

import pytest

from tests.cluster.conftest import MakeDaskDaemon
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.trees import MIB, write, write_csv, write_large

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_CSV = b"n,code\n" + b"".join(b"%d,%03d\n" % (n, n % 7) for n in range(100))
_MEMBERS = 520  # more than one receipt names


@pytest.mark.usefixtures("running")
def test_two_daemons_at_once_with_a_cluster_and_without_deliver_the_very_same(
    make_daemon: MakeDaemon, make_dask_daemon: MakeDaskDaemon, objects: Bucket
) -> None:
    one = make_daemon("one", S3_PREFIX="one/")
    two = make_dask_daemon("two", S3_PREFIX="two/")
    for daemon in (one, two):
        write(daemon.watch / "a.csv", _CSV + b"7,001,surplus\n" + _CSV[7:])
        write(daemon.watch / "b.json", b'[{"a":1,"b":"x"},{"a":2,"b":"y"}]')
        write_csv(daemon.watch / "large.csv", 6 * MIB)
        daemon.environment["MALFORMED_ROWS"] = "reject-object"
    _tar_of_many(one.watch / "many.tar.gz")
    shutil.copy2(one.watch / "many.tar.gz", two.watch / "many.tar.gz")

    one.start("--once", ready=False)
    two.start("--once", ready=False)
    assert (one.wait(400), two.wait(400)) == (0, 0), (one.failures(), two.failures())

    first, second = _delivered(objects, "one/"), _delivered(objects, "two/")
    assert set(first) == set(second)
    for name, manifest in first.items():
        assert _content(manifest) == _content(second[name]), name
    assert first["many.tar.gz"]["objects"] == _MEMBERS
    assert first["a.csv"]["entries"][0]["rejected_rows"] == 1
    assert objects.open_uploads() == []
    assert objects.keys("two/_staging/") == set()


def test_a_daemon_that_starts_leaves_the_uploads_of_another_alone(make_daemon: MakeDaemon, objects: Bucket) -> None:
    one, two = make_daemon("one", S3_PREFIX="one/"), make_daemon("two", S3_PREFIX="two/")
    sums = [write_large(daemon.watch / "large.bin", 60 * MIB, seed=seed) for seed, daemon in enumerate((one, two))]
    one.environment["MAX_BANDWIDTH"] = str(12 * MIB)
    one.start()
    one.until(lambda: "one/large.bin" in objects.open_uploads(), 120)

    two.start()
    two.kill()
    two.start()
    two.until_at_rest(1, 240)
    one.until_at_rest(1, 240)

    assert [objects.sha256(f"{name}/large.bin") for name in ("one", "two")] == sums
    assert one.failures() == two.failures() == []
    assert objects.open_uploads() == []


@pytest.mark.usefixtures("running")
def test_what_an_earlier_daemon_left_for_workers_is_removed_and_equal_files_share_what_they_need(
    make_dask_daemon: MakeDaskDaemon, objects: Bucket
) -> None:
    objects.client.put_object(Bucket=objects.name, Key="_staging/left", Body=b"left")
    objects.client.create_multipart_upload(Bucket=objects.name, Key="_staging/begun")
    daemon = make_dask_daemon(shared=False)
    for number in range(6):
        write(daemon.watch / f"{number}.csv", _CSV)

    assert daemon.once(400) == 0, daemon.failures()

    assert objects.delivered() == {f"{number}.csv.parquet" for number in range(6)}
    assert objects.open_uploads() == []


def _tar_of_many(path: Any) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for number in range(_MEMBERS):
            content = b"member %d" % number
            info = tarfile.TarInfo(f"d{number % 5}/{number}.txt")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _delivered(objects: Bucket, prefix: str) -> dict[str, Any]:
    place = f"{prefix}_manifests/"
    names = [key.removeprefix(place).removesuffix(".json") for key in objects.keys(place)]
    return {name: json.loads(objects.body(f"{place}{name}.json")) for name in names}


def _content(manifest: dict[str, Any]) -> Any:
    """Return what does not depend on when, and in how many parts, it was stored."""
    entries = [
        {name: value for name, value in entry.items() if name not in ("etag", "checksum", "parts")}
        for entry in manifest["entries"]
    ]
    return manifest["sha256"], manifest["type"], entries
