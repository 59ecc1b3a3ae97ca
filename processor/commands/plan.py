"""`processor plan`: show what would be done; upload nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from processor.commands.local_worker import LocalWorker
from processor.config import Settings
from processor.confined.formats import plan
from processor.confined.formats.base import TablePlan
from processor.domain.conversion import Column, ConversionOptions, Facts
from processor.domain.errors import DeliveryError, Failure
from processor.domain.files import FileMetadata, FileType
from processor.domain.object_keys import key_of
from processor.streams.source import open_file


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What is known of one file: its kind, its key, how it would be read, the columns and why they have their types."""

    path: Path
    key: str
    type: str
    size_bytes: int
    sha256: str
    reading: Facts = ()
    columns: tuple[Column, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    root: bytes
    file: FileMetadata
    options: ConversionOptions


def plan_files(settings: Settings, paths: list[Path]) -> Iterator[FilePlan]:
    """Yield the plan of every file; directories are gone through."""
    with LocalWorker(settings) as worker:
        for path in paths:
            for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if each.is_file() and not each.is_symlink():
                    yield _plan(worker, settings, each)


def _plan(worker: LocalWorker, settings: Settings, path: Path) -> FilePlan:
    try:
        root, file = worker.examine(path)
    except DeliveryError as error:
        return FilePlan(path, "", "unreadable", 0, "", failure=error.failure)
    relative = _relative_to_watched(settings, file)
    kind = file.kind
    name = str(kind.archive or kind.data or kind.type)
    reading: Facts = () if file.feed is None else (("feed", file.feed.name),)
    if kind.mismatch:
        reading = (*reading, ("type-mismatch", kind.mismatch))
    plan = FilePlan(path, settings.s3_prefix + key_of(relative), name, file.size_bytes, file.checksum or "", reading)
    if kind.type is not FileType.DATABASE:
        return plan
    try:
        table = worker.call(_look, _Request(root, file, file.reading(settings.conversion)))
    except DeliveryError as error:
        return replace(plan, failure=error.failure)
    return replace(plan, reading=(*reading, *table.facts), columns=table.columns, failure=table.refusal)


def _relative_to_watched(settings: Settings, file: FileMetadata) -> FileMetadata:
    """Return the file as the daemon would name it; one outside WATCH_PATH as if it lay directly in it."""
    root = bytes(settings.watch_path) + b"/"
    return replace(file, relative_path=file.path.removeprefix(root)) if file.path.startswith(root) else file


def _look(request: _Request) -> TablePlan:
    """Return how the file would be read, its columns and why it would be refused; runs in the worker."""
    data = request.file.kind.data
    assert data is not None, "only data files are looked at"
    with open_file(request.root, request.file.relative_path) as source:
        return plan(source, data, request.options)
