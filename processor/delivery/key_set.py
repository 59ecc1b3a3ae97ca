"""Many keys in little memory."""

from array import array

_ALL_BITS = (1 << 64) - 1
_FREE = 0


class KeySet:
    """Keys by 64 bits of their hash, 16 to 32 bytes a key; that two keys count as one has no chance worth a name."""

    def __init__(self) -> None:
        self._slots = _free(1024)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        return self._slots[self._place(_bits(key))] != _FREE

    def add(self, key: str) -> None:
        """Put in a key."""
        bits = _bits(key)
        place = self._place(bits)
        if self._slots[place] != _FREE:
            return
        self._slots[place] = bits
        self._count += 1
        if self._count * 2 > len(self._slots):
            self._grow()

    def _place(self, bits: int) -> int:
        """Return where it stands, or would."""
        slots, last = self._slots, len(self._slots) - 1
        place = bits & last
        while slots[place] not in (_FREE, bits):
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        before, self._slots = self._slots, _free(2 * len(self._slots))
        for bits in before:
            if bits != _FREE:
                self._slots[self._place(bits)] = bits


def _bits(key: str) -> int:
    return (hash(key) & _ALL_BITS) or 1


def _free(count: int) -> "array[int]":
    return array("Q", bytes(8 * count))
