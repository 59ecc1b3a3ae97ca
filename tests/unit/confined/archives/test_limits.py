"""Memory does not grow with the number or the size of members, and no file is ever written."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from isal import isal_zlib

from tests.unit.confined.archives.recording import gz, tar_of, zip_of

# Runs in a process of its own, which can not write a file, and prints entries, bytes and the peak of its memory.
EXTRACT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from pathlib import Path
from processor.domain.archives import ArchiveLimits, ExtractionOptions, NestedArchives
from processor.domain.files import proposed_kind
from processor.confined.archives.extract import extract
from processor.streams.source import open_file
from tests.unit.confined.archives.recording import piped
from contextlib import contextmanager

class Counting:
    bytes_out = members = 0
    def begin(self, member): pass
    def data(self, chunk): self.bytes_out += len(chunk)
    def output(self, member): return self
    @contextmanager
    def parquet(self):
        with piped(self.data) as write_end:
            yield write_end
    def end(self, member, receipt): self.members += 1
    def bad(self, member, failure): raise SystemExit(str(failure))
    def not_a_file(self, member, reason): raise SystemExit(reason)

path, sink = Path(sys.argv[1]), Counting()
options = ExtractionOptions(ArchiveLimits(members=2_000_000, ratio=10**9), NestedArchives(sys.argv[2]))
with open_file(bytes(path.parent), path.name.encode()) as source:
    extract(source, proposed_kind(path.name.encode()).archive, options, sink)
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]  # ru_maxrss would count the parent's
print(sink.members, sink.bytes_out, peak)
"""


def measured(archive: Path, nested: str = "keep") -> tuple[int, int, float]:
    """Return members, bytes that came out and the peak memory in MiB."""
    command = [sys.executable, "-c", EXTRACT, str(archive), nested]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    members, bytes_out, peak_kib = (int(number) for number in answer.stdout.split())
    return members, bytes_out, peak_kib / 1024


def many_headers(path: Path, count: int) -> Path:
    """Write a tar of `count` files of one byte."""
    (block,) = {len(tar_of([("f", b"1")])[:1024])}
    assert block == 1024
    template = bytearray(tar_of([("name0000000", b"1")])[:1024])
    with path.open("wb") as file:
        for number in range(count):
            template[:11] = b"name%07d" % number
            template[148:156] = b" " * 8
            template[148:156] = b"%06o\0 " % sum(template[:512])
            file.write(template)
        file.write(bytes(1024))
    return path


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "gz"])
def test_memory_does_not_grow_with_the_size_of_a_member(tmp_path: Path, suffix: str) -> None:
    def archive(size: int) -> Path:
        content = bytes(size)
        data = {
            "zip": lambda: zip_of([("x", content)]),
            "tar": lambda: tar_of([("x", content)]),
            "tar.gz": lambda: gz(tar_of([("x", content)])),
            "gz": lambda: gz(content),
        }[suffix]()
        path = tmp_path / f"{size}.{suffix}"
        path.write_bytes(data)
        return path

    _members, _bytes, little = measured(archive(1 << 20))
    _members, bytes_out, much = measured(archive(100 << 20))
    assert bytes_out == 100 << 20
    assert much - little < 12


def test_conversion_and_nested_archives_write_no_file_either(tmp_path: Path) -> None:
    table = b"a,b\n" + b"1,2\n" * 50_000
    path = tmp_path / "x.zip"
    path.write_bytes(zip_of([("t.csv", table), ("in.tgz", gz(tar_of([("t.csv", table), ("y", b"1")])))]))
    assert measured(path, "extract")[0] == 3


@pytest.mark.timeout(900)
def test_memory_grows_little_with_the_number_of_members(tmp_path: Path) -> None:
    count = 1_000_000 if os.environ.get("TORTURE") else 60_000
    _members, _bytes, few = measured(many_headers(tmp_path / "few.tar", 1000))
    members, bytes_out, many = measured(many_headers(tmp_path / "many.tar", count))
    assert (members, bytes_out) == (count, count)
    # Eight bytes a key in a table at most two thirds full, once more while it grows: 48 MB for a million.
    assert many - few < max(6, 48 * count / 1_000_000)


def zip64_of_zeros(path: Path, size: int) -> Path:
    """Write a zip64 with one stored member of `size` zeros: a hole on the disk."""
    crc, zeros = 0, bytes(1 << 20)
    for _ in range(size >> 20):
        crc = isal_zlib.crc32(zeros, crc)
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    local = (
        struct.pack("<4s5H3I2H", b"PK\x03\x04", 45, 0, 0, 0, 33, crc, 0xFFFFFFFF, 0xFFFFFFFF, 1, len(extra))
        + b"x"
        + extra
    )
    small = zip_of([("y", b"after")])
    small_start = small.index(b"PK\x01\x02")
    offset = len(local) + size
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 45, 45, 0, 0, 0, 33, crc, 0xFFFFFFFF, 0xFFFFFFFF, 1, len(extra), 0, 0, 0, 0, 0
    ) + b"x" + extra  # fmt: skip
    far = struct.pack("<HHQ", 1, 8, offset)
    second = bytearray(small[small_start:-22])
    second[30:32] = struct.pack("<H", len(far))
    second[42:46] = b"\xff" * 4
    directory = central + bytes(second) + far
    start = offset + small_start
    end_64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, len(directory), start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + len(directory), 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    with path.open("wb") as file:
        file.write(local)
        file.seek(size, 1)
        file.write(small[:small_start] + directory + end_64 + locator + end)
    return path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_zip64_of_more_than_four_gigabytes_is_read_whole(tmp_path: Path) -> None:
    size = (4 << 30) + (64 << 20)
    path = zip64_of_zeros(tmp_path / "large.zip", size)
    assert path.stat().st_blocks * 512 < 1 << 20
    members, bytes_out, peak = measured(path)
    assert (members, bytes_out) == (2, size + len(b"after"))
    assert peak < 150


def test_a_zip64_whose_members_lie_far_apart_is_read(tmp_path: Path) -> None:
    assert measured(zip64_of_zeros(tmp_path / "small.zip", 2 << 20))[:2] == (2, (2 << 20) + 5)


def test_the_measuring_process_can_not_write_files(tmp_path: Path) -> None:
    limits, _separator, _rest = EXTRACT.partition("path, sink")
    attempt = limits + "Path(sys.argv[1]).write_bytes(b'1')"
    answer = subprocess.run([sys.executable, "-c", attempt, str(tmp_path / "x")], capture_output=True, check=False)
    assert b"File too large" in answer.stderr
