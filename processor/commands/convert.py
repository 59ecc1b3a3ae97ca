"""`processor convert`: one data file to one Parquet file."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

from processor.commands.local_worker import LocalWorker
from processor.commands.output_directory import Directory, Overwriting, PartFile
from processor.commands.progress import ProgressLine
from processor.config.settings import Settings
from processor.confined.entrypoint import ConvertRequest, stream_conversion
from processor.domain.conversion import Column, DataFormat, Receipt
from processor.domain.errors import DeliveryError, refused
from processor.domain.files import FileMetadata, FileType, Kind
from processor.streams.frames import Begin, Content, Data, End, Failed, Frame, Restart
from processor.trees.open_writers import file_system_of

_HEAD_BYTES = 4096
_PIPE_BYTES = 1 << 20
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a directory of its own is made in it
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written."""

    parquet: Annotated[Path, "the file; `-`: stdout"]
    rows: int
    columns: Annotated[tuple[Column, ...], "`name`, `type`, `null_count`, `reason`, `original_name`"]
    rejects: Annotated[Path | None, "file of the rejected rows; null: there are none"]
    rejected_rows: int
    notes: Annotated[Path | None, "file of the lines that are no rows; null: there are none"]
    noted_lines: int


def convert_file(
    worker: LocalWorker,
    settings: Settings,
    source: Path,
    target: Path,
    progress: ProgressLine | None = None,
    *,
    force: bool = False,
) -> Converted:
    """Convert `source` to `target`; rejected rows go to `<target>.rejects.jsonl`, notes to `<target>.notes.jsonl`.

    Files appear under their names only when they are whole, in the place of others only with `force`, and never in that
    of the source. Raises DeliveryError.
    """
    root, file = worker.examine(source)
    file = as_data_file(source, file)
    options = file.reading(settings.conversion)
    writing = _ObjectWriting(target, Overwriting(source, force))
    stream = worker.stream(stream_conversion, lambda id_: ConvertRequest(id_, root, file, options, file.facts))
    try:
        for frame in stream.frames():
            writing.take(frame)
            if progress is not None and isinstance(frame, Data):
                progress.step(len(frame.data))
        return writing.finish()
    finally:
        stream.close()
        writing.directory.close()


@contextmanager
def piped(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Yield paths of files to convert from and to: `-` and pipes are held in memory meanwhile, on a tmpfs.

    A text is read more than once, and its Parquet is whole or nothing. The caller writes out what `-` became.
    """
    from_pipe, to_pipe = str(source) == "-" or source.is_fifo(), str(target) == "-"
    if not from_pipe and not to_pipe:
        yield source, target
        return
    with tempfile.TemporaryDirectory(prefix="processor-", dir=_memory()) as held:
        if from_pipe:
            copy = Path(held, source.name if source.suffix else "stdin")
            descriptor = os.dup(0) if str(source) == "-" else os.open(source, os.O_RDONLY)
            with os.fdopen(descriptor, "rb") as pipe, copy.open("wb") as writer:
                shutil.copyfileobj(pipe, writer, _PIPE_BYTES)
            source = copy
        yield source, Path(held, "parquet") if to_pipe else target


def _memory() -> str:
    """Return a directory in memory: nothing of a stranger's file is written to a disk. Raises DeliveryError."""
    try:
        fd = os.open(_SHARED_MEMORY, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _no_memory(str(error.strerror)) from error
    try:
        if not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) or file_system_of(fd) not in _IN_MEMORY:
            raise _no_memory("it is no tmpfs that can be written to")
    finally:
        os.close(fd)
    return _SHARED_MEMORY


def _no_memory(reason: str) -> DeliveryError:
    hint = f"mount a tmpfs at {_SHARED_MEMORY}, or name files instead of `-` and pipes"
    return refused("convert.no-memory", f"{_SHARED_MEMORY}: {reason}", hint)


def batch(settings: Settings, lines: Iterable[str], *, force: bool = False) -> Iterator[str]:
    """Yield `ok` or `err MESSAGE` for each line `IN<TAB>OUT`; one worker serves all of them.

    Names that are no UTF-8 come, from a file, as Python has them: in surrogates.
    """
    if isinstance(lines, TextIOWrapper):
        lines.reconfigure(errors="surrogateescape")
    with LocalWorker(settings) as worker:
        for line in lines:
            source, tab, target = line.rstrip("\n").partition("\t")
            if not tab:
                yield "err usage: each line is IN<TAB>OUT"
                continue
            try:
                convert_file(worker, settings, Path(source), Path(target), force=force)
            except (DeliveryError, OSError, ValueError) as error:  # a ValueError is of a name with a NUL in it
                yield "err " + " ".join(str(error).split()).encode(errors="backslashreplace").decode()
            else:
                yield "ok"


def as_data_file(path: Path, file: FileMetadata) -> FileMetadata:
    """Return the file with its data format; one whose name proposes none is taken for what its first bytes look like.

    Raises DeliveryError for what is not a data file.
    """
    if file.kind.mismatch:
        raise refused("convert.not-data", f"{path}: {file.kind.mismatch}")
    if file.kind.type is FileType.ARCHIVE:
        raise refused("convert.archive", f"{path} is an archive", "use `processor extract`")
    if file.kind.data is not None:
        return file
    with path.open("rb") as reader:
        head = reader.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    looks = {b"{": DataFormat.JSON, b"[": DataFormat.JSON, b"<": DataFormat.XML}.get(head[:1], DataFormat.CSV)
    return replace(file, kind=Kind(FileType.DATABASE, data=looks))


class _ObjectWriting:
    """The files that the stream becomes."""

    def __init__(self, target: Path, rules: Overwriting) -> None:
        self._files = {
            Content.PARQUET: target,
            Content.REJECTS: target.with_name(f"{target.name}.rejects.jsonl"),
            Content.NOTES: target.with_name(f"{target.name}.notes.jsonl"),
        }
        self.directory = Directory(target.parent, rules)
        try:
            self.directory.claim(target.name)
        except DeliveryError:
            self.directory.close()
            raise
        self._part: PartFile | None = None
        self._begun: list[Content] = []
        self._receipt: Receipt | None = None

    def take(self, frame: Frame) -> None:
        """Write one frame. Raises DeliveryError when it says that the conversion failed."""
        match frame:
            case Begin(content=content):
                self._begun.append(content)
                self._part = self.directory.part(self._files[content].name)
            case Data(data):
                assert self._part is not None, "frames come in their order"
                self._part.write(data)
            case Restart():
                assert self._part is not None, "frames come in their order"
                self._part.restart()
            case End(receipt=receipt):
                self._receipt = receipt or self._receipt
            case Failed(failure):
                raise DeliveryError(failure)
            case _:
                pass

    def finish(self) -> Converted:
        """Give the files their names."""
        assert self._receipt is not None, "a stream that ended well has a receipt"
        self.directory.keep()
        files = {content: path for content, path in self._files.items() if content in self._begun}
        receipt = self._receipt
        return Converted(
            parquet=files[Content.PARQUET],
            rows=receipt.rows,
            columns=receipt.columns,
            rejects=files.get(Content.REJECTS),
            rejected_rows=receipt.rejected_rows,
            notes=files.get(Content.NOTES),
            noted_lines=receipt.notes,
        )
