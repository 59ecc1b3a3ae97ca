"""Limit on the number of jobs in flight."""

from dataclasses import dataclass

from processor.domain.files import FileMetadata, FileType

SMALL_BYTES = 64 << 10  # such a file is little to hold; most of its way it waits for the store
_MOST_SHARES = 4
_MOST_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Credits:
    """Room for files on their way: `places` in all, each of them for one file or shared by several small ones.

    Up to four share a place, as long as no more than 64 files are on their way because of that; one place alone is
    never shared, so that with it files go strictly one after the other. An archive is never small: its members count.
    """

    places: int

    @property
    def shares(self) -> int:
        """Return how many small files share a place."""
        return 1 if self.places == 1 else max(1, min(_MOST_SHARES, _MOST_TOGETHER // self.places))

    @property
    def total(self) -> int:
        """Return the room there is, in shares: so many files at most are on their way."""
        return self.places * self.shares

    def cost(self, file: FileMetadata) -> int:
        """Return how many shares the file takes.

        Whoever gives a place to each file in turn while any room is left never has more than `places` large ones.
        """
        small = file.size_bytes <= SMALL_BYTES and file.kind.type is not FileType.ARCHIVE
        return 1 if small else self.shares
