"""Put the parts together, run them, and take them apart again in the right order."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pykka
from pydantic import SecretStr

from processor import config, logs
from processor.actors.checksummer import Checksummer
from processor.actors.converter import Converter
from processor.actors.crew import Crew
from processor.actors.extractor import Extractor
from processor.actors.messages import Drain, Meet, Ping, Tick
from processor.actors.progress import Progress
from processor.actors.tally import Tally
from processor.actors.uploader import Uploader
from processor.actors.watcher import Watcher
from processor.config import EMBEDDED, Settings
from processor.control import ControlServer
from processor.domain.errors import DeliveryError, ErrorClass
from processor.domain.uploads import Protection
from processor.engine.pool import Pool
from processor.guardian import Died, Event, Guardian, Idle, ReloadAsked, StopAsked, Ticked
from processor.ledger.database import LedgerDamagedError, Lock, set_aside
from processor.ledger.writer import Ledger
from processor.orders import Orders
from processor.steps.rebuild import rebuild
from processor.steps.streaming import prepare
from processor.store.embedded import EmbeddedStore
from processor.store.probe import StoreProfile, adopt, probe
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings
from processor.streams.inbox import Inbox
from processor.streams.sandbox import Limits
from processor.watch.settings import WatchSettings
from processor.watch.tree import Tree

OK, FAILED = 0, 1
_PROFILE = "store-profile"
log = logs.get("app")
_START_SECONDS = 30.0
_LAST_WORDS_SECONDS = 5.0
_LEDGER_SUFFIXES = ("", "-wal", "-shm", "-journal", ".lock")


def run(settings: Settings, *, once: bool = False) -> int:
    """Deliver until told to stop, or once: what is there now. Return the exit code: 0, or 1 after a failure.

    Raises LedgerBusyError, LedgerTooNewError, and DeliveryError when the store can not be used as it is configured.
    """
    guardian = Guardian()
    guardian.take_signals()
    tally = Tally()
    with ExitStack() as parts:
        parts.callback(Lock(settings.progress_db_path).release)
        settings, store = parts.enter_context(open_store(settings))
        profile = _probed(store)
        ledger = open_ledger(settings, store)
        _adopt(store, ledger, profile)
        recovered = ledger.recover(_now_ms())
        ledger.commit()
        inbox = Inbox()
        parts.callback(inbox.close)
        pool = Pool(settings.workers or os.cpu_count() or 1, worker_limits(settings), inbox.worker_end, prepare)
        parts.callback(pool.stop)
        crew = _start_crew(settings, guardian, store, ledger, pool, inbox, tally)
        parts.callback(ControlServer(settings.control_socket_path, Orders(crew).answer).close)
        log.info("daemon.started", watch_path=str(settings.watch_path), recovered=recovered, pid=os.getpid())
        failure = _serve(guardian, crew, once=once)
        drained = _stop(guardian, crew, settings.shutdown_timeout / 1000, drain=failure is None)
        counts = {"completed": tally.completed.total(), "unchanged": tally.unchanged, "failed": tally.failed.total()}
        log.info("daemon.stopped", drained=drained, **counts)
    return FAILED if failure is not None or (once and tally.failed) else OK


@contextmanager
def open_store(settings: Settings) -> Iterator[tuple[Settings, S3Store]]:
    """Yield the store and settings that lead to it; the embedded server runs meanwhile when that is asked for."""
    with _embedded_store(settings) as reached, contextlib.closing(S3Store(store_settings(reached))) as store:
        yield reached, store


def open_ledger(settings: Settings, store: S3Store) -> Ledger:
    """Open the ledger. One that is damaged is set aside, and made again from the manifests.

    The caller holds the lock. Raises DeliveryError when a damaged ledger can not be rebuilt because the store is away.
    """
    path, root = settings.progress_db_path, os.fsencode(settings.watch_path)
    fresh = path.with_name(path.name + ".rebuilding")
    if path.exists() or not fresh.exists():  # else an earlier rebuilding did not come to its end
        try:
            return Ledger(path, root)
        except LedgerDamagedError as error:
            log.error("ledger.damaged", reason=str(error))
    for suffix in _LEDGER_SUFFIXES:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    ledger = Ledger(fresh, root)
    rebuilt = rebuild(store, ledger, root)
    ledger.close()
    # Only a whole one takes the name: a crash before this begins the rebuilding again.
    aside = set_aside(path)
    fresh.rename(path)
    log.info("ledger.rebuilt", entered=rebuilt.entered, unreadable=rebuilt.unreadable, set_aside=str(aside))
    return Ledger(path, root)


def _probed(store: S3Store) -> StoreProfile:
    """Ask the store what it does. Raises DeliveryError when it refuses us for good: that takes an operator."""
    profile = probe(store)
    if profile.problem is None:
        log.info("store.probed", **profile.as_dict())
    elif profile.problem.error_class is ErrorClass.PERMANENT:
        raise DeliveryError(profile.problem)
    else:
        log.error("store.outage", message=profile.problem.message, hint=profile.problem.hint)
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


def store_settings(settings: Settings) -> StoreSettings:
    """Return what the settings say of the store."""
    tags = tuple(tuple(tag.split("=", 1)) for tag in settings.s3_tags.split("&") if tag)
    return StoreSettings(
        bucket=settings.s3_bucket,
        endpoint=settings.s3_endpoint or None,
        region=settings.s3_region,
        prefix=settings.s3_prefix,
        access_key_id=settings.s3_access_key_id or None,
        secret_access_key=settings.s3_secret_access_key.get_secret_value() or None,
        force_path_style=settings.s3_force_path_style,
        ca_bundle=settings.s3_ca_bundle,
        storage_class=settings.s3_storage_class or None,
        encrypt=bool(settings.s3_sse),
        kms_key_id=settings.s3_sse_kms_key_id or None,
        tags=tags,  # type: ignore[arg-type]  # checked by the settings
        part_size_bytes=settings.s3_part_size,
        max_bandwidth=settings.max_bandwidth or None,
        max_connections=settings.max_concurrency * settings.s3_parts_in_flight + 2,
    )


@contextmanager
def _embedded_store(settings: Settings) -> Iterator[Settings]:
    """Start the embedded server when the settings ask for it and none runs; yield settings that lead to it."""
    if settings.s3_endpoint != EMBEDDED:
        yield settings
        return
    server = EmbeddedStore(settings.store_directory)
    if not server.attach():
        server.start()
    try:
        reached = settings.model_copy(
            update={
                "s3_endpoint": server.endpoint,
                "s3_access_key_id": server.access_key_id,
                "s3_secret_access_key": SecretStr(server.secret_access_key),
                "s3_force_path_style": True,
            }
        )
        with contextlib.closing(S3Store(store_settings(reached))) as store:
            if not store.bucket_exists():
                store.create_bucket()
        yield reached
    finally:
        server.stop()


def _start_crew(
    settings: Settings, guardian: Guardian, store: S3Store, ledger: Ledger, pool: Pool, inbox: Inbox, tally: Tally
) -> Crew:
    """Start the six actors, see that each answers, and introduce them: Progress last, since it begins to send."""
    died = guardian.died
    progress = Progress.start(died, settings, ledger, tally, guardian.idle)
    crew = Crew(
        watcher=Watcher.start(died, Tree(_watch_settings(settings)), pool.renew),
        checksummer=Checksummer.start(died, settings),
        extractor=Extractor.start(died, settings, pool, inbox),
        converter=Converter.start(died, settings, pool, inbox),
        uploader=Uploader.start(died, settings, store),
        progress=progress,
    )
    for ref in crew.everybody:
        ref.ask(Ping(), timeout=_START_SECONDS)
    for ref in (crew.checksummer, crew.extractor, crew.converter, crew.uploader, crew.progress, crew.watcher):
        ref.tell(Meet(crew))
    return crew


def _serve(guardian: Guardian, crew: Crew, *, once: bool) -> BaseException | None:
    """Wait for a reason to end; return the bug, if that was it."""
    while True:
        match guardian.next_event():
            case StopAsked(name):
                log.info("daemon.stopping", signal=name)
                return None
            case Died(name, error):
                log.critical("actor.died", actor=name, exc_info=error)
                return error
            case ReloadAsked():
                _reload()
            case Idle():
                if once:
                    return None
            case Ticked():
                crew.progress.tell(Tick())


def _stop(guardian: Guardian, crew: Crew, grace_seconds: float, *, drain: bool) -> bool:
    """Stop whoever begins work first, let what is in flight end, stop Progress last. Tell whether all of it ended."""
    drained = False
    if drain:
        for ref in (crew.watcher, crew.progress):
            with contextlib.suppress(pykka.ActorDeadError):
                ref.tell(Drain())
        drained = guardian.wait(_ends_waiting, grace_seconds) == Idle()
    for ref in crew.everybody:
        with contextlib.suppress(pykka.Timeout, pykka.ActorDeadError):
            ref.stop(timeout=_LAST_WORDS_SECONDS)
    return drained


def _ends_waiting(event: Event) -> bool:
    return isinstance(event, Idle | Died)


def _reload() -> None:
    """Reread the log level; the rest of the settings takes a restart."""
    try:
        level = config.load().log_level
    except config.ConfigurationError as error:
        log.error("settings.not-reread", reason=str(error))
        return
    logs.set_level(level)
    log.info("settings.reread", log_level=level)


def _watch_settings(settings: Settings) -> WatchSettings:
    return WatchSettings(
        root=os.fsencode(settings.watch_path),
        settle_seconds=settings.stability_threshold / 1000,
        poll_seconds=settings.poll_interval / 1000,
        rescan_seconds=settings.rescan_interval / 1000,
        ignore_initial=settings.ignore_initial,
        excluded=tuple(os.fsencode(path) for path in _own_paths(settings)),
    )


def _own_paths(settings: Settings) -> Iterator[Path]:
    """Yield what is ours and never delivered, even when it lies inside the watched directory."""
    yield settings.error_directory
    yield settings.store_directory
    yield settings.control_socket_path
    if settings.after_upload_directory is not None:
        yield settings.after_upload_directory
    for suffix in _LEDGER_SUFFIXES:
        yield settings.progress_db_path.with_name(settings.progress_db_path.name + suffix)


def worker_limits(settings: Settings) -> Limits:
    """Return what a worker may use: its memory, and the watched directory to read."""
    return Limits(settings.worker_memory, (str(settings.watch_path),))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
