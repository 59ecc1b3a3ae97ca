"""Cost of a backlog as it grows, without a store: the real tree, the real watcher's walks, the real ledger.

    python -m tests.bench.backlog_cost [1000 10000 100000 1000000]

CPU milliseconds a file of finding files and taking them in, of all the ledger's changes until they are completed (of
the first 20,000; the others are completed by one statement), and, after that, of finding them all again; the seconds
that opening the ledger again takes; what the process holds in memory; the ledger's bytes a file. A process for each.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean

from processor.actors.watcher import found_of
from processor.daemon.malloc import begin_small, settle
from processor.domain.files import REGULAR
from processor.ledger.records import Found
from processor.ledger.writer import Ledger
from processor.watch.settings import WatchSettings
from processor.watch.tree import Tree

_COUNTS = (1000, 10_000, 100_000)
_THROUGH_THE_WRITER = 20_000
_ADMITTED = 4
_BATCH = 1000
_LONG_AGO_NS = 1_700_000_000_000_000_000


def main() -> None:
    """Measure one count in this process, or each in one of its own."""
    counts = [int(argument) for argument in sys.argv[1:]] or _COUNTS
    if len(counts) == 1:
        _measure(counts[0])
        return
    for count in counts:
        subprocess.run([sys.executable, "-m", "tests.bench.backlog_cost", str(count)], check=True)


def _measure(count: int) -> None:
    begin_small()
    settle()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as place:
        root, path = Path(place, "watched"), Path(place, "ledger.db")
        make_files(root, count)
        ledger = Ledger(path, os.fsencode(root))
        before_mb = _resident_mb()
        new = _cpu_ms(lambda: find_all(ledger, root, count)) / count
        steps = _deliver(ledger)
        peak_mb = _resident_mb()
        ledger.close()
        start = time.process_time()
        ledger = Ledger(path, os.fsencode(root))
        ledger.recover(0)
        ledger.commit()
        opened = time.process_time() - start
        known = _cpu_ms(lambda: find_all(ledger, root, count)) / count
        idle = _cpu_ms(ledger.next_due_ms)
        ledger.close()
        print(
            f"{count:>9,} files: found new {new:.3f} ms, known {known:.3f} ms, ledger to completed {steps:.3f} ms;"
            f" opened again in {opened:.2f} s, next due in {idle:.2f} ms;"
            f" {before_mb:.0f} MB before, {peak_mb:.0f} MB after; {path.stat().st_size / count:.0f} bytes a file,"
            f" paths of {len(str(next(root.rglob('*.bin'))))} characters",
            flush=True,
        )


def make_files(root: Path, count: int) -> None:
    """Make empty files that have not been touched for long, a hundred a directory."""
    for number in range(count):
        path = root / f"directory-number-{number // 100:05}" / f"a-file-of-the-usual-length-{number:07}.bin"
        if number % 100 == 0:
            path.parent.mkdir(parents=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        os.utime(path, ns=(_LONG_AGO_NS, _LONG_AGO_NS))


def find_all(ledger: Ledger, root: Path, count: int) -> None:
    """Do what the Watcher does, and what Progress does for it, until every file has been found."""
    taken = 0
    for found in _looks(root):
        for start in range(0, len(found), _BATCH):
            batch = found[start : start + _BATCH]
            ledger.found(batch, _now_ms())
            ledger.commit()
            taken += len(batch)
    if taken < count:
        raise RuntimeError(f"{taken} of {count} files were found")


def _looks(root: Path) -> Iterator[list[Found]]:
    tree = Tree(WatchSettings(os.fsencode(root), settle_seconds=0))
    try:
        while not tree.idle:
            yield list(map(found_of, tree.look(0.5).found))
    finally:
        tree.close()


def _deliver(ledger: Ledger) -> float:
    """Complete everything; return the CPU milliseconds a file that it took through the writer."""
    costs: list[float] = []
    while len(costs) * _ADMITTED < _THROUGH_THE_WRITER:
        start = time.process_time()
        jobs, _refused = ledger.admit(_ADMITTED, _now_ms(), 0)
        ledger.commit()
        for job in jobs:
            known = job.with_content(
                replace(job.file, checksum=hashlib.sha256(job.file.path).hexdigest(), kind=REGULAR)
            )
            ledger.content_known(known, _now_ms())
            ledger.object_stored(job.row, -1, 0, {"key": "k" * 60, "size_bytes": 1, "sha256": "ab" * 32}, 1)
            ledger.objects_delivered(job.row, _now_ms())
            ledger.commit()
            ledger.completed(known, _now_ms(), put_away=False)
            ledger.commit()
        if not jobs:
            break
        costs.append((time.process_time() - start) * 1000 / len(jobs))
    complete_all(ledger)
    return mean(costs)


def complete_all(ledger: Ledger) -> None:
    """Record by one statement that all files that wait are delivered."""
    ledger._write(
        "UPDATE file_progress SET status='completed', due_at=NULL, delivered='manifest', processed_bytes=0, attempt=1,"
        " kind='regular', checksum=hex(randomblob(32)), s3_key=substr(file_path,?) WHERE status='pending'",
        len(ledger._prefix) + 1,
    )
    ledger.commit()


def _cpu_ms(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main()
