"""Store commands: `check`, `ls`, `verify`, `rebuild`."""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from processor.commands.directories import problems_of_places
from processor.commands.paths import relative
from processor.commands.progress import ProgressLine
from processor.commands.tables import kept_by_tables, register_again
from processor.commands.unnamed import MOST_NAMED, Examination, candidates
from processor.config.choices import EngineChoice
from processor.config.settings import Settings
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
    """Whether the daemon could deliver, and what is missing."""

    ready: Annotated[bool, "the daemon could deliver"]
    places: Annotated[dict[str, str | None], "by setting: what is wrong with its directory; null: nothing"]
    untold_writers: Annotated[str, "who may have files open for writing untold; empty: the kernel tells"]
    store: Annotated[dict[str, Any], "what the store does: `reachable`, `writable`, `protected`, `problem`, ..."]
    worker: Annotated[dict[str, bool], "a worker's protections: on or not"]
    cluster: Annotated[Failure | int | None, "what is wrong with it, or how much it does at once; null: no cluster"]
    notify: Annotated[Failure | str | None, "the host that takes events, or why it does not; null: nobody is told"]


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
        places = problems_of_places(settings)
        notify = _notify(settings)
        there = not any(places.values()) and not isinstance(cluster, Failure) and not isinstance(notify, Failure)
        return CheckReport(
            ready=there and profile.problem is None and profile.writable,
            places=places,
            untold_writers=what_is_untold(settings.watch_path),
            store=profile.as_dict(),
            worker={name: bool(getattr(protections, name)) for name in protections.__slots__},
            cluster=cluster,
            notify=notify,
        )


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


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One object of the store."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """Objects of the store, as they come."""

    objects: Annotated[Iterator[StoredKey], "each with its `key` and `size_bytes`"]


def stored_keys(settings: Settings, prefix: str) -> Iterator[StoredKey]:
    """Yield every object below `prefix`. Raises DeliveryError."""
    with open_store(settings) as (_reached, store):
        for key, size_bytes in store.list_keys(prefix):
            yield StoredKey(key, size_bytes)


def delivered_objects(settings: Settings, relative_path: bytes) -> Iterator[dict[str, Any]]:
    """Yield, as plain values, what the manifest says of each object of a file. Raises DeliveryError."""
    with open_store(settings) as (_reached, store):
        for entry in read_manifest(store, manifest_key(relative_path)).entries:
            if not isinstance(entry, Superseded):
                yield entry_fields(entry)


@dataclass(frozen=True, slots=True)
class Differing:
    """An object that is not as its manifest says."""

    manifest: str
    key: str
    finding: Finding
    detail: str


@dataclass(slots=True)
class Verification:
    """Stored objects beside their manifests; what differs comes first, as it is found."""

    differing: Annotated[
        Iterator[Differing],
        "`manifest`, `key`, `finding` (`missing`, `truncated`, `replaced`; of all files "
        "also `superseded`, `unnamed`, `foreign`), `detail`",
    ]
    counts: Annotated[dict[str, int], "objects by finding; `ok` are as their manifests say"] = field(
        default_factory=dict
    )


def verify(
    settings: Settings, paths: list[Path], progress: ProgressLine, *, deep: bool = False, sample: float = 1.0
) -> Verification:
    """Compare the objects of the given files, or of all, with their manifests.

    A manifest that is missing or damaged is a finding too; of all files, also one that the ledger alone knows of, and
    objects that no manifest names. What is yielded raises DeliveryError when the store does not answer.
    """

    def differing() -> Iterator[Differing]:
        for manifest, each in _verified(settings, paths, deep=deep, sample=sample):
            result.counts[each.finding] = result.counts.get(each.finding, 0) + 1
            progress.step(1)
            if each.finding is not Finding.OK:
                yield Differing(manifest, each.key, each.finding, each.detail)

    result = Verification(differing())
    return result


def _verified(settings: Settings, paths: list[Path], *, deep: bool, sample: float) -> Iterator[tuple[str, Verified]]:
    chance = random.Random()  # noqa: S311 - a sample, no secret
    seen, named = KeySet(), KeySet()
    with open_store(settings) as (reached, store):
        for key in (_manifest_of(settings, store, path) for path in paths) if paths else list_manifests(store):
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


def _manifest_of(settings: Settings, store: S3Store, path: Path) -> str:
    """Return the key of the manifest of the file that is meant: of several, of one that was delivered."""
    keys = [manifest_key(each) for each in relative(settings, path)]
    if not keys:
        raise FileNotFoundError(f"{path} lies outside WATCH_PATH={settings.watch_path}")
    return keys[0] if len(keys) == 1 else next((key for key in keys if store.head(key) is not None), keys[-1])


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


def rebuild(settings: Settings, progress: ProgressLine) -> Rebuilt:
    """Enter every delivered file that the ledger does not know, and whatever a table has lost.

    Raises LedgerBusyError while a daemon runs, DeliveryError `catalog.*` when nobody tells what the tables have.
    """
    with ExitStack() as parts:
        parts.callback(Lock(settings.progress_db_path).release)
        reached, store = parts.enter_context(open_store(settings))
        root = os.fsencode(settings.watch_path)
        ledger = own_ledger(settings)
        parts.callback(ledger.close)
        result = rebuild_ledger(store, ledger, root, load_feeds(reached), progress.step)
        result.registrations = register_again(reached, ledger)
        return result
