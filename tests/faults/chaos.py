"""Run the daemon through an hour of bad luck, then see whether it kept its word. Everything follows from the seed."""

import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from processor.store.embedded import EmbeddedStore
from tests import seaweed
from tests.e2e import warm
from tests.e2e.bucket import Bucket
from tests.e2e.daemon import Daemon, StoreAddress
from tests.faultproxy import FaultProxy
from tests.faults.checker import Checker
from tests.faults.generator import Activity
from tests.faults.lies import LIES
from tests.faults.names import written
from tests.faults.orphans import adopt_orphans, end_with_children, own_children, reap, strays
from tests.processes import fork_servers

MIB = 1 << 20
_REST_SECONDS = 120  # without an end of any file
_GRACE_SECONDS = 60
_AT_WORK = 0.7  # of the accidents wait until the daemon has started; the others may meet it starting
_SOME_AT_WORK = 0.4  # where most are kills: a start is what they cost


@dataclass
class Report:
    """What happened, in figures; `violations` are what must not have."""

    seed: int
    seconds: float = 0.0
    kills: int = 0
    at_work: int = 0  # accidents that met a daemon which had started
    deeds: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def text(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


class Chaos:
    """One run: a store, a daemon, a directory with activity, and accidents. Call `run` in the main thread."""

    def __init__(
        self,
        home: Path,
        seed: int,
        *,
        pace_seconds: float = 0.05,
        calm_seconds: float = 2.0,
        is_warm: bool = False,
        mostly_kills: bool = False,
        **settings: object,
    ) -> None:
        """Do something to a file every `pace_seconds` and to a process every `calm_seconds`, both on average.

        A warm daemon is the fork of a process that has imported the product: a kill costs a fraction of the CPU time.
        """
        adopt_orphans()
        if is_warm:
            warm.prepare()
        self._own = own_children()
        self._home = home
        self._rng = random.Random(seed)
        self._server = EmbeddedStore(home / "server")
        self._server.start()
        self._address = self._make_bucket()
        self._proxy = FaultProxy(urlsplit(self._address.endpoint).port or 0).__enter__()
        way = replace(self._address, endpoint=self._proxy.endpoint)
        chosen = {"STABILITY_THRESHOLD": 500, "WORKERS": 2, **settings}
        self.daemon = Daemon(home / "home", way, warm=is_warm, **chosen)
        self._calm = calm_seconds
        self._kills_weigh, self._patience = (10, _SOME_AT_WORK) if mostly_kills else (1, _AT_WORK)
        self._activity = Activity(self.daemon.watch, home / "outside", seed, pace_seconds=pace_seconds)
        self._accidents: Counter[str] = Counter()
        self._said = 0  # where in the daemon's log its present life begins
        self.report = Report(seed)

    def run(self, seconds: float) -> Report:
        """Let it happen for so long, give the daemon time to finish, and look."""
        began = time.monotonic()
        stop = threading.Event()
        actor = threading.Thread(target=self._activity.run, args=(stop,), name="activity")
        actor.start()
        try:
            while time.monotonic() - began < seconds and actor.is_alive():
                self._keep_running()
                if self._rng.random() < self._patience:
                    self._let_it_start()
                time.sleep(self._rng.expovariate(1 / self._calm))  # the moment is random: that is the point
                self._accident()
        finally:
            stop.set()
            actor.join()
        self._come_to_rest()
        self._judge()
        self.report.seconds = round(time.monotonic() - began, 1)
        return self.report

    def close(self) -> None:
        """End everything and remove what it kept, unless there is something to look at."""
        if self.daemon.running:
            end_with_children(self.daemon.pid)
            self.daemon.wait()
        self._proxy.__exit__()
        self._server.stop(grace_seconds=0)
        self._activity.close()
        if not self.report.violations:
            shutil.rmtree(self._home, ignore_errors=True)

    def _make_bucket(self) -> StoreAddress:
        keys = (self._server.access_key_id, self._server.secret_access_key)
        address = StoreAddress(self._server.endpoint, f"chaos-{secrets.token_hex(4)}", *keys)
        Bucket(address).client.create_bucket(Bucket=address.bucket)
        return address

    # Accidents

    def _accident(self) -> None:
        accidents: list[tuple[int, Callable[[], None]]] = [
            (30, self._kill_daemon),
            (15, self._kill_group),
            (10, self._terminate),
            (15, self._kill_worker),
            (5, self._freeze_worker),
            (8, self._freeze_daemon),
            (4, self._kill_fork_server),
            (6, self._kill_store),
            (4, self._freeze_store),
            (25, self._lie),
        ]
        accident = self._rng.choices([each for _, each in accidents], [self._weight(*each) for each in accidents])[0]
        self._measure()
        self.report.at_work += self._at_work()
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            accident()
            self._accidents[accident.__name__.strip("_")] += 1

    def _weight(self, weight: int, accident: Callable[[], None]) -> int:
        quick = (self._kill_daemon, self._kill_group, self._kill_worker, self._lie)
        return weight * self._kills_weigh if accident in quick else weight

    def _kill_daemon(self) -> None:
        self.daemon.kill()
        self.report.kills += 1

    def _kill_group(self) -> None:
        os.killpg(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait()
        self.report.kills += 1

    def _terminate(self) -> None:
        self._expect_exit(self.daemon.stop(_GRACE_SECONDS), "after SIGTERM")

    def _kill_worker(self) -> None:
        if workers := self.daemon.workers():
            self._rng.choice(workers).kill()
            self.report.kills += 1

    def _kill_fork_server(self) -> None:
        for each in fork_servers(psutil.Process(self.daemon.pid)):
            if each.ppid() == self.daemon.pid:
                each.kill()
                self.report.kills += 1

    def _freeze_worker(self) -> None:
        if workers := self.daemon.workers():
            self._freeze(self._rng.choice(workers).pid)

    def _freeze_daemon(self) -> None:
        self._freeze(self.daemon.pid)

    def _freeze_store(self) -> None:
        self._freeze(self._server.pid)

    def _freeze(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._rng.uniform(0.2, 3.0))
        os.kill(pid, signal.SIGCONT)

    def _kill_store(self) -> None:
        self.report.kills += 1
        seaweed.restart(self._server, away_seconds=self._rng.uniform(0.0, 3.0))

    def _lie(self) -> None:
        """Have what stands before the store, or the store itself, answer strangely for a few requests."""
        name, matches, fault = self._rng.choice(LIES)
        self._proxy.seen.clear()
        self._proxy.on(matches, fault, times=self._rng.randint(1, 4))
        self._accidents[f"lie: {name}"] += 1

    # The rest

    def _keep_running(self) -> None:
        if self.daemon.process is not None and not self.daemon.running:
            code = self.daemon.wait()
            if code not in (-signal.SIGKILL, -signal.SIGTERM, 0):
                self.report.violations.append(f"the daemon ended by itself with {code}: {self.daemon.tail(2000)}")
        if not self.daemon.running:
            reap({*self._own, self._server.pid})
            self._said = self.daemon.log.stat().st_size if self.daemon.log.exists() else 0
            self.daemon.start(ready=False)

    def _let_it_start(self) -> None:
        with contextlib.suppress(AssertionError):  # with its store away it may take long
            self.daemon.until(lambda: self._at_work() or not self.daemon.running, timeout=_GRACE_SECONDS, every=0.1)

    def _at_work(self) -> bool:
        return any(self.daemon.events("daemon.started", since=self._said))

    def _expect_exit(self, code: int, when: str) -> None:
        # A signal in the first moments, before anybody handles it, ends any program.
        if code not in (0, -signal.SIGTERM):
            self.report.violations.append(f"exit code {code} {when}: {self.daemon.tail(2000)}")

    def _measure(self) -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.daemon.pid)
            figures = {
                "rss_mb": process.memory_info().rss / MIB,
                "fds": process.num_fds(),
                "threads": process.num_threads(),
                "workers": len(self.daemon.workers()),
            }
            for name, value in figures.items():
                self.report.highest[name] = round(max(value, self.report.highest.get(name, 0)), 1)

    def _come_to_rest(self) -> None:
        """Wait until nothing moves any more, then end the daemon properly."""
        self._proxy.heal()
        self._keep_running()
        if stuck := self._stuck():
            self.report.violations.append(f"it does not come to rest: {stuck}")
        self._measure()
        self._expect_exit(self.daemon.stop(_GRACE_SECONDS), "at the end")
        self.report.violations += [f"left running: {each}" for each in strays(self._own)]

    def _stuck(self) -> str:
        """Wait until nothing moves; return "", or what is wrong when no file has had its end for a long time."""
        ended, why = -1, ""
        while ended < self._ended():  # a machine that has other work to do takes its time
            ended = self._ended()
            try:
                self.daemon.until(self._all_known, timeout=_REST_SECONDS, every=0.5)
            except AssertionError as error:
                why = str(error)
            else:
                return ""
        return why

    def _ended(self) -> int:
        return len(list(self.daemon.events("file.completed"))) + len(list(self.daemon.events("file.failed")))

    def _all_known(self) -> bool:
        """Tell whether each file that lies there is known as it is and all have come to their end."""
        self._keep_running()
        known = {(row["size_bytes"], row["modified_ns"]) for row in self.daemon.rows()}
        lying = set()
        for directory, _directories, names in os.walk(os.fsencode(self.daemon.watch)):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    status = os.lstat(os.path.join(directory, name))
                    lying.add((status.st_size, status.st_mtime_ns))
        return lying <= known and self.daemon.at_rest(1)

    def _judge(self) -> None:
        checker = Checker(
            self.daemon.watch, self.daemon.errors, self.daemon.ledger, Bucket(self._address), self._activity.fates
        )
        self.report.violations += checker.run() + self._activity.violations
        for fields in self.daemon.events("actor.died"):
            self.report.violations.append(f"a bug: {fields}")
        for fields in self.daemon.events("ledger.damaged"):
            self.report.violations.append(f"a kill damaged the ledger: {fields}")
        self.report.checked = checker.checked
        self.report.violations += [*self._never_whole(), *self._never_stored()]
        self.report.files = dict(self._activity.done)
        self.report.deeds = dict(self._accidents)
        self.report.statuses = dict(Counter(self.daemon.statuses().values()))
        self.report.highest["ledger_mb"] = round(self.daemon.ledger.stat().st_size / MIB, 1)

    def _never_whole(self) -> Iterator[str]:
        """Yield what was delivered though no writer ever meant it: a file that was taken in its pause."""
        for fields in self.daemon.events("file.completed"):
            if fields["sha256"] not in self._activity.fates:
                yield f"{fields['path']!r}: delivered as no writer ever meant it, {fields['size_bytes']} bytes"

    def _never_stored(self) -> Iterator[str]:
        """Yield what is gone from the watched directory, by nobody's hand but the daemon's, and was not delivered."""
        rows = {row["file_path"]: row for row in self.daemon.rows()}
        for path, digest in self._activity.meant.items():
            row = rows.get(written(path))
            if os.path.lexists(path) or (row is not None and row["status"] == "failed"):
                continue
            self.report.checked["put away"] = self.report.checked.get("put away", 0) + 1
            if row is None or row["checksum"] != digest:
                yield f"{path!r}: gone, but what was written there last is not what was delivered"


def run(home: Path, seed: int, seconds: float, **settings: Any) -> Report:
    """Make one run below `home`."""
    chaos = Chaos(home, seed, **settings)
    try:
        return chaos.run(seconds)
    finally:
        chaos.close()
