"""Store commands: `check`, `ls`, `verify`, `rebuild`."""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from processor.commands.directories import problems_of_places
from processor.commands.tables import kept_by_tables
from processor.commands.unnamed import MOST_NAMED, Examination, candidates
from processor.config import EngineChoice, Settings
from processor.daemon.factories import declared, open_store, own_ledger, webhook_of, worker_limits
from processor.delivery.key_set import KeySet
from processor.delivery.rebuild_ledger import Rebuilt
from processor.delivery.rebuild_ledger import rebuild as rebuild_ledger
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.keys import manifest_key
from processor.domain.manifests import Entry, ManifestObject, Superseded
from processor.engine.pool import Pool
from processor.feeds.load import load_feeds
from processor.ledger.database import Lock
from processor.ledger.reader import completed_paths
from processor.sandbox.confine import Protections
from processor.store.manifests import entry_fields, list_manifests, read_manifest
from processor.store.probe import StoreProfile, adopt, probe
from processor.store.s3 import S3Store
from processor.store.verification import Finding, Verified, verify_entries
from processor.streams.inbox import Inbox
from processor.trees.open_writers import what_is_untold

_LEFT = {
    Finding.SUPERSEDED: "its file was delivered again without it: `processor prune`",
    Finding.UNNAMED: "no manifest names it: `processor prune`",
    Finding.FOREIGN: "no manifest names it, and it was not delivered by processor",
}


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is wrong with the directories, by setting; what the store does; which protections a worker has.

    `notify`: the host that takes events, or why it does not; None where nobody is to be told.
    `cluster`: what is wrong with it, or how much it does at once; None unless ENGINE=dask. `untold_writers`: who may
    still have files open for writing that stand still, and nobody tells.
    """

    places: dict[str, str | None]
    profile: StoreProfile
    protections: Protections
    cluster: Failure | int | None
    untold_writers: str = ""
    notify: Failure | str | None = None

    @property
    def ready(self) -> bool:
        """Tell whether the daemon could deliver."""
        there = not any(self.places.values()) and not isinstance(self.cluster, Failure)
        there = there and not isinstance(self.notify, Failure)
        return there and self.profile.problem is None and self.profile.writable


def check(settings: Settings) -> CheckReport:
    """Look at the directories, probe the store, start a worker and ask the cluster, if there is to be one.

    Raises DeliveryError when the embedded store can not be started, ConfigurationError (FEEDS, INCLUDE, EXCLUDE).
    """
    declared(settings)
    with ExitStack() as parts:
        _reached, store = parts.enter_context(open_store(settings))
        inbox = Inbox()
        parts.callback(inbox.close)
        pool = Pool(1, worker_limits(settings), inbox.worker_end)
        parts.callback(pool.stop)
        protections = pool.protections()
        profile = probe(store)
        cluster = _cluster(settings, store, profile)
        untold = what_is_untold(settings.watch_path)
        return CheckReport(problems_of_places(settings), profile, protections, cluster, untold, _notify(settings))


def _notify(settings: Settings) -> Failure | str | None:
    """Tell the receiver of events that this is a check; return its host, or why it was not told."""
    webhook = webhook_of(settings)
    if webhook is None:
        return None
    problem = webhook.try_out()
    hint = "check NOTIFY_URL and NOTIFY_SECRET"
    return webhook.host if problem is None else Failure(ErrorClass.TRANSIENT, "notify.refused", problem, hint)


def _cluster(settings: Settings, store: S3Store, profile: StoreProfile) -> Failure | int | None:
    if settings.engine is EngineChoice.LOCAL:
        return None
    from processor.remote.join import join  # noqa: PLC0415 - 60 MB that ENGINE=local does not need

    adopt(store, profile)
    elsewhere = join(settings, store)
    try:
        return elsewhere.problem() or elsewhere.engine.slots()
    finally:
        elsewhere.engine.stop()


def stored_keys(settings: Settings, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield key and size of every object below `prefix`. Raises DeliveryError."""
    with open_store(settings) as (_reached, store):
        yield from store.list_keys(prefix)


def delivered_objects(settings: Settings, relative_path: bytes) -> Iterator[dict[str, Any]]:
    """Yield, as plain values, what the manifest says of each object of a file. Raises DeliveryError."""
    with open_store(settings) as (_reached, store):
        for entry in read_manifest(store, manifest_key(relative_path)).entries:
            if not isinstance(entry, Superseded):
                yield entry_fields(entry)


def verify(
    settings: Settings, paths: list[bytes], *, deep: bool = False, sample: float = 1.0
) -> Iterator[tuple[str, Verified]]:
    """Yield a finding for each object of the given files (relative paths), or of all; with the manifest's key.

    A manifest that is missing or damaged is a finding too; of all files, also one that the ledger alone knows of, and
    objects that no manifest names.
    Raises DeliveryError when the store does not answer.
    """
    chance = random.Random()  # noqa: S311 - a sample, no secret
    seen, named = KeySet(), KeySet()
    with open_store(settings) as (reached, store):
        for key in map(manifest_key, paths) if paths else list_manifests(store):
            seen.add(key)
            try:
                entries = _noting(read_manifest(store, key).entries, named)
                for each in verify_entries(store, entries, deep=deep, sample=sample, chance=chance):
                    yield key, each
            except DeliveryError as error:
                if error.failure.code not in ("manifest.damaged", "store.no-object"):
                    raise
                finding = Finding.MISSING if error.failure.code == "store.no-object" else Finding.REPLACED
                yield key, Verified(key, finding, error.failure.message)
        if not paths:
            yield from _lost(settings, store, seen)
            yield from _left(reached, store, named)


def _noting(entries: Iterator[Entry], named: KeySet) -> Iterator[Entry]:
    for entry in entries:
        if isinstance(entry, ManifestObject) and len(named) <= MOST_NAMED:
            named.add(entry.stored.key)
        yield entry


def _left(settings: Settings, store: S3Store, named: KeySet) -> Iterator[tuple[str, Verified]]:
    """Yield the objects that no manifest names and no delivery under way may yet name."""
    examination = Examination(settings, store, (kept_by_tables(settings),))
    for key in candidates(store, named if len(named) <= MOST_NAMED else None):
        found = examination.of(key)
        if found is not None and not found.kept:
            yield "", Verified(key, found.finding, _LEFT[found.finding])


def _lost(settings: Settings, store: S3Store, seen: KeySet) -> Iterator[tuple[str, Verified]]:
    """Yield the files that the ledger says are delivered and whose manifest is not in the store."""
    if not settings.progress_db_path.exists():
        return
    for path in completed_paths(settings.progress_db_path, os.fsencode(settings.watch_path)):
        key = manifest_key(path)
        if key not in seen and store.head(key) is None:  # it may have been written meanwhile
            yield (
                key,
                Verified(key, Finding.MISSING, "the ledger says delivered, but the manifest is gone"),
            )


def rebuild(settings: Settings) -> Rebuilt:
    """Enter every delivered file that the ledger does not know. Raises LedgerBusyError while a daemon runs."""
    with ExitStack() as parts:
        parts.callback(Lock(settings.progress_db_path).release)
        reached, store = parts.enter_context(open_store(settings))
        root = os.fsencode(settings.watch_path)
        ledger = own_ledger(settings)
        parts.callback(ledger.close)
        return rebuild_ledger(store, ledger, root, load_feeds(reached))
