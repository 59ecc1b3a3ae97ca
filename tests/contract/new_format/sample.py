"""Fixed-width text."""

from processor.domain.conversion import DataFormat
from tests.contract.samples.base import Sample


def _rows_of(data: bytes) -> set[int]:
    """Return the lines behind the first two, where the second is all there and each one has its end."""
    lines = data.split(b"\n")
    return {len(lines) - 3} if len(lines) > 2 and not lines[-1] and lines[1] == RULER else set()


def _large() -> bytes:
    rows = "".join(f"{at:6} n {at:<8} {at / 4:10.2f}\n" for at in range(60_000))
    return f"    id name            price\n------ ---------- ----------\n{rows}".encode()


RULER = b"--  ------ ----------"
SAMPLES = [
    Sample(
        "fixed",
        DataFormat("fixed"),
        b"id  name   day\n" + RULER + "\n 1  zü 1   2024-01-01\n 2         2024-01-02\n 3  x\n".encode(),
        3,
        (b" 4  no end", b" 4 between\n", b" 4  \0\n", b" 4  \xff\n", b"x" * 22 + b"\n"),
        _rows_of,
        _large,
    )
]
