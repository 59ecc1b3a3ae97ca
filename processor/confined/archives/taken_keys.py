"""Set of the keys taken so far, eight bytes each."""

import hashlib
from array import array

_FEWEST_SLOTS = 1 << 10


class TakenKeys:
    """A set of keys by their 64-bit digests.

    Two keys with one digest make the second look taken. That costs its member nothing but a number in the key, and
    the answer is the same in every run, so a set this small is enough.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FEWEST_SLOTS))
        self._count = 0

    def add(self, key: str) -> bool:
        """Take `key`; return whether it was free."""
        if self._count * 3 >= len(self._slots) * 2:
            self._grow()
        digest = hashlib.blake2b(key.encode("utf-8"), digest_size=8).digest()
        return self._put(int.from_bytes(digest, "little") or 1)

    def _put(self, digest: int) -> bool:
        slots = self._slots
        mask = len(slots) - 1
        place = digest & mask
        while slots[place]:
            if slots[place] == digest:
                return False
            place = (place + 1) & mask
        slots[place] = digest
        self._count += 1
        return True

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("Q", bytes(16 * len(old)))
        self._count = 0
        for digest in old:
            if digest:
                self._put(digest)
