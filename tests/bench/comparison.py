"""Each case, each side in turn, several times; every run into an empty directory and, for ours, a new ledger."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.cases import Case
from tests.bench.measure import Cost, middle, run
from tests.bench.sides import OURS, Side
from tests.bench.stores import Store
from tests.bench.tools import PEERS, ROOT


class Bench:
    """A store, and a place for data and for what the sides write."""

    def __init__(self, store: Store, bucket: str, directory: Path) -> None:
        self.store = store
        self.bucket = bucket
        self.directory = directory

    def compare(self, case: Case, scale: float, rounds: int) -> dict[str, Any]:
        """Return what every side of the case took, and the ratios of ours to theirs."""
        source = self.directory / "data"
        source.mkdir()
        try:
            case.make(source, scale)
            costs: dict[str, list[Cost]] = {side.name: [] for side in case.sides}
            store_cpu: dict[str, float] = {}
            for number in range(rounds):
                for side in case.sides:
                    before = self.store.cpu_seconds()
                    costs[side.name].append(self.once(side, source, f"{case.name}-{number}"))
                    store_cpu[side.name] = (self.store.cpu_seconds() - before) / side.share
            self._see_that_it_arrived(f"{case.name}-0", case.objects(scale))
            size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        finally:
            shutil.rmtree(source)
        middles = {side.name: _whole(middle(costs[side.name]), side.share) for side in case.sides}
        ours = middles[OURS.name]
        return {
            "case": case.name,
            "title": case.title,
            "scale": scale,
            "bytes": size,
            "sides": {
                name: {**cost.as_dict(), "store_cpu": round(store_cpu[name], 2)} for name, cost in middles.items()
            },
            "ratios": {name: round(ours.wall_seconds / cost.wall_seconds, 3) for name, cost in middles.items()},
            "cpu_ratios": {name: round(ours.cpu_seconds / cost.cpu_seconds, 3) for name, cost in middles.items()},
            "targets": case.targets,
        }

    def once(self, side: Side, source: Path, prefix: str) -> Cost:
        """Run one side in a directory of its own."""
        home = self.directory / "home"
        home.mkdir()
        try:
            command = ["bash", "-euo", "pipefail", "-c", side.script]
            return run(command, self._environment(source, home, prefix), home / "log", home)
        finally:
            shutil.rmtree(home)

    def _environment(self, source: Path, home: Path, prefix: str) -> dict[str, str]:
        return {
            "PATH": f"{PEERS / 'bin'}:{os.environ['PATH']}",
            "HOME": str(home),
            "IN": str(source),
            "BUCKET": self.bucket,
            "ENDPOINT": self.store.endpoint,
            "PROCESSOR": sys.executable,
            **self.store.credentials(),
            **self.daemon_environment(source, home, prefix),
        }

    def daemon_environment(self, source: Path, home: Path, prefix: str) -> dict[str, str]:
        """Return the daemon's settings: the defaults, but for places and the time a file must have been still."""
        return {
            "PYTHONPATH": str(ROOT),
            "WATCH_PATH": str(source),
            "ERROR_DIRECTORY": str(home / "errors"),
            "PROGRESS_DB_PATH": str(home / "ledger.db"),
            "STABILITY_THRESHOLD": "0",
            "ALLOW_ROOT": "true",
            "S3_ENDPOINT": self.store.endpoint,
            "S3_BUCKET": self.bucket,
            "S3_PREFIX": prefix,
            "S3_ACCESS_KEY_ID": self.store.access_key,
            "S3_SECRET_ACCESS_KEY": self.store.secret_key,
        }

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a prefix."""
        pages = (
            self.store.client()
            .get_paginator("list_objects_v2")
            .paginate(  # type: ignore[attr-defined]
                Bucket=self.bucket, Prefix=prefix
            )
        )
        for page in pages:
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _see_that_it_arrived(self, prefix: str, objects: int) -> None:
        found = sum("/_manifests/" not in key for key in self.keys(f"{prefix}/"))
        if found != objects:
            raise RuntimeError(f"{found} objects are there instead of {objects}: the figures mean nothing")


def _whole(cost: Cost, share: float) -> Cost:
    return Cost(
        cost.wall_seconds / share,
        cost.cpu_seconds / share,
        cost.main_mb,
        cost.tree_mb,
        cost.largest_child_mb,
        cost.load,
    )
