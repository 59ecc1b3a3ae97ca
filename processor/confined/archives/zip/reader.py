"""Read a zip by its central directory, as unzip does.

A local header that tells something else about a member makes the member bad, because two programs would then read two
different files.
"""

import io
import stat
from collections.abc import Iterator
from typing import BinaryIO

from processor.confined.archives.entry import Entry, Pieces
from processor.confined.archives.errors import CorruptError, bad_member, unreadable
from processor.confined.archives.seekable import SeekableMember
from processor.confined.archives.zip import member
from processor.confined.archives.zip.central_directory import (
    DirectoryRecord,
    find_directory,
    records,
    survey,
)
from processor.confined.archives.zip.names import ZipNames
from processor.domain.archives import ArchiveLimits
from processor.domain.errors import Failure
from processor.streams.source import Source

_OTHER_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 10: "IBM TERSE", 97: "WavPack", 98: "PPMd"}
_UNIX_HOSTS = (3, 19)  # Unix, Darwin: the upper half of the attributes is st_mode
_NOT_FILES = {
    stat.S_IFLNK: "symbolic link",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
_DOS_DIRECTORY = 0x10
_BUFFER_BYTES = 256 << 10


class ZipReader:
    """The entries of the zip in `source`, whose bytes can be sought. Raises BrokenArchiveError already when made."""

    def __init__(self, source: Source, limits: ArchiveLimits) -> None:
        self._source = source
        self._limits = limits
        self._directory_file = source.open()
        self._file = self._open()
        try:
            self._directory = find_directory(self._directory_file)
            self._names = ZipNames()
            self.survey = survey(self._directory_file, self._directory, limits, self._names.add)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise unreadable(error) from error
            raise

    def entries(self) -> Iterator[Entry | None]:
        """Yield an entry for each record of the directory, in its order; None for a directory of files."""
        for record in records(self._directory_file, self._directory):
            yield self._entry(record)

    def compressed_sizes(self) -> Iterator[int]:
        """Yield the compressed size of each record, in the same order."""
        for record in records(self._directory_file, self._directory):
            yield record.compressed_size

    def close(self) -> None:
        """Close the reader's files; what `again` opens closes itself."""
        self._file.close()
        self._directory_file.close()

    def _open(self) -> BinaryIO:
        return io.BufferedReader(self._source.open(), _BUFFER_BYTES)  # type: ignore[type-var]

    def _entry(self, record: DirectoryRecord) -> Entry | None:
        raw = record.name
        name = self._names.read(record)
        kind = stat.S_IFMT(record.attributes >> 16) if record.made_by >> 8 in _UNIX_HOSTS else 0
        is_directory = name.endswith(b"/")
        if not record.size and (is_directory or kind == stat.S_IFDIR or record.attributes & _DOS_DIRECTORY):
            return None
        if kind in _NOT_FILES:
            return Entry(name, raw, 0, not_a_file=_NOT_FILES[kind])
        failure = _directory_with_content() if is_directory else _unreadable(record)
        if failure:
            return Entry(name, raw, record.size, failure=failure)
        behind_bytes = record.offset if isinstance(self._source, SeekableMember) else 0
        first = self._content(self._file, record)
        return Entry(name, raw, record.size, first, lambda: self._again(record), behind_bytes=behind_bytes)

    def _again(self, record: DirectoryRecord) -> Pieces:
        with self._open() as file:
            yield from self._content(file, record)

    def _content(self, file: BinaryIO, record: DirectoryRecord) -> Pieces:
        try:
            yield from member.content(file, record, self._limits.decoder_memory_bytes)
        except CorruptError as error:
            raise bad_member("corrupt", str(error), "the archive is damaged: deliver it anew") from error
        except OSError as error:
            raise unreadable(error) from error


def _unreadable(record: DirectoryRecord) -> Failure | None:
    """Return why a record can not be read."""
    if record.flags & (member.ENCRYPTED | member.STRONGLY_ENCRYPTED | member.MASKED) or record.method == member.AES:
        return bad_member("encrypted", "it is encrypted", "deliver it without a password").failure
    if record.method not in member.READABLE or record.flags & member.PATCH:
        method = _OTHER_METHODS.get(record.method, f"method {record.method}")
        return bad_member("compression", f"it is compressed with {method}", "pack it with deflate or zstd").failure
    return None


def _directory_with_content() -> Failure:
    return bad_member("directory", "it is named like a directory and has content").failure
