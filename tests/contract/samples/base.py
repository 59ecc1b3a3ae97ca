"""The sample of a format."""

from collections.abc import Callable
from dataclasses import dataclass

from processor.domain.conversion import DataFormat


@dataclass(frozen=True, slots=True)
class Sample:
    """A document, its rows, what must not stand behind it, and `rows_in`: the possible numbers of rows of a text.

    `rows_in` is empty for a text that must be refused. One that must be accepted has no other choice. `large` makes a
    document of some megabytes, more than any look at the beginning takes in.
    """

    name: str
    format: DataFormat
    data: bytes
    rows: int
    garbage: tuple[bytes, ...]
    rows_in: Callable[[bytes], set[int]]
    large: Callable[[], bytes]
    receipts_differ: bool = False  # of a large document from a pipe: it is looked at only from its beginning
