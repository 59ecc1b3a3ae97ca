"""Start the daemon's parts, run them, stop them in order."""

import contextlib
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import pykka

from processor import logs
from processor.actors.counters import Counters
from processor.actors.messages import Drain, FeedsRead, Tick
from processor.actors.notifier import Notifier
from processor.actors.routes import Routes
from processor.config.choices import EngineChoice, SandboxMode
from processor.config.environment import ConfigurationError
from processor.config.load import load
from processor.config.settings import Settings
from processor.confined.entrypoint import prepare
from processor.daemon.control_api import ControlApi
from processor.daemon.control_socket import ControlServer
from processor.daemon.factories import (
    catalog_process,
    claim_directories,
    declared,
    open_ledger,
    open_store,
    unsafe,
    webhook_of,
    worker_limits,
)
from processor.daemon.liveness import LOST_SECONDS, Liveness
from processor.daemon.malloc import settle
from processor.daemon.ring import ActorParts, start_actors
from processor.daemon.supervisor import Died, Event, Idle, ReloadAsked, StopAsked, Supervisor, Ticked
from processor.daemon.systemd import notify
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.keys import escape
from processor.domain.uploads import Protection
from processor.engine.pool import Pool
from processor.engine.processes import unconfined
from processor.feeds.load import load_feeds
from processor.ledger.database import Lock
from processor.ledger.writer import Ledger
from processor.remote.engine_link import Elsewhere
from processor.sandbox.confine import Protections
from processor.store.errors import MISTAKES
from processor.store.manifests import list_manifests
from processor.store.probe import StoreProfile, adopt, probe
from processor.store.s3 import S3Store
from processor.streams.inbox import Inbox
from processor.watch.tree import Tree

if TYPE_CHECKING:
    from processor.daemon.metrics import MetricsServer

OK, FAILED, UNFINISHED = 0, 1, 75  # EX_TEMPFAIL of sysexits.h
_PROFILE = "store-profile"
_LAST_WORDS_SECONDS = 5.0
_MOST_TOLD = 100
_STILL_WRITTEN = "it is still being written to; run again when it is whole"
_UNREADABLE = "give the daemon's user permission to read it; run again then"
log = logs.get("app")


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run of the daemon did."""

    completed: Annotated[int, "files that were delivered"]
    unchanged: Annotated[int, "files that turned out to be delivered already"]
    failed: Annotated[int, "files that could not be delivered"]
    drained: Annotated[bool, "all work that was begun came to its end"]
    left: Annotated[tuple[str, ...], "files that are still being written to"]
    exit_code: Annotated[int, "0, 1 after a failure, 75 when files were left"]


def run(settings: Settings, *, once: bool = False, tell: Callable[[int, int], None] | None = None) -> RunReport:
    """Deliver until told to stop, or once: what is there now; `tell` hears how many files are done, and of how many.

    Raises LedgerBusyError, LedgerTooNewError, ConfigurationError (FEEDS, INCLUDE, EXCLUDE, HTTP_LISTEN, a directory
    that another user may write in), and DeliveryError when the store can not be used as it is configured.
    """
    if problem := unsafe(settings):
        raise ConfigurationError(problem)
    feeds, watching = declared(settings)
    supervisor = Supervisor()
    supervisor.take_signals()
    counters = Counters()
    with ExitStack() as parts:
        lock = Lock(settings.progress_db_path)
        parts.callback(lock.release)
        claim_directories(settings)
        inbox = Inbox()
        parts.callback(inbox.close)
        # A daemon's workers start while this process asks the store what it does, and before anything reads the
        # environment, which they must not see. One run needs them only if there is something to convert.
        workers = settings.workers or os.cpu_count() or 1
        pool = Pool(workers, worker_limits(settings), inbox.worker_end, prepare, at_once=not once)
        parts.callback(pool.stop)
        settings, store = parts.enter_context(open_store(settings))
        profile = probed(store)
        ledger = open_ledger(settings, store)
        _adopt(store, ledger, profile)
        _told_if_new(ledger, store, profile)
        protections = None if once else _confined(settings, pool)
        recovered = ledger.recover(_now_ms())
        ledger.commit()
        tree = Tree(watching)
        liveness = Liveness({}, time.monotonic(), lambda: counters.ledger_full)
        if settings.http_listen:  # before the actors are started, which a wrong address would leave behind
            parts.callback(_metrics(settings, counters, tree, liveness, protections).close)
        elsewhere = None if settings.engine is EngineChoice.LOCAL else _cluster(settings, store)
        if elsewhere is not None:
            parts.callback(elsewhere.engine.stop)
        needed = ActorParts(
            store, ledger, pool, inbox, tree, counters, elsewhere, catalog_process(settings), _notifier(settings)
        )
        routes = start_actors(settings, supervisor, needed, feeds)
        liveness.follow(routes.by_name, time.monotonic())
        orders = ControlApi(routes, tree, counters, partial(_about, _now_ms(), protections, counters, tree))
        parts.callback(ControlServer(settings.control_socket_path, orders.answer).close)
        log.info("daemon.started", watch_path=str(settings.watch_path), recovered=recovered, pid=os.getpid())
        notify("READY=1", f"STATUS=delivering {settings.watch_path}")
        failure = _serve(
            supervisor,
            routes,
            liveness,
            lambda: _reload(settings, routes),
            lambda: _tell(tell, counters, recovered),
            once=once,
        )
        watched = tree.present
        notify("STOPPING=1")
        drained = _stop(supervisor, routes, tree, settings.shutdown_timeout / 1000, drain=failure is None)
        counts = {
            "completed": counters.completed.total(),
            "unchanged": counters.unchanged,
            "failed": counters.failed.total(),
        }
        log.info("daemon.stopped", drained=drained, **counts)
    left: tuple[str, ...] = ()
    if failure is not None or (once and (counters.failed or not watched)):
        code = FAILED
    else:
        left = _told_unfinished(tree, counters, settings.max_retries) if once else ()
        code = UNFINISHED if left else OK
    return RunReport(**counts, drained=drained, left=left, exit_code=code)


def _notifier(settings: Settings) -> Notifier | None:
    """Return who tells NOTIFY_URL; None where nobody is to be told."""
    webhook = webhook_of(settings)
    if webhook is None:
        return None
    if webhook.unprotected:
        log.warning("notify.plaintext", host=webhook.host, hint="names of files pass in the open: https://")
    return Notifier(webhook, settings.retry_delay / 1000)


def _confined(settings: Settings, pool: Pool) -> Protections:
    """Return the protections of workers; tell of those they lack. Raises ConfigurationError when all must be on."""
    protections = pool.protections()
    if protections.missing:
        error = unconfined(protections)
        if settings.sandbox is SandboxMode.REQUIRE:
            raise ConfigurationError(str(error))
        log.warning("worker.protections-missing", missing=protections.missing, hint=error.failure.hint)
    return protections


def _about(started_ms: int, protections: Protections | None, counters: Counters, tree: Tree) -> dict[str, Any]:
    """Return which daemon this is; `lacks` are protections that its workers do without, None before any was made."""
    return {
        "version": version("data-file-processor"),
        "started_ms": started_ms,
        "lacks": None if protections is None else protections.missing,
        "store_out": counters.store_out,
        "cluster_out": counters.cluster_out,
        "watched": tree.present,
    }


def _metrics(
    settings: Settings, counters: Counters, tree: Tree, liveness: Liveness, protections: Protections | None
) -> "MetricsServer":
    from processor.daemon.metrics import MetricsServer, Sources  # noqa: PLC0415 - 3 MB that few need

    def not_ready() -> tuple[str, ...]:
        silent = tuple(f"{name} does not answer" for name in liveness.silent(time.monotonic()))
        return (*silent, *counters.hindrances, *(() if tree.present else ("the watched directory is not there",)))

    sources = Sources(counters, settings.progress_db_path, tree.counters, not_ready, protections)
    try:
        server = MetricsServer(settings.http_listen, sources)
    except (OSError, ValueError, OverflowError) as error:
        hint = "host:port, such as 127.0.0.1:9464"
        raise ConfigurationError(f"HTTP_LISTEN={settings.http_listen!r}: {error} ({hint})") from error
    log.info("metrics.listening", address=settings.http_listen, port=server.port)
    return server


def _cluster(settings: Settings, store: S3Store) -> Elsewhere:
    """Join the cluster. One that is out is waited for like the store."""
    from processor.remote.join import join  # noqa: PLC0415 - 60 MB that ENGINE=local does not need

    elsewhere = join(settings, store)
    problem = elsewhere.problem()
    if problem is None:
        log.info("cluster.joined", scheduler=settings.dask_scheduler, slots=elsewhere.engine.slots())
    else:
        log.error("cluster.outage", code=problem.code, message=problem.message, hint=problem.hint)
    return elsewhere


def probed(store: S3Store) -> StoreProfile:
    """Ask the store what it does. Raises DeliveryError when it refuses us for good: that takes an operator."""
    profile = probe(store)
    if store.settings.unprotected:
        log.warning(
            "store.plaintext", endpoint=profile.endpoint, hint="names, data and tokens pass in the open: https://"
        )
    if profile.problem is None:
        facts = profile.as_dict()
        log.info("store.probed", **{name: facts[name] for name in ("endpoint", "bucket", "protection", "protected")})
        log.debug("store.profile", **facts)
        if profile.lacks:
            log.warning("store.rights", lacking=profile.lacks, hint="compare with deploy/iam-policy.json")
    elif profile.problem.error_class is ErrorClass.PERMANENT or profile.problem.code in MISTAKES:
        raise DeliveryError(profile.problem)
    else:
        log.error("store.outage", code=profile.problem.code, message=profile.problem.message, hint=profile.problem.hint)
    return profile


def _adopt(store: S3Store, ledger: Ledger, profile: StoreProfile) -> None:
    """Protect uploads as the store is known to check them; during an outage, as it was known to last."""
    if profile.problem is None:
        adopt(store, profile)
        ledger.remember_fact(_PROFILE, orjson.dumps(profile.as_dict()).decode())
        return
    known = orjson.loads(ledger.fact(_PROFILE) or "{}")
    if known:
        store.protection = Protection(known["protection"])
        store.etag_is_md5 = bool(known["etag_is_md5"])


def _told_if_new(ledger: Ledger, store: S3Store, profile: StoreProfile) -> None:
    """Say so when the ledger knows nothing though something was delivered: it may be another than before."""
    if profile.problem is not None or any(ledger.counts().values()):
        return
    try:
        delivered = next(list_manifests(store), None)
    except DeliveryError:
        return  # no right to list, say; the probe has told
    if delivered is not None:
        hint = "if it was lost: stop, `processor rebuild`, start; else every file is delivered once more"
        log.warning("ledger.empty", manifest=delivered, hint=hint)


def _serve(
    supervisor: Supervisor,
    routes: Routes,
    liveness: Liveness,
    reload: Callable[[], None],
    pass_by: Callable[[], None],
    *,
    once: bool,
) -> BaseException | None:
    """Wait for a reason to end, and call `pass_by` each second; return the bug, if that was it."""
    settled = False
    while True:
        match supervisor.next_event():
            case StopAsked(name):
                log.info("daemon.stopping", signal=name)
                return None
            case Died(name, error):
                log.critical("actor.died", actor=name, exc_info=error)
                return error
            case ReloadAsked():
                reload()
            case Idle():
                if once:
                    return None
            case Ticked():
                if not settled:  # not sooner: it takes a tenth of a second, in which nobody else does anything
                    settled = True
                    settle()
                routes.progress.tell(Tick())
                pass_by()
                lost = _take_pulse(liveness)
                if lost is not None:
                    return lost


def _tell(hearer: Callable[[int, int], None] | None, counters: Counters, recovered: int) -> None:
    if hearer is not None:
        done = counters.completed.total() + counters.unchanged + counters.failed.total()
        hearer(done, recovered + counters.files_new + counters.files_changed)


def _take_pulse(liveness: Liveness) -> BaseException | None:
    """Tell systemd that all is well while every actor really answers; return the bug when one is lost."""
    now = time.monotonic()
    liveness.beat(now)
    lost = liveness.silent(now, LOST_SECONDS)
    if lost:
        log.critical("actor.lost", actors=lost)
        return TimeoutError(f"{', '.join(lost)} did not answer for {LOST_SECONDS:.0f} s")
    if not liveness.silent(now):
        notify("WATCHDOG=1")
    return None


def _stop(supervisor: Supervisor, routes: Routes, tree: Tree, grace_seconds: float, *, drain: bool) -> bool:
    """Stop whoever begins work first, let what is in flight end, stop Progress last. Tell whether all of it ended."""
    drained = False
    if drain:
        for ref in (routes.watcher, routes.progress, routes.checksummer):
            with contextlib.suppress(pykka.ActorDeadError):
                ref.tell(Drain())
        tree.wake()
        drained = supervisor.wait(_ends_waiting, grace_seconds) == Idle()
    for ref in routes.everybody:
        with contextlib.suppress(pykka.Timeout, pykka.ActorDeadError):
            ref.stop(timeout=_LAST_WORDS_SECONDS)
    return drained


def _ends_waiting(event: Event) -> bool:
    return isinstance(event, Idle | Died)


def _told_unfinished(tree: Tree, counters: Counters, tries: int) -> tuple[str, ...]:
    """Say which files were left as they go on changing or may not be read, and return them. All actors have ended."""
    hints = dict.fromkeys((*tree.restless(), *counters.restless(tries).values()), _STILL_WRITTEN)
    hints |= dict.fromkeys(counters.unreadable.values(), _UNREADABLE)
    left = sorted(hints)
    for path in left[:_MOST_TOLD]:
        log.warning("file.left", path=escape(path), hint=hints[path])
    if len(left) > _MOST_TOLD:
        log.warning("file.left", more=len(left) - _MOST_TOLD)
    return tuple(map(escape, left))


def _reload(settings: Settings, routes: Routes) -> None:
    """Reread the log level and the feeds; the rest of the settings takes a restart."""
    try:
        level = load().log_level
    except ConfigurationError as error:
        log.error("settings.not-reread", reason=str(error))
    else:
        logs.set_level(level)
        log.info("settings.reread", log_level=level)
    if settings.feeds is not None:
        _reread_feeds(settings, routes)


def _reread_feeds(settings: Settings, routes: Routes) -> None:
    try:
        feeds = load_feeds(settings)
    except ConfigurationError as error:
        log.error("feeds.not-reread", reason=str(error), hint="the feeds read before stay in force")
    else:
        routes.progress.tell(FeedsRead(feeds))
        log.info("feeds.reread", feeds=[feed.name for feed in feeds.feeds])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
