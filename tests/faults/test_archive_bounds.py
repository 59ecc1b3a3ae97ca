"""What an archive may cost: no file on the disk, and memory that grows neither with its size nor with its members."""

import gzip
import io
import os
import random
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon

MB = 1 << 20
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

# Whatever makes a file, opens one to write, or moves bytes into one by a mapping or between descriptors.
_CALLS = "open,openat,openat2,creat,mknod,mknodat,link,linkat,rename,renameat,renameat2,truncate,copy_file_range"
_OPENED = re.compile(
    r"(?:open|openat|openat2|creat)\((?:[^,\"]+, )?\"(?P<path>[^\"]*)\"(?P<flags>.*)\) += (?P<result>\d+)"
)
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|O_TRUNC")


def tables(random_: random.Random, rows: int) -> bytes:
    lines = (f"{number},{random_.random():.9f},name {random_.randrange(10**6)}\n" for number in range(rows))
    return ("id,value,name\n" + "".join(lines)).encode()


def fill_tar_gz(path: Path, size: int) -> int:
    """Write a .tar.gz of `size` bytes unpacked: tables, bytes without sense, an archive; return its members."""
    chance = random.Random(1)
    table, noise = tables(chance, 20_000), chance.randbytes(MB)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", table)
    contents = {".csv": table, ".bin": noise, ".zip": inner.getvalue(), ".xml": b"<r><a>1</a><a>2</a></r>"}
    written = members = 0
    with gzip.open(path, "wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        while written < size:
            for suffix, data in contents.items():
                info = tarfile.TarInfo(f"d/{members}{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                written += len(data)
                members += 1
    return members


def files_written(trace: Path) -> Iterator[str]:
    """Yield the path of whatever was made or opened to be written, by any process, in the order in which it was."""
    for line in trace.read_text(errors="replace").splitlines():
        opened = _OPENED.search(line)
        if opened:
            if _WRITES.search(opened["flags"]) or "creat(" in line:
                yield opened["path"]
        elif not re.search(r"= -1 |resumed|unfinished", line) and not re.search(r"\b(open|openat)\(", line):
            yield from re.findall(r"\"([^\"]*)\"", line)[-1:]


def is_no_data(path: str, daemon: Daemon) -> bool:
    """Tell whether a file may be written: the ledger, devices and semaphores, and what Python keeps of its sources."""
    allowed = (str(daemon.ledger), "/dev/null", "/dev/tty", "/dev/shm/sem.", "/dev/fd/", "/proc/self/")
    return path.startswith(allowed) or "/__pycache__/" in path


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [8 * MB, pytest.param(1000 * MB, marks=[pytest.mark.torture, pytest.mark.timeout(3600)])]
)
def test_an_archive_is_delivered_without_a_file_but_the_ledger(
    make_daemon: MakeDaemon, objects: Bucket, size: int
) -> None:
    daemon = make_daemon(NESTED_ARCHIVES="extract", WORKERS=2, TMPDIR="tmp", PYTHONDONTWRITEBYTECODE=1)
    (daemon.home / "tmp").mkdir()
    members = fill_tar_gz(daemon.watch / "a.tar.gz", size)
    trace = daemon.home.parent / "trace"
    before = set(places(daemon))

    watching = ("strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-o", str(trace), "-e", f"trace={_CALLS}")
    daemon.start("--once", prefix=watching, ready=False)
    assert daemon.wait(3000) == 0, daemon.failures()

    assert len(objects.delivered()) == members
    written = list(files_written(trace))
    assert str(daemon.ledger) in written, "nothing was seen"
    assert [path for path in written if not is_no_data(path, daemon)] == []
    assert {path for path in places(daemon) if path not in before} <= {str(daemon.log), *ledger_files(daemon)}


def ledger_files(daemon: Daemon) -> set[str]:
    return {str(path) for path in daemon.home.iterdir() if path.name.startswith(daemon.ledger.name)}


def places(daemon: Daemon) -> Iterator[str]:
    """Yield every file below the daemon's own directories: the working one is its home."""
    for directory, _, names in os.walk(daemon.home):
        yield from (os.path.join(directory, name) for name in names)


class Peak:
    """The largest resident size of the main process and of any worker, looked at again and again."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.main = self.worker = 0

    def look(self) -> bool:
        """Take the sizes of now; return whether the daemon has come to its end."""
        try:
            self.main = max(self.main, psutil.Process(self._daemon.pid).memory_info().rss)
            sizes = [each.memory_info().rss for each in self._daemon.workers()]
            self.worker = max([self.worker, *sizes])
        except psutil.Error:
            pass
        return not self._daemon.running


@pytest.mark.slow
@pytest.mark.parametrize(
    "members", [1_500, pytest.param(200_000, marks=[pytest.mark.torture, pytest.mark.timeout(4 * 3600)])]
)
def test_a_tar_of_many_small_files_takes_no_more_memory_than_one_of_few(
    make_daemon: MakeDaemon, objects: Bucket, members: int
) -> None:
    daemon = make_daemon()
    with tarfile.open(daemon.watch / "many.tar", "w") as tar:
        for number in range(members):
            info = tarfile.TarInfo(f"d{number // 1000}/{number}.txt")
            info.size = 5
            tar.addfile(info, io.BytesIO(b"%05d" % (number % 100_000)))
    daemon.start("--once", ready=False)
    peak = Peak(daemon)
    daemon.until(peak.look, timeout=4 * 3600, every=0.2)

    assert daemon.wait() == 0, daemon.failures()
    assert len(objects.manifest("many.tar")["entries"]) == members
    assert peak.main < 120 * MB
    assert peak.worker < 400 * MB


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_zip64_of_five_gigabytes_takes_no_more_memory_than_a_small_one(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon(MAX_ARCHIVE_RATIO=10**6)
    size = 5 * 1024 * MB
    with (
        zipfile.ZipFile(daemon.watch / "large.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("zeros.bin", "w", force_zip64=True) as member,
    ):
        for _ in range(size // (8 * MB)):
            member.write(bytes(8 * MB))
    daemon.start("--once", ready=False)
    peak = Peak(daemon)
    daemon.until(peak.look, timeout=3000, every=0.2)

    assert daemon.wait() == 0, daemon.failures()
    assert objects.manifest("large.zip")["entries"][0]["size_bytes"] == size
    assert peak.main < 150 * MB
    assert peak.worker < 400 * MB
