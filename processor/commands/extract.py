"""`processor extract`: unpack one archive into a directory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from processor.commands.local_worker import LocalWorker
from processor.commands.output_directory import Directory, Overwriting, PartFile
from processor.commands.progress import ProgressLine
from processor.config.settings import Settings
from processor.confined.entrypoint import ExtractRequest, stream_extraction
from processor.domain.errors import DeliveryError, Failure, refused
from processor.domain.files import FileType
from processor.domain.keys import escape, notes_key, parquet_key, rejects_key
from processor.domain.members import Member
from processor.feeds.archives import extraction_options
from processor.streams.frames import Bad, Begin, Content, Data, End, Failed, Frame, Restart, Skipped


@dataclass(slots=True)
class Extracted:
    """What became of an archive."""

    written: Annotated[int, "members"] = 0
    bad: Annotated[list[tuple[str, Failure]], "members that could not be read: name, failure"] = field(
        default_factory=list
    )
    skipped: Annotated[list[tuple[str, str]], "members that are no files: name, reason"] = field(default_factory=list)
    failure: Annotated[Failure | None, "why it was not read to its end"] = None


def extract_file(
    settings: Settings, source: Path, directory: Path, progress: ProgressLine, *, force: bool = False
) -> Extracted:
    """Extract the archive `source` below `directory`, which is made if need be. Raises DeliveryError, OSError."""
    with LocalWorker(settings) as worker:
        return extract_by(worker, settings, source, directory, progress, force=force)


def extract_by(
    worker: LocalWorker,
    settings: Settings,
    source: Path,
    directory: Path,
    progress: ProgressLine | None = None,
    *,
    force: bool = False,
) -> Extracted:
    """Do the same by a worker that is there already."""
    root, file = worker.examine(source)
    if file.kind.type is not FileType.ARCHIVE:
        raise refused("extract.no-archive", f"{source}: {file.kind.mismatch or 'no archive by its name'}")
    directory.mkdir(parents=True, exist_ok=True)
    options = extraction_options(settings).of_archive(file.feeds, worker.feed_path(source))
    stream = worker.stream(stream_extraction, lambda id_: ExtractRequest(id_, root, file, options, file.facts))
    writing = _MemberWriting(Directory(directory, Overwriting(source, force)))
    try:
        for frame in stream.frames():
            writing.take(frame)
            if progress is not None and isinstance(frame, Data):
                progress.step(len(frame.data))
    finally:
        stream.close()
        writing.directory.close()
    return writing.result


def keys_of(begin: Begin) -> dict[Content, str]:
    """Return, by content, the key of a member's object below that of its archive."""
    key = Member(begin.member, begin.name, begin.raw_name, again=begin.again).key
    parquet = parquet_key(key)
    return {
        Content.AS_IS: key,
        Content.PARQUET: parquet,
        Content.REJECTS: rejects_key(parquet),
        Content.NOTES: notes_key(parquet),
    }


class _MemberWriting:
    """Frames become files; a file has its name only when it is whole."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.result = Extracted()
        self._begun: Begin | None = None
        self._part: PartFile | None = None

    def take(self, frame: Frame) -> None:
        """Write one frame."""
        match frame:
            case Begin():
                self._begin(frame)
            case Data(data):
                assert self._part is not None, "frames come in their order"
                self._part.write(data)
            case Restart():
                assert self._part is not None, "frames come in their order"
                self._part.restart()
            case End():
                self._end()
            case Bad(name=name, failure=failure):
                self._bad(name, failure)
            case Skipped(name=name, reason=reason):
                self.result.skipped.append((escape(name), reason))
            case Failed(failure):
                self.result.failure = failure
            case _:
                pass

    def _begin(self, begin: Begin) -> None:
        self._begun = begin
        self._part = self.directory.part(keys_of(begin)[begin.content])

    def _end(self) -> None:
        assert self._begun is not None, "frames come in their order"
        try:
            self.directory.keep()
        except DeliveryError as error:
            self._bad(self._begun.name, error.failure)
        else:
            self.result.written += 1

    def _bad(self, name: bytes, failure: Failure) -> None:
        self.directory.drop()
        self.result.bad.append((escape(name), failure))
