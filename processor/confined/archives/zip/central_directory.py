"""The central directory of a zip, read entry by entry.

A million entries cost no memory.

PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5. Of what could be read in two ways nothing is read: two directories that
both end the file, two zips joined to one, a count that is not the number of entries.
"""

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from processor.confined.archives.byte_stream import size_of
from processor.confined.archives.errors import BrokenArchiveError, broken
from processor.domain.archives import ArchiveLimits

_END = struct.Struct("<4s4H2IH")
_END_MAGIC = b"PK\x05\x06"
_LONGEST_COMMENT = 0xFFFF
_LOCATOR = struct.Struct("<4sIQI")
_LOCATOR_MAGIC = b"PK\x06\x07"
_END_64 = struct.Struct("<4sQ2H2I4Q")
_END_64_MAGIC = b"PK\x06\x06"
_RECORD = struct.Struct("<4s6H3I5H2I")
_RECORD_MAGIC = b"PK\x01\x02"
LOCAL_HEADER_BYTES = 30
_ZIP64_EXTRA = 0x0001
_IN_ZIP64_16, _IN_ZIP64_32 = 0xFFFF, 0xFFFFFFFF
_READ_BYTES = 1 << 18
_HINT = "the archive is damaged or cut off: deliver it anew"


@dataclass(frozen=True, slots=True)
class CentralDirectory:
    """Where the central directory lies; `prefix` bytes stand before the zip proper, a self-extractor's program."""

    start: int
    size: int
    entries: int
    prefix: int


@dataclass(slots=True)
class DirectoryRecord:
    """One entry as the directory tells it; `offset` is its local header's place in the file."""

    name: bytes
    made_by: int
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    attributes: int
    offset: int
    extra: bytes


def find_directory(file: BinaryIO) -> CentralDirectory:
    """Return where the directory is. Raises BrokenArchiveError when there is none, or more than one."""
    file_size = size_of(file)
    tail_start = max(0, file_size - _END.size - _LONGEST_COMMENT)
    file.seek(tail_start)
    tail = file.read(file_size - tail_start)
    exact: list[CentralDirectory] = []
    loose: list[CentralDirectory] = []
    volumes = 0
    place = tail.find(_END_MAGIC)
    while place >= 0 and place + _END.size <= len(tail):
        end = _END.unpack_from(tail, place)
        volumes = max(volumes, _volumes(file, tail_start + place, end))
        if directory := _directory_before(file, tail_start + place, end):
            ends_file = place + _END.size + end[7] == len(tail)
            (exact if ends_file else loose).append(directory)
        place = tail.find(_END_MAGIC, place + 1)
    found = exact or loose[-1:]
    if not found and volumes > 1:
        raise several_volumes(f"the last of {volumes} volumes")
    if not found:
        raise broken("truncated", "the zip has no central directory", _HINT)
    if len(found) > 1:
        raise broken("ambiguous", "the zip ends in more than one central directory", "pack it anew")
    _refuse_two_zips(file, found[0])
    return found[0]


def _directory_before(file: BinaryIO, end_place: int, end: tuple[Any, ...]) -> CentralDirectory | None:
    """Return the directory that an end record found at `end_place` speaks of, if there is one."""
    entries: int
    size: int
    offset: int
    entries, size, offset = end[4:7]
    if _IN_ZIP64_16 in (end[1], end[2], end[4]) or _IN_ZIP64_32 in (size, offset):
        large = _zip64_end(file, end_place)
        if large is not None:
            end_place, entries, size, offset = large
    elif _volumes(file, end_place, end) > 1:
        return None
    for start in (end_place - size, offset):  # right before its end, or else where it says, with something between
        if start >= offset and start + size <= end_place and _is_directory(file, start, size):
            return CentralDirectory(start, size, entries, start - offset)
    return None


def _volumes(file: BinaryIO, end_place: int, end: tuple[Any, ...]) -> int:
    """Return how many files the zip was split into, as an end record, or the locator before it, tells."""
    if end[1] != _IN_ZIP64_16:
        return max(2, int(end[1]) + 1) if end[1] or end[2] or end[3] != end[4] else 1
    if end_place < _LOCATOR.size:
        return 1
    file.seek(end_place - _LOCATOR.size)
    magic, _disk, _recorded, disks = _LOCATOR.unpack(file.read(_LOCATOR.size))
    return int(disks) if magic == _LOCATOR_MAGIC else 1


def several_volumes(what: str) -> BrokenArchiveError:
    """Return the error for a part of a zip that was split (`a.z01`, `a.z02`, `a.zip`)."""
    hint = "join them before delivery: zip -s 0 SPLIT.zip --out WHOLE.zip, in a directory with all of its .z01, .z02"
    return broken("multi-volume", f"the zip is {what}", hint)


def _zip64_end(file: BinaryIO, end_place: int) -> tuple[int, int, int, int] | None:
    """Return place, entries, size and offset from the zip64 records before the end record at `end_place`."""
    if end_place < _LOCATOR.size + _END_64.size:
        return None
    file.seek(end_place - _LOCATOR.size)
    magic, _disk, recorded, _disks = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if magic != _LOCATOR_MAGIC:
        return None
    for place in (end_place - _LOCATOR.size - _END_64.size, recorded):
        if place + _END_64.size > end_place:
            continue
        file.seek(place)
        end = _END_64.unpack(file.read(_END_64.size))
        if end[0] == _END_64_MAGIC:
            return place, end[7], end[8], end[9]
    return None


def _is_directory(file: BinaryIO, start: int, size: int) -> bool:
    if not size:
        return True
    file.seek(start)
    return file.read(4) == _RECORD_MAGIC


def _refuse_two_zips(file: BinaryIO, directory: CentralDirectory) -> None:
    """Refuse a prefix that is a zip itself: it has members of its own, which nobody would see."""
    if directory.prefix >= _END.size:
        file.seek(directory.prefix - _END.size)
        if file.read(4) == _END_MAGIC:
            raise broken("ambiguous", "two zips are joined to one file", "deliver them one by one")


def records(file: BinaryIO, directory: CentralDirectory) -> Iterator[DirectoryRecord]:
    """Yield the directory's records in its order. Raises BrokenArchiveError. `file` is this reader's alone."""
    file.seek(directory.start)
    data, place, left, count = b"", 0, directory.size, 0
    while left or place < len(data):
        if len(data) - place < _RECORD.size + 3 * 0xFFFF and left:
            more = file.read(min(left, _READ_BYTES))
            if not more:
                raise broken("truncated", "the zip's directory is cut off", _HINT)
            left -= len(more)
            data, place = data[place:] + more, 0
            continue
        if data[place : place + 4] != _RECORD_MAGIC or len(data) - place < _RECORD.size:
            raise broken("zip-directory", f"entry {count} of the zip's directory is damaged", _HINT)
        fields = _RECORD.unpack_from(data, place)
        name_end = place + _RECORD.size + fields[10]
        extra_end = name_end + fields[11]
        name, extra = data[place + _RECORD.size : name_end], data[name_end:extra_end]
        place = extra_end + fields[12]
        if place > len(data):
            raise broken("zip-directory", f"entry {count} of the zip's directory is cut off", _HINT)
        yield _record(fields, name, extra, directory, count)
        count += 1
    if count != directory.entries and count & 0xFFFF != directory.entries:
        raise broken("zip-directory", f"the zip tells of {directory.entries} entries and has {count}", _HINT)


def _record(
    fields: tuple[int, ...], name: bytes, extra: bytes, directory: CentralDirectory, index: int
) -> DirectoryRecord:
    compressed, size, offset = fields[8], fields[9], fields[16]
    if _IN_ZIP64_32 in (compressed, size, offset):
        try:
            size, compressed, offset = zip64_values(extra, size, compressed, offset)
        except ValueError as error:
            raise broken("zip-directory", f"entry {index} of the zip's directory: {error}", _HINT) from error
    if fields[13] not in (0, _IN_ZIP64_16):
        raise several_volumes("one of several volumes")
    return DirectoryRecord(
        name, fields[1], fields[3], fields[4], fields[7], compressed, size, fields[15], directory.prefix + offset, extra
    )


def zip64_values(extra: bytes, *values: int) -> list[int]:
    """Return `values` (size, compressed size, offset), those of 32 set bits taken from the zip64 extra field."""
    field = extra_field(extra, _ZIP64_EXTRA) or b""
    place, result = 0, []
    for value in values:
        if value == _IN_ZIP64_32 and field:
            if place + 8 > len(field):
                raise ValueError("its zip64 field is too short")
            value = int.from_bytes(field[place : place + 8], "little")  # noqa: PLW2901
            place += 8
        result.append(value)
    return result


def extra_field(extra: bytes, wanted: int) -> bytes | None:
    """Return the content of the extra field `wanted`; what can not be parsed has none."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        if kind == wanted:
            return extra[place + 4 : place + 4 + size]
        place += 4 + size
    return None


@dataclass(frozen=True, slots=True)
class ZipSurvey:
    """What a whole directory says before any member is read."""

    entries: int
    compressed_bytes: int
    in_order: bool  # the entries lie one behind the other as the directory lists them
    declared_bytes: int  # an upper bound of what comes out: reading more of a member than it declares is an error


def survey(
    file: BinaryIO, directory: CentralDirectory, limits: ArchiveLimits, see: Callable[[DirectoryRecord], None]
) -> ZipSurvey:
    """Read the whole directory once; `see` is shown each record.

    Raises BrokenArchiveError where entries overlap or one lies outside the file.
    """
    begins, ends = array("Q"), array("Q")
    last_end, in_order, count, compressed, declared = directory.prefix, True, 0, 0, 0
    for record in records(file, directory):
        count += 1
        see(record)
        if count > limits.members:
            break  # whoever counts entries refuses the archive
        end = record.offset + LOCAL_HEADER_BYTES + len(record.name) + record.compressed_size
        if end > directory.start:
            raise broken("zip-directory", f"entry {count - 1} lies outside the zip", _HINT)
        in_order = in_order and record.offset >= last_end
        last_end = end
        begins.append(record.offset)
        ends.append(end)
        compressed += record.compressed_size
        declared += record.size
    if not in_order and not limits.overlapping_entries:
        _refuse_overlaps(begins, ends)
    return ZipSurvey(count, compressed, in_order, declared)


def _refuse_overlaps(begins: "array[int]", ends: "array[int]") -> None:
    last_end = 0
    for index in sorted(range(len(begins)), key=begins.__getitem__):
        if begins[index] < last_end:
            raise overlap(index)
        last_end = ends[index]


def overlap(index: int) -> BrokenArchiveError:
    """Return the error for an entry that shares its bytes with another."""
    return broken(
        "overlapping-entries",
        f"entry {index} of the zip overlaps another: the mark of a bomb",
        "ALLOW_OVERLAPPING_ENTRIES=true reads it nevertheless",
    )
