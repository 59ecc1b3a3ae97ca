"""Cut samples between records, never inside a quoted cell."""

import re

_CELL = re.compile(rb'(?<![^,;\t|\r\n ])"(?:[^"]++|"")*+("|\Z)')
_ENOUGH = 0.25  # of the sample


def behind_records(text: bytes) -> int:
    """Return where the last line of `text` ends that is not within a quoted cell; 0 where there is none."""
    opened = next((cell.start() for cell in _CELL.finditer(text) if not cell[1]), len(text))
    return max(text.rfind(b"\n", 0, opened), text.rfind(b"\r", 0, min(opened, len(text) - 1))) + 1


def sample_end(text: bytes, size: int) -> int:
    """Return where a sample of about `size` bytes ends: a larger one where a cell is as long as that; 0 for nowhere."""
    while size < len(text):
        end = behind_records(text[:size])
        if end >= _ENOUGH * size:
            return end
        size *= 2
    return 0
