"""Tar headers and pax records.

POSIX.1-2017 "pax Interchange Format" and "ustar"; the GNU tar manual, appendix "Tar Internals" (long names, sparse
formats old, 0.0, 0.1 and 1.0, numbers in base 256); the checksum of the oldest tars, summed over signed bytes.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from processor.confined.archives.errors import BrokenArchiveError, broken, shown
from processor.domain.detection import is_tar

BLOCK = 512
RECORD = 20 * BLOCK
JOIN_VOLUMES = "unpack the volumes together (tar -xM -f FIRST -f SECOND) and pack what comes out as one tar"
CUT_OFF = "the archive is damaged or was cut off: deliver it anew"
_HEADER = struct.Struct("100s 8s 8s 8s 12s 12s 8s 1s 100s 8s 32s 32s 8s 8s 155s 12x")
_GNU_MAGIC = b"ustar  \0"
_POSIX_MAGIC = b"ustar\0"
_SPARSE_START = 386
_SPARSE_ENTRY = 24
LONGEST_RECORDS = 1 << 20  # bytes of names and records before one file
_MOST_EXTENTS = 1 << 20
Extent = tuple[int, int]  # offset in the file, number of bytes; as a file's data lie in a sparse tar entry


@dataclass(slots=True)
class TarHeader:
    """One header; `size_bytes` is how many bytes of data follow it in the archive."""

    name: bytes
    size_bytes: int
    type: bytes
    link: bytes
    block: bytes


def parse_header(block: bytes, position: int) -> TarHeader:
    """Return the header in `block`, found at `position`. Raises BrokenArchiveError."""
    fields = _HEADER.unpack(block)
    size, checksum, kind, link, magic, prefix = fields[4], fields[6], fields[7], fields[8], fields[9], fields[14]
    try:
        right = int(checksum.strip(b" \0") or b"-", 8) == sum(block) - sum(checksum) + 256
    except ValueError:
        right = False
    if not right and not is_tar(block):
        raise broken(
            "tar-header", f"no tar header at byte {position}, where one must be", "the archive is damaged or cut off"
        )
    name = _text(fields[0])
    if magic.startswith(_POSIX_MAGIC) and prefix[0]:
        name = _text(prefix) + b"/" + name
    return TarHeader(name, number(size, position), kind, _text(link), block)


def cut_off(position: int) -> BrokenArchiveError:
    """Return the error for a file that the tar's end, at `position`, cuts off. Volumes end where a record does."""
    if position % RECORD:
        return broken("truncated", "the tar ends within a file", CUT_OFF)
    text = "the tar ends within a file: it was cut off, or goes on in another volume"
    return broken("truncated", text, f"deliver it anew; if it is one of several volumes, {JOIN_VOLUMES}")


def number(field: bytes, position: int) -> int:
    """Return a header's number: octal digits, or base 256 when the first bit is set. Raises BrokenArchiveError."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True) if field[0] & 0x40 else _base_256(field)
    else:
        digits = field.partition(b"\0")[0].strip()
        if digits.strip(b"01234567"):
            raise broken("tar-header", f"the tar header at byte {position} has a damaged number {shown(field)}")
        value = int(digits or b"0", 8)
    if value < 0:
        raise broken("tar-header", f"the tar header at byte {position} has a negative size")
    return value


def _base_256(field: bytes) -> int:
    return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def read_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return a pax header's records (`LENGTH KEY=VALUE` and a line feed) in their order. Raises BrokenArchiveError."""
    records, place = [], 0
    while place < len(data):
        digits, space, _ = data[place : place + 20].partition(b" ")
        if not space or not digits.isdigit():
            raise _bad_records()
        record = data[place : place + int(digits)]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) != int(digits) or record[-1:] != b"\n" or not equals or not key:
            raise _bad_records()
        records.append((key, value))
        place += len(record)
    return records


def _bad_records() -> BrokenArchiveError:
    return broken("pax-header", "a pax header is damaged", "the archive is damaged or was made by a faulty program")


def old_gnu_extents(header: TarHeader, next_block: Callable[[], bytes], position: int) -> tuple[list[Extent], int]:
    """Return an old GNU sparse file's extents and real size; further blocks of extents are read from the stream."""
    block = header.block
    real_size = number(block[483:495], position)
    extents = _extents_in(block, _SPARSE_START, 4, position)
    more = block[482]
    while more:
        block = next_block()
        extents += _extents_in(block, 0, 21, position)
        more = block[504]
        if len(extents) > _MOST_EXTENTS:
            raise broken("sparse", "a sparse file has more than a million pieces")
    return extents, real_size


def _extents_in(block: bytes, start: int, count: int, position: int) -> list[Extent]:
    extents = []
    for place in range(start, start + count * _SPARSE_ENTRY, _SPARSE_ENTRY):
        if not block[place]:
            break
        extents.append((number(block[place : place + 12], position), number(block[place + 12 : place + 24], position)))
    return extents


def pax_extents(records: list[tuple[bytes, bytes]]) -> list[Extent] | None:
    """Return the extents of GNU's sparse formats 0.0 and 0.1; None where there are none."""
    one = [value for key, value in records if key == b"GNU.sparse.map"]
    if one:
        numbers = [decimal(text) for text in one[-1].split(b",")]
    else:
        numbers = [decimal(v) for k, v in records if k in (b"GNU.sparse.offset", b"GNU.sparse.numbytes")]
    if not numbers:
        return None
    if len(numbers) % 2:
        raise _bad_records()
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def decimal(text: bytes) -> int:
    """Return a pax record's number. Raises BrokenArchiveError."""
    if not text.isdigit() or len(text) > 20:  # noqa: PLR2004 - 2^64 has 20 digits
        raise _bad_records()
    return int(text)
