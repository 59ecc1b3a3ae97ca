"""What a cluster delivers is what one host delivers, and the daemon alone keeps the books."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import psutil
import pytest

from tests.cluster.conftest import MakeDaskDaemon
from tests.cluster.programs import ClusterPrograms
from tests.e2e.bucket import Bucket
from tests.e2e.trees import MIB, write, write_csv, write_large
from tests.processes import fork_servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_CSV = b"n,code\n" + b"".join(b"%d,%03d\n" % (n, n % 7) for n in range(100))


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("shared", [True, False], ids=["shared path", "through the store"])
def test_every_kind_of_file_is_delivered_by_a_cluster(
    make_dask_daemon: MakeDaskDaemon, objects: Bucket, shared: bool
) -> None:
    daemon = make_dask_daemon(shared=shared)
    write(daemon.watch / "t/a.csv", _CSV)
    write(daemon.watch / "t/b.json", b'[{"a":1,"b":"x"},{"a":2,"b":"y"}]')
    write(daemon.watch / "t/c.xml", b"<rows><row><a>1</a></row><row><a>2</a></row></rows>")
    write(daemon.watch / "small.bin", b"small")
    large = write_large(daemon.watch / "large.bin", 12 * MIB, seed=1)
    rows = write_csv(daemon.watch / "large.csv", 12 * MIB)
    _zip(daemon.watch / "z.zip", {f"d/{n}.csv": _CSV for n in range(5)} | {"text.txt": b"text", "empty": b""})
    _tar(daemon.watch / "y.tar.gz", {"a.csv": _CSV, "b.bin": b"b" * 100})

    assert daemon.once(400) == 0, daemon.failures()

    members = {f"z.zip/d/{n}.csv.parquet" for n in range(5)} | {"z.zip/text.txt", "z.zip/empty"}
    tables = {"t/a.csv.parquet", "t/b.json.parquet", "t/c.xml.parquet", "large.csv.parquet"}
    assert objects.delivered() == {
        *members,
        *tables,
        "small.bin",
        "large.bin",
        "y.tar.gz/a.csv.parquet",
        "y.tar.gz/b.bin",
    }
    assert objects.table("t/a.csv.parquet").num_rows == 100
    assert objects.table("large.csv.parquet").num_rows == rows
    assert objects.sha256("large.bin") == large
    assert objects.body("z.zip/text.txt") == b"text"
    assert objects.body("z.zip/empty") == b""
    assert objects.table("y.tar.gz/a.csv.parquet").num_rows == 100
    manifest = objects.manifest("z.zip")
    assert manifest["objects"] == 7
    assert {entry["rows"] for entry in manifest["entries"] if "rows" in entry} == {100}
    assert objects.open_uploads() == []
    assert set(daemon.statuses().values()) == {"completed"}


def test_parsers_on_workers_hold_no_credentials_and_have_no_network(
    make_dask_daemon: MakeDaskDaemon, running: ClusterPrograms, objects: Bucket
) -> None:
    daemon = make_dask_daemon()
    write(daemon.watch / "a.csv", _CSV)

    assert daemon.once(400) == 0, daemon.failures()

    assert objects.table("a.csv.parquet").num_rows == 100
    programs = [psutil.Process(worker.process.pid) for worker in running.workers]
    assert all("S3_SECRET_ACCESS_KEY" in program.environ() for program in programs)
    parsers = [parser for program in programs for parser in fork_servers(program)]
    assert len(parsers) >= len(programs)
    for parser in parsers:
        assert not [name for name in parser.environ() if name.startswith(("S3_", "DASK_"))]
        assert os.readlink(f"/proc/{parser.pid}/ns/net") != os.readlink("/proc/self/ns/net")


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
