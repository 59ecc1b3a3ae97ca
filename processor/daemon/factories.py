"""Build the daemon's parts from the settings."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
from pydantic import SecretStr

from processor import logs
from processor.config.choices import EMBEDDED, CatalogType, SandboxMode
from processor.config.environment import ConfigurationError, env_file
from processor.config.settings import Settings
from processor.delivery.rebuild_ledger import rebuild
from processor.delivery.webhook import Webhook
from processor.domain.feeds import AfterUpload, Feeds, PathPattern
from processor.domain.keys import escape
from processor.domain.selection import TEMPORARY, Selection
from processor.feeds.load import load_feeds
from processor.feeds.patterns import path_patterns
from processor.ledger.database import LedgerDamagedError, set_aside
from processor.ledger.writer import Ledger
from processor.sandbox.confine import Limits
from processor.store.embedded import EmbeddedStore
from processor.store.from_settings import store_settings
from processor.store.s3 import S3Store
from processor.tables.catalog_process import CatalogProcess
from processor.tables.settings import catalog_settings, see_installed
from processor.trees.ownership import claim
from processor.watch.settings import WatchSettings

_BELONGS_TO = "belongs-to"
_LEDGER_SUFFIXES = ("", "-wal", "-shm", "-journal", ".lock")
log = logs.get("parts")


def claim_directories(settings: Settings) -> None:
    """Make the directories of failed and of delivered files, which must be this user's alone.

    Raises ConfigurationError when one of them belongs to another user, or another user may write in it.
    """
    directories = {"ERROR_DIRECTORY": settings.error_directory}
    may_move = settings.after_upload is AfterUpload.MOVE or settings.feeds is not None
    if may_move and settings.after_upload_directory is not None:
        directories["AFTER_UPLOAD_DIRECTORY"] = settings.after_upload_directory
    problems = {name: claim(os.fsencode(directory)) for name, directory in directories.items()}
    if any(problems.values()):
        raise ConfigurationError("\n".join(f"{name}={problem}" for name, problem in problems.items() if problem))


@contextmanager
def open_store(settings: Settings) -> Iterator[tuple[Settings, S3Store]]:
    """Yield the store and settings that lead to it.

    When the embedded server is asked for and none runs, it is started, and runs meanwhile; its bucket is made.
    """
    with ExitStack() as parts:
        embedded = settings.s3_endpoint == EMBEDDED
        if embedded:
            settings = parts.enter_context(_embedded_server(settings))
        store = parts.enter_context(contextlib.closing(S3Store(store_settings(settings))))
        if embedded and not store.bucket_exists():
            store.create_bucket()
        yield settings, store


def open_ledger(settings: Settings, store: S3Store) -> Ledger:
    """Open the ledger. One that is damaged is set aside, and made again from the manifests.

    The caller holds the lock. Raises DeliveryError when a damaged ledger can not be rebuilt because the store is away,
    and what `own_ledger` raises.
    """
    path, root = settings.progress_db_path, os.fsencode(settings.watch_path)
    fresh = path.with_name(path.name + ".rebuilding")
    if path.exists() or not fresh.exists():  # else an earlier rebuilding did not come to its end
        try:
            return own_ledger(settings)
        except LedgerDamagedError as error:
            log.error("ledger.damaged", reason=str(error))
    for suffix in _LEDGER_SUFFIXES:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    ledger = Ledger(fresh, root)
    rebuilt = rebuild(store, ledger, root, load_feeds(settings))
    ledger.close()
    # Only a whole one takes the name: a crash before this begins the rebuilding again.
    aside = set_aside(path)
    fresh.rename(path)
    log.info("ledger.rebuilt", entered=rebuilt.entered, unreadable=rebuilt.unreadable, set_aside=str(aside))
    return own_ledger(settings)


def own_ledger(settings: Settings) -> Ledger:
    """Open the ledger as it is; the caller holds the lock.

    Raises LedgerDamagedError, and ConfigurationError when it tells of another directory or bucket: by what it says of
    keys and deliveries there, objects would be overwritten here, or never sent.
    """
    path, root = settings.progress_db_path, os.fsencode(settings.watch_path)
    try:
        ledger = Ledger(path, root)
    except LedgerDamagedError:  # once more: a disk that could not be read for a moment looks like this, too
        ledger = Ledger(path, root)
    own = {"WATCH_PATH": escape(root), "S3_BUCKET": settings.s3_bucket, "S3_PREFIX": settings.s3_prefix}
    known = orjson.loads(ledger.fact(_BELONGS_TO) or "{}")
    if others := [f"{name}={known[name]}" for name in known if known[name] != own.get(name)]:
        ledger.close()
        hint = "take another, for which `processor rebuild` enters what the bucket has already"
        raise ConfigurationError(f"PROGRESS_DB_PATH={path} is the ledger of {', '.join(others)} ({hint})")
    if not known:
        ledger.remember_fact(_BELONGS_TO, orjson.dumps(own).decode())
        ledger.commit()
    return ledger


@contextmanager
def _embedded_server(settings: Settings) -> Iterator[Settings]:
    """Start the embedded server unless it runs; yield settings that lead to it."""
    server = EmbeddedStore(settings.store_directory)
    if not server.attach():
        server.start()
    try:
        yield settings.model_copy(
            update={
                "s3_endpoint": server.endpoint,
                "s3_access_key_id": server.access_key_id,
                "s3_secret_access_key": SecretStr(server.secret_access_key),
                "s3_force_path_style": True,
                "catalog_type": settings.catalog,
            }
        )
    finally:
        server.stop()


def webhook_of(settings: Settings) -> Webhook | None:
    """Return the receiver that is told of events; None where nobody is."""
    if not settings.notify_url:
        return None
    source = f"s3://{settings.s3_bucket}/{settings.s3_prefix}"
    return Webhook(settings.notify_url, settings.notify_secret.get_secret_value(), source)


def watch_settings(settings: Settings) -> WatchSettings:
    """Return what the settings say of watching; what is ours is never watched."""
    return WatchSettings(
        root=os.fsencode(settings.watch_path),
        settle_seconds=settings.stability_threshold / 1000,
        poll_seconds=settings.poll_interval / 1000,
        rescan_seconds=settings.rescan_interval / 1000,
        ignore_initial=settings.ignore_initial,
        excluded=tuple(os.fsencode(path) for path in _own_paths(settings)),
        selection=selection(settings),
    )


def selection(settings: Settings) -> Selection:
    """Return what INCLUDE and EXCLUDE select. Raises ConfigurationError that names every mistake in them."""
    mistakes: list[str] = []

    def patterns(name: str, text: str, always: str = "") -> tuple[PathPattern, ...]:
        try:
            return path_patterns(f"{always} {text}")
        except ValueError as error:
            mistakes.append(f"{name}={text!r}: {error} (patterns of gitignore, separated by spaces)")
            return ()

    include, exclude = patterns("INCLUDE", settings.include), patterns("EXCLUDE", settings.exclude, TEMPORARY)
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return Selection(include, exclude)


def declared(settings: Settings) -> tuple[Feeds, WatchSettings]:
    """Return the feeds, and what is watched. Raises ConfigurationError that names all mistakes in them."""
    mistakes: list[str] = []
    feeds, watching = Feeds(), None
    try:
        feeds = load_feeds(settings)
    except ConfigurationError as error:
        mistakes.append(str(error))
    try:
        watching = watch_settings(settings)
    except ConfigurationError as error:
        mistakes.append(str(error))
    if watching is None or mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return feeds, watching


def _own_paths(settings: Settings) -> Iterator[Path]:
    """Yield what is ours and never delivered, even when it lies inside the watched directory."""
    yield settings.error_directory
    yield settings.store_directory
    yield settings.control_socket_path
    yield env_file().absolute()  # it holds the credentials
    if settings.feeds is not None:
        yield settings.feeds
    if settings.after_upload_directory is not None:
        yield settings.after_upload_directory
    for suffix in _LEDGER_SUFFIXES:
        if settings.catalog_path is not None:
            yield settings.catalog_path.with_name(settings.catalog_path.name + suffix)
        yield settings.progress_db_path.with_name(settings.progress_db_path.name + suffix)


def unsafe(settings: Settings) -> str | None:
    """Return why the daemon should not run like this: as root unasked, or with its secrets where workers can read."""
    if os.geteuid() == 0 and not settings.allow_root:
        return "the daemon runs as root, which it does not need (give it a user of its own, or set ALLOW_ROOT=true)"
    root = settings.watch_path.resolve()
    for name, path in _secrets(settings):
        if path.resolve().is_relative_to(root):
            return (
                f"{name} ({path}) lies in WATCH_PATH, where workers could read it (move it, or watch another directory)"
            )
    return None


def _secrets(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "PROGRESS_DB_PATH", settings.progress_db_path
    if settings.s3_endpoint == EMBEDDED:
        yield "STORE_DIRECTORY", settings.store_directory
    if settings.dask_tls_key is not None:
        yield "DASK_TLS_KEY", settings.dask_tls_key
    if env_file().exists():
        yield "the file of settings", env_file().absolute()


def catalog_process(settings: Settings) -> CatalogProcess | None:
    """Return the way to the catalog, which starts nothing yet; None without feeds, or with CATALOG_TYPE=none.

    `settings` are those that lead to the store. Raises ConfigurationError when a feed has a table and what it needs is
    not installed.
    """
    if settings.feeds is None or settings.catalog in (None, CatalogType.NONE):
        return None
    see_installed(any(feed.table is not None for feed in load_feeds(settings).feeds))
    return CatalogProcess(catalog_settings(settings), settings.worker_memory)


def worker_limits(settings: Settings) -> Limits:
    """Return what workers may use: memory, and the watched directory to read."""
    required = settings.sandbox is SandboxMode.REQUIRE
    return Limits(settings.worker_memory, (str(settings.watch_path),), required=required)
