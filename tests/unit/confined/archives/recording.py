"""A sink that keeps what it is told and insists on the order that the protocol promises."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from processor.confined.archives.errors import BrokenArchiveError
from processor.confined.archives.extract import extract, nothing_stored
from processor.domain.archives import ExtractionOptions
from processor.domain.errors import Failure
from processor.domain.files import ArchiveKind, proposed_kind
from processor.domain.members import Member, MemberReceipt
from processor.streams.source import BytesSource, Source


@dataclass
class Taken:
    """What an extraction gave."""

    members: dict[str, bytes] = field(default_factory=dict)  # by key; Parquet under the key without its suffix
    receipts: dict[str, MemberReceipt] = field(default_factory=dict)
    indexes: dict[str, int] = field(default_factory=dict)
    raw_names: dict[str, bytes] = field(default_factory=dict)
    bad: dict[str, Failure] = field(default_factory=dict)
    not_files: dict[str, str] = field(default_factory=dict)
    mismatches: dict[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    entries: int | None = None

    @property
    def codes(self) -> set[str]:
        """Return the codes of everything that went wrong."""
        return {failure.code for failure in self.bad.values()} | ({self.failure.code} if self.failure else set())


class RecordingSink:
    def __init__(self) -> None:
        self.taken = Taken()
        self.longest_piece = 0
        self._open: Member | None = None
        self._content = bytearray()

    def begin(self, member: Member) -> None:
        assert self._open is None, "two members at a time"
        self._open, self._content = member, bytearray()

    def data(self, chunk: bytes) -> None:
        assert self._open is not None
        assert len(chunk) > 0
        self.longest_piece = max(self.longest_piece, len(chunk))
        self._content += chunk

    def output(self, member: Member) -> "RecordingOutput":
        self.begin(member)
        return RecordingOutput(self)

    def end(self, member: Member, receipt: MemberReceipt) -> None:
        assert self._open is not None
        assert member == self._open
        assert member.key not in self.taken.members, "two members under one key"
        if receipt.table is None:
            assert receipt == MemberReceipt(len(self._content), hashlib.sha256(self._content).hexdigest())
        self.taken.members[member.key] = bytes(self._content)
        self.taken.receipts[member.key] = receipt
        self.taken.indexes[member.key] = member.index
        if member.kind.mismatch:
            self.taken.mismatches[member.key] = member.kind.mismatch
        self.taken.raw_names[member.key] = member.raw_name
        self._open = None

    def bad(self, member: Member, failure: Failure) -> None:
        assert self._open is None or self._open.index == member.index
        self.taken.bad[member.key] = failure
        self._open = None

    def not_a_file(self, member: Member, reason: str) -> None:
        assert self._open is None
        self.taken.not_files[member.key] = reason


class HoldingRecordingSink(RecordingSink):
    """Holds what it is told to, up to `room` members."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.held: list[tuple[Member, MemberReceipt, bytearray]] = []

    def hold(self, member: Member, receipt: MemberReceipt) -> bool:
        assert member == self._open
        if len(self.held) == self.room:
            return False
        self.held.append((member, receipt, self._content))
        self._open = None
        return True

    def proved(self) -> None:
        assert self._open is None or self.held, "nothing was held"
        now = (self._open, self._content)
        for member, receipt, content in self.held:
            self._open, self._content = member, content
            self.end(member, receipt)
        self.held = []
        self._open, self._content = now


class RecordingOutput:
    def __init__(self, sink: RecordingSink) -> None:
        self._sink = sink

    @contextmanager
    def parquet(self) -> Iterator[int]:
        self._sink._content = bytearray()
        with piped(self._sink._content.extend) as write_end:
            yield write_end

    @contextmanager
    def rejects(self) -> Iterator[BinaryIO]:
        yield io.BytesIO()

    @contextmanager
    def notes(self) -> Iterator[BinaryIO]:
        yield io.BytesIO()


@contextmanager
def piped(take: Callable[[bytes], object]) -> Iterator[int]:
    read_end, write_end = os.pipe()

    def pump() -> None:
        while data := os.read(read_end, 1 << 16):
            take(data)

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        thread.join()
        os.close(read_end)


def take_source(
    source: Source,
    kind: ArchiveKind,
    options: ExtractionOptions | None = None,
    stored: Callable[[Member], bool] = nothing_stored,
    members: range | None = None,
    sink: RecordingSink | None = None,
) -> Taken:
    sink = sink or RecordingSink()
    try:
        sink.taken.entries = extract(source, kind, options or ExtractionOptions(), sink, stored, members=members)
    except BrokenArchiveError as error:
        sink.taken.failure = error.failure
    return sink.taken


def take(data: bytes, name: str, options: ExtractionOptions | None = None, **more: object) -> Taken:
    """Extract an archive from memory; its name tells its kind."""
    kind = proposed_kind(name.encode()).archive
    assert kind is not None
    return take_source(BytesSource(name, data), kind, options, **more)  # type: ignore[arg-type]


def tar_of(files: Iterable[tuple[str, bytes]], tar_format: int = tarfile.GNU_FORMAT, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tar_format) as archive:  # type: ignore[call-overload]
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
