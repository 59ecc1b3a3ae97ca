"""Files present at the start, for IGNORE_INITIAL."""

from array import array
from bisect import bisect_left

from processor.watch.found import FoundFile

_BUCKET_BITS = 12
_HASH_BITS = 64


class InitialFiles:
    """Remembers files as they were; a file that has changed, or has another name, is not the same any more.

    Only a 64-bit hash is kept (keyed anew in each process): a million files take 8 MB, and the odds that another file
    is taken for one of them are 1 in 10^13.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(1 << _BUCKET_BITS)]
        self._count = 0

    def add(self, found: FoundFile) -> None:
        """Remember the file as it is now."""
        mark = _mark(found)
        bucket = self._bucket(mark)
        bucket.insert(bisect_left(bucket, mark), mark)
        self._count += 1

    def __contains__(self, found: FoundFile) -> bool:
        """Tell whether the file is as it was remembered: same path, inode, size and modification time."""
        mark = _mark(found)
        bucket = self._bucket(mark)
        place = bisect_left(bucket, mark)
        return place < len(bucket) and bucket[place] == mark

    def __len__(self) -> int:
        """Return how many files are remembered."""
        return self._count

    def _bucket(self, mark: int) -> "array[int]":
        return self._buckets[mark >> (_HASH_BITS - _BUCKET_BITS)]


def _mark(found: FoundFile) -> int:
    seen = (found.relative_path, found.size_bytes, found.mtime_ns, found.inode, found.device)
    return hash(seen) & ((1 << _HASH_BITS) - 1)
