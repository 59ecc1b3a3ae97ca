"""`processor feed`: list, check and infer."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from processor.commands.local_worker import LocalWorker
from processor.commands.plan import files_below
from processor.commands.progress import ProgressLine
from processor.config.environment import ConfigurationError
from processor.config.settings import Settings
from processor.confined.entrypoint import ConvertRequest, stream_conversion
from processor.confined.formats import plan
from processor.confined.formats.base import TablePlan
from processor.daemon.factories import open_store
from processor.domain.conversion import Column, ConversionOptions, DataFormat, Receipt
from processor.domain.declarations import Drift, drift_of
from processor.domain.errors import DeliveryError, Failure
from processor.domain.feeds import Feed, FeedMark, feed_name
from processor.domain.files import FileMetadata, FileType
from processor.domain.keys import escape
from processor.domain.manifests import ManifestObject
from processor.feeds.infer import NO_VALUE, Inference, ReadColumn, ReadFile
from processor.feeds.lattice import NOTHING
from processor.feeds.load import load_feeds
from processor.ledger.reader import delivered_by_feed
from processor.store.manifests import list_manifests, read_manifest
from processor.streams.frames import End, Failed
from processor.streams.source import open_file


@dataclass(frozen=True, slots=True)
class ListedFeed:
    """A feed, and how many delivered files were read by it as it is now, and as it was."""

    name: str
    format: str | None
    columns: int | None
    match: tuple[str, ...]
    key: str
    declaration: str
    delivered: int
    outdated: int


@dataclass(frozen=True, slots=True)
class FeedList:
    """The feeds in the order in which they are tried."""

    file: Annotated[Path | None, "the file of feeds; null: FEEDS names none"]
    feeds: Annotated[
        tuple[ListedFeed, ...],
        "`name`, `format` (null: any), `columns` (how many; null: any), `match`, `key`, `declaration` (digest), "
        "`delivered` by it, `outdated`: by older ones",
    ]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What a feed would make of a file; `differs` tells what is not as declared."""

    path: Path
    feed: str
    rows_are: str  # the format, or the file's type
    columns: tuple[Column, ...] = ()
    differs: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class _FeedRequest:
    root: bytes
    file: FileMetadata
    options: ConversionOptions


@dataclass(slots=True)
class FeedCheck:
    """What feeds would make of files."""

    files: Annotated[
        Iterator[CheckedFile],
        "`path`, `feed` (empty: none), `rows_are` (its format or type), `columns`, `differs` (from the declaration), "
        "`failure` (why it would be refused)",
    ]
    refused: Annotated[int, "how many would be refused"] = 0


@dataclass(frozen=True, slots=True)
class InferredFeed:
    """A feed that holds all the files."""

    document: Annotated[str, "its declaration in TOML; with --update: a diff, empty when nothing would change"]
    files: Annotated[int, "files that were read"]
    refused: Annotated[int, "files that could not be read"]
    examples: Annotated[tuple[tuple[str, str], ...], "some of them, with the reason"]


def listed(settings: Settings) -> FeedList:
    """Return the feeds in their order. Raises ConfigurationError."""
    feeds = load_feeds(settings)
    try:
        delivered = delivered_by_feed(settings.progress_db_path)
    except FileNotFoundError:
        delivered = {}
    return FeedList(settings.feeds, tuple(_listed(feed, delivered) for feed in feeds.feeds))


def _listed(feed: Feed, delivered: dict[FeedMark, int]) -> ListedFeed:
    ever = sum(count for mark, count in delivered.items() if mark.name == feed.name)
    now = delivered.get(feed.mark, 0)
    columns = feed.declaration.columns
    return ListedFeed(
        name=feed.name,
        format=feed.format,
        columns=len(columns.columns) if columns else None,
        match=tuple(pattern.text for pattern in feed.match),
        key=f"{feed.delivery.prefix}{feed.delivery.key or '{path}'}",
        declaration=feed.declaration.digest,
        delivered=now,
        outdated=ever - now,
    )


def checked(settings: Settings, paths: Iterable[Path]) -> FeedCheck:
    """Return for each file which feed it is in, and whether it is as declared. Iterating raises ConfigurationError."""

    def each() -> Iterator[CheckedFile]:
        with LocalWorker(settings) as worker:
            for path in files_of(worker, paths):
                found = _checked(worker, settings, path)
                result.refused += found.failure is not None
                yield found

    result = FeedCheck(each())
    return result


def _checked(worker: LocalWorker, settings: Settings, path: Path) -> CheckedFile:
    """Convert the file as the daemon would, and keep nothing of it."""
    try:
        root, file = worker.examine(path)
    except DeliveryError as error:
        return CheckedFile(path, "", "unreadable", failure=error.failure)
    name, kind = feed_name(file.feed) or "", file.kind
    result = CheckedFile(path, name, str(kind.archive or kind.data or kind.type))
    if kind.type is not FileType.DATABASE:
        return replace(result, differs=_not_a_table(file))
    options = file.reading(settings.conversion)
    stream = worker.stream(stream_conversion, lambda id_: ConvertRequest(id_, root, file, options, file.facts))
    try:
        for frame in stream.frames():
            match frame:
                case Failed(failure):
                    return replace(result, failure=failure)
                case End(receipt=Receipt() as receipt):
                    result = replace(result, columns=receipt.columns, differs=tuple(_differences(receipt)))
                case _:
                    pass
    except DeliveryError as error:
        return replace(result, failure=error.failure)
    finally:
        stream.close()
    return result


def _not_a_table(file: FileMetadata) -> tuple[str, ...]:
    if file.kind.archive is not None:
        names = ", ".join(feed.name for feed in file.feeds.feeds)
        return (f"its members may be in: {names}",) if names else ()
    return (file.kind.mismatch,) if file.kind.mismatch else ()


_DIFFERENCES = {
    Drift.MISSING: "the column {!r} is missing: it would be NULL",
    Drift.EXTRA: "the column {!r} is not declared",
    Drift.SURPRISE: "the column {!r} holds values of another type: their rows would be rejected",
}


def _differences(receipt: Receipt) -> Iterator[str]:
    for kind, column in drift_of(receipt.facts):
        yield _DIFFERENCES[kind].format(column)
    if receipt.rejected_rows:
        yield f"{receipt.rejected_rows} rows would be rejected"


def infer(settings: Settings, paths: Iterable[Path], progress: ProgressLine) -> Inference:
    """Return what many files are together. Raises ConfigurationError.

    Each is read as its feed says, but for the columns: those are what is asked.
    """
    inference = Inference()
    with LocalWorker(settings) as worker:
        paths = list(paths)
        progress.total = sum(1 for _ in files_of(worker, paths))
        for path in files_of(worker, paths):
            found = _found(worker, settings, path)
            if found is not None:
                inference.add(found)
            progress.step(1)
    return inference


def _found(worker: LocalWorker, settings: Settings, path: Path) -> ReadFile | None:
    """Return how one file reads; None of what is no data file by its name or feed."""
    shown = escape(worker.feed_path(path))
    try:
        root, file = worker.examine(path)
        if file.kind.data is None:
            return ReadFile(shown, None, refusal=file.kind.mismatch) if file.kind.mismatch else None
        plan = _planned(worker, _FeedRequest(root, file, _without_columns(file, settings)))
    except DeliveryError as error:
        return ReadFile(shown, None, refusal=str(error))
    if plan.refusal is not None:
        return ReadFile(shown, None, refusal=str(plan.refusal))
    return ReadFile(shown, file.kind.data, tuple(_found_columns(plan).values()), plan.facts)


def infer_from_store(settings: Settings, prefix: str, progress: ProgressLine) -> Inference:
    """Return what delivered files whose paths begin with `prefix` are together. Raises DeliveryError.

    A manifest does not tell text from a column without values: both are VARCHAR there.
    """
    inference = Inference()
    with open_store(settings) as (_reached, store):
        for key in list_manifests(store, prefix):
            manifest = read_manifest(store, key)
            for entry in manifest.entries:
                if isinstance(entry, ManifestObject) and entry.columns:
                    inference.add(_delivered(manifest.head.source_path, entry))
            progress.step(1)
    return inference


def _delivered(source: bytes, entry: ManifestObject) -> ReadFile:
    path = escape(source if entry.member is None else source + b"/" + entry.member)
    suffix = path.rpartition(".")[2].lower()
    format_ = DataFormat(suffix) if suffix in set(DataFormat) else DataFormat.CSV
    columns = (ReadColumn(column.name, column.type if entry.rows else NOTHING) for column in entry.columns)
    return ReadFile(path, format_, tuple(columns), entry.facts)


def feed_to_update(settings: Settings, name: str | None, paths: list[Path]) -> Feed:
    """Return the feed called so, or the one that the first file is in. Raises ConfigurationError."""
    feeds = load_feeds(settings)
    if name is not None:
        feed = feeds.named(name)
    else:
        with LocalWorker(settings) as worker:
            found = (feeds.of(worker.feed_path(path)) for path in files_of(worker, paths))
            feed = next((each for each in found if each is not None), None)
    if feed is None:
        what = f"called {name!r}" if name is not None else "that any of the files is in"
        raise ConfigurationError(f"there is no feed {what} in FEEDS={settings.feeds or ''}")
    return feed


def files_of(worker: LocalWorker, paths: Iterable[Path]) -> Iterator[Path]:
    """Yield every file, directories gone through; one worker may read them all."""
    for path in paths:
        if path.is_dir():
            worker.admit(os.path.abspath(path))
        for each in files_below([path]):
            if each.is_file() and not each.is_symlink():
                yield each


def _without_columns(file: FileMetadata, settings: Settings) -> ConversionOptions:
    options = file.reading(settings.conversion)
    if options.declaration is None:
        return options
    return replace(options, declaration=replace(options.declaration, columns=None))


def _found_columns(plan: TablePlan) -> dict[str, ReadColumn]:
    """Return the columns by the names they have in the file."""
    return {
        name: ReadColumn(name, NOTHING if column.reason.endswith(NO_VALUE) else column.type, column.reason)
        for column in plan.columns
        for name in (column.original_name or column.name,)
    }


def _planned(worker: LocalWorker, request: _FeedRequest) -> TablePlan:
    try:
        return worker.call(_look, request)
    except DeliveryError as error:
        return TablePlan((), (), error.failure)


def _look(request: _FeedRequest) -> TablePlan:
    """Return how the file reads; runs in the worker."""
    data = request.file.kind.data
    assert data is not None, "only data files are looked at"
    with open_file(request.root, request.file.relative_path) as source:
        return plan(source, data, request.options)
