"""Worker entry points: turn one source into an object stream.

Both functions are given a small frozen request, answer through the pipe, and return nothing. Expected errors end the
stream as values; whatever else is raised is a bug and reaches the engine's future.
"""

import contextlib
import hashlib
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from processor.confined.formats import convert
from processor.confined.formats.base import FORMAT_MODULES
from processor.domain.archives import ExtractionOptions
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.errors import SOURCE_FORBIDDEN, DeliveryError, Failure, changed
from processor.domain.files import ArchiveKind, FileMetadata
from processor.domain.members import Member, MemberReceipt
from processor.streams.frames import (
    LONGEST_DATA_BYTES,
    MOST_HELD,
    Bad,
    Begin,
    Content,
    Data,
    End,
    EndOfStream,
    Failed,
    FrameWriter,
    Proved,
    Restart,
    Skipped,
)
from processor.streams.inbox import send_pipe
from processor.streams.pipes import wide_pipe
from processor.streams.ranges import fetched_source
from processor.streams.source import BytesSource, Source, open_file
from processor.streams.threads import BoundedThread
from processor.streams.worker_end import worker_end

_SAMPLES = {
    DataFormat.CSV: b"id,name,price\n1,a,1.50\n2,b,2.25\n",
    DataFormat.JSON: b'[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]',
    DataFormat.JSONL: b'{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n',
    DataFormat.XML: b"<rows><row><id>1</id><name>a</name></row><row><id>2</id><name>b</name></row></rows>",
}
_MOST_HELD_BYTES = 8 << 20  # of small objects that wait for the proof of their archive: they are memory


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """Convert the data file `file` below `root`; `metadata` goes into the Parquet.

    `fetched`: the file is not below `root`, whoever receives the stream serves its bytes (see streams.ranges).
    """

    stream_id: str
    root: bytes
    file: FileMetadata
    options: ConversionOptions
    metadata: Facts
    fetched: bool = False

    @property
    def cpu_seconds(self) -> float:
        """Return how much CPU time the file is worth. See engine.pool."""
        return self.options.cpu_seconds(self.file.size_bytes)


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """Take the members out of the archive `file`, but for those whose index lies in the ranges `stored`.

    `members` confines it to a share of a zip, one of at most `workers` that `share_extraction` returned; there are
    more of them where a share would have more than `most_members`. `fetched`: as in a ConvertRequest. `held_bytes`: up
    to so many whoever receives the stream holds of an object in memory when it is not yet proved; 0: it can hold none.
    """

    stream_id: str
    root: bytes
    file: FileMetadata
    options: ExtractionOptions
    metadata: Facts
    stored: tuple[tuple[int, int], ...] = ()
    workers: int = 1
    members: range | None = None
    most_members: int | None = None
    fetched: bool = False
    held_bytes: int = 0

    @property
    def cpu_seconds(self) -> float:
        """Return how much CPU time the file is worth. See engine.pool."""
        return self.options.conversion.cpu_seconds(self.file.size_bytes)


def prepare() -> None:
    """Import and do once what is slow the first time: workers are forked from a process that has done so.

    Leaves no thread behind.
    """
    for module in FORMAT_MODULES:
        importlib.import_module(module)
    importlib.import_module("processor.confined.archives.extract")
    importlib.import_module("processor.confined.formats.duckdb_session").open_to_be_forked()
    with open(os.devnull, "wb") as nowhere:
        for data_format, sample in _SAMPLES.items():
            output = _FramedOutput(FrameWriter(nowhere.fileno()), Begin(-1, b"", Content.PARQUET))
            convert(BytesSource("sample", sample), data_format, ConversionOptions(), output, ())


def stream_conversion(request: ConvertRequest) -> None:
    """Write the objects of one data file as a stream."""
    with _stream(request.stream_id) as frames, _source(request) as source:
        data_format = request.file.kind.data
        assert data_format is not None, "only data files are converted"
        output = _FramedOutput(frames, Begin(-1, b"", Content.PARQUET))
        receipt = convert(source, data_format, request.options, output, request.metadata)
        _still(source, request.file)
        output.finish(receipt)
        frames.write(EndOfStream(1))


def stream_extraction(request: ExtractRequest) -> None:
    """Write the members of one archive as a stream."""
    with _stream(request.stream_id) as frames, _source(request) as source:
        archive = request.file.kind.archive
        assert archive is not None, "only archives are extracted"
        members = _extract(source, archive, request, _sink(frames, request))
        _still(source, request.file)
        frames.write(EndOfStream(members))


def share_extraction(request: ExtractRequest) -> list[tuple[int, int]]:
    """Return how several workers can share the archive, each as its first member and the one after its last.

    Raises DeliveryError when it can not be read.
    """
    from processor.confined.archives.zip_shares import plan_ranges  # noqa: PLC0415 - only workers need it, main stays small

    archive = request.file.kind.archive
    assert archive is not None, "only archives are extracted"
    with _source(request) as source:
        ranges = plan_ranges(source, archive, request.options, request.workers, request.most_members)
        return [(share.start, share.stop) for share in ranges]


def _extract(source: Source, archive: ArchiveKind, request: ExtractRequest, sink: "_FramedSink") -> int:
    from processor.confined.archives.extract import extract  # noqa: PLC0415 - only workers need it, main stays small

    def is_stored(member: Member) -> bool:
        return any(first <= member.index < past for first, past in request.stored)

    return extract(source, archive, request.options, sink, is_stored, request.metadata, members=request.members)


@contextmanager
def _stream(stream_id: str) -> Iterator[FrameWriter]:
    fd = send_pipe(worker_end(), stream_id)
    frames = FrameWriter(fd)
    try:
        yield frames
    except DeliveryError as error:
        with contextlib.suppress(BrokenPipeError):
            frames.write(Failed(error.failure))
        if error.failure.code == SOURCE_FORBIDDEN:
            raise  # the pool is to know, too: another worker may be allowed to read it
    except BrokenPipeError:
        pass  # the uploader has given this stream up, and told why
    finally:
        os.close(fd)


@contextmanager
def _source(request: ConvertRequest | ExtractRequest) -> Iterator[Source]:
    file = request.file
    if request.fetched:
        name = os.fsdecode(file.name)
        with contextlib.closing(fetched_source(worker_end(), request.stream_id, name, file.size_bytes)) as fetched:
            yield fetched
    else:
        with open_file(request.root, file.relative_path) as source:
            _still(source, file)
            yield source


def _still(source: Source, file: FileMetadata) -> None:
    """Make sure that the file is, still, the one whose checksum was taken; what is fetched is named by its checksum."""
    if source.path_fd is None:
        return
    if not file.is_still(os.fstat(source.path_fd)):
        raise changed(file.relative_path)


class _FramedOutput:
    """The objects that one data file becomes, as frames."""

    def __init__(self, frames: FrameWriter, begin: Begin) -> None:
        self._frames = frames
        self._begin = begin
        self._begun = False
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    @contextmanager
    def parquet(self) -> Iterator[int]:
        """Yield the write end of a pipe whose bytes become frames. See streams.output.Output."""
        self._frames.write(Restart() if self._begun else self._begin)
        self._begun = True
        self._digest, self._size_bytes = hashlib.sha256(), 0
        read_end, write_end = wide_pipe()
        pump = _Pump(read_end, self._put)
        try:
            yield write_end
        finally:
            os.close(write_end)
            pump.join()
        pump.raise_failure()

    def rejects(self) -> AbstractContextManager[BinaryIO]:
        """Yield a writer for the rejects. See streams.output.Output."""
        return self._beside(Content.REJECTS)

    def notes(self) -> AbstractContextManager[BinaryIO]:
        """Yield a writer for the notes. See streams.output.Output."""
        return self._beside(Content.NOTES)

    @contextmanager
    def _beside(self, content: Content) -> Iterator[BinaryIO]:
        self._end(None)
        self._frames.write(
            Begin(self._begin.member, self._begin.name, content, "", self._begin.raw_name, self._begin.again)
        )
        self._digest, self._size_bytes = hashlib.sha256(), 0
        yield cast(BinaryIO, self)

    def write(self, data: bytes) -> int:
        """Take bytes of the rejects or notes."""
        self._put(data)
        return len(data)

    @property
    def size_bytes(self) -> int:
        """Return the length of the object that is open, so far."""
        return self._size_bytes

    def finish(self, receipt: Receipt, *, held: bool = False) -> None:
        """End the object that is open."""
        self._end(receipt, held=held)

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._size_bytes += len(data)
        self._frames.write(Data(data))

    def _end(self, receipt: Receipt | None, *, held: bool = False) -> None:
        self._frames.write(End(self._size_bytes, self._digest.hexdigest(), receipt, held))


class _Pump(BoundedThread):
    """Moves what arrives on a pipe into frames, while the converter works."""

    def __init__(self, read_end: int, put: Callable[[bytes], None]) -> None:
        super().__init__(name="pump", daemon=True)
        self._read_end = read_end
        self._put = put
        self._failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Until the writer closes; after a failure bytes are read and dropped, so that the writer never hangs."""
        try:
            while data := os.read(self._read_end, LONGEST_DATA_BYTES):
                self._put(data)
        except BaseException as error:  # noqa: BLE001 - raised again where the converter is
            self._failure = error
        finally:
            os.close(self._read_end)

    def raise_failure(self) -> None:
        """Raise what went wrong in the pump."""
        if self._failure is not None:
            raise self._failure


class _FramedSink:
    """The members of an archive, as frames. See steps.extraction.sink.Sink."""

    def __init__(self, frames: FrameWriter) -> None:
        self._frames = frames
        self._output: _FramedOutput | None = None

    def begin(self, member: Member) -> None:
        self._frames.write(_begin(member, Content.AS_IS))

    def data(self, chunk: bytes) -> None:
        self._frames.write(Data(chunk))

    def output(self, member: Member) -> _FramedOutput:
        self._output = _FramedOutput(self._frames, _begin(member, Content.PARQUET))
        return self._output

    def end(self, member: Member, receipt: MemberReceipt) -> None:  # noqa: ARG002 - the protocol's
        self._end(receipt, held=False)

    def _end(self, receipt: MemberReceipt, *, held: bool) -> None:
        if self._output is None or receipt.table is None:
            self._frames.write(End(receipt.size_bytes, receipt.sha256, held=held))
        else:
            self._output.finish(receipt.table, held=held)
        self._output = None

    def bad(self, member: Member, failure: Failure) -> None:
        self._output = None
        self._frames.write(Bad(member.index, member.name, failure))

    def not_a_file(self, member: Member, reason: str) -> None:
        self._frames.write(Skipped(member.index, member.name, reason))


class _HoldingSink(_FramedSink):
    """The same for a receiver that can hold a few objects. See steps.extraction.sink.HoldingSink."""

    def __init__(self, frames: FrameWriter, small_bytes: int) -> None:
        """Write to `frames`; objects of at most `small_bytes` are held in memory."""
        super().__init__(frames)
        self._small_bytes = small_bytes
        self._held = 0
        self._held_bytes = 0

    def hold(self, member: Member, receipt: MemberReceipt) -> bool:  # noqa: ARG002 - the protocol's
        size_bytes = receipt.size_bytes if self._output is None else self._output.size_bytes
        in_memory = size_bytes if size_bytes <= self._small_bytes else 0
        has_more = receipt.table is not None and (receipt.table.rejected_rows or receipt.table.notes)
        if has_more or self._held == MOST_HELD or self._held_bytes + in_memory > _MOST_HELD_BYTES:
            return False
        self._held += 1
        self._held_bytes += in_memory
        self._end(receipt, held=True)
        return True

    def proved(self) -> None:
        if self._held:
            self._frames.write(Proved())
        self._held = self._held_bytes = 0


def _sink(frames: FrameWriter, request: ExtractRequest) -> _FramedSink:
    return _HoldingSink(frames, request.held_bytes) if request.held_bytes else _FramedSink(frames)


def _begin(member: Member, content: Content) -> Begin:
    return Begin(member.index, member.name, content, member.kind.mismatch, member.raw_name, member.again)
