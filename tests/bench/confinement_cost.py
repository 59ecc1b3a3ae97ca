"""What the confinement of workers costs, for many small files and for a large one.

`python -m tests.bench.confinement_cost [FILES [MEGABYTES]]` converts FILES tables of 10 KB of two senders in turn, and
one table of MEGABYTES, in workers that are not confined, and in confined ones by each WORKER_RENEWAL. It prints CPU
milliseconds a file (of all workers and the server that forks them, without its start) and the ratio.
"""

import os
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from processor.config.choices import WorkerRenewal
from processor.config.settings import Settings
from processor.confined.entrypoint import ConvertRequest, prepare, stream_conversion
from processor.delivery.examine import examine
from processor.domain.conversion import ConversionOptions
from processor.domain.files import FileMetadata
from processor.engine.pool import Pool
from processor.sandbox import confine, fork_server
from processor.sandbox.confine import Limits, Protections
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream
from tests.bench import data

_ROUNDS = 3


def unconfined() -> None:
    """Have the server fork workers that give nothing up."""

    def enter(parent: int, limits: Limits, below: str, *, no_network: bool) -> Protections:
        del parent, limits, below, no_network
        return Protections(*[False] * len(Protections.__slots__))

    fork_server.confine.enter = enter
    confine.prepare = lambda: False
    prepare()


def main() -> None:
    files, megabytes = (int(each) for each in (*sys.argv[1:], *("300", "200")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as directory:
        root = Path(directory)
        small = [_written(root / f"sender{n % 2}/t{n:05}.csv", data.small_table(n)) for n in range(files)]
        large = _written(root / "large.csv", _large(megabytes))
        for name, paths in ((f"{files} of 10 KB", small), (f"one of {megabytes} MB", [large])):
            base = min(_cost(root, paths, unconfined, WorkerRenewal.NEVER) for _ in range(_ROUNDS))
            print(f"{name}: not confined: {base:.2f} ms")
            for renewal in WorkerRenewal:
                cost = min(_cost(root, paths, prepare, renewal) for _ in range(_ROUNDS))
                print(f"{name}: WORKER_RENEWAL={renewal}: {cost:.2f} ms, {cost / base:.2f}")


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def _large(megabytes: int) -> bytes:
    rows = data.small_table(1).splitlines(keepends=True)
    block = b"".join(rows[1:])
    return rows[0] + block * ((megabytes << 20) // len(block))


def _cost(root: Path, paths: list[Path], begin: Callable[[], None], renewal: WorkerRenewal) -> float:
    """Return CPU milliseconds a file."""
    start = _cpu_of(root, [], begin, renewal)
    return (_cpu_of(root, paths, begin, renewal) - start) * 1000 / len(paths)


def _cpu_of(root: Path, paths: list[Path], begin: Callable[[], None], renewal: WorkerRenewal) -> float:
    settings = Settings(watch_path=root, s3_bucket="none", worker_renewal=renewal)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    inbox = Inbox()
    pool = Pool(1, Limits(1024, (str(root),)), inbox.worker_end, begin)
    pool.protections()
    for path in paths:
        relative = os.fsencode(path.relative_to(root))
        status = path.stat()
        file = FileMetadata(os.fsencode(path), relative, status.st_size, status.st_mtime_ns, status.st_mtime_ns)
        file = examine(os.fsencode(root), file)
        id_ = str(uuid.uuid4())
        arrived = inbox.expect(id_)
        request = ConvertRequest(id_, os.fsencode(root), file, ConversionOptions(), ())
        work = pool.submit(stream_conversion, request, settings.worker_renewal.part_of(relative))
        stream = ObjectStream(id_, inbox, arrived, work, 60)
        for _frame in stream.frames():
            pass
        stream.close()
    pool.stop()
    inbox.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    from tests.bench import confinement_cost  # by its name, which the server can import

    started = time.monotonic()
    confinement_cost.main()
    print(f"{time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.0f}")
