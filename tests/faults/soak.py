"""`python -m tests.faults.soak --minutes M --picture P`: much the same work for a long time; is anything growing?

A few hundred names are written again and again with new content of every kind, so that the ledger has no reason to
grow either. Ends with 1 when something does.
"""

import argparse
import itertools
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import psutil

from processor.store.embedded import EmbeddedStore
from tests.e2e.bucket import Bucket
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faults import contents
from tests.faults.contents import Content

MIB = 1 << 20
_NAMES = 400
_MAKERS = (
    contents.regular,
    contents.comma_separated,
    contents.json_array,
    contents.json_lines,
    contents.xml,
    contents.zipped,
    contents.tarred,
    contents.gzipped,
    contents.hostile,
)
_WARM = 1 / 3  # of the time: caches fill, the ledger's log reaches its size
_ROOM = 1.1


@dataclass(frozen=True)
class Sample:
    """How things stand at one moment."""

    minutes: float
    main_rss_mib: float
    workers_rss_mib: float
    descriptors: int
    threads: int
    ledger_mib: float
    files_ended: int


def soak(home: Path, seconds: float, files_a_second: float, every_seconds: float = 2.0) -> list[Sample]:
    """Run a daemon over changing files for so long and return what was measured."""
    with EmbeddedStore(home / "server") as server:
        keys = (server.access_key_id, server.secret_access_key)
        address = StoreAddress(server.endpoint, f"soak-{secrets.token_hex(4)}", *keys)
        Bucket(address).client.create_bucket(Bucket=address.bucket)
        daemon = Daemon(home / "home", address, WORKERS=2)
        daemon.start()
        samples: list[Sample] = []
        began = due = looked = time.monotonic()
        for number in itertools.count():
            now = time.monotonic()
            if now - began > seconds:
                break
            if now - looked >= every_seconds:
                looked = now
                samples.append(_sample(daemon, (now - began) / 60))
            due += 1 / files_a_second
            _write(daemon.watch, number)
            time.sleep(max(0.0, due - time.monotonic()))  # the pace is the point
        assert daemon.stop() == 0, daemon.tail()
        return samples


def growing(samples: list[Sample]) -> list[str]:
    """Return what was higher in the last third than ever in the second."""
    warm = [each for each in samples if each.minutes >= samples[-1].minutes * _WARM]
    middle, last = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    found = []
    for name in ("main_rss_mib", "workers_rss_mib", "descriptors", "threads", "ledger_mib"):
        before, after = (max(getattr(each, name) for each in part) for part in (middle, last))
        if after > before * _ROOM:
            found.append(f"{name}: {before} at most, then {after}")
    return found


def draw(samples: list[Sample], target: Path) -> None:
    """Draw each figure over time."""
    import matplotlib as mpl  # noqa: PLC0415 - only those who draw have it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    panels: list[tuple[str, Callable[[Sample], float]]] = [
        ("main process, MiB", lambda each: each.main_rss_mib),
        ("workers together, MiB", lambda each: each.workers_rss_mib),
        ("file descriptors", lambda each: each.descriptors),
        ("threads", lambda each: each.threads),
        ("ledger with its log, MiB", lambda each: each.ledger_mib),
        ("files that came to their end", lambda each: each.files_ended),
    ]
    figure, axes = plt.subplots(3, 2, figsize=(11, 8), sharex=True, layout="constrained")
    for axis, (title, value) in zip(axes.flat, panels, strict=True):
        axis.plot([each.minutes for each in samples], [value(each) for each in samples], color="#24579c", linewidth=1)
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("minutes")
    figure.savefig(target, dpi=110)


def _write(watch: Path, number: int) -> None:
    """Write one of the names anew; the same name is always of the same kind."""
    name = number % _NAMES
    make = _MAKERS[name % len(_MAKERS)]
    suffix = make(random.Random(name)).suffix
    content = next(each for each in _contents(make, number) if each.suffix == suffix)
    path = watch / f"{name % 7}" / f"{name}{content.suffix}"
    path.parent.mkdir(exist_ok=True)
    draft = watch.parent / "draft"
    draft.write_bytes(content.data)
    draft.rename(path)


def _contents(make: Callable[[random.Random], Content], number: int) -> Iterator[Content]:
    return (make(random.Random(f"{number} {attempt}")) for attempt in itertools.count())


def _sample(daemon: Daemon, minutes: float) -> Sample:
    process = psutil.Process(daemon.pid)
    workers = 0
    for each in daemon.workers():
        try:
            workers += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    ledger = sum(path.stat().st_size for path in daemon.ledger.parent.glob("ledger.db*"))
    ended = daemon.rows("SELECT coalesce(sum(attempt), 0) AS n FROM file_progress")[0]["n"]
    return Sample(
        round(minutes, 3),
        round(process.memory_info().rss / MIB, 1),
        round(workers / MIB, 1),
        process.num_fds(),
        process.num_threads(),
        round(ledger / MIB, 3),
        int(ended),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--files-a-second", type=float, default=5.0)
    parser.add_argument("--picture", type=Path, default=None)
    parser.add_argument("--figures", type=Path, default=Path("soak.csv"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        samples = soak(Path(home), options.minutes * 60, options.files_a_second)
    lines = [",".join(each.name for each in fields(Sample)), *(",".join(map(str, astuple(each))) for each in samples)]
    options.figures.write_text("\n".join(lines) + "\n")
    if options.picture is not None:
        draw(samples, options.picture)
    found = growing(samples)
    highest = {each.name: max(getattr(sample, each.name) for sample in samples) for each in fields(Sample)}
    print(json.dumps({"highest": highest, "last": asdict(samples[-1]), "growing": found}, indent=1))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
