"""Start the actors, each with its section of the settings."""

import os
from dataclasses import dataclass

from processor.actors.checksummer import Checksummer, ChecksummerSettings
from processor.actors.converter import Converter
from processor.actors.counters import Counters
from processor.actors.extractor import Extractor, Sharing
from processor.actors.messages import Meet, Ping
from processor.actors.notifier import Notifier
from processor.actors.progress import Progress, ProgressSettings
from processor.actors.registrar import Registrar
from processor.actors.routes import Routes
from processor.actors.uploader import Uploader, UploaderSettings
from processor.actors.watcher import Watcher
from processor.actors.worker_stage import WorkerSettings
from processor.config.choices import CatalogType, EngineChoice
from processor.config.settings import Settings
from processor.daemon.supervisor import Supervisor
from processor.domain.feeds import Feeds
from processor.domain.notices import CHOICES, EventType
from processor.domain.uploads import SMALLEST_PART_BYTES
from processor.engine.pool import Pool
from processor.feeds.archives import extraction_options
from processor.ledger.writer import Ledger
from processor.remote.engine_link import Elsewhere
from processor.store.s3 import S3Store
from processor.streams.inbox import Inbox
from processor.tables.catalog_process import CatalogProcess
from processor.watch.tree import Tree

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ActorParts:
    """What the actors work with."""

    store: S3Store
    ledger: Ledger
    pool: Pool
    inbox: Inbox
    tree: Tree
    counters: Counters
    elsewhere: Elsewhere | None
    catalog: CatalogProcess | None
    notifier: Notifier | None


def start_actors(settings: Settings, supervisor: Supervisor, parts: ActorParts, feeds: Feeds) -> Routes:
    """Start the seven actors, see that each answers, and introduce them: Progress last, since it begins to send."""
    died, pool, inbox, workers = supervisor.died, parts.pool, parts.inbox, _worker_settings(settings)
    engine = None if parts.elsewhere is None else parts.elsewhere.engine
    progress = Progress.start(
        died, _progress_settings(settings), parts.ledger, parts.counters, supervisor.idle, feeds, parts.notifier
    )
    routes = Routes(
        watcher=Watcher.start(died, parts.tree, pool.renew),
        checksummer=Checksummer.start(died, _checksummer_settings(settings), pool.awaken),
        extractor=Extractor.start(died, workers, _sharing(settings), extraction_options(settings), pool, inbox, engine),
        converter=Converter.start(died, workers, settings.conversion, pool, inbox, engine),
        uploader=Uploader.start(died, _uploader_settings(settings), parts.store, parts.elsewhere),
        progress=progress,
        registrar=Registrar.start(died, parts.catalog),
    )
    for ref in routes.everybody:
        ref.ask(Ping(), timeout=_START_SECONDS)
    for ref in (
        routes.checksummer,
        routes.extractor,
        routes.converter,
        routes.uploader,
        routes.registrar,
        routes.progress,
        routes.watcher,
    ):
        ref.tell(Meet(routes))
    return routes


def _checksummer_settings(settings: Settings) -> ChecksummerSettings:
    moved_to = settings.after_upload_directory
    return ChecksummerSettings(
        root=os.fsencode(settings.watch_path),
        part_size_bytes=settings.file_part_size,
        error_directory=os.fsencode(settings.error_directory),
        after_upload_directory=None if moved_to is None else os.fsencode(moved_to),
        local_workers=settings.engine is EngineChoice.LOCAL,
    )


def _worker_settings(settings: Settings) -> WorkerSettings:
    return WorkerSettings(
        root=os.fsencode(settings.watch_path),
        renewal=settings.worker_renewal,
        silent_seconds=settings.worker_timeout / 1000,
        least_elsewhere_bytes=settings.dask_min_size,
    )


def _sharing(settings: Settings) -> Sharing:
    return Sharing(settings.workers or os.cpu_count() or 1, _stream_part_size(settings))


def _uploader_settings(settings: Settings) -> UploaderSettings:
    shared = settings.shared_root
    return UploaderSettings(
        root=os.fsencode(settings.watch_path),
        ledger=settings.progress_db_path,
        max_concurrency=settings.max_concurrency,
        file_parts_in_flight=settings.file_parts_in_flight,
        stream_part_size_bytes=_stream_part_size(settings),
        stream_parts_in_flight=settings.s3_parts_in_flight or 1,  # each is held in memory
        shared_root=None if shared is None else os.fsencode(shared),
    )


def _stream_part_size(settings: Settings) -> int:
    return settings.s3_part_size or SMALLEST_PART_BYTES


def _progress_settings(settings: Settings) -> ProgressSettings:
    has_tables = settings.catalog not in (None, CatalogType.NONE)
    return ProgressSettings(
        max_concurrency=settings.max_concurrency,
        max_retries=settings.max_retries,
        retry_delay_seconds=settings.retry_delay / 1000,
        after_upload=settings.after_upload,
        events=frozenset[EventType]().union(*(CHOICES[word] for word in settings.notify_events.split(","))),
        table_commit_seconds=settings.table_commit_interval / 1000 if has_tables else None,
    )
