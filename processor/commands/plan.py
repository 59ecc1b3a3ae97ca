"""`processor plan`: show what would be done; upload nothing."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from processor.commands.extract import keys_of
from processor.commands.local_worker import LocalWorker
from processor.commands.progress import ProgressLine
from processor.config.settings import Settings
from processor.confined.entrypoint import ExtractRequest, stream_extraction
from processor.confined.formats import plan as plan_of
from processor.confined.formats.base import TablePlan
from processor.daemon.factories import selection
from processor.domain.conversion import Column, ConversionOptions, Facts, Receipt
from processor.domain.errors import DeliveryError, Failure
from processor.domain.files import FileMetadata, FileType
from processor.domain.keys import escape
from processor.domain.object_keys import key_of
from processor.domain.selection import LEFT_OUT
from processor.feeds.archives import extraction_options
from processor.streams.frames import Bad, Begin, Content, Data, End, Failed, Restart, Skipped
from processor.streams.source import open_file


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """What would become of one member of an archive."""

    member: str
    key: str
    type: str
    size_bytes: int | None = None
    rows: int | None = None
    columns: tuple[Column, ...] = ()
    failure: Failure | None = None
    note: str = ""


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
    members: tuple[MemberPlan, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Plan:
    """What would be done with every file; nothing is uploaded."""

    files: Annotated[
        Iterator[FilePlan],
        "`path`, `key`, `type`, `size_bytes`, `sha256`, `reading` (how), `columns` (`name`, `type`, `reason`), "
        "`failure` (why it would be refused), `members` of an archive, `note`",
    ]
    planned: Annotated[int, "how many"] = 0
    refused: Annotated[int, "how many of them would be refused, whole or in part"] = 0


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Look at a data file, without converting it."""

    root: bytes
    file: FileMetadata
    options: ConversionOptions

    @property
    def cpu_seconds(self) -> float:
        """Return how much CPU time the file is worth. See engine.pool."""
        return self.options.cpu_seconds(self.file.size_bytes)


def plan_files(settings: Settings, paths: Iterable[Path], progress: ProgressLine) -> Plan:
    """Return the plan of every file; directories are gone through, archives opened. What is no file is said, too."""
    selected, root = selection(settings), os.fsencode(settings.watch_path) + b"/"

    def each() -> Iterator[FilePlan]:
        with LocalWorker(settings) as worker:
            for path in files_below(paths):
                place = os.path.abspath(os.fsencode(path))
                if place.startswith(root) and selected.leaves_out(place.removeprefix(root)):
                    found = FilePlan(path, "", "left out", path.lstat().st_size, "", note=LEFT_OUT)
                else:
                    found = _plan(worker, settings, path, progress)
                plan.planned += 1
                plan.refused += found.failure is not None or any(member.failure for member in found.members)
                yield found

    plan = Plan(each())
    return plan


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield every path that is no directory, directories gone through by name; links are not followed.

    Of a tree no more is held than the names on the way down.
    """
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path / name for name in _names_in(path))
        else:
            yield path


def _names_in(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except PermissionError:
        return []  # told where the daemon would look at it


def _plan(worker: LocalWorker, settings: Settings, path: Path, progress: ProgressLine) -> FilePlan:
    if path.is_symlink():
        note = f"a symbolic link to {os.readlink(path)}: not followed, never delivered"
        return FilePlan(path, "", "link", 0, "", note=note)
    if path.exists() and not path.is_file():
        return FilePlan(path, "", "special", 0, "", note="no plain file: never delivered")
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
    match kind.type:
        case FileType.ARCHIVE:
            return _of_members(worker, settings, plan, root, file, progress)
        case FileType.DATABASE:
            return _of_table(worker, settings, plan, root, file)
        case FileType.REGULAR:
            return plan


def _of_table(worker: LocalWorker, settings: Settings, plan: FilePlan, root: bytes, file: FileMetadata) -> FilePlan:
    try:
        table = worker.call(_look, PlanRequest(root, file, file.reading(settings.conversion)))
    except DeliveryError as error:
        return replace(plan, failure=error.failure)
    return replace(plan, reading=(*plan.reading, *table.facts), columns=table.columns, failure=table.refusal)


def _of_members(
    worker: LocalWorker, settings: Settings, plan: FilePlan, root: bytes, file: FileMetadata, progress: ProgressLine
) -> FilePlan:
    """Open the archive as the daemon would, and keep nothing of it."""
    members: list[MemberPlan] = []
    options = extraction_options(settings).of_archive(file.feeds, worker.feed_path(plan.path))
    stream = worker.stream(stream_extraction, lambda id_: ExtractRequest(id_, root, file, options, file.facts))
    begun, size = None, 0
    try:
        for frame in stream.frames():
            match frame:
                case Begin():
                    begun, size = frame, 0
                case Data(data):
                    size += len(data)
                    progress.step(len(data))
                case Restart():
                    size = 0
                case End(receipt=receipt) if begun is not None:
                    members.append(_member(plan, begun, size, receipt if isinstance(receipt, Receipt) else None))
                case Bad(name=name, failure=failure):
                    members.append(MemberPlan(escape(name), "", "bad", failure=failure))
                case Skipped(name=name, reason=reason):
                    members.append(MemberPlan(escape(name), "", "skipped", note=reason))
                case Failed(failure):
                    return replace(plan, members=tuple(members), failure=failure)
                case _:
                    pass
    except DeliveryError as error:
        return replace(plan, members=tuple(members), failure=error.failure)
    finally:
        stream.close()
    return replace(plan, members=tuple(members))


def _member(plan: FilePlan, begun: Begin, size_bytes: int, receipt: Receipt | None) -> MemberPlan:
    key = plan.key + keys_of(begun)[begun.content]
    name = {Content.AS_IS: "regular"}.get(begun.content, begun.content.name.lower())
    rows, columns = (None, ()) if receipt is None else (receipt.rows, receipt.columns)
    return MemberPlan(escape(begun.name), key, name, size_bytes, rows, columns)


def _relative_to_watched(settings: Settings, file: FileMetadata) -> FileMetadata:
    """Return the file as the daemon would name it; one outside WATCH_PATH as if it lay directly in it."""
    root = bytes(settings.watch_path) + b"/"
    return replace(file, relative_path=file.path.removeprefix(root)) if file.path.startswith(root) else file


def _look(request: PlanRequest) -> TablePlan:
    """Return how the file would be read, its columns and why it would be refused; runs in the worker."""
    data = request.file.kind.data
    assert data is not None, "only data files are looked at"
    with open_file(request.root, request.file.relative_path) as source:
        return plan_of(source, data, request.options)
