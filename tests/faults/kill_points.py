"""Kill the daemon before its n-th call that changes anything, for each n; the next start must complete the work.

`python -m tests.faults.kill_points` does it for every n of every way and prints the figures; the suite tries a few.
Only the main process is killed: the rest has to see for itself.
"""

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processor.store.embedded import EmbeddedStore
from processor.store.probe import adopt, probe
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings
from tests import seaweed
from tests.e2e import warm
from tests.e2e.bucket import MANIFESTS, Bucket
from tests.e2e.counting import through, uploads
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faultproxy import FaultProxy
from tests.faults.call_filter import MARK, Watched

_PASSING = frozenset({"first_seen", "failed_at", "modified_ns", "delivered_at", "timeline"})

Snapshot = dict[str, object]


@dataclass(frozen=True)
class Way:
    """What the daemon is asked to do with its files; `changed` ones were delivered before, with other content."""

    settings: Mapping[str, object]
    other_file_system: bool = False
    changed: bool = False
    large: bool = False


WAYS = {
    "keep": Way({}),
    "delete": Way({"AFTER_UPLOAD": "delete"}),
    "move": Way({"AFTER_UPLOAD": "move"}),
    "move-across": Way({"AFTER_UPLOAD": "move"}, other_file_system=True),
    "changed": Way({}, changed=True),
    "large": Way({"AFTER_UPLOAD": "delete"}, large=True),
}


@dataclass
class Outcome:
    """What one or many points have shown."""

    points: Counter[str] = field(default_factory=Counter)
    puts: int = 0
    repeated: int = 0
    violations: list[str] = field(default_factory=list)


class Scan:
    """One way, tried again and again in homes of its own below `place`, against one store."""

    def __init__(self, place: Path, target: StoreSettings, way: str) -> None:
        self._place, self._target, self.name, self._way = place, target, way, WAYS[way]
        self._profile: Any = None
        self.expected, self.calls = self._reference()

    def kill_before(self, call: int) -> tuple[Outcome, bool]:
        """Kill before this call; tell what is wrong after the next start, and if it came so far at all."""
        with self._home() as home:
            struck = home.killed_before(call)
            if struck:
                home.kept = home.completed()
                home.before = uploads(home.proxy, home.address.bucket)
                home.start()
            outcome = Outcome(Counter([struck] if struck else []))
            wrong = [*home.differences(self.expected), *home.sent_twice(outcome)]
            outcome.violations = [f"{self.name}, before call {call} ({struck or 'none'}): {each}" for each in wrong]
            return outcome, bool(struck)

    def _reference(self) -> tuple[Snapshot, int]:
        with self._home() as home:
            home.killed_before(sys.maxsize)
            return home.snapshot(), home.calls

    @contextlib.contextmanager
    def _home(self) -> "Iterator[_Home]":
        store = seaweed.fresh_bucket(self._target)
        self._profile = self._profile or probe(store)
        adopt(store, self._profile)
        place = Path(tempfile.mkdtemp(dir=self._place))
        away = Path(tempfile.mkdtemp(dir="/dev/shm" if self._way.other_file_system else self._place))
        try:
            with FaultProxy(int(str(self._target.endpoint).rpartition(":")[2])) as proxy:
                yield _Home(place, away, store, proxy, self._way)
        finally:
            seaweed.drop_bucket(store)
            shutil.rmtree(place)
            shutil.rmtree(away)


class _Home:
    """One place with files in it, and the daemon that works there."""

    def __init__(self, place: Path, away: Path, store: S3Store, proxy: FaultProxy, way: Way) -> None:
        settings = store.settings
        self.address = StoreAddress(
            str(settings.endpoint), settings.bucket, str(settings.access_key_id), str(settings.secret_access_key)
        )
        self._bucket = Bucket(self.address)
        self.proxy, self._away = proxy, away / "done"
        self.kept: set[str] = set()
        self._replaced: set[tuple[str, str]] = set()  # what was delivered of files before they changed
        self.before: Counter[str] = Counter()
        self.calls = 0
        moving = {"AFTER_UPLOAD_DIRECTORY": self._away} if way.settings.get("AFTER_UPLOAD") == "move" else {}
        quick = {"STABILITY_THRESHOLD": 0, "POLL_INTERVAL": 10, "WORKERS": 1, "RETRY_DELAY": 1}
        self._daemon = Daemon(place, through(proxy, self.address), warm=True, **{**quick, **moving, **way.settings})
        if way.changed:
            _fill(self._daemon.watch, "before", large=False)
            self.start()
            shutil.rmtree(self._daemon.errors)
            proxy.seen.clear()
            self._replaced = self._completed()
        _fill(self._daemon.watch, "now", large=way.large)

    def killed_before(self, call: int) -> str:
        """Run until this call and kill; return the name of the call, "" when it ended sooner."""
        struck = ""

        def strike(number: int, name: str) -> None:
            nonlocal struck
            if number == call:
                struck = name
                self._daemon.process.kill()  # type: ignore[union-attr]

        self._daemon.environment[MARK] = "1"
        try:
            self._daemon.start("--once", ready=False)
        finally:
            del self._daemon.environment[MARK]
        watched = Watched(self._daemon.pid, strike)
        watched.until_it_is_gone()
        self.calls = watched.counted.total()
        code = self._daemon.wait()
        assert code in ((-9,) if struck else (0, 1)), f"exit {code}: {self._daemon.tail()}"
        return struck

    def start(self) -> None:
        """Run without disturbance. The file that fails may have failed, and been told, before."""
        assert self._daemon.once() in (0, 1), self._daemon.tail()

    def completed(self) -> set[str]:
        """Return the keys of files as they are now that the ledger had recorded as delivered, without touching it."""
        return {key for key, _checksum in self._completed() - self._replaced}

    def _completed(self) -> set[tuple[str, str]]:
        with tempfile.TemporaryDirectory() as copy:
            for suffix in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(f"{self._daemon.ledger}{suffix}", copy)
            ledger = Path(copy) / self._daemon.ledger.name
            if not ledger.exists():
                return set()
            with contextlib.closing(sqlite3.connect(ledger)) as connection:
                try:
                    query = "SELECT s3_key, checksum FROM file_progress WHERE status='completed'"
                    return set(connection.execute(query).fetchall())
                except sqlite3.OperationalError:
                    return set()  # killed before it had its tables

    def sent_twice(self, outcome: Outcome) -> Iterator[str]:
        """Count what was written to the store; one kill may cost one repetition of what it interrupted."""
        after = uploads(self.proxy, self.address.bucket)
        outcome.puts = after.total()
        outcome.repeated = sum(count - 1 for count in after.values())
        for key, count in after.items():
            if count > 2:
                yield f"{key} was written {count} times"
            if count > self.before[key] and key in self.kept:
                yield f"{key} was recorded as delivered, and written once more"

    def differences(self, expected: Snapshot) -> Iterator[str]:
        found = self.snapshot()
        for what in sorted(expected.keys() | found.keys()):
            if expected.get(what) != found.get(what):
                yield f"{what}: {found.get(what)} instead of {expected.get(what)}"

    def snapshot(self) -> Snapshot:
        """Return everything that is there at the end, but times."""
        return {
            **{f"object {key}": self._object(key) for key in self._bucket.keys("") if not key.startswith("_probe/")},
            **{f"unfinished upload {key}": "" for key in self._bucket.open_uploads()},
            **{f"row {path}": rest for path, *rest in self._rows()},
            **{f"file {path}": what for path, what in self._files()},
        }

    def _object(self, key: str) -> object:
        body = self._bucket.body(key)
        if key.startswith(MANIFESTS):
            return _without_times(json.loads(body))
        metadata = self._bucket.head(key)["Metadata"]
        return hashlib.sha256(body).hexdigest(), metadata.get("x-completed"), metadata.get("source-sha256")

    def _rows(self) -> Iterator[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self._daemon.ledger)) as ledger:
            yield "ledger", *ledger.execute("PRAGMA integrity_check").fetchone()
            for table in ("uploads", "parts"):
                yield table, *ledger.execute(f"SELECT count(*) FROM {table}").fetchone()
            query = "SELECT file_path, status, checksum, s3_key, due_at FROM file_progress"
            for path, *rest in ledger.execute(query).fetchall():
                yield os.path.relpath(path, self._daemon.watch), *rest

    def _files(self) -> Iterator[tuple[str, object]]:
        for root in (self._daemon.watch, self._daemon.errors, self._away):
            for path in sorted(root.rglob("*")):
                name = f"{root.name}/{path.relative_to(root)}"
                if path.name.endswith(".reason.json"):
                    yield name, _without_times(json.loads(path.read_bytes()))
                elif path.is_file():
                    yield name, hashlib.sha256(path.read_bytes()).hexdigest()


def _fill(watch: Path, word: str, *, large: bool) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("one.txt", "two/three.csv"):
            archive.writestr(zipfile.ZipInfo(name), f"a,b\n1,{word}\n")
    (watch / "deep" / "er").mkdir(parents=True, exist_ok=True)
    (watch / "plain.txt").write_text(word)
    (watch / "deep" / "table.csv").write_text(f"a,b\n1,{word}\n2,x\n")
    (watch / "deep" / "er" / "packed.zip").write_bytes(packed.getvalue())
    (watch / "deep" / "broken.json").write_text(f'[{{"{word}"')
    if large:
        (watch / "large.bin").write_bytes(random.Random(word).randbytes(18 << 20))


def _without_times(value: Any) -> Any:
    """Return a JSON value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: _without_times(each) for key, each in value.items() if key not in _PASSING}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def scan(
    each: Scan, calls: Iterable[int], tell: Callable[[int, Outcome], None] = lambda _call, _outcome: None
) -> Outcome:
    """Kill before each of these calls, until one is beyond the last."""
    total = Outcome()
    for call in calls:
        outcome, struck = each.kill_before(call)
        total.points.update(outcome.points)
        total.puts += outcome.puts
        total.repeated += outcome.repeated
        total.violations += outcome.violations
        tell(call, outcome)
        if not struck:
            break
    return total


def main() -> int:
    """Try every call of the ways that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"of {', '.join(WAYS)}; default: all")
    parser.add_argument("--from", dest="start", type=int, default=1, help="the first call before which to kill")
    parser.add_argument("--every", type=int, default=1, help="1: no call is left out")
    options = parser.parse_args()
    warm.prepare()
    violations = 0
    with tempfile.TemporaryDirectory(prefix="kill-points-") as place, EmbeddedStore(Path(place) / "store") as server:
        for way in options.ways or WAYS:
            begun = time.monotonic()
            each = Scan(Path(place), seaweed.settings_for(server), way)
            found = scan(each, itertools.count(options.start, options.every), _tell)
            violations += len(found.violations)
            print(
                f"{way}: {found.points.total()} points in {time.monotonic() - begun:.0f} s, {found.puts} PUTs, "
                f"{found.repeated} repeated, {len(found.violations)} violations; {dict(found.points)}",
                flush=True,
            )
    return 1 if violations else 0


def _tell(_call: int, outcome: Outcome) -> None:
    for each in outcome.violations:
        print(each, flush=True)


if __name__ == "__main__":
    sys.exit(main())
