"""Write a very wide table in stripes of columns.

DuckDB holds 100 to 600 KB for each column it writes at a time, so 20,000 columns at once would take gigabytes. In
stripes each takes little: every stripe is a Parquet of its own, they are written one behind the other, and one footer
at the end tells where all their column chunks are. The stripes' own footers stay between them as bytes that no reader
looks at.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from processor.confined.formats.parquet.thrift import Struct, ThriftReader, encode
from processor.domain.errors import refused, transient
from processor.streams.threads import BoundedThread

_MAGIC = b"PAR1"
_PIECE = 1 << 20
_LARGEST_FOOTER = 32 << 20

# Field ids of parquet.thrift (Apache Parquet format)
_SCHEMA, _ROWS, _ROW_GROUPS, _ORDERS = 2, 3, 4, 7
_CHILDREN = 5
_COLUMNS, _GROUP_BYTES, _GROUP_ROWS, _GROUP_OFFSET, _GROUP_COMPRESSED = 1, 2, 3, 5, 6
_CHUNK_OFFSETS = (2, 4, 6)
_CHUNK_METADATA = 3
_METADATA_OFFSETS = (9, 10, 11, 14)


def parts(weights: Sequence[int], room: int) -> list[slice]:
    """Return slices of the columns, at least one, none heavier than `room` unless it is a single column."""
    cuts, filled = [0], 0
    for index, weight in enumerate(weights):
        if filled + weight > room and index > cuts[-1]:
            cuts.append(index)
            filled = 0
        filled += weight
    return list(map(slice, cuts, [*cuts[1:], len(weights)]))


class Stripes:
    """Takes Parquet files, one a stripe, and passes them on to the descriptor `fd` as one."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._written = 0
        self._whole: Struct | None = None

    @contextmanager
    def stripe(self) -> Iterator[int]:
        """Begin a stripe; yields the descriptor for its Parquet, which must be whole on leaving without an error."""
        base = self._written
        read_end, write_end = os.pipe()
        tail, failures = bytearray(), list[OSError]()
        pump = BoundedThread(target=self._pass_on, args=(read_end, tail, failures))
        pump.start()
        try:
            yield write_end
        finally:
            os.close(write_end)
            pump.join()
        if failures:
            raise failures[0]
        self._add(_moved(_footer(tail), base))

    def finish(self) -> None:
        """Write the footer of the whole."""
        assert self._whole is not None
        footer = encode(self._whole)
        self._write(footer + struct.pack("<I", len(footer)) + _MAGIC)

    def _pass_on(self, read_end: int, tail: bytearray, failures: list[OSError]) -> None:
        try:
            while data := os.read(read_end, _PIECE):
                tail += data
                del tail[:-_LARGEST_FOOTER]
                self._write(data)
        except OSError as error:
            failures.append(error)
        finally:
            with suppress(OSError):
                os.close(read_end)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            count = os.write(self._fd, left)
            self._written += count
            left = left[count:]

    def _add(self, footer: Struct) -> None:
        if self._whole is None:
            self._whole = footer
            return
        if _shape(footer) != _shape(self._whole):
            raise transient("table.changed", "the file changed while it was read", "it is tried again")
        _join(self._whole, footer)


def _footer(tail: bytearray) -> Struct:
    size = int.from_bytes(tail[-8:-4], "little")
    if tail[-4:] != _MAGIC or size + 8 > len(tail):
        raise refused("table.footer", "the table has too many columns and row groups for one Parquet footer")
    return ThriftReader(bytes(tail[-8 - size : -8])).struct()


def _shape(footer: Struct) -> list[int]:
    return [footer[_ROWS][1], *(group[_GROUP_ROWS][1] for group in footer[_ROW_GROUPS][1][1])]


def _moved(footer: Struct, distance: int) -> Struct:
    """Return `footer` with every place in the file moved by `distance`."""
    for group in footer[_ROW_GROUPS][1][1]:
        _move(group, (_GROUP_OFFSET,), distance)
        for chunk in group[_COLUMNS][1][1]:
            _move(chunk, _CHUNK_OFFSETS, distance)
            _move(chunk[_CHUNK_METADATA][1], _METADATA_OFFSETS, distance)
    return footer


def _move(fields: Struct, offsets: tuple[int, ...], distance: int) -> None:
    for field in offsets:
        if field in fields and fields[field][1]:
            kind, offset = fields[field]
            fields[field] = (kind, offset + distance)


def _join(whole: Struct, stripe: Struct) -> None:
    """Add the columns of `stripe` to `whole`."""
    root, *columns = _elements(stripe[_SCHEMA])
    _elements(whole[_SCHEMA]).extend(columns)
    _sum(_elements(whole[_SCHEMA])[0], root, _CHILDREN)
    if _ORDERS in whole:
        _elements(whole[_ORDERS]).extend(_elements(stripe[_ORDERS]))
    for group, more in zip(_elements(whole[_ROW_GROUPS]), _elements(stripe[_ROW_GROUPS]), strict=True):
        _elements(group[_COLUMNS]).extend(_elements(more[_COLUMNS]))
        _sum(group, more, _GROUP_BYTES)
        _sum(group, more, _GROUP_COMPRESSED)


def _elements(field: tuple[int, Any]) -> list[Any]:
    elements: list[Any] = field[1][1]
    return elements


def _sum(whole: Struct, stripe: Struct, field: int) -> None:
    if field in whole:
        kind, number = whole[field]
        whole[field] = (kind, number + stripe[field][1])
