"""What archives cost: beside `tar` or `unzip` plus the same conversion by hand, and for each small member.

    archive_cost.py [--mb 1000] [--tables 2000] [--members 200000] [--directory /tmp]

The work by hand: unpack to a directory, SHA-256 of every file, one DuckDB process that copies every table to ZSTD
Parquet with the sniffer's types, unpacked files removed. Ours does the same from the archive to a sink that counts. CPU
seconds (children included) are the figure to trust where others use the machine.
"""

import argparse
import hashlib
import io
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from isal import igzip

from processor.confined.archives.extract import extract
from processor.domain.archives import ExtractionOptions
from processor.domain.errors import Failure
from processor.domain.files import proposed_kind
from processor.domain.members import Member, MemberReceipt
from processor.streams.source import open_file
from tests.unit.confined.archives.recording import piped


class CountingSink:
    """Takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.members = 0
        self.bytes_out = 0

    def begin(self, member: Member) -> None:
        pass

    def data(self, chunk: bytes) -> None:
        self.bytes_out += len(chunk)

    def output(self, member: Member) -> "CountingSink":  # noqa: ARG002
        return self

    @contextmanager
    def parquet(self) -> Iterator[int]:
        with piped(self.data) as write_end:
            yield write_end

    def rejects(self) -> None:
        raise AssertionError("the tables have no bad rows")

    def end(self, member: Member, receipt: MemberReceipt) -> None:  # noqa: ARG002
        self.members += 1

    def hold(self, member: Member, receipt: MemberReceipt) -> bool:  # noqa: ARG002
        self.members += 1
        return True

    def proved(self) -> None:
        pass

    def bad(self, member: Member, failure: Failure) -> None:
        raise SystemExit(f"{member.name!r}: {failure}")

    def not_a_file(self, member: Member, reason: str) -> None:
        raise SystemExit(f"{member.name!r}: {reason}")


def ours(archive: Path) -> None:
    kind = proposed_kind(archive.name.encode()).archive
    assert kind is not None
    with open_file(bytes(archive.parent), archive.name.encode()) as source:
        extract(source, kind, ExtractionOptions(), CountingSink())  # type: ignore[arg-type]


def by_hand(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent) as directory:
        unpack = (
            ["unzip", "-q", archive, "-d", directory]
            if archive.suffix == ".zip"
            else ["tar", "xf", archive, "-C", directory]
        )
        subprocess.run(unpack, check=True)
        connection = duckdb.connect(":memory:", config={"threads": 1})
        for path in sorted(Path(directory).rglob("*.csv")):
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")
            target = f"{path}.parquet"
            connection.execute("COPY (FROM read_csv($1)) TO $2 (FORMAT parquet, COMPRESSION zstd)", [str(path), target])
        connection.close()


def cost(work: Callable[[Path], None], archive: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of `work` in a process of its own."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            work(archive)
            os._exit(0)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{work.__name__} failed on {archive}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def table(rows: int, seed: int) -> bytes:
    chance = random.Random(seed)
    lines = ["id,value,day,name,number,flag"]
    for number in range(rows):
        day = f"2024-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        word = f"name {chance.randint(0, 99_999)}"
        lines.append(f"{number},{chance.random():.6f},{day},{word},{chance.randint(0, 10**9)},{chance.random() < 0.5}")
    return ("\n".join(lines) + "\n").encode()


def large_tar_gz(path: Path, size: int) -> Path:
    body = table(200_000, 1)
    header, _separator, rows = body.partition(b"\n")
    with igzip.open(path, "wb", compresslevel=2) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        for number in range(4):
            content = header + b"\n" + rows * max(1, size // 4 // len(rows))
            info = tarfile.TarInfo(f"table{number}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def many_tables_zip(path: Path, count: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"d{number % 20}/t{number}.csv", table(200, number))
    return path


def many_members_tar(path: Path, count: int) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(count):
            info = tarfile.TarInfo(f"d{number % 100}/f{number}.bin")
            info.size = 300
            archive.addfile(info, io.BytesIO(b"%300d" % number))
    return path


def compare(archive: Path) -> None:
    our_wall, our_cpu = cost(ours, archive)
    hand_wall, hand_cpu = cost(by_hand, archive)
    print(
        f"{archive.name}: ours {our_wall:.1f} s, {our_cpu:.1f} CPU s; by hand {hand_wall:.1f} s, {hand_cpu:.1f} CPU s;",
        end="",
    )
    print(f" ratio {our_wall / hand_wall:.2f}, of CPU {our_cpu / hand_cpu:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--members", type=int, default=200_000)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    here = Path(tempfile.mkdtemp(dir=arguments.directory))
    try:
        if arguments.members:
            wall, cpu = cost(ours, many_members_tar(here / "members.tar", arguments.members))
            each = 1e6 / arguments.members
            print(f"members.tar: {wall * each:.0f} us, {cpu * each:.0f} CPU us a member of 300 bytes", flush=True)
        if arguments.tables:
            compare(many_tables_zip(here / "tables.zip", arguments.tables))
        if arguments.mb:
            compare(large_tar_gz(here / "tables.tar.gz", arguments.mb << 20))
    finally:
        shutil.rmtree(here)


if __name__ == "__main__":
    main()
