"""Extract to a directory instead of a store: the same members under the same keys, as files.

The one place here that writes files, and only where the user said. Every directory on the way is opened by itself and
never through a link; a file appears under its name only when it is complete, and never in the place of another.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from processor.domain.archives import ExtractionOptions
from processor.domain.errors import DeliveryError, Failure, refused, transient
from processor.domain.files import ArchiveKind
from processor.domain.keys import parquet_key, rejects_key
from processor.domain.members import Member, MemberReceipt
from processor.steps.extraction.archive import extract
from processor.steps.extraction.problems import BrokenArchiveError
from processor.streams.source import Source

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIPE_BYTES = 1 << 20


class PartFile:
    """A file on its way to `key` below a directory."""

    def __init__(self, root: int, key: str, number: int) -> None:
        self._root = root
        self._key = key
        self._parent: int | None = None
        self._committed = ""
        self._name = f".processor-{os.getpid()}-{number}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _told(key):
            self._file = os.fdopen(os.open(self._name, flags, 0o666, dir_fd=root), "wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append `data`."""
        view = memoryview(data)
        with _told(self._key):
            while view:
                view = view[self._file.write(view) :]

    def restart(self) -> None:
        """Void what was written so far."""
        self._file.seek(0)
        self._file.truncate()

    def commit(self) -> None:
        """Give the file its name. Raises DeliveryError when the name is taken or can not be."""
        *directories, name = self._key.split("/")
        with _told(self._key):
            self._file.close()
            self._parent = _make_directories(self._root, directories)
            # A link, unlike a rename, never takes the place of another file.
            os.link(self._name, name, src_dir_fd=self._root, dst_dir_fd=self._parent, follow_symlinks=False)
            self._committed = name

    def settle(self) -> None:
        """Keep what was committed."""
        self._committed = ""
        self.discard()

    def discard(self) -> None:
        """Leave nothing behind, nor what was committed and not settled."""
        self._file.close()
        os.unlink(self._name, dir_fd=self._root)
        if self._committed:
            os.unlink(self._committed, dir_fd=self._parent)
        if self._parent is not None:
            os.close(self._parent)


def _make_directories(root: int, names: list[str]) -> int:
    here = os.dup(root)
    try:
        for name in names:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
            below = os.open(name, _DIRECTORY_FLAGS, dir_fd=here)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


@contextmanager
def _told(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(key, error) from error


def _failure(key: str, error: OSError) -> DeliveryError:
    match error.errno:
        case errno.EEXIST:
            return refused("directory.exists", f"{key!r} exists already", "extract to an empty directory")
        case errno.ENOTDIR | errno.ELOOP:
            return refused("directory.in-the-way", f"a file or link is in the way of {key!r}")
        case errno.ENAMETOOLONG:
            return refused("directory.name-too-long", f"no file can be called {key!r}")
        case _:
            return transient("directory.unwritable", f"{key!r} can not be written: {error.strerror}")


class DirectorySink:
    """Writes members below `directory`, which exists; `failures` tells what went wrong with which member."""

    def __init__(self, directory: Path) -> None:
        self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._number = 0
        self._parts: list[PartFile] = []
        self.written = 0
        self.failures: list[tuple[Member, Failure]] = []
        self.not_files: list[tuple[Member, str]] = []

    def close(self) -> None:
        """Drop what is not complete."""
        self._discard()
        os.close(self._root)

    def begin(self, member: Member) -> None:
        """Begin a member that is written as it is."""
        self.part(member.key)

    def data(self, chunk: bytes) -> None:
        """Write to the member that began last."""
        self._parts[-1].write(chunk)

    def output(self, member: Member) -> "_FilesOutput":
        """Return where the member's Parquet and rejects go."""
        return _FilesOutput(self, member.key)

    def end(self, member: Member, receipt: MemberReceipt) -> None:  # noqa: ARG002 - a Sink
        """Give the member's files their names."""
        for part in self._parts:
            part.commit()
        while self._parts:
            self._parts.pop().settle()
        self.written += 1

    def bad(self, member: Member, failure: Failure) -> None:
        """Drop the member's files."""
        self._discard()
        self.failures.append((member, failure))

    def not_a_file(self, member: Member, reason: str) -> None:
        """Create nothing."""
        self.not_files.append((member, reason))

    def part(self, key: str) -> PartFile:
        """Begin a file of the current member."""
        self._number += 1
        part = PartFile(self._root, key, self._number)
        self._parts.append(part)
        return part

    def _discard(self) -> None:
        while self._parts:
            self._parts.pop().discard()


class _FilesOutput:
    """The files of one data member (an Output)."""

    def __init__(self, sink: DirectorySink, key: str) -> None:
        self._sink = sink
        self._key = parquet_key(key)
        self._parquet: PartFile | None = None

    @contextmanager
    def parquet(self) -> Iterator[int]:
        """Begin the Parquet, or begin it anew."""
        if self._parquet is None:
            self._parquet = self._sink.part(self._key)
        else:
            self._parquet.restart()
        with _into(self._parquet) as write_end:
            yield write_end

    @contextmanager
    def rejects(self) -> Iterator[BinaryIO]:
        """Begin the rejected rows."""
        with _into(self._sink.part(rejects_key(self._key))) as write_end, os.fdopen(os.dup(write_end), "wb") as file:
            yield file


@contextmanager
def _into(part: PartFile) -> Iterator[int]:
    """Yield the write end of a pipe that ends in `part`."""
    read_end, write_end = os.pipe()
    errors: list[DeliveryError] = []
    pump = threading.Thread(target=_pump, args=(read_end, part, errors), name="to-file", daemon=True)
    pump.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        pump.join()
        os.close(read_end)
    if errors:
        raise errors[0]


def _pump(read_end: int, part: PartFile, errors: list[DeliveryError]) -> None:
    while data := os.read(read_end, _PIPE_BYTES):
        if errors:
            continue  # a writer that finds no reader would not know why
        try:
            part.write(data)
        except DeliveryError as error:
            errors.append(error)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an archive that was extracted to a directory; `failure` tells why it was not read to its end."""

    written: int
    bad: tuple[tuple[Member, Failure], ...]
    not_files: tuple[tuple[Member, str], ...]
    failure: Failure | None = None


def extract_to_directory(source: Source, kind: ArchiveKind, options: ExtractionOptions, directory: Path) -> Report:
    """Extract `source` below `directory`, which exists; data members become Parquet, as in the store."""
    sink, failure = DirectorySink(directory), None
    try:
        extract(source, kind, options, sink)
    except BrokenArchiveError as error:
        failure = error.failure
    finally:
        sink.close()
    return Report(sink.written, tuple(sink.failures), tuple(sink.not_files), failure)
