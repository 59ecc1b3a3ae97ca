"""All seven actors together, over a real ledger, a real tree and a small S3: files in, objects out, ends recorded."""

import io
import json
import os
import queue
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from processor.actors.checksummer import Checksummer, ChecksummerSettings
from processor.actors.converter import Converter
from processor.actors.counters import Counters
from processor.actors.extractor import Extractor, Sharing
from processor.actors.messages import Drain, Meet, Obey, Tick
from processor.actors.progress import Progress, ProgressSettings
from processor.actors.registrar import Registrar
from processor.actors.routes import Routes
from processor.actors.uploader import Uploader, UploaderSettings
from processor.actors.watcher import Watcher
from processor.actors.worker_stage import WorkerSettings
from processor.config.choices import WorkerRenewal
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import ConversionOptions
from processor.domain.keys import manifest_key
from processor.domain.status import Order
from processor.ledger.writer import Ledger
from processor.store.probe import adopt, probe
from processor.streams.inbox import Inbox
from processor.streams.worker_errors import WorkerDiedError
from processor.watch.settings import WatchSettings
from processor.watch.tree import Tree
from tests.actors.among_listeners import SECONDS, InlinePool
from tests.actors.small_s3 import SmallS3

PART = 5 << 20


@dataclass
class Whole:
    """The ring as the daemon starts it."""

    routes: Routes
    counters: Counters
    idle: "queue.SimpleQueue[None]"
    deaths: "queue.SimpleQueue[tuple[str, BaseException]]" = field(default_factory=queue.SimpleQueue)

    def until(self, condition: Callable[[], bool]) -> None:
        """Tick, as the supervisor does, until the condition holds."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            flights = self.routes.progress.ask(Obey(Order.FLIGHTS), timeout=SECONDS)
            assert time.monotonic() < deadline, f"on their way: {flights}"
            assert self.deaths.empty(), self.deaths.get()
            time.sleep(0.01)
            self.routes.progress.tell(Tick())

    def until_idle(self) -> None:
        self.until(lambda: not self.idle.empty())


@contextmanager
def ring(root: Path, directory: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox, retries: int = 1) -> Iterator[Whole]:
    deaths: queue.SimpleQueue[tuple[str, BaseException]] = queue.SimpleQueue()
    idle: queue.SimpleQueue[None] = queue.SimpleQueue()
    counters, store, name = Counters(), s3.store(), os.fsencode(root)
    adopt(store, probe(store))
    (directory / "errors").mkdir(mode=0o700, exist_ok=True)
    ledger = Ledger(directory / "progress.db", name)
    ledger.recover(0)
    ledger.commit()

    def died(actor: str, error: BaseException) -> None:
        deaths.put((actor, error))

    working = WorkerSettings(name, WorkerRenewal.DIRECTORY, SECONDS)
    files = ChecksummerSettings(name, PART, os.fsencode(directory / "errors"))
    uploads = UploaderSettings(name, directory / "progress.db", 2, 1, PART, 1)
    tree = Tree(WatchSettings(name, settle_seconds=0.05, poll_seconds=0.01))
    routes = Routes(
        watcher=Watcher.start(died, tree, lambda: None),
        checksummer=Checksummer.start(died, files, lambda: None),
        extractor=Extractor.start(died, working, Sharing(1, 0), ExtractionOptions(), pool, inbox),
        converter=Converter.start(died, working, ConversionOptions(), pool, inbox),
        uploader=Uploader.start(died, uploads, store),
        progress=Progress.start(died, ProgressSettings(2, retries, 0.01), ledger, counters, lambda: idle.put(None)),
        registrar=Registrar.start(died, None),
    )
    for ref in routes.everybody[::-1]:
        ref.tell(Meet(routes))
    yield Whole(routes, counters, idle, deaths)
    for ref in routes.everybody:
        ref.stop(timeout=SECONDS)
    ledger.close()  # where Progress died: a process would end now


def a_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_each_kind_of_file_is_delivered_whole_and_once(
    root: Path, tmp_path: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox
) -> None:
    large = os.urandom(PART + 1)
    (root / "a.csv").write_bytes(b"id,name\n1,a\n2,b\n")
    (root / "b.bin").write_bytes(b"content")
    (root / "large.bin").write_bytes(large)
    a_tar(root / "c.tar.gz", {"one.txt": b"1", "two.csv": b"x\n1.5\n"})
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.until_idle()
        assert (whole.counters.completed.total(), whole.counters.failed.total()) == (4, 0)
    assert pl.read_parquet(s3.body("a.csv.parquet")).rows() == [(1, "a"), (2, "b")]
    assert pl.read_parquet(s3.body("c.tar.gz/two.csv.parquet")).rows() == [(1.5,)]
    assert (s3.body("b.bin"), s3.body("large.bin"), s3.body("c.tar.gz/one.txt")) == (b"content", large, b"1")
    manifests = {manifest_key(name) for name in (b"a.csv", b"b.bin", b"large.bin", b"c.tar.gz")}
    assert manifests <= s3.objects.keys()
    assert s3.uploads == {}
    before = len(s3.requests)
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.until_idle()
    assert not [each for each in s3.requests[before:] if each.startswith("PUT") and "_probe" not in each], "not again"


def test_a_file_that_can_not_be_read_is_set_aside_and_costs_no_other_anything(
    root: Path, tmp_path: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox
) -> None:
    (root / "bad.json").write_bytes(b"[1,")
    (root / "good.csv").write_bytes(b"a\n1\n")
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.until_idle()
        assert (whole.counters.completed.total(), whole.counters.failed.total()) == (1, 1)
    (reason,) = (tmp_path / "errors").glob("bad.json*.json")
    assert json.loads(reason.read_bytes())["code"].startswith("json.")
    assert not (root / "bad.json").exists()
    assert not any("bad" in key for key in s3.objects)


def test_a_worker_that_dies_costs_a_try_and_the_next_one_delivers(
    root: Path, tmp_path: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox
) -> None:
    (root / "a.csv").write_bytes(b"a\n1\n")
    submit = pool.submit

    def once(function: Any, request: Any, below: str = "") -> Any:
        first = not pool.submitted
        if first:
            pool.fails["stream_conversion"] = WorkerDiedError(-9)
        work = submit(function, request, below)
        if first:
            work.add_done_callback(lambda _work: pool.fails.clear())
        return work

    pool.submit = once  # type: ignore[method-assign]
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.until_idle()
        assert (whole.counters.completed.total(), whole.counters.retries["worker.died"]) == (1, 1)
    assert pl.read_parquet(s3.body("a.csv.parquet")).rows() == [(1,)]


def test_an_outage_is_waited_out_and_costs_no_file_a_try(
    root: Path, tmp_path: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox
) -> None:
    with ring(root, tmp_path, s3, pool, inbox, retries=0) as whole:
        whole.until_idle()
        s3.refuse = lambda _method, _target: (503, "ServiceUnavailable")
        (root / "a.bin").write_bytes(b"a")
        whole.until(lambda: whole.counters.store_out)
        s3.refuse = lambda _method, _target: None
        whole.until(lambda: not whole.counters.store_out and whole.counters.completed.total() == 1)
        assert whole.counters.failed.total() == 0


def test_a_stop_in_the_middle_of_an_upload_is_gone_on_with_at_the_next_start(
    root: Path, tmp_path: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox
) -> None:
    body = os.urandom(3 * PART)
    (root / "large.bin").write_bytes(body)
    second, go = threading.Event(), threading.Event()

    def before(_method: str, target: str) -> None:
        if "partNumber=2" in target and "_probe" not in target:
            second.set()
            go.wait(SECONDS)

    s3.before = before
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        assert second.wait(SECONDS)
        for ref in (whole.routes.watcher, whole.routes.progress, whole.routes.checksummer):
            ref.tell(Drain())
    go.set()
    sent = s3.parts_sent()
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.until_idle()
        assert whole.counters.completed.total() == 1
    assert s3.body("large.bin") == body
    again = [each for each in s3.requests if "partNumber=1" in each and "_probe" not in each]
    assert len(again) == 1, "the part that was recorded is not sent again"
    assert sent >= 2
    assert s3.uploads == {}


@pytest.mark.parametrize("actor", ["checksummer", "converter", "uploader", "progress", "registrar"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_death_of_an_actor_is_told_and_the_next_start_delivers(
    root: Path, tmp_path: Path, s3: SmallS3, pool: InlinePool, inbox: Inbox, actor: str
) -> None:
    class Poison:
        """No message of anybody's: whoever takes it has a bug."""

    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.routes.by_name[actor].tell(Poison())
        (root / "a.bin").write_bytes(b"a")
        name, _error = whole.deaths.get(timeout=SECONDS)
        assert name == actor
    with ring(root, tmp_path, s3, pool, inbox) as whole:
        whole.until_idle()
    assert s3.body("a.bin") == b"a"
