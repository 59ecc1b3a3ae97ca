"""The destination of a conversion (protocol)."""

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class Output(Protocol):
    """The objects of one data file: its Parquet and, where there are any, the rejected rows and the notes."""

    def parquet(self) -> AbstractContextManager[int]:
        """Begin the Parquet object; yields a descriptor (a pipe) for its bytes.

        Entering again voids all that was written before: a conversion that is surprised starts over. Leaving by an
        exception leaves the object unfinished, and an unfinished object is never completed.
        """
        ...

    def rejects(self) -> AbstractContextManager[BinaryIO]:
        """Begin the rejects object (JSON Lines, UTF-8); entered at most once, after the last `parquet`."""
        ...

    def notes(self) -> AbstractContextManager[BinaryIO]:
        """Begin the object of notes (JSON Lines, UTF-8); entered at most once, after `parquet` and `rejects`."""
        ...
