"""Tell cells that swallow rows.

Two stray quotes, at the edges of fields some rows apart, enclose all that is between them, and RFC 4180 has no
objection. But where each line is a row of the table, the quotes are text, and every row is kept.
"""

from collections.abc import Sequence

_FEWEST_LINES = 3  # the row in between is whole


def swallows_rows(text: bytes, delimiter: bytes, width: int) -> bool:
    """Tell whether each line of `text`, one record, has as many separators as a row of the table."""
    if width < 2 or not delimiter:  # noqa: PLR2004 - in one column every line is a row
        return False
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return len(lines) >= _FEWEST_LINES and all(line.count(delimiter) == width - 1 for line in lines)


def swallow_rows(cells: Sequence[bytes], delimiter: bytes, width: int) -> bool:
    """Tell whether one of these cells, quoted and without their quotes, may swallow rows."""
    return any(b"\n" in cell and _may_swallow(cell, delimiter, width - 1) for cell in cells)


def _may_swallow(cell: bytes, delimiter: bytes, separators: int) -> bool:
    first, *between = cell.replace(b"\r\n", b"\n").split(b"\n")
    if len(between) < _FEWEST_LINES - 1 or separators == 0 or not delimiter:
        return False
    last = between.pop()
    if first.count(delimiter) + last.count(delimiter) != separators:
        return False
    return all(line.count(delimiter) == separators for line in between)
